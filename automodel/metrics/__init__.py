"""Metrics: the scorers of scikit-learn, applied to pooled predictions."""

__all__ = ["average_precision_per_class", "mean_average_precision"]


def __getattr__(name):
    if name in __all__:
        from automodel.metrics import average_precision

        return getattr(average_precision, name)
    raise AttributeError(f"module 'automodel.metrics' has no attribute {name!r}")
