"""Encodings: the encoded rows of each fold, which trials share."""

from __future__ import annotations

import hashlib
import inspect
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import get_tags

from automodel.clock import Deadline
from automodel.exceptions import TrialPruned
from automodel.preprocessing.combined import CombinedEncoder
from automodel.preprocessing.components import Components
from automodel.preprocessing.encoded import nbytes_of, returns_mixed, take_rows
from automodel.preprocessing.rows import Encoder, Rows
from automodel.preprocessing.some_columns import SomeColumns
from automodel.preprocessing.stateless import (
    held,
    output_in_memory,
    output_of,
)
from automodel.some_rows import SomeRows

# In a process, for folds and again for outputs; forgotten parts are encoded again.
CACHE_BYTES = 64 * 2**20
LATE_SHARE = 0.5  # of the time left, that an output may take which has not begun
ADDRESS = " at 0x"  # in a `repr` that has no meaning in another process


class Encodings:
    """The encoded rows of each fold, kept since most trials share a few encodings.

    Encoders are fitted on the training rows of a fold. The output of an encoder that
    learns nothing is computed once for all folds, and once for all processes that see
    the same folder.

    Parameters
    ----------
    rows : Rows
        All of them.
    splits : list of (train, valid) index arrays
        The folds.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    groups : ndarray of shape (n_samples,) or None
        Groups of the rows.

    Attributes
    ----------
    folder : Path or None
        Where outputs are written that all folds and processes share. If it is None,
        each process computes them in memory.
    """

    _of_folds: dict[tuple[int, str], tuple[Encoder, Any, Any]]
    _outputs: dict[str, tuple[Encoder, Any]]  # of all rows, in memory and in no file
    _locks: dict[str, threading.Lock]

    def __init__(
        self,
        rows: Rows,
        splits: Sequence[tuple[np.ndarray, np.ndarray]],
        sample_weight: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ):
        self.rows = rows
        self.splits = splits
        self.sample_weight = sample_weight
        self.groups = groups
        self.folder: Path | None = None
        self._spent = threading.local()
        self._forget_all()

    def __getstate__(self):
        kept = ("rows", "splits", "sample_weight", "groups", "folder")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._spent = threading.local()
        self._forget_all()

    @property
    def shared_seconds(self) -> float:
        """Seconds that this thread has spent on, or waited for, shared outputs."""
        return getattr(self._spent, "seconds", 0.0)

    def encoded(
        self, fold: int, encoder: Encoder, y: np.ndarray, deadline: Deadline
    ) -> tuple[Encoder, Any, Any]:
        """Return an encoder, the training and the validation part of a fold.

        Parameters
        ----------
        fold : int
            Its number. Fold -1 is for refits: it trains on all rows, and validates
            none.
        encoder : Encoder
            It is fitted on the training rows, unless it learns nothing from them or an
            equal encoder was fitted before.
        y : ndarray
            Targets of the training rows.
        deadline : Deadline
            Moment at which the computation of a shared output has to end.

        Raises
        ------
        DeadlineReached
            If a shared output is not ready in time.
        """
        if isinstance(encoder, CombinedEncoder) and learns_nothing(encoder):
            return self._combined(fold, encoder, y, deadline)
        if learns_nothing(encoder):
            take = SomeRows if getattr(encoder, "stays_in_file", False) else take_rows
            encoder, X = self._output_of(encoder, self.rows, deadline)
            train, valid = self._parts(fold)
            return encoder, take(X, train), take(X, valid)
        key = fold, full_repr(encoder)
        found = self._of_folds.get(key)
        if found is None:
            # So that two large ones are never held at once.
            _forget_oldest(self._of_folds, CACHE_BYTES)
            if isinstance(encoder, Components):
                found = self._components(fold, encoder, y, deadline)
            else:
                found = self._fitted(fold, encoder, y, deadline)
            _keep(self._of_folds, key, found)
        return found

    def prepare(self, encoder: Encoder, deadline: Deadline) -> None:
        """Compute the outputs of others that an encoder needs, for all rows.

        Raises
        ------
        TrialPruned, DeadlineReached
            If that would take too long.
        """
        if hasattr(encoder, "prepare_rows"):
            output_of = partial(self._needed_output, deadline=deadline)
            encoder.prepare_rows(self.rows, output_of)

    def forget(self, but: int | None = None) -> None:
        """Free the memory of the encoded parts.

        Parameters
        ----------
        but : int, default=None
            A fold whose parts are kept, with the outputs that all folds share.
        """
        if but is None:
            self._forget_all()
            return
        parts = self._of_folds  # a new dict, since other threads may read the old one
        self._of_folds = {key: parts[key] for key in list(parts) if key[0] == but}

    def _forget_all(self) -> None:
        self._of_folds = {}
        self._outputs = {}
        self._locks = {}

    def _parts(self, fold: int) -> tuple[Any, Any]:
        """Return the training and the validation rows of a fold."""
        if fold >= 0:
            return self.splits[fold]
        # Indices, since a slice of a mapped file is read-only.
        return np.arange(len(self.rows)), np.arange(0)

    def _combined(
        self, fold: int, encoder: CombinedEncoder, y: np.ndarray, deadline: Deadline
    ) -> tuple[Encoder, Any, Any]:
        if isinstance(encoder, SomeColumns):  # of which others are not even copied
            own, X = self._output_of(encoder.encoder, self.rows, deadline)
            train, valid = (encoder.select(X, rows) for rows in self._parts(fold))
            return encoder.of([own]), train, valid
        each = [self.encoded(fold, own, y, deadline) for own in encoder.encoders]
        encoders, *parts = zip(*each, strict=True)
        return encoder.of(encoders), *map(encoder.join, parts)

    def _components(
        self, fold: int, encoder: Components, y: np.ndarray, deadline: Deadline
    ) -> tuple[Encoder, Any, Any]:
        own, train, valid = self.encoded(fold, encoder.encoder, y, deadline)
        encoder = encoder.of([own])
        return encoder, encoder.fit_output(train), encoder.join([valid])

    def _fitted(
        self, fold: int, encoder: Encoder, y: np.ndarray, deadline: Deadline
    ) -> tuple[Encoder, Any, Any]:
        self.prepare(encoder, deadline)
        train, valid = self.splits[fold] if fold >= 0 else (slice(None), slice(0))
        keywords = {}
        if self.sample_weight is not None:
            keywords["sample_weight"] = self.sample_weight[train]
        if self.groups is not None and _takes_groups(encoder):
            keywords["groups"] = self.groups[train]
        X_train = encoder.fit_transform(self.rows.take(train), y, **keywords)
        return encoder, X_train, encoder.transform(self.rows.take(valid))

    def _output_of(
        self, encoder: Encoder, rows: Rows, deadline: Deadline
    ) -> tuple[Encoder, Any]:
        """Return an encoder that learns nothing, and its output for rows."""
        key, start = self._key(encoder, rows), deadline.clock.now()
        lock = self._locks.setdefault(key, threading.Lock())
        try:
            with held(partial(lock.acquire, blocking=False), lock.release, deadline):
                found = self._outputs.get(key)
                return found or self._computed(encoder, rows, key, deadline)
        finally:
            seconds = deadline.clock.now() - start
            self._spent.seconds = self.shared_seconds + seconds

    def _needed_output(
        self, encoder: Encoder, rows: Rows, seconds: float, deadline: Deadline
    ) -> Any:
        """Return the output that another encoder needs, unless it comes too late."""
        key = self._key(encoder, rows)
        path = self._path_of(key)
        is_begun = key in self._outputs
        if path is not None:
            is_begun = is_begun or any(path.parent.glob(f"{path.name}*"))
        if not is_begun and seconds > LATE_SHARE * deadline.seconds_left:
            raise TrialPruned  # which tells the sampler, too
        return self._output_of(encoder, rows, deadline)[1]

    def _computed(
        self, encoder: Encoder, rows: Rows, key: str, deadline: Deadline
    ) -> tuple[Encoder, Any]:
        """Compute an output, or map it from its file; only the former is kept here."""
        path = self._path_of(key)
        if path is None:
            X, is_mapped = output_in_memory(encoder, rows, deadline), False
        else:
            X, is_mapped = output_of(encoder, rows, path, deadline)
        if not is_mapped:
            _keep(self._outputs, key, (encoder, X))
        return encoder, X

    def _key(self, encoder: Encoder, rows: Rows) -> str:
        own = "" if rows is self.rows else rows.fingerprint()
        return full_repr(encoder) + own

    def _path_of(self, key: str) -> Path | None:
        if self.folder is None or ADDRESS in key:
            return None
        return self.folder / hashlib.sha256(key.encode()).hexdigest()[:32]


