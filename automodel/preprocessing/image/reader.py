"""ImageReader: reads images from any container into `Images`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from automodel.exceptions import WeightsWarning
from automodel.nets.image.augment import FLIPS
from automodel.nets.weights import NO_IMAGE_WEIGHTS, find_weights
from automodel.preprocessing.image.containers import (
    Sources,
    as_sources,
    chunks_of,
    name_of,
)
from automodel.preprocessing.image.images import (
    AUGMENTATIONS,
    ImageFacts,
    Images,
)
from automodel.preprocessing.image.ranges import Ranges, as_bytes

SAMPLE = 5000  # images whose sizes are noted
SAMPLE_PIXELS = 20_000_000  # of images that are decoded to see if they have colours
MOST_DECODED = 200
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


class ImageReader(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Read a sequence of images into `Images`, which are decoded when needed.

    Values of more than 8 bits are scaled by the range that `fit` has seen.

    Parameters
    ----------
    weights : str, Path or None, default=None
        Pretrained weights that the families may use, which become a part of the facts.
    image_size : int or "auto", default="auto"
        Side in pixels to which families resize; "auto" leaves it to them.
    augmentations : tuple of str, "auto" or None, default="auto"
        Names of the changes of training images that families may try. None stands for
        none, and "auto" for all.
    flips : bool, default=True
        Whether "auto" includes flips.
    changes : tuple of str, default=AUGMENTATIONS
        The names that "auto" stands for.

    Attributes
    ----------
    ranges_ : dict
        Black and white of each kind of values, as learned in fit.
    notes_ : list of str
        Notes about the images of fit for the user.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.image.reader import ImageReader
    >>> images = ImageReader().fit_transform([np.full((8, 8), 0.5)])
    >>> int(images.image(0).max())
    128
    """

    def __init__(
        self,
        weights=None,
        *,
        image_size="auto",
        augmentations="auto",
        flips=True,
        changes=AUGMENTATIONS,
    ):
        self.weights = weights
        self.image_size = image_size
        self.augmentations = augmentations
        self.flips = flips
        self.changes = changes

    def fit(self, X: Any, y: Any = None):
        """Check the images, and learn the ranges of their values."""
        sources = as_sources(X)
        learned = sources.check()
        self.ranges_ = learned.ranges
        self.notes_ = []
        if learned.n_animated:
            self.notes_.append(
                f"{learned.n_animated} of {len(sources)} images have several frames or "
                "pages, of which only the first is read."
            )
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Images:
        """Check the images, learn the ranges of their values, and read them."""
        sources = as_sources(X)
        return self.fit(sources).transform(sources)

    def transform(self, X: Any) -> Images:
        """Read images.

        Raises
        ------
        ImageError
            If the values of an array are not finite, or have another scale than in fit.
        """
        check_is_fitted(self)
        return _images_of(as_sources(X), self.ranges_)

    def facts(self, images: Images) -> ImageFacts:
        """Return the facts about the images that families use.

        Warns with `WeightsWarning` if there are no pretrained weights on this machine.
        """
        found = find_weights(self.weights, "image")
        if not found and self.weights is not None:
            warnings.warn(NO_IMAGE_WEIGHTS, WeightsWarning, stacklevel=2)
        step = -(-len(images) // SAMPLE)
        sizes = np.array([images.size(i) for i in range(0, len(images), step)])
        heights, widths = np.quantile(sizes, QUANTILES, axis=0).T.tolist()
        return ImageFacts(
            heights=tuple(heights),
            widths=tuple(widths),
            grey_share=_grey_share(images, sizes.prod(axis=1).mean()),
            weights=found,
            image_size=None if self.image_size == "auto" else int(self.image_size),
            augmentations=self._allowed(),
            guards_flips=self.augmentations == "auto",
        )

    def _allowed(self) -> tuple[str, ...]:
        if self.augmentations is None:
            return ()
        if self.augmentations != "auto":
            return tuple(self.augmentations)
        left_out = () if self.flips else FLIPS
        return tuple(name for name in self.changes if name not in left_out)


def read_images(X: Any) -> Images:
    """Return raw images, or `Images` that a reader has made of them, as `Images`.

    Values of more than 8 bits are scaled by the usual ranges: those of float images are
    from 0 to 1, and those of 16-bit images from 0 to 65535.
    """
    return X if isinstance(X, Images) else _images_of(as_sources(X), {})


def _images_of(sources: Sources, ranges: Ranges) -> Images:
    """Return images whose arrays have been converted to bytes."""
    values = sources.values
    if values.dtype != object:
        if values.dtype == np.uint8:
            return Images(values, ranges)
        converted = np.empty(values.shape, dtype=np.uint8)
        for rows in chunks_of(values):
            converted[rows] = as_bytes(values[rows], ranges, name_of(rows))
        return Images(converted, ranges)
    converted = values.copy()
    for row, source in enumerate(values):
        if isinstance(source, np.ndarray):
            converted[row] = as_bytes(source, ranges, name_of(row))
    return Images(converted, ranges)


def _grey_share(images: Images, n_pixels: float) -> float:
    """Return the share of images without colours, in a sample."""
    n_decoded = int(np.clip(SAMPLE_PIXELS / n_pixels, 1, MOST_DECODED))
    step = -(-len(images) // n_decoded)
    sample = images.take(slice(0, None, step))
    are_grey = [bool((image == image[:, :, :1]).all()) for image in sample]
    return float(np.mean(are_grey))
