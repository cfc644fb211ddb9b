"""What all nets for tables share as scikit-learn estimators.

Fitted state is numpy arrays and plain containers: the module is rebuilt from them for
predictions, so that a fitted net pickles small and holds no torch object.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from functools import partial
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    _check_y,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)
from torch import nn

from automodel.nets._encoding import NetEncoder, has_categories
from automodel.nets._objective import CrossEntropy, SquaredError
from automodel.nets._skorch import one_thread
from automodel.nets._training import Hooks, Recipe, Rows, train

PREDICT_ROWS = 2048
FEWEST_ROWS_TO_SPLIT = 50


class TabularNet(BaseEstimator):
    """Fit and predict of a net for tables; subclasses bring module and target."""

    _parameter_constraints: dict = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "schedule": [StrOptions({"coslog", "one-cycle", "constant"})],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @abstractmethod
    def _build(self, design: dict) -> nn.Module:
        """Return a new module of a design."""

    @abstractmethod
    def _design(self, encoder: NetEncoder, n_outputs: int) -> dict:
        """Return what `_build` needs, as plain values."""

    @abstractmethod
    def _learn_target(self, y: np.ndarray, weight) -> np.ndarray:
        """Learn classes or scale, and return the target as the loss takes it."""

    @abstractmethod
    def _encode_target(self, y: np.ndarray) -> np.ndarray:
        """Return other rows' target as the loss takes it."""

    def fit(self, X, y, sample_weight=None):
        """Train the net.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Numbers, NaN allowed. Columns of a pandas DataFrame of dtype "category"
            are taken as categories.
        y : array-like of shape (n_samples,)
            The target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; rows of weight zero are left out.

        Returns
        -------
        self : object
            The fitted net.
        """
        return self._fit(X, y, sample_weight)

    def _fit(self, X, y, sample_weight=None, *, valid=None, **hooks):
        """Train with the hooks of a search.

        `valid` is (X, y, sample_weight) to choose the best epoch on instead of an
        inner part; `hooks` are those of `Hooks`, but that `on_epoch(epoch, net)` is
        called with the net as it is. A training under `seconds_left` leaves its
        `pace_`, to repeat it without a clock.
        """
        self._validate_params()
        X, y = self._check(X, y)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        self._cache: dict = {}
        target = self._learn_target(y, weight)
        X, target, weight = _drop_weightless(X, target, weight)
        seed = _draw_seed(self.random_state)
        fit_on, stop_on = self._split(target, seed, valid)
        self.encoder_ = NetEncoder().fit(_take(X, fit_on))
        rows = self._rows(_take(X, fit_on), target[fit_on], _take(weight, fit_on))
        if valid is not None and self.early_stopping:
            judged = self._rows(valid[0], self._encode_target(valid[1]), valid[2])
        elif stop_on is not None:
            judged = self._rows(
                _take(X, stop_on), target[stop_on], _take(weight, stop_on)
            )
        else:
            judged = None
        self._design_ = self._design(self.encoder_, self._n_outputs())
        self._train(rows, judged, seed, Hooks(**hooks))
        return self

    def _train(self, rows, judged, seed, hooks: Hooks) -> None:
        recipe = Recipe(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            batch_size=_batch_size(self.batch_size, len(rows)),
            max_epochs=self.max_epochs,
            patience=self.patience,
            device=_device(self.device),
            seed=seed,
            verbose=int(self.verbose),
        )

        def told(on_epoch, epoch, get_weights):
            (self.state_, self.factor_), self.n_iter_ = get_weights(), epoch
            self._cache.clear()
            return on_epoch(epoch, self)

        if hooks.on_epoch is not None:
            hooks = replace(hooks, on_epoch=partial(told, hooks.on_epoch))
        with one_thread():
            module = self._build(self._design_)
            result = train(
                module,
                rows,
                judged,
                recipe,
                self._objective(),
                hooks,
            )
        self._cache.clear()
        self.state_, self.factor_ = result.state, result.factor
        self.n_iter_ = result.n_epochs
        self.n_steps_ = result.n_steps
        self.pace_ = result.pace
        self.history_ = result.history

    def _check(self, X, y):
        if has_categories(X):
            X, y = validate_data(self, X, y, skip_check_array=True)
            y = _check_y(y, y_numeric=not hasattr(self, "predict_proba"))
            check_consistent_length(X, y)
            if len(y) < 2:
                raise ValueError(f"A net needs at least 2 rows, got {len(y)} sample.")
            return X, y
        return validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            ensure_min_samples=2,
            y_numeric=not hasattr(self, "predict_proba"),
        )

    def _split(self, target, seed, valid):
        """Return the rows to fit on, and those to stop on or None."""
        everything = np.arange(len(target))
        is_split = self.early_stopping and valid is None
        if not is_split or len(target) < FEWEST_ROWS_TO_SPLIT:
            return everything, None
        labels = None
        if np.issubdtype(target.dtype, np.integer):
            counts = np.bincount(target)
            counts = counts[counts > 0]
            n_valid = int(self.validation_fraction * len(target))
            if counts.min() >= 2 and n_valid >= len(counts):
                labels = target
        fit_on, stop_on = train_test_split(
            everything,
            test_size=self.validation_fraction,
            random_state=seed,
            stratify=labels,
        )
        return np.sort(fit_on), np.sort(stop_on)

    def _rows(self, X, target, weight) -> Rows:
        dense, codes = self.encoder_.transform(X)
        return Rows(dense, codes, target, weight)

    def _outputs(self, X) -> np.ndarray:
        """Return the module's outputs in float64, computed in bounded memory.

        In float32 a row's output would depend on the rows that it comes with.
        """
        check_is_fitted(self)
        if has_categories(X) or self.encoder_.category_columns_:
            X = validate_data(self, X, reset=False, skip_check_array=True)
        else:
            X = validate_data(
                self,
                X,
                reset=False,
                accept_sparse="csr",
                dtype=[np.float64, np.float32],
                ensure_all_finite="allow-nan",
            )
        outputs = []
        with one_thread(), torch.inference_mode():
            module = self._module()
            for start in range(0, X.shape[0], PREDICT_ROWS):
                part = _take(X, slice(start, start + PREDICT_ROWS))
                dense, codes = self.encoder_.transform(part)
                dense = torch.as_tensor(dense, dtype=torch.float64)
                outputs.append(module(dense, torch.as_tensor(codes)).numpy())
        return np.concatenate(outputs) * self.factor_

    def _module(self) -> nn.Module:
        if "module" not in self._cache:
            module = self._build(self._design_)
            module.load_state_dict(
                {k: torch.as_tensor(v) for k, v in self.state_.items()}
            )
            self._cache["module"] = module.double().eval()
        return self._cache["module"]

    def __getstate__(self):
        state = super().__getstate__()
        return {**state, "_cache": {}} if "_cache" in state else state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags


