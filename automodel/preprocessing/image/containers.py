"""Read images from arrays, tensors, lists, Series and frames of one column."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._missing import is_pandas_na, is_scalar_nan

from automodel.preprocessing.image.files import as_array, check_files, decoded
from automodel.preprocessing.image.ranges import Ranges, kind_of, learned_ranges

CHANNELS = (1, 3, 4)  # grey, colour, and colour with transparency
TABLES = "use AutoClassifier or AutoRegressor, which learn from tables."
FORMS = (
    "Pass an array of shape (n, height, width) or (n, height, width, channels), or a "
    "list of arrays, PIL images, paths or bytes."
)
CHUNK_BYTES = 2**25  # of an array that is looked at, or converted, at once


@dataclass(frozen=True)
class Learned:
    """What is learned from the images of fit.

    Parameters
    ----------
    ranges : dict
        Range of each kind of values of more than 8 bits.
    n_animated : int
        Number of files with several frames or pages.
    """

    ranges: Ranges
    n_animated: int


class Sources:
    """Images as they were given, before they are decoded.

    Parameters
    ----------
    values : ndarray
        All images in one array of shape (n_samples, height, width) or (n_samples,
        height, width, channels), or an array of objects that are an array, the path of
        a file (str) or the content of a file (bytes) each.
    """

    def __init__(self, values: np.ndarray):
        self.values = values
        self._learned: Learned | None = None

    def __len__(self) -> int:
        return len(self.values)

    def check(self) -> Learned:
        """Check all images, once, and return what is learned from them.

        Raises
        ------
        ImageError
            If a file cannot be read, or a value is not finite. The message names the
            row and the cause.
        """
        if self._learned is None:
            found = check_files(self.values)
            ranges = learned_ranges(self._deep_images(found.deep))
            self._learned = Learned(ranges, found.n_animated)
        return self._learned

    def _deep_images(self, deep_files: list[int]) -> Iterator[tuple[str, np.ndarray]]:
        """Yield images that may have values of more than 8 bits, and their names."""
        if self.values.dtype != object:
            if kind_of(self.values):
                for rows in chunks_of(self.values):
                    yield name_of(rows), self.values[rows]
            return
        for row, source in enumerate(self.values):
            if isinstance(source, np.ndarray):
                yield name_of(row), source
        for row in deep_files:
            yield name_of(row), decoded(self.values[row], row)


def chunks_of(stack: np.ndarray) -> Iterator[slice]:
    """Yield parts of an array of images that need little memory."""
    n_rows = max(1, CHUNK_BYTES // max(stack[:1].nbytes, 1))
    for start in range(0, len(stack), n_rows):
        yield slice(start, min(start + n_rows, len(stack)))


def name_of(rows: int | slice) -> str:
    """Return the name of an image, or of some, for errors."""
    if isinstance(rows, int):
        return f"The image in row {rows} of X"
    if rows.stop - rows.start == 1:
        return name_of(rows.start)
    return f"An image in the rows {rows.start} to {rows.stop - 1} of X"


def as_sources(X: Any) -> Sources:
    """Return images in any container as `Sources`.

    Parameters
    ----------
    X : sequence of images
        An array of shape (n, height, width) or (n, height, width, channels), a torch
        tensor of shape (n, channels, height, width), or a list, an object array, a
        Series or a frame of one column that holds arrays, tensors, PIL images, paths or
        the content of files as bytes. There are 1, 3 or 4 channels.

    Raises
    ------
    TypeError, ValueError
        If X holds anything else.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.image.containers import as_sources
    >>> len(as_sources([np.zeros((8, 8)), "a.png"]))
    2
    """
    if isinstance(X, Sources):
        return X
    if hasattr(X, "columns"):
        X = _single_column(X)
    X = _from_torch(X, "X", 4)
    if isinstance(X, np.ndarray) and X.dtype.kind not in "OUS":
        return Sources(_checked_stack(X))
    items = _as_list(X)
    values = np.empty(len(items), dtype=object)
    for row, item in enumerate(items):
        values[row] = _as_source(item, row)
    return Sources(values)


def _single_column(X: Any) -> Any:
    """Return the only column of a frame of pandas, polars or Arrow."""
    names = list(getattr(X, "column_names", X.columns))
    if len(names) != 1:
        shown = ", ".join(map(repr, names[:10]))
        raise ValueError(
            f"X is a frame of {len(names)} columns ({shown}), and images are a single "
            "one, such as a column of paths. Pass this column alone. For tables, "
            f"{TABLES}"
        )
    return X.iloc[:, 0] if hasattr(X, "iloc") else X[names[0]]


def _from_torch(X: Any, name: str, n_axes: int) -> Any:
    """Return a tensor as an array whose last axis is the channel; others unchanged.

    If there are `n_axes`, the channel is the third last of them.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(X, torch.Tensor):
        return X
    tensor = X.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    array = tensor.numpy()
    if array.ndim != n_axes:
        return array
    if array.shape[-3] not in CHANNELS:
        raise ValueError(
            f"{name} is a tensor of shape {array.shape}. Tensors of images have the "
            "shape (channels, height, width) with 1, 3 or 4 channels. Pass an array if "
            "the channel is the last axis."
        )
    return np.ascontiguousarray(np.moveaxis(array, -3, -1))


