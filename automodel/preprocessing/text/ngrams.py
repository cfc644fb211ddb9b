"""NgramCounts: how often each hashed n-gram of words and characters is in a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin

from automodel.preprocessing.text.reader import read_texts
from automodel.preprocessing.text.texts import Texts

BITS = 19
BUCKETS = 2**BITS  # of the n-grams of each length
WORDS = (1, 2, 3)
CHARACTERS = (2, 3, 4, 5)
BLOCK_CHARACTERS = 2_000_000  # of the texts that are counted at a time
BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64
MASK = 2**64 - 1
MIXERS = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))


class NgramCounts(TransformerMixin, BaseEstimator):
    """Count the n-grams of texts, in columns that depend on their hash alone.

    N-grams of each length have columns of their own: those of one, two and three words,
    followed by those of two to five characters within words. All settings of a model of
    n-grams can therefore choose from the same counts. Upper and lower case are the
    same. Nothing is learned from the texts.

    Parameters
    ----------
    characters : bool, default=True
        Whether sequences of characters are counted, too. They take most of the time.
    longest : int, default=5
        Most characters of a sequence that is counted. The columns of longer ones are
        empty.
    n_first : int, default=None
        Number of characters at the beginning of a text in which sequences are counted;
        None for all.

    Examples
    --------
    >>> from automodel.preprocessing.text.ngrams import NgramCounts
    >>> counts = NgramCounts(characters=False).transform(["a good dog", "Good dog"])
    >>> counts.sum(axis=1).ravel()
    array([6., 3.], dtype=float32)
    """

    def __init__(self, characters=True, longest=CHARACTERS[-1], n_first=None):
        self.characters = characters
        self.longest = longest
        self.n_first = n_first

    def fit(self, X: Any, y: Any = None):
        """Do nothing.

        Parameters
        ----------
        X : sequence of str
            Ignored.
        y : None
            Ignored.
        """
        return self

    def transform(self, X: Any) -> sparse.csr_array:
        """Count the n-grams.

        Parameters
        ----------
        X : sequence of str or Texts
            The texts.

        Returns
        -------
        csr_array of shape (n_samples, n_columns), float32
            The counts.
        """
        blocks = [self._counts(block) for block in _blocks(read_texts(X))]
        return blocks[0] if len(blocks) == 1 else sparse.vstack(blocks, format="csr")

    @property
    def n_columns(self) -> int:
        """Number of columns of counts."""
        return BUCKETS * (len(WORDS) + len(CHARACTERS) * self.characters)

    def _counts(self, texts: list[str]) -> sparse.csr_array:
        longest = self.longest if self.characters else 0
        found = list(_ngrams(texts, longest, self.n_first))
        buckets = [_bucket(hashes) for _, hashes in found]
        starts = np.arange(len(found), dtype=np.int32) * BUCKETS
        row = np.concatenate([rows for rows, _ in found])
        column = np.concatenate([s + b for s, b in zip(starts, buckets, strict=True)])
        ones = np.ones(len(row), dtype=np.float32)
        shape = len(texts), self.n_columns
        return sparse.coo_array((ones, (row, column)), shape=shape).tocsr()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


def _blocks(texts: Texts) -> Iterator[list[str]]:
    """Yield consecutive texts, in lower case, that have a limited size together."""
    block: list[str] = []
    size = 0
    for text in texts:
        if block and size + len(text) > BLOCK_CHARACTERS:
            yield block
            block, size = [], 0
        block.append(text.lower())
        size += len(text)
    yield block


def _ngrams(
    texts: list[str], longest: int, n_first: int | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the row and the hash of each n-gram, for one length after another.

    Each word between blanks gets a blank on both sides, and sequences of characters do
    not go beyond them.
    """
    padded = ["".join(f" {part} " for part in text.split()) for text in texts]
    lengths = np.fromiter(map(len, padded), dtype=np.intp, count=len(padded))
    code = np.frombuffer("".join(padded).encode("utf-32-le"), dtype=np.uint32)
    row = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
    hashed = _Hashed(code)
    is_word = _is_of_words(code)
    starts = np.flatnonzero(is_word & ~_shifted(is_word, 1))
    ends = np.flatnonzero(is_word & ~_shifted(is_word, -1)) + 1
    yield from _word_ngrams(row[starts], hashed.between(starts, ends))
    if longest:
        is_blank = code == ord(" ")
        part = np.cumsum(is_blank & ~_shifted(~is_blank, 1))
        is_counted = np.ones(len(code), dtype=bool)
        if n_first is not None:
            start_of_text = np.cumsum(lengths) - lengths
            is_counted = np.arange(len(code)) - start_of_text[row] < n_first
        for n in range(CHARACTERS[0], longest + 1):
            n_starts = max(len(part) - n + 1, 0)
            is_within = part[:n_starts] == part[n - 1 :]
            starts = np.flatnonzero(is_within & is_counted[:n_starts])
            yield row[starts], hashed.between(starts, starts + n)


def _word_ngrams(
    row: np.ndarray, words: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    hashes = words
    for n in WORDS:
        if n > 1:
            hashes = hashes[:-1] * MIXERS[1] + words[n - 1 :]
        n_ngrams = len(hashes)
        is_within = row[:n_ngrams] == row[len(row) - n_ngrams :]
        yield row[:n_ngrams][is_within], hashes[is_within]


class _Hashed:
    """Polynomial hashes, modulo 2**64, of all parts of a sequence of characters."""

    def __init__(self, code: np.ndarray):
        n = len(code)
        self.inverses = _powers(pow(BASE, -1, MASK + 1), n + 1)
        terms = (code.astype(np.uint64) + np.uint64(1)) * _powers(BASE, n)
        self.sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(terms)])

    def between(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return the hash of each part from a start to an end."""
        return (self.sums[ends] - self.sums[starts]) * self.inverses[starts]


def _powers(base: int, n: int) -> np.ndarray:
    """Return the first powers of a number modulo 2**64."""
    factors = np.full(n, base, dtype=np.uint64)
    factors[:1] = 1
    return np.cumprod(factors)


def _bucket(hashes: np.ndarray) -> np.ndarray:
    """Mix the bits of hashes, and return the highest ones."""
    mixed = (hashes ^ (hashes >> np.uint64(33))) * MIXERS[0]
    mixed = (mixed ^ (mixed >> np.uint64(33))) * MIXERS[1]
    return (mixed >> np.uint64(64 - BITS)).astype(np.int32)


def _is_of_words(code: np.ndarray) -> np.ndarray:
    """Tell which characters are letters, digits or underscores."""
    if not len(code):
        return np.empty(0, dtype=bool)
    found = np.flatnonzero(np.bincount(code))
    is_word = np.zeros(found[-1] + 1, dtype=bool)
    is_word[found] = [chr(c).isalnum() or c == ord("_") for c in found.tolist()]
    return is_word[code]


def _shifted(flags: np.ndarray, by: int) -> np.ndarray:
    """Return the flag of the character before (1) or after (-1) each one."""
    moved = np.zeros_like(flags)
    if by > 0:
        moved[1:] = flags[:-1]
    else:
        moved[:-1] = flags[1:]
    return moved
