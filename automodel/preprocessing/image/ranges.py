"""From values of any type to bytes, and from any channels to red, green and blue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from automodel.exceptions import ImageError

Ranges = dict[str, tuple[float, float]]  # of the values of each kind: black and white

USUAL: Ranges = {"float": (0.0, 1.0), "16-bit": (0.0, 65535.0), "integer": (0.0, 255.0)}
WHITES = (1.0, 255.0, 65535.0)
OPAQUE = 255


def kind_of(values: np.ndarray) -> str:
    """Return the kind of values that share a range, or "" for bytes and booleans."""
    if values.dtype in (np.uint8, np.bool_):
        return ""
    if values.dtype.kind == "f":
        return "float"
    return "16-bit" if values.dtype == np.uint16 else "integer"


def learned_ranges(named: Iterable[tuple[str, np.ndarray]]) -> Ranges:
    """Return the range of each kind of values of more than 8 bits.

    Black is 0 unless there are negative values. White is 1, 255 or 65535 if the
    greatest value is near, and the greatest value otherwise, as for 12-bit images.

    Parameters
    ----------
    named : iterable of (str, ndarray)
        Images with their names, which are for errors.

    Raises
    ------
    ImageError
        If a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.image.ranges import learned_ranges
    >>> learned_ranges([("a", np.array([[0.0, 0.9]])), ("b", np.array([[7, 4000]]))])
    {'float': (0.0, 1.0), 'integer': (0.0, 4000.0)}
    """
    extremes: Ranges = {}
    for name, values in named:
        kind = kind_of(values)
        if not kind:
            continue
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(low + high):
            raise ImageError(f"{name} has values that are NaN or infinite.")
        known = extremes.get(kind, (low, high))
        extremes[kind] = min(known[0], low), max(known[1], high)
    return {kind: _range_of(*extremes[kind]) for kind in extremes}


def as_bytes(values: np.ndarray, ranges: Ranges, name: str) -> np.ndarray:
    """Return the values of an image, or of several, as uint8.

    Values beyond the range become black or white.

    Parameters
    ----------
    values : ndarray
        Numbers or booleans.
    ranges : dict
        The range of each kind of values, or else the usual one.
    name : str
        Name of the image, for errors.

    Raises
    ------
    ImageError
        If a value is not finite, or so far beyond the range that it must have another
        scale.
    """
    kind = kind_of(values)
    if not kind:
        return values if values.dtype == np.uint8 else values.astype(np.uint8) * OPAQUE
    low, high = ranges.get(kind, USUAL[kind])
    least, most = float(values.min()), float(values.max())
    if not np.isfinite(least + most):
        raise ImageError(f"{name} has values that are NaN or infinite.")
    span = high - low
    if most > high + span or least < low - span:
        raise ImageError(
            f"{name} has values from {least:g} to {most:g}, but the range of {kind} "
            f"images is {low:g} to {high:g}, as learned in fit or as usual. Pass "
            "images of the same scale."
        )
    exact = values.astype(np.result_type(values.dtype, np.float32))
    return np.rint(np.clip((exact - low) * (OPAQUE / span), 0, OPAQUE)).astype(np.uint8)


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Return an image of bytes in red, green and blue, on a white background.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, channels), uint8
        A grey image, or one with 1, 3 or 4 channels, of which the fourth is opacity.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        The image.
    """
    if image.ndim == 2:
        image = image[:, :, None]
    n_channels = image.shape[2]
    if n_channels == 3:
        return image
    if n_channels == 1:
        return np.repeat(image, 3, axis=2)
    opacity = image[:, :, 3:].astype(np.uint16)
    mixed = image[:, :, :3] * opacity + OPAQUE * (OPAQUE - opacity)
    return ((mixed + OPAQUE // 2) // OPAQUE).astype(np.uint8)


def _range_of(least: float, most: float) -> tuple[float, float]:
    if least < 0 and max(-least, most) <= 1:
        return -1.0, 1.0
    low = min(least, 0.0)
    near: list[Any] = [white for white in WHITES if most <= white and 2 * most > white]
    high = 1.0 if most <= 1 else near[0] if near else most
    return low, max(high, low + 1e-9)
