"""What all nets for tables share as scikit-learn estimators.

The fitted state consists of numpy arrays and plain containers, so that a pickled net is
small and holds no object of torch. Nets predict from them in NumPy. Torch is imported
when a net is fitted, and for predictions only if the net has a module of the user or
predicts on a GPU.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from automodel.nets._encoding import NetEncoder, has_categories
from automodel.nets._prediction import Forward, outputs_in_parts, predicts_on_gpu
from automodel.nets._recipe import Augmentation, Hooks, Recipe, Rows
from automodel.nets._rows import (
    check_rows,
    check_some_weight,
    choose_batch_size,
    draw_seed,
    drop_weightless,
    split_rows,
    take,
)
from automodel.nets._schedules import LEARNING_RATES, REGULARIZATIONS

if TYPE_CHECKING:
    from torch import nn

    from automodel.nets._objective import Objective
    from automodel.nets._training import Stepwise

ACTIVATIONS = ("relu", "selu", "silu", "gelu", "mish")  # of torch.nn.functional


@dataclass(kw_only=True, eq=False, repr=False)
class Net(BaseEstimator):
    """Base class of all nets for tables; subclasses add the target and the training.

    The fields are the parameters. A subclass is a dataclass as well, adds fields of its
    own, and may declare one of these again to change its default.
    """

    learning_rate: float = 0.04
    schedule: str = "coslog"
    weight_decay: float = 0.02
    batch_size: int | str = "auto"
    max_epochs: int = 128
    patience: int = 40
    precision: str = "auto"
    device: str = "auto"
    random_state: Any = None
    verbose: int = 0

    takes_mixed_rows: ClassVar[bool] = True  # by `predict_unchecked`

    _parameter_constraints: ClassVar[dict] = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "schedule": [StrOptions(set(LEARNING_RATES))],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @abstractmethod
    def _fit(self, X, y, sample_weight=None):
        """Train on checked parameters."""

    def fit(self, X, y, sample_weight=None):
        """Train the net.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Numbers, NaN allowed. Columns of a pandas DataFrame of dtype "category"
            are taken as categories.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target: classes or an indicator matrix of labels for classifiers, one
            or several numbers per row for regressors.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; rows of weight zero are left out.

        Returns
        -------
        self : object
            The fitted net.

        Raises
        ------
        FloatingPointError
            If the loss is not finite any more.
        """
        return self._fit(X, y, sample_weight)

    def _check_target(self, y):
        """Raise if y has values that the loss cannot take."""

    def _weigh(self, y, weight):
        """Return the weights of the rows for training."""
        return weight

    def _start(self, X, y, sample_weight, learn_target, *, reset: bool, groups=None):
        """Check the input; return rows, target, weight and groups of what counts."""
        self._validate_params()
        X, y = self._check_rows(X, y, reset=reset)
        self._check_target(y)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
            check_some_weight(weight)
        target = learn_target(y, weight)
        weight = self._weigh(y, weight)
        if weight is not None:
            check_some_weight(weight)
        return drop_weightless(X, target, weight, groups)

    def _check_rows(self, X, y, *, reset: bool):
        """Return X and y as the training takes them."""
        y_numeric = not hasattr(self, "predict_proba")
        return check_rows(self, X, y, y_numeric=y_numeric, reset=reset)

    def _checked_again(self, X):
        """Check rows to predict."""
        check_is_fitted(self)
        if has_categories(X) or self._takes_categories():
            return validate_data(self, X, reset=False, skip_check_array=True)
        return validate_data(
            self,
            X,
            reset=False,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
        )

    @abstractmethod
    def _answers(self, X) -> np.ndarray:
        """Return the probabilities or values of checked rows."""

    def predict_unchecked(self, X) -> np.ndarray:
        """Predict rows that need no check: probabilities of a classifier.

        Parameters
        ----------
        X : ndarray, csr_matrix, DataFrame or MixedRows of n_samples rows
            The rows, with columns as in `fit`.
        """
        return self._answers(X)

    @abstractmethod
    def _takes_categories(self) -> bool:
        """Whether it was fitted on a table with categories."""

    def __getstate__(self):
        state = super().__getstate__()
        if "_cache" in state:
            state = {**state, "_cache": {}}
        if "callbacks" in state:
            # Without what callbacks have learned, such as an optimizer of torch.
            state = {**state, "callbacks": clone(self.callbacks, safe=False)}
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags


@dataclass(kw_only=True, eq=False, repr=False)
class TabularNet(Net):
    """Base class of single nets; subclasses add the module and the target."""

    module: Any = None
    criterion: Any = None
    optimizer: Any = "adamw"
    callbacks: list | None = None
    averaging: float = 0.0
    regularization_schedule: str = "constant"
    early_stopping: bool = True
    validation_fraction: float = 0.15
    feature_noise: float = 0.0
    mixup: float = 0.0
    feature_swap: float = 0.0
    warm_start: bool = False

    _parameter_constraints: ClassVar[dict] = {
        **Net._parameter_constraints,
        "module": [callable, None],
        "criterion": [callable, None],
        "optimizer": [StrOptions({"adamw", "sgd", "schedule_free"}), callable],
        "callbacks": [list, None],
        "averaging": [Interval(Real, 0, 1, closed="left")],
        "regularization_schedule": [StrOptions(set(REGULARIZATIONS))],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "feature_noise": [Interval(Real, 0, None, closed="left")],
        "mixup": [Interval(Real, 0, None, closed="left")],
        "feature_swap": [Interval(Real, 0, 1, closed="left")],
        "warm_start": ["boolean"],
    }

    @abstractmethod
    def _build(self, **design) -> nn.Module:
        """Return a new module of a design."""

    @abstractmethod
    def _forward(self, state: dict[str, np.ndarray], **design) -> Forward:
        """Return the forward pass of weights of a module of the same design."""

    @abstractmethod
    def _design(self, encoder: NetEncoder, n_outputs: int) -> dict:
        """Return what `_build` needs, as plain values."""

    @abstractmethod
    def _learn_target(self, y: np.ndarray, weight) -> np.ndarray:
        """Learn classes or scale, and return the target as the loss takes it."""

    def _first_target(self, y: np.ndarray, weight) -> np.ndarray:
        """Do the same in the first call of `partial_fit`."""
        return self._learn_target(y, weight)

    def _continue_target(self, y: np.ndarray, weight) -> np.ndarray:
        """Return the target of the rows that training goes on with."""
        return self._encode_target(y)

    @abstractmethod
    def _encode_target(self, y: np.ndarray) -> np.ndarray:
        """Return the target of other rows as the loss takes it."""

    def _n_outputs(self) -> int:
        """Return the columns of the output."""
        return self.target_.n_outputs

    @abstractmethod
    def _objective(self) -> Objective:
        """Return the loss and the judgement of an epoch."""

    def _fit(self, X, y, sample_weight=None, *, groups=None, **hooks):
        """Train with the hooks of a search.

        Early stopping holds out an inner part, which contains all rows of one of the
        `groups` or none. `hooks` are those of `Hooks`, except that
        `on_epoch(epoch, net)` is called with the net in its present state. After a
        training with `seconds_left`, `step_plan_` repeats it without a clock.
        """
        goes_on = self.warm_start and hasattr(self, "state_")
        learn = self._continue_target if goes_on else self._learn_target
        X, target, weight, groups = self._start(
            X, y, sample_weight, learn, reset=not goes_on, groups=groups
        )
        self._cache: dict = {}
        seed = draw_seed(self.random_state)
        fit_on, stop_on = np.arange(len(target)), None
        if self.early_stopping:
            fit_on, stop_on = split_rows(target, self.validation_fraction, seed, groups)
        self._prepare(take(X, fit_on), goes_on)
        rows = self._rows(take(X, fit_on), target[fit_on], take(weight, fit_on))
        valid = None
        if stop_on is not None:
            valid = self._rows(take(X, stop_on), target[stop_on], take(weight, stop_on))
        state = self.state_ if goes_on else None
        self._train(rows, valid, seed, Hooks(**hooks), state)
        return self

    def _partial_fit(self, X, y, sample_weight):
        """Train one epoch on these rows."""
        goes_on = hasattr(self, "state_")
        learn = self._continue_target if goes_on else self._first_target
        X, target, weight, _ = self._start(
            X, y, sample_weight, learn, reset=not goes_on
        )
        if not goes_on:
            self._cache, self.n_iter_, self.n_steps_ = {}, 0, 0
        self._prepare(X, goes_on)
        rows = self._rows(X, target, weight)
        # Taken out, so that one whose weights have diverged is not used again.
        stepwise, params = self._cache.pop("stepwise", (None, None))
        if params != self.get_params():
            stepwise = self._stepwise(rows, self.state_ if goes_on else None)
        with self._draws(self.n_steps_):
            result = stepwise.epoch(rows)
        self._cache["stepwise"] = stepwise, self.get_params()
        self._keep(result.state, self.factor_ if goes_on else 1.0)
        self.n_iter_ += result.n_epochs
        self.n_steps_ += result.n_steps
        earlier = self.history_["train_loss"] if goes_on else []
        losses = [*earlier, *result.history["train_loss"]]
        self.history_: dict[str, list[float]] = {"train_loss": losses}
        return self

    def _stepwise(self, rows: Rows, state) -> Stepwise:
        """Return a training that goes on with new rows in each call."""
        from automodel.nets._training import Stepwise

        recipe = self._recipe(len(rows), draw_seed(self.random_state) + self.n_steps_)
        with self._draws(recipe.seed):
            module = self._new_module()
        return Stepwise(module, rows, recipe, self._objective(), state)

    def _prepare(self, X, goes_on: bool) -> None:
        """Learn encoder and design, or check that they have not changed."""
        encoder = self.encoder_ if goes_on else NetEncoder().fit(X)
        if self.module is None:
            design = self._design(encoder, self._n_outputs())
        else:
            design = {
                "n_dense": encoder.n_dense_,
                "cardinalities": list(encoder.cardinalities_),
                "n_outputs": self._n_outputs(),
            }
        if goes_on and design != self._design_:
            changed = [k for k in design if design[k] != self._design_.get(k)]
            raise ValueError(
                "A net can only go on from weights of its own architecture, and "
                f"{', '.join(changed)} changed since they were trained. Fit a new one, "
                "such as `clone(net)`."
            )
        self.encoder_: NetEncoder = encoder
        self._design_: dict = design

    def _recipe(self, n_rows: int, seed: int) -> Recipe:
        return Recipe(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            batch_size=choose_batch_size(self.batch_size, n_rows),
            max_epochs=self.max_epochs,
            patience=self.patience,
            device=self.device,
            seed=seed,
            verbose=int(self.verbose),
            optimizer=self.optimizer,
            averaging=self.averaging,
            regularization=self.regularization_schedule,
            augmentation=Augmentation(
                self.feature_noise,
                self.mixup,
                self.feature_swap,
                self.encoder_.n_continuous_,
                self.encoder_.features_,
            ),
            precision=self.precision,
            width=getattr(self, "width", 0),
            clip_norm=getattr(self, "clip_norm", 0.0),
            criterion=self.criterion,
            callbacks=self.callbacks or (),
        )

    def _train(self, rows, valid, seed, hooks: Hooks, state) -> None:
        from automodel.nets._training import train

        def told(on_epoch, epoch, get_weights):
            self._keep(*get_weights())
            self.n_iter_ = epoch
            return on_epoch(epoch, self)

        if hooks.on_epoch is not None:
            hooks = replace(hooks, on_epoch=partial(told, hooks.on_epoch))
        recipe = self._recipe(len(rows), seed)
        with self._draws(seed):
            result = train(
                self._new_module(), rows, valid, recipe, self._objective(), hooks, state
            )
        self._keep(result.state, result.factor)
        self.n_iter_ = result.n_epochs
        self.n_steps_ = result.n_steps
        self.step_plan_ = result.step_plan
        self.history_ = result.history

    def _keep(self, state: dict[str, np.ndarray], factor: float) -> None:
        """Predict with these weights from now on."""
        self.state_, self.factor_ = state, factor
        self._cache.pop("device", None)  # of a module with other weights

    def _rows(self, X, target, weight) -> Rows:
        dense, codes = self.encoder_.transform(X)
        return Rows(dense, codes, target, weight)

    def _outputs(self, X) -> np.ndarray:
        """Return the outputs of the net for checked rows."""
        if self._cache.get("device") != self.device:
            self._cache.update(forward=self._new_forward(), device=self.device)
        parts = outputs_in_parts(self._cache["forward"], X, self.encoder_)
        return np.concatenate([self._combined(part) for part in parts]) * self.factor_

    def _new_forward(self) -> Forward:
        if self.module is None and not predicts_on_gpu(self.device):
            return self._forward(self.state_, **self._design_)
        from automodel.nets.forward.module import ModuleForward

        with self._draws(0):
            module = self._new_module()
        return ModuleForward(module, self.state_, self.device)

    def _combined(self, outputs: np.ndarray) -> np.ndarray:
        """Return (n_rows, n_outputs), whether or not the net is an ensemble."""
        return self.target_.combine(outputs) if outputs.ndim == 3 else outputs

    def _takes_categories(self):
        return bool(self.encoder_.category_columns_)

    def _new_module(self) -> nn.Module:
        build = self._build if self.module is None else self.module
        return build(**self._design_)

    def _draws(self, seed: int) -> AbstractContextManager:
        """Return a context in which the global draws of a user's module are seeded."""
        if self.module is None:
            return nullcontext()
        from automodel.nets._device import seeded_draws

        return seeded_draws(seed)
