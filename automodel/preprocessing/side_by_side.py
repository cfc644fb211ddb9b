"""SideBySide and MeanOf: the columns of several encoders, and the mean of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from automodel.preprocessing.combined import CombinedEncoder


class SideBySide(CombinedEncoder):
    """Put the columns of several encoders beside each other.

    The encoders learn nothing from the rows. The output is sparse if one of theirs is.

    Parameters
    ----------
    encoders : list of Encoder
        The encoders.

    Examples
    --------
    >>> from automodel.preprocessing.side_by_side import SideBySide
    >>> from automodel.preprocessing.text.ngrams import NgramCounts
    >>> words = NgramCounts(characters=False)
    >>> SideBySide([words, words]).transform(["a dog", "a good dog"]).shape
    (2, 3145728)
    """

    def __init__(self, encoders: Sequence[Any]):
        self.encoders = encoders

    def of(self, encoders: Sequence[Any]) -> SideBySide:
        """See `CombinedEncoder`."""
        return SideBySide(list(encoders))

    def join(self, outputs: Sequence[Any]) -> Any:
        """Return the columns of all outputs."""
        return beside(outputs)


class MeanOf(CombinedEncoder):
    """Return the mean of the outputs of several encoders, which have the same columns.

    Parameters
    ----------
    encoders : list of Encoder
        The encoders, which learn nothing from the rows.
    """

    def __init__(self, encoders: Sequence[Any]):
        self.encoders = encoders

    def of(self, encoders: Sequence[Any]) -> MeanOf:
        """See `CombinedEncoder`."""
        return MeanOf(list(encoders))

    def join(self, outputs: Sequence[Any]) -> Any:
        """Return the mean of the outputs."""
        return np.mean(outputs, axis=0)


def beside(parts: Sequence[Any]) -> Any:
    """Return arrays of the same rows as one array, sparse if one of them is."""
    if not any(map(sparse.issparse, parts)):
        return np.hstack(parts)
    as_sparse = [sparse.csr_array(part) for part in parts]
    return sparse.hstack(as_sparse, format="csr")
