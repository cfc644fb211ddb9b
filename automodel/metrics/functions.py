"""The score functions of scikit-learn, as it defines them.

`mlflow.autolog` puts others in their places in `sklearn.metrics`, which log what they
return. Since scores are recognized by their functions, all files take them from here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sklearn import metrics


def as_defined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that scikit-learn defines, if this one has its place."""
    name = getattr(function, "__name__", "")
    if function is not getattr(metrics, name, None):
        return function  # the user's own, or one that was imported before
    return getattr(sys.modules[function.__module__], name, function)


accuracy_score = as_defined(metrics.accuracy_score)
balanced_accuracy_score = as_defined(metrics.balanced_accuracy_score)
cohen_kappa_score = as_defined(metrics.cohen_kappa_score)
d2_absolute_error_score = as_defined(metrics.d2_absolute_error_score)
d2_log_loss_score = as_defined(metrics.d2_log_loss_score)
d2_pinball_score = as_defined(metrics.d2_pinball_score)
d2_tweedie_score = as_defined(metrics.d2_tweedie_score)
explained_variance_score = as_defined(metrics.explained_variance_score)
f1_score = as_defined(metrics.f1_score)
fbeta_score = as_defined(metrics.fbeta_score)
jaccard_score = as_defined(metrics.jaccard_score)
log_loss = as_defined(metrics.log_loss)
matthews_corrcoef = as_defined(metrics.matthews_corrcoef)
max_error = as_defined(metrics.max_error)
mean_absolute_error = as_defined(metrics.mean_absolute_error)
mean_absolute_percentage_error = as_defined(metrics.mean_absolute_percentage_error)
mean_gamma_deviance = as_defined(metrics.mean_gamma_deviance)
mean_pinball_loss = as_defined(metrics.mean_pinball_loss)
mean_poisson_deviance = as_defined(metrics.mean_poisson_deviance)
mean_squared_error = as_defined(metrics.mean_squared_error)
mean_squared_log_error = as_defined(metrics.mean_squared_log_error)
mean_tweedie_deviance = as_defined(metrics.mean_tweedie_deviance)
median_absolute_error = as_defined(metrics.median_absolute_error)
precision_score = as_defined(metrics.precision_score)
r2_score = as_defined(metrics.r2_score)
recall_score = as_defined(metrics.recall_score)
roc_auc_score = as_defined(metrics.roc_auc_score)
root_mean_squared_error = as_defined(metrics.root_mean_squared_error)
root_mean_squared_log_error = as_defined(metrics.root_mean_squared_log_error)
