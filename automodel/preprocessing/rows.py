"""Rows: what a search holds of X, whatever its modality; and what encodes them."""

from __future__ import annotations

from typing import Any, Protocol, Self


class Rows(Protocol):
    """The rows that models learn from, as a reader has made them of X.

    A search takes some of them, counts their bytes and tells them from others. What is
    in them is the matter of the encoders alone.
    """

    def __len__(self) -> int:
        """Return the number of rows."""

    def take(self, rows: Any) -> Self:
        """Return some of the rows.

        Parameters
        ----------
        rows : ndarray of int, or slice
            Their numbers.
        """

    @property
    def nbytes(self) -> int:
        """Bytes that the rows hold in memory."""

    def fingerprint(self) -> str:
        """Return a text that other rows do not have, the same in all processes."""


class Encoder(Protocol):
    """A scikit-learn transformer from Rows to what the estimator of a family takes.

    It returns an array, a scipy sparse matrix or a DataFrame with one row for each. Two
    encoders of one class with equal parameters are taken for the same, so the
    parameters, by their `repr`, say all that the output depends on.

    An encoder that learns nothing from the rows, such as a pretrained net or a hashing
    vectoriser, says so by scikit-learn's tag `requires_fit = False`. It is then never
    fitted, and `transform` is called with parts of the rows, once for all folds and
    processes. What it returns for a row must not depend on the others in the part,
    and has the same type and shape for every row. What it loads to compute that should
    not be pickled with it, since it is kept with the models.

    To work alone in a `Pipeline` or `GridSearchCV` an encoder accepts X as the user has
    it as well as the Rows that a reader has made of it.
    """

    def fit_transform(self, rows: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Learn the encoding and encode the training rows.

        Parameters
        ----------
        rows : Rows
            Training rows.
        y : ndarray, default=None
            Their targets.
        sample_weight : ndarray of shape (n_samples,), default=None
            Their weights.
        groups : ndarray of shape (n_samples,)
            Their groups, passed only if the signature has a parameter of this name.
        """

    def transform(self, rows: Any) -> Any:
        """Encode rows."""
