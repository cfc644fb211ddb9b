"""Read images in files with Pillow: their size, their pixels, and what is wrong."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automodel.exceptions import ImageError, MissingLibraryError, describe_error
from automodel.quiet import no_warnings

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 89_478_485  # of an image, beyond which Pillow warns of a bomb
DECODED_PIXELS = 300_000_000  # of all files, up to which each is decoded in the check
ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
LAST_BYTES = 1024  # of a file, in which most end
TAIL_BYTES = 65_536  # in which others do, to which cameras have added something
HEAD_BYTES = 70_000  # in which thumbnails are, which have an end of their own
MOST_SHOWN = 3  # broken files in an error
ORIENTATION = 0x0112  # a tag of EXIF, whose values stand for these changes
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
INSTALL = "pip install 'sklearn-automodel[image]'"


@dataclass
class FileNotes:
    """What is found in the files of a sequence of images.

    Parameters
    ----------
    deep : list of int
        Rows of files whose values have more than 8 bits.
    n_animated : int
        Number of files with several frames or pages.
    """

    deep: list[int] = field(default_factory=list)
    n_animated: int = 0


def check_files(sources: np.ndarray) -> FileNotes:
    """Open all files, and return what is found in them.

    Few or small files are decoded as well. Of many large ones, the headers are read,
    and the ends, which truncated files lack.

    Parameters
    ----------
    sources : ndarray
        As in `Sources`.

    Raises
    ------
    ImageError
        If files cannot be read.
    """
    notes, n_pixels, broken = FileNotes(), 0, []
    if sources.dtype != object:
        return notes
    files = {r: s for r, s in enumerate(sources) if not isinstance(s, np.ndarray)}
    formats: dict[int, str] = {}
    for row, source in files.items():
        try:
            formats[row], own_pixels = _probe(source, row, notes)
            n_pixels += own_pixels
        except ImageError as error:
            broken.append(error)
    are_few = n_pixels <= DECODED_PIXELS
    for row, source in (files if not broken else {}).items():
        try:
            if are_few or not _has_end(source, row, formats[row]):
                decoded(source, row)
        except ImageError as error:
            broken.append(error)
    if broken:
        shown = " ".join(map(str, broken[:MOST_SHOWN]))
        many = f"{len(broken)} of {len(sources)} images cannot be read. "
        raise ImageError(shown if len(broken) == 1 else many + shown)
    return notes


def decoded(source: str | bytes, row: int) -> np.ndarray:
    """Return the pixels of a file.

    Parameters
    ----------
    source : str or bytes
        The path of the file, or its content.
    row : int
        Its row in X, for errors.

    Returns
    -------
    ndarray of shape (height, width) or (height, width, channels)
        As in `as_array`.

    Raises
    ------
    ImageError
        If the file cannot be read.
    """
    with _opened(source, row) as image:
        return _pixels(image)


def as_array(image: Image, row: int) -> np.ndarray:
    """Return the pixels of an image of PIL, turned as its EXIF orientation says.

    Returns
    -------
    ndarray of shape (height, width) or (height, width, channels)
        uint8 with 3 channels, with 4 if a part is transparent, or without channels if
        the image is grey. The values of deeper images are uint16, int32 or float32.

    Raises
    ------
    ImageError
        If the image cannot be decoded.
    """
    with _errors(f"The image in row {row} of X"), no_warnings():
        return _pixels(image)


def size_of(source: str | bytes, row: int) -> tuple[int, int]:
    """Return the height and the width of a file, of which the header is read."""
    with _opened(source, row) as image:
        width, height = image.size
        # The method of PNG files would decode the image to look for EXIF behind it.
        exif = pillow().Image.Image.getexif(image)
        is_turned = exif.get(ORIENTATION, 1) in (5, 6, 7, 8)
        return (width, height) if is_turned else (height, width)


def content_of(source: str | bytes, row: int) -> bytes:
    """Return the content of a file."""
    if isinstance(source, bytes):
        return source
    with _errors(_name(source, row)):
        return Path(source).read_bytes()


def end_of(
    source: str | bytes, row: int, n_bytes: int = LAST_BYTES
) -> tuple[int, bytes]:
    """Return the size of a file and its last bytes, without reading the others."""
    if isinstance(source, bytes):
        return len(source), source[-n_bytes:]
    with _errors(_name(source, row)), Path(source).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - n_bytes, 0))
        return size, file.read()


def _pixels(image: Image) -> np.ndarray:
    image.load()
    # Not by `exif_transpose`, which copies the image, and writes all of its EXIF anew.
    turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    if turn is not None:
        image = image.transpose(pillow().Image.Transpose[turn])
    if image.mode.startswith("I"):
        values = np.asarray(image)
        fits = values.min() >= 0 and values.max() <= np.iinfo(np.uint16).max
        return values.astype(np.uint16 if fits else np.int32)
    if image.mode == "F":
        return np.array(image, dtype=np.float32)
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return np.array(image.convert("RGBA" if image.has_transparency_data else mode))


def _probe(source: str | bytes, row: int, notes: FileNotes) -> tuple[str, int]:
    """Note what the header of a file says; return its format and number of pixels."""
    with _opened(source, row) as image:
        if image.mode[0] in "IF":
            notes.deep.append(row)
        has_frames = image.format != "MPO" and getattr(image, "is_animated", False)
        notes.n_animated += bool(has_frames)
        return image.format or "", image.size[0] * image.size[1]


def _has_end(source: str | bytes, row: int, kind: str) -> bool:
    """Tell whether a file ends as complete ones of its format do."""
    end = ENDS.get(kind)
    if end is None:
        return False
    size, last = end_of(source, row)
    n_more = min(size - HEAD_BYTES, TAIL_BYTES)
    return end in last or (n_more > 0 and end in end_of(source, row, n_more)[1])


@contextmanager
def _opened(source: str | bytes, row: int) -> Iterator[Image]:
    pil = pillow()
    file = source if isinstance(source, str) else io.BytesIO(source)
    with (
        _errors(_name(source, row)),
        no_warnings(),
        pil.Image.open(file) as image,
    ):
        n_pixels = image.size[0] * image.size[1]
        if n_pixels > MOST_PIXELS:
            raise ImageError(
                f"it has {n_pixels:,} pixels, which is more than the limit of "
                f"{MOST_PIXELS:,}. Make it smaller, or pass it as an array"
            )
        yield image


@contextmanager
def _errors(name: str) -> Iterator[None]:
    """Raise any error as one that names the image."""
    try:
        yield
    except MissingLibraryError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{name} cannot be read: there is no such file.") from error
    except pillow().UnidentifiedImageError as error:
        raise ImageError(
            f"{name} cannot be read: it is in no format that Pillow knows."
        ) from error
    except Exception as error:  # noqa: BLE001  a broken file raises anything
        cause = str(error) if isinstance(error, ImageError) else describe_error(error)
        raise ImageError(f"{name} cannot be read: {cause.rstrip('.')}.") from error


def _name(source: str | bytes, row: int) -> str:
    where = repr(source) if isinstance(source, str) else f"{len(source):,} bytes"
    return f"The image in row {row} of X ({where})"


def pillow() -> Any:
    """Return the package of Pillow."""
    try:
        import PIL.Image
    except ImportError as error:
        raise MissingLibraryError(
            f"Images in files need Pillow, which is not installed. Run: {INSTALL}"
        ) from error
    return PIL