def transformed(
    encoder: Encoder, rows: Rows, found: dict[int, Any] | None = None
) -> Any:
    """Return the output of a fitted encoder for new rows.

    An encoder that learns nothing gets few rows at a time, as in the search, since the
    decoded images of all rows may not fit into memory.

    Parameters
    ----------
    encoder : Encoder
        The encoder.
    rows : Rows
        The rows.
    found : dict, default=None
        Outputs for the same rows by the `id` of their encoder, to which new ones are
        added.
    """
    found = {} if found is None else found
    if id(encoder) not in found:
        found[id(encoder)] = _output(encoder, rows, found)
    return found[id(encoder)]


def _output(encoder: Any, rows: Rows, found: dict[int, Any]) -> Any:
    if isinstance(encoder, CombinedEncoder):
        return encoder.join([transformed(own, rows, found) for own in encoder.encoders])
    if returns_mixed(encoder):
        return encoder.transform_mixed(rows)
    if learns_nothing(encoder):
        return output_in_memory(encoder, rows)
    return encoder.transform(rows)


def learns_nothing(encoder: Any) -> bool:
    """Tell whether the output of an encoder does not depend on the rows of its fit.

    Encoders say so with scikit-learn's tag `requires_fit`.
    """
    has_tags = hasattr(encoder, "__sklearn_tags__")
    return has_tags and not get_tags(encoder).requires_fit


