"""The fitted ensemble: its members, and how their predictions become one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from automodel.ensemble.stacking import Stack
from automodel.evaluation.encoding import transformed
from automodel.evaluation.fitted_model import DeferredModel, FittedModel, share_parts
from automodel.preprocessing.rows import Rows
from automodel.targets.base import Target
from automodel.targets.combiner import Combiner
from automodel.targets.link import IDENTITY, Link

ENCODED_ROWS = 20_000  # at a time: members may have as many encodings


@dataclass
class Member:
    """A member of the ensemble: the models of one trial.

    `models` holds one model for each fold, or models that were refitted on all rows
    with different seeds, or both. The number of the baseline is -1. `weight` is the
    weight in the mean, and `stacking_coefficient` the coefficient in the linear model
    on top of it.
    """

    number: int
    family: str
    params: dict[str, Any]
    weight: float
    score: float
    models: list[FittedModel]
    stacking_coefficient: float = 0.0

    def shares(self) -> list[float]:
        """Return the weight of each model; refits have half of it, and folds half."""
        n_refits = sum(model.fold < 0 for model in self.models)
        n_folds = len(self.models) - n_refits
        half = 0.5 if n_refits and n_folds else 1.0
        of_refit, of_fold = half / max(n_refits, 1), half / max(n_folds, 1)
        return [of_refit if model.fold < 0 else of_fold for model in self.models]


@dataclass(frozen=True)
class Blend(Combiner):
    """A weighted mean of predictions, with temperatures and an optional stack.

    Parameters
    ----------
    weights : ndarray of shape (n_models,)
        Weights of the mean; 0 for a model that is not in it.
    temperatures : ndarray of shape (n_models,)
        Temperatures of the probabilities of each model, applied before the mean.
    temperature : float
        Temperature of the probabilities of the mean.
    stack : Stack, default=None
        The linear model on top of the mean, if there is one.
    link : Link
        The scale on which temperatures act.
    """

    weights: np.ndarray
    temperatures: np.ndarray
    temperature: float = 1.0
    stack: Stack | None = None
    link: Link = IDENTITY

    @classmethod
    def mean(cls, weights, link: Link = IDENTITY) -> Blend:
        """Return the weighted mean alone."""
        return cls(np.array(weights, dtype=float), np.ones(len(weights)), link=link)

    @property
    def is_stacked(self) -> bool:
        """Whether there is a linear model on top of the mean."""
        return self.stack is not None

    def unstacked(self) -> Blend:
        """Return the mean alone."""
        return replace(self, stack=None)

    @property
    def stacking_coefficients(self) -> np.ndarray:
        """Coefficients of the models in the stack."""
        if self.stack is None:
            return super().stacking_coefficients
        return self.stack.coefficients

    @property
    def importances(self) -> np.ndarray:
        """How much each model can move the blend; 0 for a model that is not used."""
        return np.maximum(self.weights, np.abs(self.stacking_coefficients))

    def take(self, models) -> Blend:
        """Return the same for some of the models, or in another order."""
        stack = None if self.stack is None else self.stack.take(models)
        weights, temperatures = self.weights[models], self.temperatures[models]
        return replace(self, weights=weights, temperatures=temperatures, stack=stack)

    def without(self, model: int) -> Blend | None:
        """Return the same with the weight of one model given to the others.

        The stack keeps its other coefficients. None if the mean is of this model alone.
        """
        weights, stack = self.weights.copy(), self.stack
        weights[model] = 0.0
        if not weights.any():
            return None
        if stack is not None:
            coefficients = stack.coefficients.copy()
            coefficients[model] = 0.0
            stack = replace(stack, coefficients=coefficients)
        return replace(self, weights=weights / weights.sum(), stack=stack)

    def among(self, positions: Sequence[int], n_models: int) -> Blend:
        """Return the same for more models, of which only these are used."""

        def spread(values, rest):
            return np.bincount(positions, values - rest, n_models) + rest

        stack = self.stack
        if stack is not None:
            stack = replace(stack, coefficients=spread(stack.coefficients, 0.0))
        weights = spread(self.weights, 0.0)
        temperatures = spread(self.temperatures, 1.0)
        return replace(self, weights=weights, temperatures=temperatures, stack=stack)

    def predict(self, predictions: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Return the blend of one prediction of each model."""
        used = np.flatnonzero(self.importances > 0).tolist()
        sharpened = self.link.sharpened
        parts = [sharpened(predictions[i], self.temperatures[i]) for i in used]
        pairs = zip(self.weights[used], parts, strict=True)
        mixed = sum(w * np.asarray(p, dtype=np.float64) for w, p in pairs if w > 0)
        mixed = sharpened(np.asarray(mixed), self.temperature)
        if self.stack is None:
            return mixed
        return self.stack.take(used).predict(mixed, parts)

    def _member(self, prediction, model):
        sharpened = self.link.sharpened(prediction, self.temperatures[model])
        return super()._member(sharpened, model)


