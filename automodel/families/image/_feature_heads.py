"""Models on top of features: one of several heads, which a trial chooses."""

from __future__ import annotations

from sklearn.base import BaseEstimator

from automodel.families._embedding_heads import (
    EmbeddingClassifier,
    EmbeddingHead,
    EmbeddingRegressor,
)
from automodel.families._landmarks import Landmarks
from automodel.families.image._pixel_heads import CommonScaler


class FeatureHead(EmbeddingHead):
    """A model of features of a pretrained net, which is one of several kinds.

    Parameters
    ----------
    linear, kernel, mlp, boosting
        As in `EmbeddingHead`.
    head : {"linear", "kernel", "mlp", "boosting"}, default="linear"
        Which of them is used.
    net : str, default=""
        Name of the weights of the net.
    image_size, taps
        As in `ImageFeatures`.
    pooling : {"mean", "std", "grid", "all"}, default="std"
        What is taken of the maps, beside the mean: standard deviations, cells, or both.
    flip_average : bool, default=False
        Whether the features are the means of those of an image and its mirror image.
    n_components : int or None, default=512
        Number of principal components of the features; None keeps all columns.
    gamma, n_landmarks, random_state
        As in `EmbeddingHead`.
    """

    def __init__(
        self,
        linear: BaseEstimator,
        kernel: BaseEstimator,
        mlp: BaseEstimator,
        boosting: BaseEstimator,
        *,
        head: str = "linear",
        net: str = "",
        image_size: int = 96,
        taps: str = "both",
        pooling: str = "std",
        flip_average: bool = False,
        n_components: int | None = 512,
        gamma: float = 0.5,
        n_landmarks: int = 1000,
        random_state: int = 0,
    ):
        self.linear = linear
        self.kernel = kernel
        self.mlp = mlp
        self.boosting = boosting
        self.head = head
        self.net = net
        self.image_size = image_size
        self.taps = taps
        self.pooling = pooling
        self.flip_average = flip_average
        self.n_components = n_components
        self.gamma = gamma
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def new_scaler(self) -> BaseEstimator:
        """Return a scaler that keeps the ratios of the variances of components."""
        return CommonScaler()

    def new_kernel(self, gamma: float, n_rows: int) -> BaseEstimator:
        """Return the approximation of a Gaussian kernel by this number of rows."""
        return Landmarks(gamma, n_rows, self.random_state)


class FeatureClassifier(FeatureHead, EmbeddingClassifier):
    """A classifier of features of a pretrained net; see `FeatureHead`."""


class FeatureRegressor(FeatureHead, EmbeddingRegressor):
    """A regressor of features of a pretrained net; see `FeatureHead`."""
