"""ImageReader: reads images from any container into `Images`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from automodel.exceptions import FitWarning
from automodel.nets.image.augment import FLIPS
from automodel.nets.weights import NO_IMAGE_WEIGHTS, find_weights
from automodel.preprocessing.image.containers import Sources, as_sources
from automodel.preprocessing.image.files import decoded
from automodel.preprocessing.image.images import (
    AUGMENTATIONS,
    ImageFacts,
    Images,
)
from automodel.preprocessing.image.ranges import (
    Ranges,
    as_bytes,
    kind_of,
    learned_ranges,
)

SAMPLE = 5000  # images whose sizes are noted
SAMPLE_PIXELS = 20_000_000  # of images that are decoded to see if they have colours
MOST_DECODED = 200
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
CHUNK_BYTES = 2**25  # of an array whose values are converted at once


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
        none, and "auto" for all whose meaning is kept.
    flips : bool, default=True
        Whether "auto" includes flips.

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
        self, weights=None, *, image_size="auto", augmentations="auto", flips=True
    ):
        self.weights = weights
        self.image_size = image_size
        self.augmentations = augmentations
        self.flips = flips

    def fit(self, X: Any, y: Any = None):
        """Check the images, and learn the ranges of their values."""
        sources = as_sources(X)
        found = sources.check()
        self.ranges_ = learned_ranges(_deep_images(sources, found.deep))
        self.notes_ = []
        if found.n_animated:
            self.notes_.append(
                f"{found.n_animated} of {len(sources)} images have several frames or "
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

        Warns with `FitWarning` if there are no pretrained weights on this machine.
        """
        found = find_weights(self.weights, "image")
        if not found and self.weights is not None:
            warnings.warn(NO_IMAGE_WEIGHTS, FitWarning, stacklevel=2)
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
        return tuple(name for name in AUGMENTATIONS if name not in left_out)


def read_images(X: Any) -> Images:
    """Return raw images, or `Images` that a reader has made of them, as `Images`.

    Values of more than 8 bits are scaled by the usual ranges: those of float images are
    from 0 to 1, and those of 16-bit images from 0 to 65535.
    """
    return X if isinstance(X, Images) else _images_of(as_sources(X), {})


def _deep_images(sources: Sources, deep: list[int]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the images that may have values of more than 8 bits, and their names."""
    values = sources.values
    if values.dtype != object:
        if kind_of(values):
            for rows in _chunks(values):
                yield _name_of(rows), values[rows]
        return
    for row, source in enumerate(values):
        if isinstance(source, np.ndarray):
            yield _name(row), source
    for row in deep:
        yield _name(row), decoded(values[row], row)


def _images_of(sources: Sources, ranges: Ranges) -> Images:
    """Return images whose arrays have been converted to bytes."""
    values = sources.values
    if values.dtype != object:
        if not kind_of(values) and values.dtype == np.uint8:
            return Images(values, ranges)
        converted = np.empty(values.shape, dtype=np.uint8)
        for rows in _chunks(values):
            converted[rows] = as_bytes(values[rows], ranges, _name_of(rows))
        return Images(converted, ranges)
    converted = values.copy()
    for row, source in enumerate(values):
        if isinstance(source, np.ndarray):
            converted[row] = as_bytes(source, ranges, _name(row))
    return Images(converted, ranges)


def _chunks(values: np.ndarray) -> Iterator[slice]:
    """Yield parts of an array that are converted at once, without much memory."""
    n_rows = max(1, CHUNK_BYTES // max(values[:1].nbytes, 1))
    for start in range(0, len(values), n_rows):
        yield slice(start, min(start + n_rows, len(values)))


def _name(row: int) -> str:
    return f"The image in row {row} of X"


def _name_of(rows: slice) -> str:
    if rows.stop - rows.start == 1:
        return _name(rows.start)
    return f"An image in the rows {rows.start} to {rows.stop - 1} of X"


def _grey_share(images: Images, n_pixels: float) -> float:
    """Return the share of images without colours, in a sample."""
    n_decoded = int(np.clip(SAMPLE_PIXELS / n_pixels, 1, MOST_DECODED))
    step = -(-len(images) // n_decoded)
    sample = images.take(slice(0, None, step))
    are_grey = [bool((image == image[:, :, :1]).all()) for image in sample]
    return float(np.mean(are_grey))
