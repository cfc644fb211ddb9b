"""From the predictions of models to one: which are combined, and how."""
