"""Folders of images, and columns of the paths of images."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from automodel.cli.usage import Say, UsageError, listed

if TYPE_CHECKING:
    import pandas as pd

PATH, CLASS = "path", "class"  # the columns that stand for a folder
SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".tga"),
}


def with_columns_of_folder(arguments: Namespace) -> Namespace:
    """Return the options of `fit`; a folder of images has its columns.

    Raises
    ------
    UsageError
        If the target of a table is not named, or that of a folder is.
    """
    if not arguments.table.is_dir():
        if arguments.target is None:
            raise UsageError(
                "name the column to learn with --target. Only a folder with one "
                "subfolder of images for each class needs none."
            )
        return arguments
    given = [arguments.target, arguments.text_column, arguments.image_column]
    if any(name is not None for name in given):
        raise UsageError(
            f"{arguments.table} is a folder, which has no columns: leave out --target, "
            "--text-column and --image-column. The class of an image is the name of "
            "its subfolder."
        )
    return Namespace(**{**vars(arguments), "target": CLASS, "image_column": PATH})


def read_folder(folder: Path, say: Say) -> pd.DataFrame:
    """Return the paths of the images in the subfolders, and their classes.

    Raises
    ------
    UsageError
        If there are no subfolders with images.
    """
    import pandas as pd

    others: list[Path] = []
    subfolders = sorted(path for path in _visible(folder) if path.is_dir())
    rows = [
        (str(path), subfolder.name)
        for subfolder in subfolders
        for path in _images_in(subfolder, others)
    ]
    others += [path for path in _visible(folder) if not path.is_dir()]
    if not rows:
        raise UsageError(
            f"{folder} has no subfolders with images. Put the images of each class "
            "into a subfolder of its name."
        )
    empty = {path.name for path in subfolders} - {name for _, name in rows}
    if empty:
        say(f"subfolders without images are ignored: {listed(sorted(empty))}.")
    _say_others(others, say)
    return pd.DataFrame(rows, columns=[PATH, CLASS])


def read_images(folder: Path, column: str, say: Say) -> pd.DataFrame:
    """Return the paths of all images in a folder and its subfolders.

    Raises
    ------
    UsageError
        If there are none.
    """
    import pandas as pd

    others: list[Path] = []
    paths = [str(path) for path in _images_in(folder, others)]
    if not paths:
        raise UsageError(f"{folder} holds no images.")
    _say_others(others, say)
    return pd.DataFrame({column: paths})


def with_paths(table: pd.DataFrame, column: str, file: Path) -> pd.DataFrame:
    """Return a table whose relative paths start at its file, if the images are there.

    Parameters
    ----------
    table : DataFrame
        The table.
    column : str
        Its column of paths.
    file : Path
        The file of the table. Images that are not there are looked for in the current
        folder.
    """

    def located(path):
        if not isinstance(path, str) or not (file.parent / path).exists():
            return path
        return str(file.parent / path)

    return table.assign(**{column: table[column].map(located)})


def _images_in(folder: Path, others: list[Path]) -> Iterator[Path]:
    """Yield the images in a folder, and collect the other files."""
    for path in sorted(folder.rglob("*")):
        is_hidden = any(p.startswith(".") for p in path.relative_to(folder).parts)
        if is_hidden or path.is_dir():
            continue
        if path.suffix.lower() in SUFFIXES:
            yield path
        else:
            others.append(path)


def _visible(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _say_others(others: list[Path], say: Say) -> None:
    if others:
        names = listed(sorted(path.name for path in others), 3)
        say(f"{len(others)} files that are no images are ignored: {names}.")
