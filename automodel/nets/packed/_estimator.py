"""What packed perceptrons share as estimators."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _check_sample_weight, validate_data

from automodel.nets._encoding import NetEncoder
from automodel.nets._estimator import ACTIVATIONS, Net
from automodel.nets._recipe import FoldPart, Hooks, Recipe
from automodel.nets._rows import (
    check_rows,
    check_some_weight,
    draw_seed,
    drop_weightless,
    take,
)
from automodel.nets.packed._members import (
    Inputs,
    Member,
    Space,
    common_inputs,
    draw_members,
    is_shared,
    spread,
)
from automodel.nets.packed._prediction import PackForward
from automodel.nets.packed._rows import FoldRows
from automodel.quiet import no_warnings

if TYPE_CHECKING:
    from automodel.nets.packed._training import FittedPack

BATCH_SIZES = ((4500, 64), (32_000, 128))  # rows of a fold, and of a step
CHOICES = {
    "n_layers": Interval(Integral, 1, 16, closed="both"),
    "width": Interval(Integral, 1, None, closed="left"),
    "activation": StrOptions(set(ACTIVATIONS)),
    "embedding_sigma": Interval(Real, 0, None, closed="left"),
    "dropout": Interval(Real, 0, 1, closed="left"),
}


@dataclass(kw_only=True, eq=False, repr=False)
class PackedNet(Net):
    """Base class of packs; subclasses add the target and the mixture of answers."""

    n_members: int = 16
    n_finalists: int = 2
    cv: int = 5
    n_layers: Any = (1, 2, 3)
    width: Any = 64
    activation: Any = ("silu", "relu", "selu")
    embedding_sigma: Any = (0.0, 0.1)
    dropout: Any = (0.0, 0.1, 0.3)

    _parameter_constraints: ClassVar[dict] = {
        **Net._parameter_constraints,
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "n_finalists": [Interval(Integral, 1, None, closed="left")],
        "cv": [Interval(Integral, 2, None, closed="left")],
        **{name: [choice, list, tuple] for name, choice in CHOICES.items()},
    }

    def _fit(self, X, y, sample_weight=None, *, groups=None, **hooks):
        """Train on folds drawn here, which part no group; for `hooks` see `Hooks`."""
        self._validate_params()
        y_numeric = not hasattr(self, "predict_proba")
        X, y = check_rows(self, X, y, y_numeric=y_numeric, reset=True)
        self._check_target(y)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
            check_some_weight(weight)
            X, y, weight, groups = drop_weightless(X, y, weight, groups)
        self._learn_target(y, weight)
        seed = draw_seed(self.random_state)
        parts = [
            FoldPart(
                take(X, train),
                y[train],
                take(weight, train),
                take(X, valid),
                y[valid],
                take(weight, valid),
            )
            for train, valid in self._split(y, groups, seed)
        ]
        self._fit_parts(parts, seed, **hooks)
        return self

    def _fit_folds(self, parts: Sequence[FoldPart], **hooks) -> list[PackedNet]:
        """Train on given folds, and return an estimator for each; see `Hooks`."""
        self._validate_params()
        y = np.concatenate([y for p in parts for y in (p.y, p.y_valid)])
        self._check_target(y)
        self._learn_target(y, None)
        self._fit_parts(parts, draw_seed(self.random_state), **hooks)
        singles = [self._single_fold(fold) for fold in range(len(parts))]
        for single, part in zip(singles, parts, strict=True):
            validate_data(single, part.X, reset=True, skip_check_array=True)
        return singles

    def _split(self, y, groups, seed) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return training and validation rows of `cv` folds, or of as many as can be.

        Classes are spread evenly over the folds; the rarest may be missing in some.
        """
        from sklearn.model_selection import KFold, StratifiedKFold  # slow to load

        labels = None
        if y.ndim == 1 and hasattr(self, "predict_proba"):
            labels = np.unique(y, return_inverse=True)[1]
        if groups is not None:
            groups = np.unique(groups, return_inverse=True)[1]
            if groups.any():  # there is more than one
                return _group_folds(self.cv, labels, groups, seed)
        n_folds = min(self.cv, len(y))
        is_spread = labels is not None and np.bincount(labels).max() >= n_folds
        splitter = (StratifiedKFold if is_spread else KFold)(
            n_folds, shuffle=True, random_state=seed
        )
        with no_warnings():  # of a class with fewer rows than folds
            return list(splitter.split(np.zeros((len(y), 1)), labels))

    def _fit_parts(self, parts: Sequence[FoldPart], seed: int, **hooks) -> None:
        from automodel.nets.packed._training import fit_pack

        self.encoders_: list[NetEncoder] = [NetEncoder().fit(p.X) for p in parts]
        inputs = common_inputs(self.encoders_)
        self._targets = [self._target_of(p) for p in parts]
        rows = self._rows(parts, inputs, valid=False)
        fitted = fit_pack(
            self._draw_members(seed),
            inputs,
            rows,
            self._rows(parts, inputs, valid=True),
            [part.valid_rows for part in parts],
            self._targets[0].n_outputs,
            self._objective(),
            self._recipe(max(rows.counts), seed),
            Hooks(**hooks),
            self.n_finalists,
        )
        self.validation_loss_ = fitted.loss
        self._keep(fitted, inputs)
        self.n_steps_, self.n_iter_ = fitted.n_steps, fitted.n_epochs
        self.step_plan_ = fitted.step_plan

    def _recipe(self, n_rows: int, seed: int) -> Recipe:
        precision = self.precision
        if precision == "auto" and not self._bears_low_precision:
            precision = "float32"
        return Recipe(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            batch_size=_batch_size(self.batch_size, n_rows),
            max_epochs=self.max_epochs,
            patience=self.patience,
            device=self.device,
            seed=seed,
            precision=precision,
        )

    def _draw_members(self, seed: int) -> list[Member]:
        choices = {}
        for name, constraint in CHOICES.items():
            value = getattr(self, name)
            choices[name] = value if isinstance(value, list | tuple) else [value]
            if not choices[name]:
                raise ValueError(f"{name} leaves nothing to choose from: {value!r}.")
            for choice in choices[name]:
                validate_parameter_constraints(
                    {name: [constraint]}, {name: choice}, type(self).__name__
                )
        return draw_members(self.n_members, Space(**choices), seed)

    def _rows(
        self, parts: Sequence[FoldPart], inputs: Inputs, *, valid: bool
    ) -> FoldRows:
        encoded = []
        for part, encoder, target in zip(
            parts, self.encoders_, self._targets, strict=True
        ):
            X, y, weight = part[3:6] if valid else part[:3]
            weights = self._weigh(y, weight)
            if weights is None:
                weights = np.ones(len(y), dtype=np.float32)
            y = target.encode(y)
            if not np.issubdtype(y.dtype, np.integer):
                y = y.reshape(len(y), -1)
            encoded.append((*spread(encoder, X, inputs), y, weights))
        return FoldRows.padded(encoded)

    def _keep(self, fitted: FittedPack, inputs: Inputs) -> None:
        """Keep the members that have a weight in the ensemble of any fold."""
        chosen = np.flatnonzero(fitted.weights.sum(1) > 0)
        self.members_: list[Member] = [fitted.members[i] for i in chosen]
        self.member_weights_: np.ndarray = fitted.weights[chosen]
        self.factors_ = fitted.factors[chosen]
        self.best_epochs_ = fitted.best_epochs[chosen]
        self.state_: dict[str, np.ndarray] = {
            f"groups.{i}.{name}": value
            for i, member in enumerate(chosen)
            for name, value in fitted.states[member].items()
        }
        self._inputs = inputs
        self._cache: dict = {}
        curves = fitted.losses
        longest = max(map(len, curves))
        self.history_ = {
            f"valid_loss_{i}": [*curve, *[np.nan] * (longest - len(curve))]
            for i, curve in enumerate(curves)
        }

    def _single_fold(self, fold: int):
        """Return an estimator of the nets of one fold."""
        kept = np.flatnonzero(self.member_weights_[:, fold] > 0)
        single = copy.copy(self)
        single.encoders_ = [self.encoders_[fold]]
        single._targets = [self._targets[fold]]
        single.members_ = [self.members_[i] for i in kept]
        for name in ("member_weights_", "factors_", "best_epochs_"):
            setattr(single, name, getattr(self, name)[kept, fold : fold + 1])
        single.state_ = {}
        for new, old in enumerate(kept):
            prefix = f"groups.{old}."
            for name, value in self.state_.items():
                if name.startswith(prefix):
                    own = name.removeprefix(prefix)
                    only = slice(fold, fold + 1)
                    value = value[only] if is_shared(own) else value[:, only]
                    single.state_[f"groups.{new}.{own}"] = value.copy()
        single._cache = {}
        return single

    def _answers(self, X) -> np.ndarray:
        """Return the weighted mean of the nets' answers, in bounded memory."""
        if "forward" not in self._cache:
            self._cache["forward"] = PackForward(
                self.members_, self._inputs, self.state_, self.member_weights_ > 0
            )
        parts = self._cache["forward"].outputs_in_parts(X, self.encoders_)
        factors = self.factors_[..., None, None]
        return np.concatenate([self._mixed(part * factors) for part in parts])

    @abstractmethod
    def _mixed(self, outputs: np.ndarray) -> np.ndarray:
        """Return answers for outputs (n_members, n_folds, n_rows, n_outputs)."""

    def _takes_categories(self):
        return any(encoder.category_columns_ for encoder in self.encoders_)

    @abstractmethod
    def _target_of(self, part: FoldPart):
        """Return the target as the training part of a fold has it."""


def _batch_size(batch_size, n_rows: int) -> int:
    """Return the batch size; "auto" is smaller than for a net alone."""
    if batch_size != "auto":
        return batch_size
    return next((size for limit, size in BATCH_SIZES if n_rows <= limit), 256)


def _group_folds(n_folds: int, labels, groups: np.ndarray, seed: int):
    """Return training and validation rows of folds that part no group."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    n_groups = groups.max() + 1
    n_folds = min(n_folds, n_groups)
    rows = np.zeros((len(groups), 1))
    if labels is not None and np.bincount(labels).max() >= n_folds:
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        with no_warnings():  # of a class with fewer rows than folds
            folds = list(splitter.split(rows, labels, groups))
        if all(len(valid) for _, valid in folds):
            return folds
    # Numbered at random, since the folds that GroupKFold balances depend on that.
    numbers = np.random.default_rng(seed).permutation(n_groups)
    return list(GroupKFold(n_folds).split(rows, None, numbers[groups]))
