"""Images as a net takes them: bytes of shape (n, height, width, 3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from automodel.some_rows import SomeRows

CHANNELS = (1, 3, 4)  # grey, RGB, and RGB with opacity
WHITE = 255
RESIZE = (
    "Resize them, such as with ResizedImages of automodel.preprocessing.image.resize "
    "in a pipeline."
)


class ImageScale:
    """Turn images into bytes of three colours, in the same way each time.

    Bytes stay as they are. Other numbers are scaled so that the least and the greatest
    of the training images become 0 and 255.

    Parameters
    ----------
    low, high : float
        The least and the greatest number.
    """

    def __init__(self, low: float = 0.0, high: float = 255.0):
        self.low = low
        self.high = high

    @classmethod
    def of(cls, images: np.ndarray | SomeRows) -> ImageScale:
        """Return the scale of training images."""
        if isinstance(images, SomeRows) or images.dtype == np.uint8:
            return cls()
        return cls(float(images.min()), float(images.max()))

    def to_bytes(self, images: np.ndarray | SomeRows) -> np.ndarray | SomeRows:
        """Return images of shape (n, height, width, channels) as RGB in bytes.

        Those that are RGB in bytes are not even copied.
        """
        if images.dtype == np.uint8 and images.shape[-1] == 3:
            return images
        images = np.asarray(images)
        if images.dtype != np.uint8:
            spread = max(self.high - self.low, 1e-12)
            shares = (images.astype(np.float64) - self.low) / spread
            images = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
        if images.shape[-1] == 1:
            return np.repeat(images, 3, axis=-1)
        if images.shape[-1] == 4:
            opacity = images[..., 3:].astype(np.float32) / 255
            over = images[..., :3] * opacity + WHITE * (1 - opacity)
            return np.rint(over).astype(np.uint8)
        return images


def as_images(X: Any, name: str, *, least: int = 1) -> np.ndarray | SomeRows:
    """Return images as an array of shape (n, height, width, channels).

    `SomeRows` of an array of this shape stay as they are.

    Parameters
    ----------
    X : array of shape (n, height, width) or (n, height, width, channels), list or \
SomeRows
        The images, which have the same size.
    name : str
        The class that an error names.
    least : int, default=1
        The fewest images that are accepted.

    Raises
    ------
    ValueError
        If X does not hold images of one size.
    """
    if isinstance(X, list | tuple):
        X = _stacked(X, name)
    is_in_place = isinstance(X, SomeRows) and X.ndim == 4 and X.dtype == np.uint8
    images = X if is_in_place else np.asarray(X)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise ValueError(
            f"{name} expects images, as an array of shape (n_samples, height, width) "
            "or (n_samples, height, width, channels). Got the shape "
            f"{images.shape}: reshape it, or use a net for tables, such as "
            "RealMLPClassifier."
        )
    if len(images) < least:
        raise ValueError(
            f"Found array with {len(images)} sample(s) while a minimum of {least} is "
            f"required by {name}."
        )
    _check_pixels(images, name)
    return images.astype(np.uint8) * np.uint8(255) if images.dtype == bool else images


def _stacked(X: Any, name: str) -> np.ndarray:
    images = [np.asarray(image) for image in X]
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise ValueError(
            f"{name} expects images of one size. Got the shapes "
            f"{', '.join(map(str, sorted(shapes)[:3]))}. {RESIZE}"
        )
    return np.stack(images) if images else np.zeros((0, 1, 1))


def _check_pixels(images: np.ndarray, name: str) -> None:
    if images.dtype.kind not in "buif":
        raise ValueError(
            f"{name} expects images as arrays of real numbers. Got {images.dtype}. "
            "Complex data and text are not supported."
        )
    if images.shape[-1] not in CHANNELS or 0 in images.shape[1:3]:
        raise ValueError(
            f"{name} expects images of at least one pixel and of 1, 3 or 4 channels, "
            f"which come last. Got the shape {images.shape}."
        )
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise ValueError(f"Input X of {name} contains NaN or infinity.")