def full_repr(encoder: Any) -> str:
    """Return all parameters of an encoder as text; `repr` would shorten long ones."""
    if isinstance(encoder, CombinedEncoder):
        own = encoder.get_params(deep=False).items()
        others = {name: value for name, value in own if not name.startswith("encoder")}
        parts = [full_repr(part) for part in encoder.encoders]
        return f"{type(encoder)}({parts}, {others})"
    if not hasattr(encoder, "get_params"):
        return repr(encoder)
    params = {
        name: type(value) if hasattr(value, "get_params") else value
        for name, value in encoder.get_params().items()
    }
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        return f"{type(encoder)}({params})"


def _keep(kept: dict, key: Any, found: tuple) -> None:
    """Keep an encoder and its output; forget the oldest ones above the limit."""
    _forget_oldest(kept, CACHE_BYTES - sum(map(nbytes_of, found[1:])))
    kept[key] = found


def _forget_oldest(kept: dict, most: int) -> None:
    """Forget the oldest entries until the others have at most so many bytes."""
    entries = list(kept.items())
    sizes = [sum(map(nbytes_of, entry[1:])) for _, entry in entries]
    n_bytes = sum(sizes)
    for (oldest, _), size in zip(entries, sizes, strict=True):
        if n_bytes <= most:
            break
        kept.pop(oldest, None)
        n_bytes -= size


def _takes_groups(encoder: Encoder) -> bool:
    return "groups" in inspect.signature(encoder.fit_transform).parameters
