"""Rows and Encoder: what a search knows about X, whatever its modality."""

from __future__ import annotations

from typing import Any, Protocol, Self


class Rows(Protocol):
    """The rows that models learn from, which a reader has made of X.

    A search takes some of the rows, asks for their size, and tells them from other
    rows. Only encoders look inside of them.

    If equal rows must not be in both parts of a split, the rows also have a method
    `first_equal()`, which returns the position of the first row equal to each row.

    If the output of an encoder is large for each row, as for images, the rows say with
    `most_encoded` how many of them an ensemble predicts at a time.
    """

    def __len__(self) -> int:
        """Return the number of rows."""

    def take(self, rows: Any) -> Self:
        """Return some of the rows.

        Parameters
        ----------
        rows : ndarray of int, or slice
            Positions of the rows.
        """

    @property
    def nbytes(self) -> int:
        """Size of the rows in memory, in bytes."""

    def fingerprint(self) -> str:
        """Return a hash of the rows, which is the same in all processes."""


class Encoder(Protocol):
    """A scikit-learn transformer from Rows to the input of an estimator.

    The output is an array, a scipy sparse matrix or a DataFrame, with one row for each
    of the Rows. Two encoders of the same class whose parameters have the same `repr`
    are considered equal, so the output must not depend on anything else.

    An encoder that learns nothing from the rows, such as a pretrained net or a hashing
    vectorizer, has scikit-learn's tag `requires_fit = False`. It is never fitted, and
    `transform` is called with parts of the rows, once for all folds and processes. The
    output for a row must not depend on the other rows of the part, and must have the
    same type and shape for all rows. Anything large that the encoder loads should not
    be pickled with it, since it is kept with the models. If it has an attribute
    `stays_in_file` that is true, estimators get `SomeRows` of its output instead of
    copies of the training and of the validation part.

    An encoder that learns from the rows, but also needs the output of one that does
    not, has a method `prepare_rows(rows, output_of)`. It is called with all rows before
    the encoder is fitted. `output_of(encoder, rows, seconds)` returns the output of the
    other encoder, which is computed once for all folds and processes, and which the
    rows keep for those that are taken. If it has not begun and would take too many
    seconds, the trial is pruned. Without this call, the encoder computes it itself.

    To work alone in a `Pipeline` or `GridSearchCV`, an encoder should accept X itself
    as well as the Rows that a reader has made of it.
    """

    def fit_transform(self, rows: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Learn the encoding and encode the training rows.

        Parameters
        ----------
        rows : Rows
            Training rows.
        y : ndarray, default=None
            Targets of the rows.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights of the rows.
        groups : ndarray of shape (n_samples,)
            Groups of the rows, passed only if the method has a parameter of this name.
        """

    def transform(self, rows: Any) -> Any:
        """Encode rows.

        Parameters
        ----------
        rows : Rows
            The rows.
        deadline : Deadline
            Passed to an encoder that learns nothing, if the method has a parameter of
            this name, so that it can end between two rows.
        """
