"""Components: the principal components of the output of an encoder without learning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from automodel.preprocessing.combined import CombinedEncoder

POWER_ITERATIONS = 2  # which are enough for components that only save time
TINY = 1e-6
MOST_ROWS = 10_000  # that are learned from
CHUNK = 2_000  # rows that are converted at a time, since there may be many columns


class Components(CombinedEncoder):
    """Reduce the standardized output of an encoder to its principal components.

    The encoder learns nothing from the rows. The components are learned from at most
    10,000 rows, which are drawn at random, so that memory does not grow with the rows.

    Parameters
    ----------
    encoder : Encoder
        It returns an array.
    n_components : int, default=None
        Number of components; None keeps all columns, which are then standardized only.
    random_state : int, default=0
        Seed of the approximation of the components.

    Attributes
    ----------
    mean_ : ndarray of shape (n_columns,)
        Mean of each column of the encoder.
    factors_ : ndarray of shape (n_columns,) or (n_columns, n_components)
        By what the centred columns are multiplied.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from automodel.preprocessing.components import Components
    >>> X = np.random.default_rng(0).normal(size=(50, 8))
    >>> Components(FunctionTransformer(), 3).fit_transform(X).shape
    (50, 3)
    """

    mean_: np.ndarray
    factors_: np.ndarray

    def __init__(
        self, encoder: Any, n_components: int | None = None, random_state: int = 0
    ):
        self.encoder = encoder
        self.n_components = n_components
        self.random_state = random_state

    @property
    def encoders(self) -> list[Any]:  # type: ignore[override]
        """The encoder."""
        return [self.encoder]

    def of(self, encoders: Sequence[Any]) -> Components:
        """See `CombinedEncoder`."""
        found = Components(encoders[0], self.n_components, self.random_state)
        if hasattr(self, "mean_"):
            found.mean_, found.factors_ = self.mean_, self.factors_
        return found

    def fit(self, X: Any = None, y: Any = None):
        """Learn the components of rows.

        Parameters
        ----------
        X : Rows
            The rows.
        y : None
            Ignored.
        """
        self.fit_output(self.encoder.transform(X))
        return self

    def join(self, outputs: Sequence[Any]) -> np.ndarray:
        """Return the components of an output of the encoder."""
        (output,) = outputs
        found = np.empty((len(output), self.factors_.shape[-1]), dtype=np.float32)
        for rows in _chunks(len(output)):
            centred = np.asarray(output[rows], dtype=np.float32) - self.mean_
            if self.factors_.ndim == 1:
                found[rows] = centred * self.factors_
            else:
                found[rows] = centred @ self.factors_
        return found

    def fit_output(self, output: np.ndarray) -> np.ndarray:
        """Learn from an output of the encoder, and return its components."""
        from sklearn.decomposition import PCA  # slow to load
        from sklearn.preprocessing import StandardScaler

        rng = np.random.default_rng(self.random_state)
        drawn = rng.permutation(len(output))[:MOST_ROWS]
        sample = output[np.sort(drawn)] if len(drawn) < len(output) else output
        scaler = StandardScaler()
        for rows in _chunks(len(sample)):
            scaler.partial_fit(sample[rows])
        self.mean_ = scaler.mean_.astype(np.float32)
        spread = np.sqrt(scaler.var_).astype(np.float32)
        is_constant = spread <= TINY * np.maximum(np.abs(self.mean_), 1)
        self.factors_ = np.where(is_constant, 0, 1 / np.where(is_constant, 1, spread))
        self.factors_ = self.factors_.astype(np.float32)
        if self.n_components is not None and self.n_components < min(sample.shape):
            pca = PCA(
                self.n_components,
                svd_solver="randomized",
                iterated_power=POWER_ITERATIONS,
                random_state=self.random_state,
            ).fit(self.join([sample]))
            self.factors_ = self.factors_[:, None] * pca.components_.T
        return self.join([output])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = True
        return tags


def _chunks(n_rows: int) -> Iterator[slice]:
    """Yield slices of few rows; none if there are no rows."""
    for start in range(0, n_rows, CHUNK):
        yield slice(start, start + CHUNK)
