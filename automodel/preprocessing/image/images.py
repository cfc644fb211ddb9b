"""Images: the Rows of images, and ImageFacts about them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from automodel.nets.image.augment import AUGMENTATIONS
from automodel.nets.weights import Weights
from automodel.preprocessing.image.files import content_of, decoded, end_of, size_of
from automodel.preprocessing.image.ranges import Ranges, as_bytes, as_rgb

SECONDS_PER_PIXEL = 1.5e-8  # to decompress a photograph
IMAGE_COLUMNS = 300  # which an image is worth in the estimate of the cost of a model
TINY = 16  # pixels of the longer side
MOST_ENCODED = 2048  # at a time, since an image may have thousands of features


class Images:
    """Rows that are one image each, decoded when they are needed.

    Parameters
    ----------
    sources : ndarray
        All images in one array of shape (n_samples, height, width) or (n_samples,
        height, width, channels), or an array of objects that are an array, the path of
        a file or the content of a file each. All arrays are of uint8.
    ranges : dict, default=None
        Ranges of the values in files of more than 8 bits.
    rows : ndarray of shape (n_samples,), default=None
        Rows of X that the images come from, for errors.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.image.images import Images
    >>> images = Images(np.zeros((3, 8, 6), dtype=np.uint8))
    >>> images.image(0).shape, images.first_equal()
    ((8, 6, 3), array([0, 0, 0]))
    """

    most_encoded = MOST_ENCODED

    def __init__(
        self,
        sources: np.ndarray,
        ranges: Ranges | None = None,
        rows: np.ndarray | None = None,
    ):
        self.sources = sources
        self.ranges = ranges or {}
        self.rows = np.arange(len(sources)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self.image, range(len(self)))

    def image(self, i: int) -> np.ndarray:
        """Return an image as an array of shape (height, width, 3) of uint8.

        Raises
        ------
        ImageError
            If its file cannot be read.
        """
        source, row = self.sources[i], int(self.rows[i])
        if isinstance(source, np.ndarray):
            return as_rgb(source)
        name = f"The image in row {row} of X"
        return as_rgb(as_bytes(decoded(source, row), self.ranges, name))

    def size(self, i: int) -> tuple[int, int]:
        """Return the height and the width of an image, without decoding it."""
        source = self.sources[i]
        if isinstance(source, np.ndarray):
            return source.shape[0], source.shape[1]
        return size_of(source, int(self.rows[i]))

    def take(self, rows: Any) -> Images:
        """Return the images of the given rows."""
        return Images(self.sources[rows], self.ranges, self.rows[rows])

    @property
    def nbytes(self) -> int:
        """Bytes that the images hold in memory; those of files are their paths."""
        if self.sources.dtype != object:
            return self.sources.nbytes
        sizes = (getattr(s, "nbytes", None) or len(s) for s in self.sources)
        return self.sources.nbytes + sum(sizes)

    def fingerprint(self) -> str:
        """Return a hash of the images, which is the same in all processes."""
        digest = hashlib.sha256(repr(self.ranges).encode())
        for one in self._digests:
            digest.update(one)
        return digest.hexdigest()

    def first_equal(self) -> np.ndarray:
        """Return the first row with the same image, or the same file, as each row.

        Of files whose size or end no other one has, the rest is not read.
        """
        likely = [self._sketch(i) for i in range(len(self))]
        n_likely = Counter(likely)
        first: dict[bytes, int] = {}
        rows = [
            first.setdefault(one if n_likely[one] == 1 else self._digest(row), row)
            for row, one in enumerate(likely)
        ]
        return np.array(rows, dtype=np.intp)

    @cached_property
    def _digests(self) -> list[bytes]:
        return [self._digest(i) for i in range(len(self))]

    def _sketch(self, i: int) -> bytes:
        """Return a value that is the same for equal images, and seldom for others."""
        source = self.sources[i]
        if isinstance(source, np.ndarray):
            return self._digest(i)
        size, end = end_of(source, int(self.rows[i]))
        return hashlib.sha256(repr(size).encode() + end).digest()

    def _digest(self, i: int) -> bytes:
        source = self.sources[i]
        if not isinstance(source, np.ndarray):
            return hashlib.sha256(content_of(source, int(self.rows[i]))).digest()
        image = np.ascontiguousarray(source)
        digest = hashlib.sha256(repr(image.shape).encode())
        digest.update(image.data)
        return digest.digest()


@dataclass(frozen=True)
class ImageFacts:
    """Facts about images, the `Task.facts` of families of images.

    Of many images, some represent all.

    Parameters
    ----------
    heights, widths : tuple of float
        Quantiles of the heights and widths in pixels: the least, the lower quartile,
        the median, the upper quartile and the greatest one.
    grey_share : float, default=0.0
        Share of the images that have no colours.
    weights : tuple of Weights, default=()
        Pretrained weights that families may use.
    image_size : int, default=None
        Side in pixels to which all families resize, if the user wants a certain one.
    augmentations : tuple of str, default=AUGMENTATIONS
        Names of the changes of training images that a search may try.
    guards_flips : bool, default=True
        Whether flips that the user has not asked for have to prove that they keep the
        meaning of an image.
    """

    heights: tuple[float, ...]
    widths: tuple[float, ...]
    grey_share: float = 0.0
    weights: tuple[Weights, ...] = ()
    image_size: int | None = None
    augmentations: tuple[str, ...] = AUGMENTATIONS
    guards_flips: bool = True

    @property
    def width(self) -> int:
        """Approximate number of columns that a typical encoder returns."""
        return IMAGE_COLUMNS

    @property
    def read_seconds(self) -> float:
        """Seconds to read a typical image on one core, as if it were compressed."""
        return SECONDS_PER_PIXEL * self.heights[2] * self.widths[2]

    @property
    def side(self) -> int:
        """The longer side of a typical image, in pixels."""
        return round(max(self.heights[2], self.widths[2]))

    @property
    def channels(self) -> int:
        """1 if all images are grey, and 3 otherwise."""
        return 1 if self.grey_share == 1 else 3

    @property
    def is_tiny(self) -> bool:
        """Whether the images are so small that each pixel can be a column."""
        return self.side <= TINY

    @property
    def is_uniform(self) -> bool:
        """Whether all images have the same height and width."""
        return self.heights[0] == self.heights[-1] and self.widths[0] == self.widths[-1]

    def sizes(self, choices: Sequence[int]) -> list[int]:
        """Return the sizes that a family may choose from.

        Parameters
        ----------
        choices : sequence of int
            The sizes that it would choose from.

        Returns
        -------
        list of int
            The size that the user wants, or else the choices.
        """
        return list(choices) if self.image_size is None else [self.image_size]
