"""CatBoost: symmetric boosted trees, with the best defaults of the libraries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from automodel.families._boosting import (
    BoostingFamily,
    RoundTracker,
    mean_of,
    rounds_for,
    set_rounds,
)
from automodel.families._columns import (
    ColumnsClassifier,
    by_column,
    one_per_column,
    without_constants,
)
from automodel.families._cost import (
    N_BINS,
    encoded_columns,
    expected_rounds,
    numeric_columns,
    trees_per_round,
)
from automodel.families._tabular import embedding_of

if TYPE_CHECKING:
    from automodel.task import Task

LIKELY_ROUNDS_TIMES_RATE = 28.0  # symmetric trees need more rounds than others
MAX_CATEGORIES = 1_000_000  # CatBoost smooths rare categories itself
NEARLY_GAMMA = 1.99  # CatBoost requires a power below 2
LOGARITHMS = ("Poisson", "Tweedie")
QUANTILES = ("MAE", "Quantile")
MOST_APART = 4  # columns, each of which has trees of its own
LOSSES_OF_COLUMNS = {"multilabel": "MultiLogloss", "multioutput": "MultiRMSE"}
# Exact leaves, the default for quantiles, are more accurate but ignore weights.
WEIGHTED_QUANTILES = {
    "leaf_estimation_method": "Gradient",
    "leaf_estimation_iterations": 5,
}


class CatBoost(BoostingFamily):
    """Boosting with oblivious trees and ordered statistics of categories.

    See Prokhorenkova et al. (2018). The learning rate is always set. The default of the
    library depends on the number of rounds, so that a refit with the rounds of the
    folds would have another rate.
    """

    name = "catboost"
    requires = ("catboost",)
    categorical = True
    iteration_param = "iterations"
    rank = 30
    start_seconds = 0.7

    def estimator(self, task: Task, random_state: int):
        from catboost import CatBoostClassifier, CatBoostRegressor

        kind = CatBoostClassifier if task.is_classification else CatBoostRegressor
        estimator = kind(
            iterations=1000,
            learning_rate=0.08,
            boosting_type="Plain",
            bootstrap_type="Bernoulli",
            subsample=0.9,
            random_seed=random_state,
            thread_count=1,
            allow_writing_files=False,
            logging_level="Silent",
            **_loss(task),
        )
        return estimator if _is_native(task) else one_per_column(estimator, task)

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        params = {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "depth": trial.suggest_int("depth", 3, 8),
            "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 1e-5, 10.0, log=True),
            "random_strength": trial.suggest_float("random_strength", 0.0, 2.0),
            "subsample": trial.suggest_float("subsample", 0.7, 1.0),
            "colsample_bylevel": trial.suggest_float("colsample_bylevel", 0.5, 1.0),
        }
        if not task.objective.is_quantile:  # where one step finds the quantile
            params["leaf_estimation_iterations"] = trial.suggest_int(
                "leaf_estimation_iterations", 1, 20, log=True
            )
        if task.facts.n_categorical:
            params |= {
                "one_hot_max_size": trial.suggest_int(
                    "one_hot_max_size", 2, 100, log=True
                ),
                "max_ctr_complexity": trial.suggest_int("max_ctr_complexity", 1, 4),
            }
        return params | {"iterations": rounds_for(params["learning_rate"], times=1.4)}

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        if not task.is_classification:
            default = _setting(0.09, 7, 1e-5, random_strength=0.0, steps=5, task=task)
        elif task.n_classes > 8:  # a leaf has a value for each class
            default = _setting(0.2, 5, 1.0, random_strength=0.8, steps=1, task=task)
        else:
            default = _setting(0.08, 6, 1.0, random_strength=0.8, steps=1, task=task)
        return [
            default,
            # The default of the library, which is slower and smoother.
            _setting(0.04, 6, 3.0, random_strength=1.0, steps=1, task=task),
            # Few interactions, for small or noisy data.
            _setting(0.08, 4, 3.0, random_strength=1.0, steps=1, task=task),
        ]

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        from automodel.preprocessing.tabular import TabularEncoder

        return TabularEncoder(
            max_categories=MAX_CATEGORIES,
            target_encode_above=None,
            embedding=embedding_of(task),
        )

    def cost(self, params: dict[str, Any], task: Task) -> float:
        rounds = expected_rounds(params, self.iteration_param, LIKELY_ROUNDS_TIMES_RATE)
        rows, outputs = task.n_samples, trees_per_round(task)
        depth = params.get("depth", 6)
        n_models = 1 if _is_native(task) or task.n_classes else outputs
        of_categories = task.facts.n_categorical * params.get("max_ctr_complexity", 1)
        scan = 1.2e-9 * rows * depth * (encoded_columns(task) + of_categories)
        split = 5.5e-9 * numeric_columns(task) * min(rows, N_BINS) * 2**depth
        leaves = 1.3e-8 * rows * (1 + params.get("leaf_estimation_iterations", 1))
        return rounds * (8e-4 * n_models + scan + outputs * (split + leaves))

    @by_column
    @without_constants
    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        monitor.check_time()
        if _is_constant(X) or (y == y[0]).all():
            prior = _prior(estimator, y.ndim)
            return prior.fit(np.zeros((len(y), 1)), y, sample_weight)
        tracker = RoundTracker(monitor)
        set_rounds(estimator, self.iteration_param, monitor)
        if sample_weight is not None and _loss_of(estimator).startswith(QUANTILES):
            estimator.set_params(**WEIGHTED_QUANTILES)
        unit = _unit(estimator, y, sample_weight)
        validation: dict[str, Any] = {}
        if tracker.stops_early:
            part = (monitor.X_valid, monitor.y_valid, monitor.sample_weight_valid)
            validation = {"eval_set": _pool(*part, unit), "use_best_model": False}
        callback = _Callback(tracker)
        train = _pool(X, y, sample_weight, unit)
        estimator.fit(train, callbacks=[callback], **validation)
        if callback.error is not None:
            raise callback.error
        _multiply(estimator, unit)
        monitor.steps_used = min(tracker.rounds_used, estimator.tree_count_)
        return estimator

    def keep_rounds(self, estimator, n_rounds: int) -> None:
        if n_rounds < estimator.tree_count_:
            estimator.shrink(n_rounds)

    def lean(self, estimator):
        estimator.shrink(estimator.tree_count_)  # the trees of a copy are read-only
        values = estimator.get_leaf_values()  # in single precision they compress well
        estimator.set_leaf_values(values.astype(np.float32).astype(np.float64))
        return estimator


def _setting(
    learning_rate, depth, l2_leaf_reg, *, random_strength, steps, task
) -> dict[str, Any]:
    setting = {
        "learning_rate": learning_rate,
        "depth": depth,
        "l2_leaf_reg": l2_leaf_reg,
        "random_strength": random_strength,
        "subsample": 0.9,
        "colsample_bylevel": 1.0,
    }
    if not task.objective.is_quantile:
        setting["leaf_estimation_iterations"] = steps
    if task.facts.n_categorical:  # pairs, since some columns tell nothing alone
        setting |= {"one_hot_max_size": 15, "max_ctr_complexity": 2}
    return setting


class _Callback:
    """Passes each round to the tracker, and keeps its error from being wrapped."""

    def __init__(self, tracker: RoundTracker):
        self.tracker = tracker
        self.error: BaseException | None = None

    def after_iteration(self, info) -> bool:
        try:
            value = None
            if self.tracker.stops_early:
                history = list(info.metrics["validation"].values())[0]
                value = -history[-1]
            return not self.tracker.add_round(value)
        except BaseException as error:  # noqa: BLE001  Ctrl-C too: raised again by fit
            self.error = error
            return False


def _loss(task: Task) -> dict[str, str]:
    """Return the parameters of the loss, or none for the default."""
    asked = task.objective
    if task.kind in LOSSES_OF_COLUMNS and _is_native(task):
        return {"loss_function": LOSSES_OF_COLUMNS[task.kind]}
    losses = {
        "absolute_error": "MAE",
        "quantile": f"Quantile:alpha={asked.quantile}",
        "poisson": "Poisson",
        "gamma": f"Tweedie:variance_power={NEARLY_GAMMA}",
        "tweedie": f"Tweedie:variance_power={asked.power}",
    }
    if task.is_classification or asked.loss not in losses:
        return {}
    params = {"loss_function": losses[asked.loss]}
    if asked.loss == "gamma":  # Newton steps of a few small targets are huge
        params["leaf_estimation_method"] = "Gradient"
    return params


def _is_native(task: Task) -> bool:
    """Whether several columns share their trees.

    For few columns trees of their own take no longer, and err less by 1 to 5 percent on
    most tables. Quantiles are not learned of several columns at once.
    """
    if task.n_outputs <= MOST_APART:
        return False
    return task.is_classification or not task.objective.is_quantile


def _loss_of(estimator) -> str:
    return estimator.get_params().get("loss_function") or ""


def _unit(estimator, y, sample_weight) -> float:
    """Return the unit by which the target is divided for training.

    It is the mean if a logarithm is learned, since training starts at 0. For quantiles,
    whose steps and tolerance have a fixed size, it is the standard deviation.
    """
    loss = _loss_of(estimator)
    if loss.startswith(LOGARITHMS):
        return mean_of(y, sample_weight)
    return float(np.std(y)) or 1.0 if loss.startswith(QUANTILES) else 1.0


def _pool(X, y, weight, unit: float):
    """Return rows in the format of the library, and the target divided by its unit."""
    from catboost import Pool

    y = y if unit == 1 else y / unit
    return Pool(X, y, cat_features=_categorical_columns(X), weight=weight)


def _multiply(estimator, unit: float) -> None:
    """Make a model that was trained on multiples of a unit predict the target."""
    if unit == 1:
        return
    scale, bias = estimator.get_scale_and_bias()
    if _loss_of(estimator).startswith(LOGARITHMS):
        estimator.set_scale_and_bias(scale, bias + float(np.log(unit)))
    else:
        estimator.set_scale_and_bias(scale * unit, bias * unit)


def _categorical_columns(X) -> list:
    if not hasattr(X, "select_dtypes"):
        return []
    return list(X.select_dtypes("category").columns)


def _is_constant(X) -> bool:
    """Whether all columns are constant, which is an error in CatBoost."""
    if hasattr(X, "nunique"):
        return bool((X.nunique(dropna=False) < 2).all())
    values = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    same = (values == values[:1]) | (np.isnan(values) & np.isnan(values[:1]))
    return bool(same.all())


def _prior(estimator, n_dimensions: int):
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if hasattr(estimator, "predict_proba"):
        prior = DummyClassifier(strategy="prior")
        return prior if n_dimensions == 1 else ColumnsClassifier(prior)
    loss, _, quantile = _loss_of(estimator).partition(":alpha=")
    if loss == "MAE":
        return DummyRegressor(strategy="median")
    if loss == "Quantile":
        return DummyRegressor(strategy="quantile", quantile=float(quantile))
    return DummyRegressor()
