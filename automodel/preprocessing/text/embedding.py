"""TextEmbedding: sentence embeddings of a pretrained encoder that is not trained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from automodel.clock import NO_DEADLINE, Deadline
from automodel.nets._weight_files import UNIVERSAL
from automodel.nets.weights import INSTALL, Weights
from automodel.preprocessing.pretrained import PretrainedEncoder
from automodel.preprocessing.text.reader import read_texts

CHARACTERS_PER_TOKEN = 4.0
SECONDS_PER_TOKEN = 1.3e-4  # for an encoder of USUAL_WIDTH on one core
SECONDS_PER_TEXT = 1e-4
USUAL_WIDTH = 384


class TextEmbedding(PretrainedEncoder):
    """Turn texts into sentence embeddings of a pretrained encoder.

    The encoder is frozen, so that nothing is learned from the texts and `transform`
    works without `fit`. It uses one thread. The weights are not part of a pickle, which
    holds their name, folder and checksum.

    Parameters
    ----------
    weights : str, path or Weights, default="auto"
        A folder, the name of a model, or "hub:NAME", see
        `automodel.nets.weights.find_weights`. "auto" takes the first weights that are
        found on this machine.
    max_tokens : int, default=128
        Tokens that are read at once. A longer text is cut into chunks of about equal
        length, whose embeddings are averaged.
    max_chunks : int, default=4
        Chunks of a text that are read, from its beginning.
    layers : tuple of int, default=(-1,)
        Layers of a transformer that are pooled, counted from the last one, -1. Layers
        in the middle know more about words, and add columns of their own.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of the computation. "auto" stands for bfloat16 where the processor
        multiplies in it, which is two to three times as fast.

    Attributes
    ----------
    weights_ : Weights
        Name, folder, licence and checksum of the weights.

    See Also
    --------
    automodel.nets.weights.find_weights : How weights are found.

    Examples
    --------
    >>> from automodel import TextEmbedding
    >>> encoder = TextEmbedding("all-MiniLM-L6-v2", max_tokens=64)
    >>> encoder.transform(["good food", "bad service"]).shape  # doctest: +SKIP
    (2, 384)
    """

    _modality = "text"
    _remedy = f"Name a folder, or install some: {INSTALL}"
    _column = "embedding"
    _parameter_constraints: ClassVar[dict] = {
        "weights": [str, os.PathLike, Weights, tuple, None],
        "max_tokens": [Interval(Integral, 1, None, closed="left")],
        "max_chunks": [Interval(Integral, 1, None, closed="left")],
        "layers": [tuple],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
    }

    def __init__(
        self,
        weights: str | os.PathLike | Weights = "auto",
        *,
        max_tokens: int = 128,
        max_chunks: int = 4,
        layers: tuple[int, ...] = (-1,),
        precision: str = "auto",
    ):
        self.weights = weights
        self.max_tokens = max_tokens
        self.max_chunks = max_chunks
        self.layers = layers
        self.precision = precision

    def transform(self, X: Any, deadline: Deadline = NO_DEADLINE) -> np.ndarray:
        """Return the embeddings of texts.

        Parameters
        ----------
        X : sequence of str, or Texts
            A list, an array or a Series of str. Missing texts count as empty ones.
        deadline : Deadline, default=NO_DEADLINE
            Checked between batches.

        Returns
        -------
        ndarray of shape (n_samples, n_columns), float32
            The embeddings.

        Raises
        ------
        DeadlineReached
            If they are not ready in time.
        """
        from automodel.nets._sentences import text_encoder

        weights, texts = self.in_use(), read_texts(X)
        if not len(texts):
            return np.zeros((0, self._n_columns(weights)), dtype=np.float32)
        encoder = text_encoder(weights, self.precision, tuple(self.layers))
        options = self.max_tokens, self.max_chunks, deadline.check
        return encoder.embed(list(texts), *options)

    def _n_columns(self, weights: Weights) -> int:
        return n_columns(weights, self.layers)

    def _check_parameters(self) -> None:
        self._validate_params()
        for name in ("max_tokens", "max_chunks"):
            if isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be an int of at least 1, and no bool.")
        if not self.layers or not all(layer < 0 for layer in self.layers):
            raise ValueError(
                "layers must be a tuple of negative numbers, counted from the last "
                f"layer, -1. Got {self.layers!r} instead."
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        return tags


def n_columns(weights: Weights, layers: Sequence[int]) -> int:
    """Return the number of columns of an embedding."""
    return weights.width * (1 if weights.kind == UNIVERSAL else len(layers))


def embedding_seconds(weights: Weights, n_chars: Any, most_tokens: int) -> float:
    """Return about how long it takes to embed texts on one core.

    Parameters
    ----------
    weights : Weights
        The encoder.
    n_chars : array-like of shape (n_texts,)
        Characters of each text.
    most_tokens : int
        Tokens of a text that are read.
    """
    tokens = np.minimum(np.asarray(n_chars) / CHARACTERS_PER_TOKEN, most_tokens)
    # Wider encoders also have more layers.
    per_token = SECONDS_PER_TOKEN * (weights.width / USUAL_WIDTH) ** 3
    return float(np.sum((tokens + 2) * per_token + SECONDS_PER_TEXT))
