"""TextReader: reads texts from any container into `Texts`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from automodel.exceptions import FitWarning, WeightsWarning
from automodel.nets.weights import NO_WEIGHTS, find_weights
from automodel.preprocessing.text.strings import as_strings
from automodel.preprocessing.text.texts import TextFacts, Texts

SAMPLE = 10_000  # texts whose words are counted
SAMPLE_CHARACTERS = 1000  # of each of them
LONG_WORD = 12  # characters in the mean of a text, beyond which it has no blanks


class TextReader(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Read a sequence of strings into `Texts`; missing texts become empty.

    Parameters
    ----------
    weights : str, Path or None, default=None
        Pretrained weights that the families may use, which become a part of the facts.

    Attributes
    ----------
    notes_ : list of str
        Notes about the texts of fit for the user.

    Examples
    --------
    >>> from automodel.preprocessing.text.reader import TextReader
    >>> reader = TextReader()
    >>> list(reader.fit_transform(["good", None]))
    ['good', '']
    >>> reader.notes_
    ['1 of 2 texts are missing and count as empty texts.']
    """

    def __init__(self, weights=None):
        self.weights = weights

    def fit(self, X: Any, y: Any = None):
        """Check the texts, and note how many are missing."""
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Texts:
        """Check and read the texts, and note how many are missing."""
        texts, self.notes_ = _read(X)
        return texts

    def transform(self, X: Any) -> Texts:
        """Read texts. Warns with `FitWarning` if some are missing."""
        check_is_fitted(self)
        texts, notes = _read(X)
        for note in notes:
            warnings.warn(note, FitWarning, stacklevel=2)
        return texts

    def facts(self, texts: Texts) -> TextFacts:
        """Return the facts about the texts that families use.

        Warns with `WeightsWarning` if there are no pretrained weights on this machine.
        """
        found = find_weights(self.weights)
        if not found and self.weights is not None:
            warnings.warn(NO_WEIGHTS, WeightsWarning, stacklevel=2)
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        return TextFacts(
            mean_chars=float(lengths.mean()),
            max_chars=int(lengths.max()),
            empty_share=float((lengths == 0).mean()),
            n_distinct=len(set(texts)),
            unspaced_share=_unspaced_share(texts),
            weights=found,
        )


def read_texts(X: Any) -> Texts:
    """Return raw texts, or `Texts` that a reader has made of them, as `Texts`."""
    return X if isinstance(X, Texts) else _read(X)[0]


def _unspaced_share(texts: Texts) -> float:
    """Return the share of texts whose words are too long, in a sample."""
    step = -(-len(texts) // SAMPLE)
    starts = [text[:SAMPLE_CHARACTERS] for text in texts.take(slice(0, None, step))]
    are_long = [len(text) > LONG_WORD * max(len(text.split()), 1) for text in starts]
    return float(np.mean(are_long))


def _read(X: Any) -> tuple[Texts, list[str]]:
    strings = as_strings(X)
    is_missing = np.array([text is None for text in strings], dtype=bool)
    n_missing = int(is_missing.sum())
    notes = [
        f"{n_missing} of {len(strings)} texts are missing and count as empty texts."
    ]
    return Texts(np.where(is_missing, "", strings)), notes if n_missing else []
