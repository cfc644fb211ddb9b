"""Resize images, with the same function in fit and predict."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, TransformerMixin

from automodel.clock import NO_DEADLINE, Deadline
from automodel.preprocessing.image.reader import read_images


def resized(
    images: Iterable[np.ndarray], size: int, deadline: Deadline = NO_DEADLINE
) -> np.ndarray:
    """Return images as squares of one size.

    An image that is not a square is stretched, so that nothing of it is lost. Larger
    images are averaged and smaller ones interpolated, both linearly ("antialiased
    bilinear"). The result for an image does not depend on the others.

    Parameters
    ----------
    images : iterable of ndarray of shape (height, width, channels), uint8
        The images.
    size : int
        Side of the squares in pixels.
    deadline : Deadline, default=NO_DEADLINE
        Checked between images.

    Returns
    -------
    ndarray of shape (n_samples, size, size, channels), uint8
        The squares.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.image.resize import resized
    >>> resized([np.full((5, 9, 3), 7, dtype=np.uint8)], 4).shape
    (1, 4, 4, 3)
    """
    squares = []
    for image in images:
        deadline.check()
        squares.append(resized_to(image, size, size))
    if not squares:
        return np.zeros((0, size, size, 3), dtype=np.uint8)
    return np.stack(squares)


class ResizedImages(TransformerMixin, BaseEstimator):
    """Turn images into squares of one size, for neural nets.

    Nothing is learned from the images, so that `transform` works without `fit`. In a
    search, the squares are computed once, and stay in a file, from which models get
    `SomeRows`.

    Parameters
    ----------
    size : int, default=64
        Side of the squares in pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.image.resize import ResizedImages
    >>> ResizedImages(8).transform(np.zeros((2, 28, 28))).shape
    (2, 8, 8, 3)
    """

    stays_in_file = True

    def __init__(self, size: int = 64):
        self.size = size

    def fit(self, X: Any = None, y: Any = None):
        """Do nothing.

        Parameters
        ----------
        X, y : None
            Ignored.
        """
        return self

    def transform(self, X: Any, deadline: Deadline = NO_DEADLINE) -> np.ndarray:
        """Return the squares.

        Parameters
        ----------
        X : sequence of images, or Images
            The images, as in `AutoImageClassifier`.
        deadline : Deadline, default=NO_DEADLINE
            Checked between images.

        Returns
        -------
        ndarray of shape (n_samples, size, size, 3), uint8
            The squares.
        """
        return resized(read_images(X), self.size, deadline)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def resized_to(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return an image with another height and width, see `resized`.

    Its columns are averaged first, and then its rows. Sparse products add the pixels in
    a fixed order, so that the result is the same for an image alone and in a batch, and
    on any number of threads.

    Parameters
    ----------
    image : ndarray of shape (before, before, channels), uint8
        The image.
    height, width : int
        The new sides in pixels.
    """
    height_before, width_before, n_channels = image.shape
    if (height_before, width_before) == (height, width):
        return image
    # An image that were enlarged first would be large.
    if height_before < height and width < width_before:
        return resized_to(image.swapaxes(0, 1), width, height).swapaxes(0, 1)
    values = image.reshape(height_before, -1).astype(np.float32)
    values = _averages(height_before, height) @ values
    values = values.reshape(height, width_before, n_channels).swapaxes(0, 1)
    values = _averages(width_before, width) @ values.reshape(width_before, -1)
    values = values.reshape(width, height, n_channels).swapaxes(0, 1)
    return np.rint(values).clip(0, 255).astype(np.uint8)


@lru_cache(maxsize=256)
def _averages(n_before: int, n_after: int) -> csr_array:
    """Return the matrix that resizes one axis, whose rows are weights of pixels."""
    scale = n_before / n_after
    reach = max(scale, 1.0)
    centers = (np.arange(n_after) + 0.5)[:, None] * scale
    # Only the pixels within reach, since a dense matrix of a long side would be large.
    nearest = np.floor(centers - reach).astype(np.intp) + np.arange(int(2 * reach) + 2)
    weights = np.maximum(1 - np.abs(nearest + 0.5 - centers) / reach, 0)
    weights[(nearest < 0) | (nearest >= n_before)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    is_used = weights > 0
    starts = np.concatenate([[0], np.cumsum(is_used.sum(axis=1))])
    parts = weights[is_used].astype(np.float32), nearest[is_used], starts
    return csr_array(parts, shape=(n_after, n_before))
