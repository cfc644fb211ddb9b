"""FittedModel: a fitted encoder and estimator that predict rows."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.encoding import full_repr, learns_nothing, transformed
from automodel.exceptions import describe_error
from automodel.families._direct import direct
from automodel.monitor import Steps
from automodel.preprocessing.combined import CombinedEncoder
from automodel.preprocessing.encoded import returns_mixed, take_rows
from automodel.preprocessing.rows import Rows
from automodel.targets.base import Target

PREDICT_ROWS = 5000
COMPRESSION = 4  # of zlib; higher levels take much longer and hardly save more


@dataclass
class FittedModel:
    """An encoder and an estimator, fitted on the same rows.

    `columns` are the columns of a prediction that the estimator has learned; None for
    all. `fold` is the number of the fold whose training rows it was fitted on, -1 for
    all rows. `seed`, `n_iterations` and `step_plan` say how it was trained, see
    `Candidate` and `Monitor`. `n_trained` is the number of steps after which the clock
    may have ended the training; None if it did not. `is_compressed` tells whether the
    estimator is compressed when it is pickled.
    """

    encoder: BaseEstimator
    estimator: BaseEstimator
    target: Target
    columns: np.ndarray | None = None
    fold: int = -1
    n_iterations: Steps | None = None
    step_plan: list = field(default_factory=list)
    seed: int = 0
    n_trained: Steps | None = None
    is_compressed: bool = False

    def __getstate__(self) -> dict[str, Any]:
        state = dict(vars(self))
        state.pop("_direct", None)
        if self.is_compressed:
            pickled = pickle.dumps(self.estimator, protocol=pickle.HIGHEST_PROTOCOL)
            state["estimator"] = zlib.compress(pickled, COMPRESSION)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.is_compressed:
            self.estimator = pickle.loads(zlib.decompress(state["estimator"]))

    @property
    def _predictor(self) -> Any:
        """What predicts in place of the estimator, which may be exchanged."""
        known, found = vars(self).get("_direct", (None, None))
        if known is not self.estimator:
            found = direct(self.estimator)
            vars(self)["_direct"] = self.estimator, found
        return found

    def predict(self, rows: Rows, deadline: Deadline = NO_DEADLINE) -> np.ndarray:
        """Predict rows."""
        return self.predict_encoded(transformed(self.encoder, rows), deadline)

    def predict_encoded(self, X: Any, deadline: Deadline = NO_DEADLINE) -> np.ndarray:
        """Predict rows that the encoder has transformed, in chunks."""
        n_rows, chunks = X.shape[0], []
        # Other encoders may return rows that estimators have to check.
        is_known = returns_mixed(self.encoder) and not hasattr(X, "iloc")
        estimator = self._predictor if is_known else self.estimator
        for start in range(0, n_rows, PREDICT_ROWS):
            deadline.check()
            part = X
            if n_rows > PREDICT_ROWS:
                rows = slice(start, start + PREDICT_ROWS)
                part = take_rows(X, rows)
            chunks.append(self.target.predict(estimator, part, self.columns))
        prediction = self.target.joined(chunks)
        self.target.check_prediction(prediction)
        return prediction


def share_parts(models: Iterable[FittedModel], target: Target) -> None:
    """Give all models one target, and one encoder to models with equal encoders.

    Models that were read from files have copies of their own. Sharing saves memory, and
    a shared encoder is used once for each prediction. Encoders are equal if they have
    the same parameters and the same fold; an encoder that learns nothing from the rows
    is the same in all folds.
    """
    shared: dict[tuple[int | None, str], Any] = {}
    for model in models:
        if isinstance(model, FittedModel):  # a deferred model is not loaded for this
            model.target = target
            model.encoder = _shared(model.encoder, model.fold, shared)


def _shared(encoder: Any, fold: int, shared: dict[tuple[int | None, str], Any]) -> Any:
    """Return the encoder that stands for all equal ones, and shares their parts."""
    if isinstance(encoder, CombinedEncoder):
        encoder = encoder.of([_shared(own, fold, shared) for own in encoder.encoders])
    own_fold = None if learns_nothing(encoder) else fold
    return shared.setdefault((own_fold, full_repr(encoder)), encoder)


class DeferredModel:
    """A `FittedModel` that stays pickled until it is used.

    It is for models that there is no time to load, as after an interrupt.

    Parameters
    ----------
    pickled : bytes
        The model.
    """

    def __init__(self, pickled: bytes):
        self._pickled = pickled

    @property
    def is_loaded(self) -> bool:
        """Whether the model has been used."""
        return "_model" in self.__dict__

    def load(self) -> FittedModel:
        """Return the model, which is then kept.

        Raises
        ------
        RuntimeError
            If it cannot be loaded.
        """
        if not self.is_loaded:
            try:
                self.__dict__["_model"] = pickle.loads(self._pickled)
            except Exception as error:  # an AttributeError would be misunderstood
                raise RuntimeError(
                    f"A model of the ensemble cannot be loaded. {describe_error(error)}"
                ) from error
        return self.__dict__["_model"]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pickle and copy ask before there is a state
            raise AttributeError(name)
        return getattr(self.load(), name)

    def __getstate__(self) -> dict[str, bytes]:
        return {"_pickled": self._pickled}
