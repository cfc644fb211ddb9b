"""Table: a compact form of tabular data from any container."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import joblib
import numpy as np
from scipy.sparse import csr_matrix

from automodel.preprocessing.encoded import nbytes_of


@dataclass(frozen=True)
class TextColumn:
    """A column of texts, in which each distinct text is held once.

    Parameters
    ----------
    counts : csr_matrix of shape (n_texts, n_buckets)
        Hashed token counts of the distinct texts.
    codes : ndarray of shape (n_samples,), int32
        The position of the text of each row.
    strings : Strings, default=None
        The distinct texts themselves, kept if a pretrained encoder can embed them.
    outputs : dict of str to ndarray
        Embeddings of the distinct texts, which all rows that are taken share. They are
        not pickled.
    """

    counts: csr_matrix
    codes: np.ndarray
    strings: "Strings | None" = None
    outputs: dict[str, np.ndarray] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "outputs": {}}

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays hold."""
        strings = 0 if self.strings is None else self.strings.nbytes
        return nbytes_of(self.counts) + self.codes.nbytes + strings

    @property
    def repeats(self) -> np.ndarray:
        """The number of rows of each text, of shape (n_texts,)."""
        return np.bincount(self.codes, minlength=self.counts.shape[0])

    def take(self, rows: Sequence[int] | np.ndarray | slice) -> "TextColumn":
        """Return the texts of the given rows."""
        return replace(self, codes=self.codes[rows])

    def tokens(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the buckets of the text of a row, and how often each occurs."""
        start, end = self.counts.indptr[self.codes[row] :][:2]
        return self.counts.indices[start:end], self.counts.data[start:end]

    def used(self) -> "TextColumn":
        """Return the same rows, with only those texts that occur in a row."""
        used, codes = np.unique(self.codes, return_inverse=True)
        if len(used) == self.counts.shape[0]:
            return self
        return TextColumn(self.counts[used], codes)


class Strings(Sequence[str]):
    """Strings in two arrays, which all processes can map from one file.

    Parameters
    ----------
    strings : iterable of str
        The strings.

    Examples
    --------
    >>> from automodel.preprocessing.table import Strings
    >>> list(Strings(["blue", "red"]))
    ['blue', 'red']
    """

    def __init__(self, strings: Iterable[str]):
        encoded = [string.encode("utf-8", "surrogatepass") for string in strings]
        self._bytes = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        self._ends = np.cumsum([0, *map(len, encoded)])

    def __len__(self) -> int:
        return len(self._ends) - 1

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays hold."""
        return self._bytes.nbytes + self._ends.nbytes

    @property
    def lengths(self) -> np.ndarray:
        """The number of bytes of each string in UTF-8."""
        return np.diff(self._ends)

    def __getitem__(self, position):
        place = range(len(self))[position]
        start, end = self._ends[place : place + 2]
        return self._bytes[start:end].tobytes().decode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Table:
    """Rows of a table as arrays.

    Parameters
    ----------
    numeric : ndarray of shape (n_samples, n_numeric), float64 or float32
        Finite numbers, with NaN for missing values and infinities. The parts of dates,
        durations in seconds and booleans are numbers as well.
    codes : ndarray of shape (n_samples, n_categorical), int32
        Category numbers, with -1 for missing values and unknown categories.
    cardinalities : tuple of int
        Number of categories of each column of `codes`.
    text : tuple of TextColumn
        One for each text column.
    sparse : csr_matrix of shape (n_samples, n_features) or None
        Set when X is a scipy sparse matrix; the other parts are then empty.
    names : tuple of str
        Names of the columns of `numeric`, `codes` and `text`, in this order. If empty,
        the columns are called x0, x1 and so on, and so are those of `sparse`.
    categories : tuple of sequences of str
        The categories that the numbers in each column of `codes` stand for; empty if
        they are not known.
    """

    numeric: np.ndarray
    codes: np.ndarray
    cardinalities: tuple[int, ...] = ()
    text: tuple[TextColumn, ...] = ()
    sparse: csr_matrix | None = None
    names: tuple[str, ...] = ()
    categories: tuple[Sequence[str], ...] = ()

    def __len__(self) -> int:
        return self.numeric.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays hold."""
        dense = self.numeric.nbytes + self.codes.nbytes
        matrix = 0 if self.sparse is None else nbytes_of(self.sparse)
        return dense + sum(texts.nbytes for texts in self.text) + matrix

    @property
    def n_columns(self) -> int:
        """Number of columns of all parts."""
        n_dense = self.numeric.shape[1] + self.codes.shape[1] + len(self.text)
        return n_dense if self.sparse is None else self.sparse.shape[1]

    def fingerprint(self) -> str:
        """Return a hash of all values, without the names of columns and categories.

        These are attributes of the reader, and hashing many strings is slow.
        """
        return str(joblib.hash(replace(self, names=(), categories=())))

    def take(self, rows: Sequence[int] | np.ndarray | slice) -> "Table":
        """Return the table of the given rows."""
        return replace(
            self,
            numeric=self.numeric[rows],
            codes=self.codes[rows],
            text=tuple(texts.take(rows) for texts in self.text),
            sparse=None if self.sparse is None else self.sparse[rows],
        )