@dataclass(frozen=True)
class ColumnsBlend(Combiner):
    """A blend for each column of a prediction, whose models are chosen for it alone.

    Weights and stacking coefficients are the means over the columns.

    Parameters
    ----------
    blends : sequence of Blend
        One for each column, all of the same models.
    """

    blends: Sequence[Blend]
    weights: np.ndarray = field(init=False)

    def __post_init__(self):
        weights = np.mean([blend.weights for blend in self.blends], axis=0)
        object.__setattr__(self, "weights", weights)

    @property
    def stacking_coefficients(self) -> np.ndarray:
        """Mean coefficients of the models in the stacks of the columns."""
        return np.mean([b.stacking_coefficients for b in self.blends], axis=0)

    @property
    def importances(self) -> np.ndarray:
        """By how much each model moves the column that it moves most."""
        return np.max([blend.importances for blend in self.blends], axis=0)

    @property
    def is_stacked(self) -> bool:
        """Whether a column has a linear model on top of its mean."""
        return any(blend.is_stacked for blend in self.blends)

    def unstacked(self) -> ColumnsBlend:
        """Return the means alone."""
        return ColumnsBlend([blend.unstacked() for blend in self.blends])

    def without(self, model: int) -> ColumnsBlend | None:
        """Return the same without one model; None if a column has no other one."""
        blends = [blend.without(model) for blend in self.blends]
        kept = [blend for blend in blends if blend is not None]
        return ColumnsBlend(kept) if len(kept) == len(blends) else None

    def take(self, models) -> ColumnsBlend:
        """Return the same for some of the models, or in another order."""
        return ColumnsBlend([blend.take(models) for blend in self.blends])

    def predict(self, predictions: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Return the blends of one prediction of each model."""
        return np.hstack(
            [
                blend.predict([prediction[:, [column]] for prediction in predictions])
                for column, blend in enumerate(self.blends)
            ]
        )

    def spread(self, predictions):
        """Return the standard deviation of each column, by the weights of its blend."""
        return np.hstack(
            [
                blend.spread([prediction[:, [column]] for prediction in predictions])
                for column, blend in enumerate(self.blends)
            ]
        )


@dataclass
class FittedEnsemble:
    """Some members and their combiner. Models with equal encoders share one."""

    members: list[Member]
    combiner: Combiner
    target: Target

    def __post_init__(self):
        share_parts(self._models, self.target)

    @property
    def _models(self) -> list[Any]:
        return [model for member in self.members for model in member.models]

    def predict(self, rows: Rows) -> np.ndarray:
        """Return probabilities, or values, of some rows."""
        parts = [self.combiner.predict(of) for of in self._of_members(rows)]
        return parts[0] if len(parts) == 1 else self.target.joined(parts)

    def predict_with_spread(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Return the prediction, and the standard deviation among the members.

        Both have the shape (n_samples, n_outputs). This is for targets whose
        predictions can be averaged.
        """
        pairs = [
            (self.combiner.predict(of), self.combiner.spread(of))
            for of in self._of_members(rows)
        ]
        predictions, spreads = zip(*pairs, strict=True)
        return np.concatenate(predictions), np.concatenate(spreads)

    def _of_members(self, rows: Rows) -> Iterator[list[Any]]:
        """Yield the predictions of all members for one part of the rows at a time."""
        self._load()
        limits = [rows, *(model.encoder for model in self._models)]
        most = min(getattr(own, "most_encoded", ENCODED_ROWS) for own in limits)
        if len(rows) <= most:
            yield self._predict_part(rows)
            return
        for start in range(0, len(rows), most):
            yield self._predict_part(rows.take(slice(start, start + most)))

    def _load(self) -> None:
        """Load models that are deferred, which then share their encoders, too."""
        deferred = [m for m in self._models if isinstance(m, DeferredModel)]
        if not all(model.is_loaded for model in deferred):
            loaded = [
                model.load() if isinstance(model, DeferredModel) else model
                for model in self._models
            ]
            share_parts(loaded, self.target)

    def _predict_part(self, rows: Rows) -> list[Any]:
        encoded: dict[int, Any] = {}  # by the id of the encoder, which models share
        predictions = []
        for member in self.members:
            own = (
                model.predict_encoded(transformed(model.encoder, rows, encoded))
                for model in member.models
            )
            predictions.append(self.target.average(own, member.shares()))
        return predictions

    @property
    def blend(self) -> Combiner:
        """The former name of the combiner."""
        warnings.warn(
            "FittedEnsemble.blend is now FittedEnsemble.combiner, and its former name "
            "will be removed in the next release.",
            FutureWarning,
            stacklevel=2,
        )
        return self.combiner
