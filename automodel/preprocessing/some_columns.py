"""SomeColumns: a part of the columns of an encoder that learns nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from automodel.preprocessing.combined import CombinedEncoder


class SomeColumns(CombinedEncoder):
    """Select columns of the output of an encoder, which learns nothing from the rows.

    A search keeps the whole output, from which several choices of columns are taken.

    Parameters
    ----------
    encoder : Encoder
        It returns an array.
    spans : tuple of (int, int)
        Where the selected columns begin and end.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from automodel.preprocessing.some_columns import SomeColumns
    >>> X = np.arange(8).reshape(2, 4)
    >>> SomeColumns(FunctionTransformer(), ((0, 1), (2, 4))).transform(X)
    array([[0, 2, 3],
           [4, 6, 7]])
    """

    def __init__(self, encoder: Any, spans: Sequence[tuple[int, int]]):
        self.encoder = encoder
        self.spans = spans

    @property
    def encoders(self) -> list[Any]:  # type: ignore[override]
        """The encoder."""
        return [self.encoder]

    def of(self, encoders: Sequence[Any]) -> SomeColumns:
        """See `CombinedEncoder`."""
        return SomeColumns(encoders[0], self.spans)

    def join(self, outputs: Sequence[Any]) -> np.ndarray:
        """Return the selected columns of an output."""
        return self.select(outputs[0], slice(None))

    def select(self, output: np.ndarray, rows: Any) -> np.ndarray:
        """Return the selected columns of some rows of an output.

        Parameters
        ----------
        output : ndarray of shape (n_samples, n_all_columns)
            The output, of which nothing else is read if it is mapped from a file.
        rows : ndarray of int, or slice
            The rows.
        """
        return np.hstack([output[rows, start:end] for start, end in self.spans])