class ClassifierNet(ClassifierMixin, TabularNet):
    """A net with one output per class, trained by cross-entropy."""

    _parameter_constraints: dict = {
        **TabularNet._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def _learn_target(self, y, weight):
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        return codes.astype(np.int64)

    def _encode_target(self, y):
        return np.searchsorted(self.classes_, y).astype(np.int64)

    def _n_outputs(self):
        return len(self.classes_)

    def _objective(self):
        return CrossEntropy(self.label_smoothing)

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns as in `classes_`.
        """
        outputs = self._outputs(X)
        proba = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return proba / proba.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        positions = self.predict_proba(X).argmax(axis=1)
        return self.classes_[positions]


class RegressorNet(RegressorMixin, TabularNet):
    """A net with one output, trained by squared error on the standardised target."""

    def _learn_target(self, y, weight):
        counted = y.astype(np.float64)
        if weight is not None:
            _check_some_weight(weight)
            counted, weight = counted[weight > 0], weight[weight > 0]
        self.y_mean_ = float(np.average(counted, weights=weight))
        square = (counted - self.y_mean_) ** 2
        deviation = float(np.sqrt(np.average(square, weights=weight)))
        self.y_scale_ = deviation if deviation > 0 else 1.0
        self.y_min_, self.y_max_ = float(counted.min()), float(counted.max())
        return self._encode_target(y)

    def _encode_target(self, y):
        return ((y - self.y_mean_) / self.y_scale_).astype(np.float32)

    def _n_outputs(self):
        return 1

    def _objective(self):
        return SquaredError()

    def predict(self, X):
        """Return the predicted value of each row, within the range seen in training.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Values.
        """
        value = self._outputs(X)[:, 0] * self.y_scale_ + self.y_mean_
        return np.clip(value, self.y_min_, self.y_max_)


def _drop_weightless(X, target, weight):
    if weight is None:
        return X, target, None
    _check_some_weight(weight)
    if weight.min() > 0:
        return X, target, weight
    kept = np.flatnonzero(weight > 0)
    return _take(X, kept), target[kept], weight[kept]


def _check_some_weight(weight) -> None:
    n_counted = int((weight > 0).sum())
    if n_counted < 2:
        raise ValueError(
            f"A net needs at least 2 rows of positive weight, got {n_counted}."
        )


def _take(X, rows):
    if X is None:
        return None
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _draw_seed(random_state) -> int:
    if random_state is None:  # numpy's global generator stays as it is
        return int(np.random.default_rng().integers(2**31 - 1))
    return int(check_random_state(random_state).randint(2**31 - 1))


def _batch_size(batch_size, n_rows: int) -> int:
    """Return the batch size; "auto" grows with the rows as in RealMLP."""
    if batch_size != "auto":
        return batch_size
    for limit, size in ((1024, 64), (8192, 128), (30_000, 256), (100_000, 512)):
        if n_rows <= limit:
            return size
    return 1024


def _device(device: str) -> str:
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"
