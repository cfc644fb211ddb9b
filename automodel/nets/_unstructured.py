"""What nets of texts and images share as scikit-learn estimators."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from automodel.nets._estimator import Net
from automodel.nets._recipe import Hooks, Trained
from automodel.nets._rows import check_target, draw_seed, split_rows, take

if TYPE_CHECKING:
    from automodel.nets._objective import Objective


@dataclass(kw_only=True, eq=False, repr=False)
class UnstructuredNet(Net):
    """Base class of nets that are validated several times an epoch.

    Subclasses bring the rows, the module and the target.
    """

    early_stopping: bool = True
    validation_fraction: float = 0.1
    validations_per_epoch: int = 4
    callbacks: list | None = None

    _parameter_constraints: ClassVar[dict] = {
        **Net._parameter_constraints,
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "validations_per_epoch": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, None],
    }

    @abstractmethod
    def _learn_target(self, y: np.ndarray, weight) -> np.ndarray:
        """Learn classes or scale, and return the target as the loss takes it."""

    @abstractmethod
    def _objective(self) -> Objective:
        """Return the loss and the judgement of the weights."""

    @abstractmethod
    def _check_input(self, X, *, reset: bool) -> Any:
        """Return X as an array of one entry for each row."""

    @abstractmethod
    def _start_from(self, X: np.ndarray, rows: np.ndarray, seed: int) -> Any:
        """Return the weights to start from; set the design of the module.

        `rows` are the positions of those to train on.
        """

    @abstractmethod
    def _rows(self, X: np.ndarray, rows: np.ndarray, target, weight, hooks: Hooks):
        """Return rows as the training takes them, with their target and weights."""

    @abstractmethod
    def _trained(self, start, rows, valid, seed: int, hooks: Hooks) -> Trained:
        """Train from a start."""

    def _fit(self, X, y, sample_weight=None, *, groups=None, **hooks):
        """Train with the hooks of a search, as `TabularNet` does.

        `on_epoch(part, net)` is called after each part of an epoch.
        """
        X, target, weight, groups = self._start(
            X, y, sample_weight, self._learn_target, reset=True, groups=groups
        )
        self._cache: dict = {}
        seed = draw_seed(self.random_state)
        fit_on, stop_on = np.arange(len(target)), None
        if self.early_stopping:
            fit_on, stop_on = split_rows(target, self.validation_fraction, seed, groups)
        start = self._start_from(X, fit_on, seed)
        told = Hooks(**hooks)
        rows, valid = (
            None
            if part is None
            else self._rows(X, part, target[part], take(weight, part), told)
            for part in (fit_on, stop_on)
        )
        if told.on_epoch is not None:
            told = replace(told, on_epoch=partial(self._told, told.on_epoch))
        result = self._trained(start, rows, valid, seed, told)
        self._keep(result.state, result.factor)
        self.n_iter_ = result.n_epochs
        self.n_steps_ = result.n_steps
        self.step_plan_ = result.step_plan
        self.history_ = result.history
        return self

    def _check_rows(self, X, y, *, reset: bool):
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )
        rows = self._check_input(X, reset=reset)
        y_numeric = not hasattr(self, "predict_proba")
        return rows, check_target(self, rows, y, y_numeric=y_numeric)

    def _checked_again(self, X):
        check_is_fitted(self)
        return self._check_input(X, reset=False)

    def _told(self, on_epoch: Callable, part: int, get_weights: Callable):
        """Tell a search that a part of an epoch is over."""
        self._keep(*get_weights())
        self.n_iter_ = part
        return on_epoch(part, self)

    def _keep(self, state: dict[str, np.ndarray], factor: float) -> None:
        """Predict with these weights from now on."""
        self.state_, self.factor_ = state, factor
        if "predictor" in self._cache:
            self._cache["predictor"].load(state)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "state_")