def _checked_stack(X: np.ndarray) -> np.ndarray:
    """Return an array of all images, whose shape is checked."""
    _check_numbers(X, "X")
    if X.ndim <= 2:
        raise ValueError(
            f"Expected images, but X is an array of shape {X.shape}. Reshape your data "
            "to (n, height, width) or (n, height, width, channels) if its rows are "
            f"images. For tables, {TABLES}"
        )
    if X.ndim > 4 or (X.ndim == 4 and X.shape[-1] not in CHANNELS):
        hint = ""
        if X.ndim == 4 and X.shape[1] in CHANNELS:
            hint = " If the channel is the second axis, pass np.moveaxis(X, 1, -1)."
        raise ValueError(
            f"X is an array of shape {X.shape}. Images have the shape (n, height, "
            f"width), or (n, height, width, channels) with 1, 3 or 4 channels.{hint}"
        )
    if X.ndim == 3 and X.shape[-1] in (3, 4):
        raise ValueError(
            f"X is an array of shape {X.shape}, which may be a single image. Pass "
            "X[None] if it is one, and X[..., None] if it holds grey images of this "
            "width."
        )
    if len(X) and 0 in X.shape:
        raise ValueError(f"The images of X, of shape {X.shape[1:]}, have no pixels.")
    return X


def _as_list(X: Any) -> list[Any]:
    if isinstance(X, str | bytes | bytearray | os.PathLike):
        kind = type(X).__name__
        raise ValueError(
            f"X is a single {kind}, and not a sequence of images. Pass a list, such as "
            "[X]. For a folder, pass the paths of its files."
        )
    if isinstance(X, list | tuple):
        return list(X)
    for method in ("to_pylist", "to_list"):  # of Arrow; of pandas and polars
        if hasattr(X, method):
            return getattr(X, method)()
    if issparse(X) or getattr(X, "ndim", 1) != 1:
        raise ValueError(
            f"Expected images, but X has the shape {X.shape}. {FORMS} For tables, "
            f"{TABLES}"
        )
    if not isinstance(X, np.ndarray):
        raise TypeError(
            "X must be a sequence of images. Got an object of type "
            f"{type(X).__name__!r} instead. {FORMS}"
        )
    return X.tolist() if X.dtype.kind != "O" else list(X)


def _as_source(item: Any, row: int) -> np.ndarray | str | bytes:
    """Return an image as an array, a path or bytes."""
    if isinstance(item, str | os.PathLike):
        return os.fspath(item)
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    if item is None or is_scalar_nan(item) or is_pandas_na(item):
        raise ValueError(
            f"Row {row} of X is missing ({item!r}), and every row needs an image. "
            "Leave the rows without one out."
        )
    if hasattr(item, "getexif"):  # an image of PIL
        return as_array(item, row)
    array = _from_torch(item, f"Row {row} of X", 3)
    if isinstance(array, list | tuple):
        try:
            array = np.asarray(array)
        except ValueError as error:  # lists of different lengths
            raise ValueError(f"Row {row} of X is not an image: {error}") from error
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        raise TypeError(
            f"Row {row} of X is of type {type(item).__name__!r}, which is no image. "
            f"{FORMS} For tables, {TABLES}"
        )
    return _checked_image(array, row)


def _checked_image(array: np.ndarray, row: int) -> np.ndarray:
    _check_numbers(array, f"Row {row} of X")
    if array.ndim == 1:
        raise ValueError(
            f"Row {row} of X has one dimension, so that X is a table and not a "
            "sequence of images. Reshape your data to (n, height, width) if its rows "
            f"are images. Otherwise, {TABLES}"
        )
    if array.ndim > 3 or (array.ndim == 3 and array.shape[-1] not in CHANNELS):
        hint = ""
        if array.ndim == 3 and array.shape[0] in CHANNELS:
            hint = " If the channel is the first axis, pass np.moveaxis(image, 0, -1)."
        raise ValueError(
            f"Row {row} of X has the shape {array.shape}. An image has the shape "
            f"(height, width), or (height, width, channels) with 1, 3 or 4 channels."
            f"{hint}"
        )
    if 0 in array.shape:
        raise ValueError(
            f"The image in row {row} of X has the shape {array.shape}, and no pixels."
        )
    return array


def _check_numbers(array: np.ndarray, name: str) -> None:
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} has the dtype {array.dtype}, but the values of images are real "
            "numbers. Complex data and text are not supported."
        )
