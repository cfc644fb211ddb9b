"""Histogram boosting of scikit-learn: boosted trees without another library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier

from automodel.families._boosting import (
    BoostingFamily,
    RoundTracker,
    mean_of,
    rounds_for,
    set_rounds,
)
from automodel.families._columns import by_column, one_per_column
from automodel.families._compact_trees import rounded_down
from automodel.families._cost import (
    N_BINS,
    encoded_columns,
    expected_rounds,
    numeric_columns,
    trees_per_round,
)
from automodel.metrics.fast_scores import neg_log_loss, neg_root_mean_squared_error
from automodel.targets.objective import Objective

if TYPE_CHECKING:
    from automodel.monitor import Monitor
    from automodel.task import Task

FIRST_ROUNDS = 8
LIKELY_ROUNDS_TIMES_RATE = 8.0  # at which early stopping ends
SAFETY = 0.7  # share of the time left that the next chunk may take
POWERS = {"poisson": 1.0, "gamma": 2.0}


class HistGradientBoosting(BoostingFamily):
    """Histogram boosting of scikit-learn, trained in chunks of rounds that double.

    A fit cannot be interrupted, and each warm start bins the rows again.
    """

    name = "hist_gradient_boosting"
    categorical = True
    iteration_param = "max_iter"
    # The first boosting family to try if LightGBM is missing, and else a late one.
    rank = 25 if find_spec("lightgbm") is None else 90
    start_seconds = 0.2

    def estimator(self, task: Task, random_state: int):
        from sklearn.ensemble import (
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
        )

        if task.is_classification:
            kind = HistGradientBoostingClassifier
        else:
            kind = HistGradientBoostingRegressor
        estimator = kind(
            max_iter=500,
            early_stopping=False,
            random_state=random_state,
            **_loss(task),
        )
        return one_per_column(estimator, task)

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        params = {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 3, 128, log=True),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 2, 64, log=True),
            "max_features": trial.suggest_float("max_features", 0.4, 1.0),
            "l2_regularization": trial.suggest_float(
                "l2_regularization", 1e-4, 10.0, log=True
            ),
        }
        return params | {"max_iter": rounds_for(params["learning_rate"])}

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        many_classes = task.n_classes > 8
        return [
            _setting(
                0.15 if many_classes else 0.07, 15 if many_classes else 31, 20, 0.7
            ),
            # Shallow, for small or noisy data.
            _setting(0.07, 6, 20, 0.5),
        ]

    def cost(self, params: dict[str, Any], task: Task) -> float:
        rounds = expected_rounds(params, self.iteration_param, LIKELY_ROUNDS_TIMES_RATE)
        trees = rounds * trees_per_round(task)
        rows, leaves = task.n_samples, params.get("max_leaf_nodes", 31)
        leaves = min(leaves, 1 + rows / params.get("min_samples_leaf", 20))
        scan = 2.6e-9 * rows * encoded_columns(task) * np.log2(1 + leaves)
        split = 2.5e-9 * numeric_columns(task) * min(rows, N_BINS)
        # Each chunk of rounds bins the rows and predicts them again.
        return trees * (1.1e-3 + 1.2e-7 * rows + scan + leaves * (2.2e-5 + split))

    @by_column
    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        monitor.check_time()
        tracker = RoundTracker(monitor)
        n_rounds = set_rounds(estimator, self.iteration_param, monitor)
        estimator.set_params(warm_start=True)
        unit = mean_of(y, sample_weight) if estimator.loss == "poisson" else 1.0
        y = y if unit == 1 else y / unit
        score = _score_of(estimator, unit)
        is_over, size = False, 0
        for size in monitor.planned(_sizes(n_rounds, monitor)):
            estimator.set_params(max_iter=min(size, n_rounds)).fit(X, y, sample_weight)
            is_over = _follow(estimator, tracker, score)
            if is_over or monitor.expired or size >= n_rounds:
                break
        if size < n_rounds and not is_over:
            monitor.steps_cut = size
        monitor.steps_used = tracker.rounds_used
        estimator.set_params(warm_start=False)
        _multiply(estimator, unit)
        return estimator

    def keep_rounds(self, estimator, n_rounds: int) -> None:
        estimator._predictors = estimator._predictors[:n_rounds]

    def lean(self, estimator):
        estimator._predictors = [
            [_lean_tree(tree) for tree in trees] for trees in estimator._predictors
        ]
        bins = copy(estimator._bin_mapper)  # of which categories alone are needed
        bins.bin_thresholds_ = [
            limits if is_category else limits[:0]
            for limits, is_category in zip(
                bins.bin_thresholds_, bins.is_categorical_, strict=True
            )
        ]
        estimator._bin_mapper = bins
        return estimator


def _lean_tree(tree):
    """Return a tree in single precision, without what training needs alone.

    Rows are in single precision, too.
    """
    nodes, is_leaf = tree.nodes.copy(), tree.nodes["is_leaf"].astype(bool)
    nodes["value"] = np.where(is_leaf, nodes["value"].astype(np.float32), 0.0)
    nodes["num_threshold"] = rounded_down(nodes["num_threshold"])
    nodes["gain"] = nodes["bin_threshold"] = 0
    found = copy(tree)
    found.nodes = nodes
    found.binned_left_cat_bitsets = tree.binned_left_cat_bitsets[:0]
    return found


def _setting(learning_rate, max_leaf_nodes, min_samples_leaf, max_features):
    return {
        "learning_rate": learning_rate,
        "max_leaf_nodes": max_leaf_nodes,
        "min_samples_leaf": min_samples_leaf,
        "max_features": max_features,
        "l2_regularization": 1e-3,
    }


def _sizes(n_rounds: int, monitor: Monitor) -> Iterator[int]:
    """Yield the numbers of rounds to grow to, which depend on the time left."""
    size, start = 0, monitor.clock.now()
    while size < n_rounds:
        step = max(size, FIRST_ROUNDS)
        if monitor.deadline.exists:
            # The seconds per round are overestimated, since each call bins again. The
            # first chunk is a single round, which shows what the others will cost.
            seconds_per_round = (monitor.clock.now() - start) / max(size, 1)
            affordable = SAFETY * monitor.seconds_left / max(seconds_per_round, 1e-9)
            step = min(step, int(affordable)) if size else 1
            if step < 1:
                return
        size = min(size + step, n_rounds)
        yield size


def _follow(estimator, tracker: RoundTracker, score: Callable[..., float]) -> bool:
    """Pass the rounds of the last chunk to the tracker; return whether to stop."""
    if not tracker.stops_early:
        tracker.rounds = estimator.n_iter_
        return False
    monitor = tracker.monitor
    staged = (
        estimator.staged_predict_proba
        if is_classifier(estimator)
        else estimator.staged_predict
    )
    for prediction in islice(staged(monitor.X_valid), tracker.rounds, None):
        value = score(monitor.y_valid, prediction, monitor.sample_weight_valid)
        if tracker.add_round(float(value)) and tracker.is_over:
            return True
    return False


def _loss(task: Task) -> dict[str, Any]:
    """Return the parameters of the loss, or none for the default."""
    asked = task.objective
    if task.is_classification or asked.loss == "squared_error":
        return {}
    if asked.loss == "quantile":
        return {"loss": "quantile", "quantile": asked.quantile}
    if asked.loss == "tweedie":  # not available, but the mean minimizes both deviances
        return {"loss": "poisson"}
    return {"loss": asked.loss}


def _score_of(estimator, unit: float) -> Callable[..., float]:
    """Return the score of the loss, a function of y, predictions and sample weights.

    The predictions are in multiples of the unit.
    """
    if is_classifier(estimator):
        return neg_log_loss
    if estimator.loss == "squared_error":
        return neg_root_mean_squared_error
    quantile = 0.5 if estimator.quantile is None else estimator.quantile
    learned = Objective(estimator.loss, quantile, POWERS.get(estimator.loss, 0.0))

    def score(y, prediction, sample_weight):
        losses = learned.losses(y, unit * prediction)
        return -np.average(losses, weights=sample_weight)

    return score


def _multiply(estimator, unit: float) -> None:
    """Make a model of the Poisson deviance predict y itself, not multiples of a unit.

    The hessians of this deviance have the unit of y, but the least hessian of a leaf
    has none. Weights could scale them, but would make the binning slow.
    """
    if unit != 1:
        estimator._baseline_prediction = estimator._baseline_prediction + np.log(unit)
