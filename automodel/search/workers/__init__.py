"""Where trials run: here, in processes of our own, in a backend of joblib."""
