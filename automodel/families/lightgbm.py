"""LightGBM: leaf-wise boosted trees, the most accurate for a minute of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import has_fit_parameter

from automodel.families._boosting import (
    BoostingFamily,
    RoundTracker,
    deviance_weights,
    loss_params,
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
from automodel.families._lightgbm_text import lean_text

if TYPE_CHECKING:
    from automodel.task import Task

SMALL_ROWS = 2000
OBJECTIVES = {  # except for squared errors, the default
    "absolute_error": "regression_l1",
    "quantile": "quantile",
    "poisson": "poisson",
    "gamma": "gamma",
    "tweedie": "tweedie",
}
POWERS = {"poisson": 1.0, "gamma": 2.0}


class LightGBM(BoostingFamily):
    """Leaf-wise histogram boosting (Ke et al., 2017).

    The first setting is the meta-tuned default of Holzmueller et al. (2024,
    arXiv:2407.04491). The slower ones are close to those that Salinas and Erickson
    (2024, arXiv:2311.02971) chose for their performance as an ensemble.
    """

    name = "lightgbm"
    requires = ("lightgbm",)
    categorical = True
    iteration_param = "n_estimators"
    rank = 20
    start_seconds = 0.3
    least_columns, most_columns = 0.4, 1.0  # share that a tree sees

    def estimator(self, task: Task, random_state: int):
        from lightgbm import LGBMClassifier, LGBMRegressor

        kind = LGBMClassifier if task.is_classification else LGBMRegressor
        estimator = kind(
            n_estimators=1000,
            learning_rate=0.04,
            min_child_weight=1e-7,
            subsample_freq=1,
            random_state=random_state,
            n_jobs=1,
            verbose=-1,
            deterministic=True,
            force_col_wise=True,
            **loss_params(task, OBJECTIVES, quantile="alpha"),
        )
        return one_per_column(estimator, task)

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        params = {
            "learning_rate": trial.suggest_float("learning_rate", 0.005, 0.2, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 2, 200, log=True),
            "min_child_samples": trial.suggest_int(
                "min_child_samples", 1, 64, log=True
            ),
            "subsample": trial.suggest_float("subsample", 0.7, 1.0),
            "colsample_bytree": trial.suggest_float(
                "colsample_bytree", self.least_columns, self.most_columns
            ),
            "extra_trees": trial.suggest_categorical("extra_trees", [False, True]),
            "reg_alpha": trial.suggest_float("reg_alpha", 0.0, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 0.0, 2.0),
        }
        if task.facts.n_categorical:
            params |= {
                "min_data_per_group": trial.suggest_int(
                    "min_data_per_group", 2, 100, log=True
                ),
                "cat_l2": trial.suggest_float("cat_l2", 0.005, 10.0, log=True),
                "cat_smooth": trial.suggest_float("cat_smooth", 0.001, 100.0, log=True),
                "max_cat_to_onehot": trial.suggest_int(
                    "max_cat_to_onehot", 4, 100, log=True
                ),
            }
        return params | {"n_estimators": rounds_for(params["learning_rate"])}

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        settings = [
            _default(task),
            # Random thresholds, few columns per tree: the best complement in TabRepo.
            setting(0.03, 39, 3, 0.9, 0.46, extra_trees=True, task=task),
            # Shallow trees with few interactions, for small or noisy data.
            setting(0.05, 5, 20, 0.9, 0.7, extra_trees=True, task=task),
            # Deep trees at a low learning rate, if there is time.
            setting(0.015, 84, 3, 0.9, 0.53, task=task),
            setting(0.04, 16, 10, 0.8, 0.6, reg_lambda=1.0, task=task),
            setting(0.02, 180, 12, 0.95, 0.4, extra_trees=True, task=task),
        ]
        if task.n_samples < SMALL_ROWS:  # 50 leaves overfit on few rows
            settings.insert(0, settings.pop(4))
        return settings

    def cost(self, params: dict[str, Any], task: Task) -> float:
        rows, outputs = task.n_samples, trees_per_round(task)
        leaves = params.get("num_leaves", 31)
        leaves = min(leaves, 1 + rows / params.get("min_child_samples", 20))
        made = self.n_columns(task) - encoded_columns(task)
        width = params.get("colsample_bytree", 1.0) * (numeric_columns(task) + made)
        scan = 2.3e-9 * rows * np.log2(1 + leaves) + 3.4e-9 * leaves * min(rows, N_BINS)
        tree = 1e-5 * leaves + 5.5e-8 * rows + scan * width
        rounds = expected_rounds(params, self.iteration_param)
        return rounds * (2e-4 + tree * outputs)

    @by_column
    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        monitor.check_time()
        tracker = RoundTracker(monitor)
        set_rounds(estimator, self.iteration_param, monitor)
        if _learns_squares(estimator):
            scale_penalty(estimator, y)
        estimator.empty_rounds_ = []
        estimator.fit(
            X,
            y,
            sample_weight=deviance_weights(
                y, sample_weight, power_of(estimator, POWERS)
            ),
            callbacks=[_callback(tracker, estimator.empty_rounds_)],
            **_validation(estimator, tracker),
        )
        monitor.steps_used = tracker.rounds_used
        return estimator

    def keep_rounds(self, estimator, n_rounds: int) -> None:
        from lightgbm import Booster

        n_empty = sum(empty <= n_rounds for empty in estimator.empty_rounds_)
        n_trees, booster = n_rounds - n_empty, estimator.booster_
        if n_trees < booster.current_iteration():
            model = booster.model_to_string(num_iteration=n_trees)
            estimator._Booster = Booster(model_str=model)

    def lean(self, estimator):
        from lightgbm import Booster

        text = lean_text(estimator.booster_.model_to_string(num_iteration=-1))
        estimator._Booster = Booster(model_str=text)
        estimator._evals_result = {}
        return estimator


def setting(
    learning_rate,
    num_leaves,
    min_child_samples,
    subsample,
    colsample_bytree,
    *,
    extra_trees=False,
    reg_lambda=0.0,
    task,
) -> dict[str, Any]:
    """Return a proven setting, complete for the task."""
    params = {
        "learning_rate": learning_rate,
        "num_leaves": num_leaves,
        "min_child_samples": min_child_samples,
        "subsample": subsample,
        "colsample_bytree": colsample_bytree,
        "extra_trees": extra_trees,
        "reg_alpha": 0.0,
        "reg_lambda": reg_lambda,
    }
    if task.facts.n_categorical:  # the library's defaults
        params |= {
            "min_data_per_group": 100,
            "cat_l2": 10.0,
            "cat_smooth": 10.0,
            "max_cat_to_onehot": 4,
        }
    return params


def _default(task: Task) -> dict[str, Any]:
    if not task.is_classification:
        return setting(0.05, 100, 3, 0.7, 1.0, task=task)
    if task.n_classes > 8:  # one tree a class and round: fewer rounds, smaller trees
        return setting(0.1, 20, 20, 0.75, 0.7, task=task)
    return setting(0.04, 50, 40, 0.75, 1.0, task=task)


def _learns_squares(estimator) -> bool:
    return estimator.objective is None and not hasattr(estimator, "predict_proba")


def _validation(estimator, tracker: RoundTracker) -> dict[str, Any]:
    if not tracker.stops_early:
        return {}
    monitor = tracker.monitor
    weight = monitor.sample_weight_valid
    part: dict[str, Any] = {
        "eval_sample_weight": None if weight is None else [weight],
        "eval_metric": "rmse" if _learns_squares(estimator) else None,
    }
    if has_fit_parameter(estimator, "eval_X"):  # lightgbm >= 4.7
        return part | {"eval_X": (monitor.X_valid,), "eval_y": (monitor.y_valid,)}
    return part | {"eval_set": [(monitor.X_valid, monitor.y_valid)]}


def _callback(tracker: RoundTracker, empty_rounds: list[int]):
    """Return a callback that follows the rounds and records those without a split."""
    from lightgbm.callback import EarlyStopException

    n_trees = 0

    def after_round(env):
        nonlocal n_trees
        results = env.evaluation_result_list
        # The last entry is rmse; the first one is l2, the objective.
        value = -results[-1][2] if tracker.stops_early else None
        is_over = tracker.add_round(value)
        n_before, n_trees = n_trees, env.model.num_trees()
        if n_trees == n_before:
            empty_rounds.append(tracker.rounds)
        if is_over:
            raise EarlyStopException(env.model.current_iteration() - 1, results)

    return after_round
