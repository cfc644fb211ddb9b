"""Embeddings of the text columns of tables, and their components."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from automodel.nets.weights import Weights
from automodel.preprocessing.stateless import output_in_memory
from automodel.preprocessing.table import TextColumn
from automodel.preprocessing.text.columns import TINY, telling_columns
from automodel.preprocessing.text.embedding import TextEmbedding, embedding_seconds
from automodel.preprocessing.text.texts import Texts

SHORT_COMPONENTS, LONG_COMPONENTS = 10, 60
LONG_TEXT = 100  # characters
START_SECONDS = 6.0  # to import torch and transformers, and to load the weights
MAX_TOKENS = 128  # at the beginning of a text, which says most


def column_embedding(weights: Weights, precision: str = "auto") -> TextEmbedding:
    """Return the encoder of the texts of a column, of which it reads the beginning."""
    return TextEmbedding(
        weights, max_tokens=MAX_TOKENS, max_chunks=1, precision=precision
    )


def seconds_to_embed(columns: Sequence[TextColumn], weights: Weights) -> float:
    """Return about how long it takes to embed text columns on one core; 0 for none."""
    strings = [texts.strings for texts in columns if texts.strings is not None]
    if not strings:
        return 0.0
    n_chars = np.concatenate([column.lengths for column in strings])
    return START_SECONDS + embedding_seconds(weights, n_chars, MAX_TOKENS)


def embeddings_of(
    texts: TextColumn,
    embedding: TextEmbedding,
    output_of: Callable[..., np.ndarray] = output_in_memory,
) -> np.ndarray:
    """Return the embedding of each distinct text of a column, computed once.

    Parameters
    ----------
    texts : TextColumn
        The column, which keeps the result.
    embedding : TextEmbedding
        Encoder of texts.
    output_of : callable, default=output_in_memory
        `output_of(encoder, rows)` returns the output of an encoder that learns nothing.
    """
    if texts.strings is None:
        raise ValueError(
            "The table does not hold its texts, since no pretrained weights were found "
            "on this machine when it was read."
        )
    key = str(embedding.get_params())
    if key not in texts.outputs:
        rows = Texts(np.array(list(texts.strings), dtype=object))
        texts.outputs[key] = output_of(embedding, rows)
    return texts.outputs[key]


class EmbeddedComponents(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Reduce the embeddings of a text column to their principal components.

    They are scaled by the same factor, as in `TextComponents`.

    Parameters
    ----------
    embedding : TextEmbedding
        Encoder of texts.
    n_components : int, default=None
        Largest number of components. None stands for 10, or 60 for texts of more than
        100 characters on average. More components of short texts, such as names, are
        noise to trees and make them slow.
    alpha : float, default=0.1
        As in `TextComponents`.
    spread : float, default=1.0
        Standard deviation of the first component.

    Attributes
    ----------
    mean_ : ndarray of shape (n_columns,)
        Mean embedding of the training rows.
    components_ : ndarray of shape (n_columns, n_components)
        The axes on which embeddings are projected.
    """

    def __init__(
        self,
        embedding: TextEmbedding,
        n_components: int | None = None,
        alpha: float = 0.1,
        spread: float = 1.0,
    ):
        self.embedding = embedding
        self.n_components = n_components
        self.alpha = alpha
        self.spread = spread

    def fit(self, texts: TextColumn, y=None):
        """Learn the components, and which of them are related to y."""
        share = texts.repeats / max(len(texts), 1)
        used = np.flatnonzero(share)
        embedded = embeddings_of(texts, self.embedding)[used].astype(np.float64)
        self.mean_ = share[used] @ embedded
        centred = embedded - self.mean_
        variances, axes = np.linalg.eigh((centred * share[used, None]).T @ centred)
        widest = np.sqrt(max(variances[-1], 0.0))
        axes = axes[:, ::-1][:, : self._most_components(texts)]
        self.components_ = axes * self.spread / widest if widest > TINY else axes
        if y is not None:
            chosen = telling_columns(self.transform(texts), y, self.alpha)
            self.components_ = self.components_[:, chosen]
        return self

    def transform(self, texts: TextColumn) -> np.ndarray:
        """Return the components of rows, of shape (n_samples, n_components)."""
        embedded = embeddings_of(texts, self.embedding)
        used, codes = np.unique(texts.codes, return_inverse=True)
        columns = (embedded[used] - self.mean_) @ self.components_
        return columns.astype(np.float32)[codes]

    def _most_components(self, texts: TextColumn) -> int:
        if self.n_components is not None:
            return self.n_components
        mean_length = texts.strings.lengths[texts.codes].mean()  # type: ignore[union-attr]
        return LONG_COMPONENTS if mean_length > LONG_TEXT else SHORT_COMPONENTS

    def names_out(self, name: str) -> list[str]:
        """Return the names of the components."""
        return [f"{name}_embedding{i}" for i in range(self.components_.shape[1])]
