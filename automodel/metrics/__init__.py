"""What is scored: the scorers of scikit-learn on pooled predictions."""
