"""Texts: the Rows of texts, and TextFacts about them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from automodel.nets.weights import Weights

TEXT_COLUMNS = 30  # which a text is worth in the estimate of the cost of a model


class Texts:
    """Rows that are one text each.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        The texts, as str objects.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.text.texts import Texts
    >>> texts = Texts(np.array(["good", "bad", "good"], dtype=object))
    >>> list(texts.take([0, 1])), texts.first_equal()
    (['good', 'bad'], array([0, 1, 0]))
    """

    def __init__(self, values: np.ndarray):
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def take(self, rows: Any) -> Texts:
        """Return the texts of the given rows."""
        return Texts(self.values[rows])

    @property
    def nbytes(self) -> int:
        """Bytes that the texts hold."""
        return self.values.nbytes + sum(map(sys.getsizeof, self.values))

    def fingerprint(self) -> str:
        """Return a hash of the texts, which is the same in all processes."""
        digest = hashlib.sha256()
        for text in self.values:
            encoded = text.encode("utf-8", "surrogatepass")
            digest.update(f"{len(encoded)} ".encode())
            digest.update(encoded)
        return digest.hexdigest()

    def first_equal(self) -> np.ndarray:
        """Return the first row with the same text as each row.

        Upper and lower case and outer blanks make no difference. An empty text is the
        same as no other one: it says nothing that a model could learn by heart.
        """
        first: dict[str, int] = {}
        rows = [
            first.setdefault(text, row) if text else row
            for row, text in enumerate(t.strip().lower() for t in self.values)
        ]
        return np.array(rows, dtype=np.intp)


@dataclass(frozen=True)
class TextFacts:
    """Facts about texts, the `Task.facts` of families of texts.

    Parameters
    ----------
    mean_chars : float
        Mean number of characters of a text.
    max_chars : int
        Number of characters of the longest text.
    empty_share : float, default=0.0
        Share of the texts that are empty or missing.
    n_distinct : int, default=0
        Number of distinct texts.
    unspaced_share : float, default=0.0
        About the share of the texts without blanks between words, such as Chinese ones.
    weights : tuple of Weights, default=()
        Pretrained weights that families may use.
    """

    mean_chars: float
    max_chars: int
    empty_share: float = 0.0
    n_distinct: int = 0
    unspaced_share: float = 0.0
    weights: tuple[Weights, ...] = ()

    @property
    def width(self) -> int:
        """Approximate number of columns that a typical encoder returns."""
        return TEXT_COLUMNS
