"""Nearest neighbours, weak alone but different from all others in an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automodel.families._columns import ALL_TASKS, by_column, one_per_column
from automodel.families._tabular import TabularFamily

if TYPE_CHECKING:
    from automodel.task import Task

MOST_ROWS = 50_000  # more take longer to predict than boosting takes to train
MOST_COLUMNS = 100  # distances in more dimensions tell little


class NearestNeighbors(TabularFamily):
    """Mean or quantile of the nearest rows, in standardized columns."""

    name = "knn"
    tasks = ALL_TASKS
    rank = 80
    seldom_helps = True
    is_random = False
    start_seconds = 0.1

    def supports(self, task: Task) -> bool:
        """Refuse tables on which nearest neighbours are inaccurate or slow.

        Texts and sparse matrices have too many columns for distances to be meaningful.
        The estimator has no sample weights, which relative errors need.
        """
        needs_weights = task.is_weighted or task.objective.is_relative
        if not super().supports(task) or needs_weights:
            return False
        facts = task.facts
        is_small = task.n_samples <= MOST_ROWS and facts.n_features <= MOST_COLUMNS
        return is_small and not (facts.n_text or facts.is_sparse)

    def estimator(self, task: Task, random_state: int):
        from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

        from automodel.families._quantile_neighbors import QuantileNeighborsRegressor

        options = {"n_neighbors": 20, "weights": "distance", "n_jobs": 1}
        if task.is_classification:
            return KNeighborsClassifier(**options)
        if task.objective.is_quantile:
            quantile = task.objective.quantile
            estimator = QuantileNeighborsRegressor(quantile=quantile, **options)
            return one_per_column(estimator, task)
        return KNeighborsRegressor(**options)

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        most = max(2, min(200, task.n_samples // 3))
        return {
            "n_neighbors": trial.suggest_int("n_neighbors", 1, most, log=True),
            "weights": trial.suggest_categorical("weights", ["distance", "uniform"]),
            "p": trial.suggest_categorical("p", [2, 1]),
        }

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        few, many = (min(n, max(2, task.n_samples // 3)) for n in (20, 60))
        return [
            {"n_neighbors": few, "weights": "distance", "p": 2},
            # A single outlying column matters less in the city-block distance.
            {"n_neighbors": many, "weights": "distance", "p": 1},
        ]

    def cost(self, params: dict[str, Any], task: Task) -> float:
        # Training takes no time, but predicting the validation rows does.
        per_metric = 4.0 if params.get("p", 2) == 1 else 1.0
        n_models = task.n_outputs if task.objective.is_quantile else 1
        columns = n_models * (task.facts.n_features + 5)
        return 2e-10 * per_metric * task.n_samples**2 * columns

    @by_column
    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        monitor.check_time()
        n_neighbors = min(estimator.n_neighbors, X.shape[0])
        estimator.set_params(n_neighbors=n_neighbors)
        return super().fit(
            estimator, X, y, sample_weight=sample_weight, monitor=monitor
        )
