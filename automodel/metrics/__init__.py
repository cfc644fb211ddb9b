"""Metrics: the scorers of scikit-learn, applied to pooled predictions."""
