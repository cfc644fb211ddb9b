"""ImageCanvas: images with their aspect ratio, on canvases of one shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from automodel.clock import NO_DEADLINE, Deadline
from automodel.nets.detection._canvas import GREY, canvas_dtype, extents_of
from automodel.preprocessing.image.reader import read_images
from automodel.preprocessing.image.resize import resized_to

MOST_ENCODED = 256  # images at a time, since a canvas has half a megabyte


class ImageCanvas(TransformerMixin, BaseEstimator):
    """Place images on canvases of one shape, for neural nets that detect objects.

    An image keeps its aspect ratio. It is scaled until it fills the height or the width
    of the canvas, and placed at the top left; the rest is grey. The original size comes
    with it, so that boxes can be scaled in the same way.

    Nothing is learned from the images, so that `transform` works without `fit`. In a
    search, the canvases are computed once, and stay in a file, from which models get
    `SomeRows`.

    Parameters
    ----------
    short_side : int, default=320
        The shorter side of the canvas in pixels.
    canvas : tuple of 2 numbers, default=(1, 1)
        Height and width of a typical image in any unit. Only their ratio counts: it is
        that of the canvas.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.image.canvas import ImageCanvas
    >>> canvases = ImageCanvas(32, (480, 640)).transform(np.zeros((2, 96, 96, 3)))
    >>> canvases["pixels"].shape, canvases["size"].tolist()
    ((2, 32, 43, 3), [[96, 96], [96, 96]])
    """

    stays_in_file = True
    most_encoded = MOST_ENCODED

    def __init__(self, short_side: int = 320, canvas: tuple[float, float] = (1, 1)):
        self.short_side = short_side
        self.canvas = canvas

    def fit(self, X: Any = None, y: Any = None):
        """Do nothing.

        Parameters
        ----------
        X, y : None
            Ignored.
        """
        return self

    def transform(self, X: Any, deadline: Deadline = NO_DEADLINE) -> np.ndarray:
        """Return the canvases.

        Parameters
        ----------
        X : sequence of images, or Images
            The images, as in `AutoImageClassifier`.
        deadline : Deadline, default=NO_DEADLINE
            Checked between images.

        Returns
        -------
        ndarray of shape (n_samples,)
            A structured array with the fields "pixels", which are RGB values in uint8
            of shape (height, width, 3), and "size", the height and width of the
            original image in pixels.

        Raises
        ------
        DeadlineReached
            If they are not ready in time.
        """
        images, sides = read_images(X), self.sides
        found = np.empty(len(images), dtype=canvas_dtype(*sides))
        found["pixels"] = GREY
        for pixels, size, image in zip(
            found["pixels"], found["size"], images, strict=True
        ):
            deadline.check()
            size[:] = image.shape[:2]
            height, width = extents_of(size, sides)[0]
            pixels[:height, :width] = resized_to(image, height, width)
        return found

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the canvas in pixels."""
        unit = self.short_side / min(self.canvas)
        height, width = (max(round(unit * side), 1) for side in self.canvas)
        return height, width

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags
