"""XGBoost: level-wise boosted trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from automodel.families._boosting import (
    BoostingFamily,
    RoundTracker,
    deviance_weights,
    loss_params,
    mean_of,
    power_of,
    rounds_for,
    scale_penalty,
    set_rounds,
)
from automodel.families._columns import by_column, one_per_column
from automodel.families._cost import (
    N_BINS,
    encoded_columns,
    expected_rounds,
    numeric_columns,
    trees_per_round,
)

if TYPE_CHECKING:
    from automodel.task import Task

LIKELY_ROUNDS_TIMES_RATE = 9.0  # at which early stopping ends
OBJECTIVES = {  # except for squared errors, the default
    "absolute_error": "reg:absoluteerror",
    "quantile": "reg:quantileerror",
    "poisson": "count:poisson",
    "gamma": "reg:gamma",
    "tweedie": "reg:tweedie",
}
POWERS = {"count:poisson": 1.0, "reg:gamma": 2.0}


class XGBoost(BoostingFamily):
    """Level-wise histogram boosting (Chen and Guestrin, 2016).

    The first setting is the meta-tuned default of Holzmueller et al. (2024,
    arXiv:2407.04491).
    """

    name = "xgboost"
    requires = ("xgboost",)
    categorical = True
    iteration_param = "n_estimators"
    rank = 60
    start_seconds = 0.4

    def estimator(self, task: Task, random_state: int):
        from xgboost import XGBClassifier, XGBRegressor

        kind = XGBClassifier if task.is_classification else XGBRegressor
        estimator = kind(
            n_estimators=500,
            learning_rate=0.08,
            max_depth=6,
            tree_method="hist",
            enable_categorical=True,
            random_state=random_state,
            n_jobs=1,
            verbosity=0,
            **loss_params(task, OBJECTIVES, quantile="quantile_alpha"),
        )
        return one_per_column(estimator, task)

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        params = {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
            "max_depth": trial.suggest_int("max_depth", 2, 10, log=True),
            "min_child_weight": trial.suggest_float(
                "min_child_weight", 0.001, 5.0, log=True
            ),
            "subsample": trial.suggest_float("subsample", 0.6, 1.0),
            "colsample_bylevel": trial.suggest_float("colsample_bylevel", 0.5, 1.0),
            "colsample_bynode": trial.suggest_float("colsample_bynode", 0.5, 1.0),
            "reg_alpha": trial.suggest_float("reg_alpha", 0.0, 5.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 0.0, 5.0),
        }
        if task.facts.n_categorical:
            params["max_cat_to_onehot"] = trial.suggest_int(
                "max_cat_to_onehot", 4, 100, log=True
            )
        return params | {"n_estimators": rounds_for(params["learning_rate"])}

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        many_classes = task.n_classes > 8
        if not task.is_classification:
            default = _setting(0.05, 9, 2.0, subsample=0.7, reg_lambda=0.0, task=task)
        else:
            rate, depth = (0.15, 4) if many_classes else (0.08, 6)
            default = _setting(
                rate, depth, 0.001, subsample=0.65, reg_lambda=0.0, task=task
            )
        return [
            default,
            # Shallow and regularized, for small or noisy data.
            _setting(0.05, 3, 1.0, subsample=0.8, reg_lambda=1.0, task=task),
            # Half of the columns at each node decorrelates it from the default.
            _setting(
                0.04, 8, 0.5, subsample=0.9, reg_lambda=3.0, by_node=0.5, task=task
            ),
        ]

    def cost(self, params: dict[str, Any], task: Task) -> float:
        rounds = expected_rounds(params, self.iteration_param, LIKELY_ROUNDS_TIMES_RATE)
        trees = rounds * trees_per_round(task)
        rows, depth = task.n_samples, params.get("max_depth", 6)
        leaves = min(2**depth, rows / 4)
        scan = rows * depth * (1e-9 * encoded_columns(task) + 1.6e-8)
        split = 2.7e-9 * numeric_columns(task) * min(rows, N_BINS)
        return trees * (2e-4 + scan + leaves * (2e-6 + split))

    @by_column
    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        monitor.check_time()
        tracker = RoundTracker(monitor)
        set_rounds(estimator, self.iteration_param, monitor)
        power = power_of(estimator, POWERS)
        if power is not None:  # the default start may be far from the mean
            estimator.set_params(base_score=mean_of(y, sample_weight))
        if estimator.objective == "reg:squarederror":
            scale_penalty(estimator, y)
        metric = _metric(y) if hasattr(estimator, "predict_proba") else None
        estimator.set_params(callbacks=[_callback(tracker)], eval_metric=metric)
        validation: dict[str, Any] = {}
        if tracker.stops_early:
            weight = monitor.sample_weight_valid
            validation = {
                "eval_set": [(monitor.X_valid, monitor.y_valid)],
                "sample_weight_eval_set": None if weight is None else [weight],
                "verbose": False,
            }
        try:
            weight = deviance_weights(y, sample_weight, power)
            estimator.fit(X, y, sample_weight=weight, **validation)
        finally:  # the callback must not be stored with the model
            estimator.set_params(callbacks=None)
        monitor.steps_used = tracker.rounds_used
        return estimator

    def keep_rounds(self, estimator, n_rounds: int) -> None:
        booster = estimator.get_booster()
        if n_rounds < booster.num_boosted_rounds():
            estimator._Booster = booster[:n_rounds]

    def lean(self, estimator):
        estimator.evals_result_ = None
        return estimator


def _setting(
    learning_rate,
    max_depth,
    min_child_weight,
    *,
    subsample,
    reg_lambda,
    by_node=1.0,
    task,
):
    setting = {
        "learning_rate": learning_rate,
        "max_depth": max_depth,
        "min_child_weight": min_child_weight,
        "subsample": subsample,
        "colsample_bylevel": 0.9,
        "colsample_bynode": by_node,
        "reg_alpha": 0.0,
        "reg_lambda": reg_lambda,
    }
    return setting | ({"max_cat_to_onehot": 4} if task.facts.n_categorical else {})


def _metric(y) -> str:
    return "logloss" if np.max(y) < 2 else "mlogloss"


def _callback(tracker: RoundTracker):
    from xgboost.callback import TrainingCallback

    class FollowRounds(TrainingCallback):
        """Passes each round to the tracker."""

        def after_iteration(self, model, epoch, evals_log):
            value = None
            if tracker.stops_early:
                (history,) = evals_log["validation_0"].values()
                value = -history[-1]
            return tracker.add_round(value)

    return FollowRounds()
