"""Texts as numbers of tokens."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from automodel.nets._planner import check_time

MOST_CHARACTERS = 32  # of a token in the mean: what is beyond need not be read
MOST_WORDS = 8000  # of a vocabulary that is learned
CHECKED_TEXTS = 64  # between two looks at the clock
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


@dataclass(frozen=True)
class Tokens:
    """Tokens of texts, end to end in one array.

    Parameters
    ----------
    ids : ndarray of int32
        Numbers of the tokens.
    starts : ndarray of shape (n_texts + 1,)
        Where each text starts, and where the last one ends.
    """

    ids: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1


def tokens_of(
    texts: Sequence[str] | np.ndarray,
    tokenizer: str,
    max_length: int,
    seconds_left: Callable[[], float] | None = None,
) -> Tokens:
    """Return the tokens of texts, each cut to `max_length`.

    Parameters
    ----------
    texts : sequence of str
        The texts.
    tokenizer : str
        A tokenizer of the library `tokenizers`, in its JSON format.
    max_length : int
        The most tokens of a text, special ones included.
    seconds_left : callable, default=None
        Returns the seconds until the tokens are needed.

    Raises
    ------
    DeadlineReached
        If they are not ready in time.
    """
    from tokenizers import Tokenizer

    tool = Tokenizer.from_str(tokenizer)
    tool.no_padding()
    tool.enable_truncation(max_length)
    most = MOST_CHARACTERS * max_length
    # One by one: `encode_batch` uses all cores, and threads that do not survive a fork.
    rows = []
    for i, text in enumerate(texts):
        if i % CHECKED_TEXTS == 0:
            check_time(seconds_left)
        rows.append(tool.encode(_readable(text[:most])).ids or [0])
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=int)])
    ids = np.fromiter((i for row in rows for i in row), np.int32, starts[-1])
    return Tokens(ids, starts)


def learned_tokenizer(texts: Sequence[str] | np.ndarray) -> str:
    """Return a tokenizer whose vocabulary consists of the words of texts.

    Other words are read letter by letter.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    normalizer = normalizers.BertNormalizer()
    splitter = pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text in texts:
        normal = normalizer.normalize_str(_readable(text))
        counts.update(word for word, _ in splitter.pre_tokenize_str(normal))
    letters = sorted({letter for word in counts for letter in word})
    often = [word for word, n in counts.most_common(MOST_WORDS) if n > 1]
    names = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *often]
    vocabulary = {name: i for i, name in enumerate(dict.fromkeys(names))}
    tool = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tool.normalizer, tool.pre_tokenizer = normalizer, splitter
    ends = [(name, vocabulary[name]) for name in ("[SEP]", "[CLS]")]
    tool.post_processor = processors.BertProcessing(*ends)
    return tool.to_str()


def n_tokens_of(tokenizer: str) -> int:
    """Return the size of the vocabulary."""
    found = json.loads(tokenizer)
    largest = max(found["model"]["vocab"].values())
    return 1 + max([largest, *(token["id"] for token in found["added_tokens"])])


def _readable(text: str) -> str:
    """Return a text without lone surrogates, which no encoding has."""
    return text.encode("utf-8", "replace").decode("utf-8")
