"""Boxes in the XML files of Pascal VOC, which many tools for annotation write."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path, PureWindowsPath
from xml.etree import ElementTree

import numpy as np

from automodel.detection.annotations import ImageBoxes, refuse_missing, to_dicts

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
SIDES = ("xmin", "ymin", "xmax", "ymax")
FIRST_PIXEL = 1  # the number of the first column and row


def boxes_from_voc(
    folder: str | PathLike[str],
) -> tuple[list[str], list[dict[str, np.ndarray]]]:
    """Read images and their boxes from the XML files of Pascal VOC.

    VOC numbers pixels from 1, and the last pixel belongs to the box: the box from 1 to
    10 becomes that from 0 to 10. Boxes of tools that number pixels from 0 are thus
    enlarged by one pixel on two sides, but not beyond the image. Objects that are
    ``difficult`` are ignored boxes, which are neither learned nor scored.

    Parameters
    ----------
    folder : str or Path
        A folder with ``Annotations`` and ``JPEGImages``, or one with XML files and the
        images beside them. An image without an XML file is left out; one whose file
        holds no object is kept, with no boxes.

    Returns
    -------
    X : list of str
        Paths of the images, in the order of the names of the XML files.
    y : list of dict
        ``boxes`` of shape (n_boxes, 4), as x1, y1, x2, y2 in pixels, and ``labels``,
        the names of the objects. If an image has difficult objects, ``ignored``.

    Raises
    ------
    FileNotFoundError
        If there are no XML files, or an image does not exist. The message names the
        images.
    ValueError
        If a file has another form, or declares a document type or entities. The message
        names the file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from automodel import boxes_from_voc
    >>> box = "<xmin>3</xmin><ymin>1</ymin><xmax>12</xmax><ymax>20</ymax>"
    >>> tree = f"<object><name>cat</name><bndbox>{box}</bndbox></object>"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "a.png").touch()
    ...     file = Path(folder) / "a.xml"
    ...     _ = file.write_text(f"<annotation>{tree}</annotation>")
    ...     X, y = boxes_from_voc(folder)
    >>> y[0]["boxes"], y[0]["labels"]
    (array([[ 2.,  0., 12., 20.]]), array(['cat'], dtype='<U3'))
    """
    folder = Path(folder)
    annotations, image_folder = folder / "Annotations", folder / "JPEGImages"
    if not annotations.is_dir():
        annotations = image_folder = folder
    files = sorted(annotations.glob("*.xml"))
    if not files:
        raise FileNotFoundError(
            f"There are no XML files in {annotations}. Pass a folder with "
            "'Annotations' and 'JPEGImages', or one of XML files and their images."
        )
    by_stem: dict[str, Path] = {}
    for path in sorted(image_folder.iterdir() if image_folder.is_dir() else ()):
        if path.suffix.lower() in SUFFIXES:
            by_stem.setdefault(path.stem, path)
    X, images, missing = [], [], []
    for file in files:
        root = _root(file)
        named = PureWindowsPath(root.findtext("filename", "").strip()).name
        path = image_folder / named
        if not named or not path.is_file():  # tools keep the name of a renamed image
            path = by_stem.get(file.stem, path if named else image_folder / file.stem)
        if not path.is_file():
            missing.append(str(path))
        X.append(str(path))
        images.append(_boxes_of(root, file))
    hint = f"Each XML file needs its image in {image_folder}."
    refuse_missing(missing, len(files), annotations, hint)
    return X, to_dicts(images, annotations)


class _TreeWithoutDoctype(ElementTree.TreeBuilder):
    """A tree of a document that declares no type, and thus no entities.

    Entities may expand to more text than fits in memory, or name other files.
    """

    def doctype(self, name, pubid, system):
        """Refuse the declaration."""
        raise ValueError("it declares a document type, which is not supported")


def _root(file: Path) -> ElementTree.Element:
    parser = ElementTree.XMLParser(target=_TreeWithoutDoctype())
    try:
        root = ElementTree.fromstring(file.read_bytes(), parser)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ValueError(f"{file} cannot be read as XML: {error}.") from error
    if root.tag != "annotation":
        raise ValueError(
            f"{file} is no annotation of VOC: its root is {root.tag!r} instead of "
            "'annotation'."
        )
    return root


def _boxes_of(root: ElementTree.Element, file: Path) -> ImageBoxes:
    image = ImageBoxes()
    for i, found in enumerate(root.iter("object")):
        where = f"Object {i} of {file}"
        label = found.findtext("name", "").strip()
        if not label:
            raise ValueError(f"{where} has no name.")
        left, top, right, bottom = _sides_of(found, where)
        corners = [max(left - FIRST_PIXEL, 0.0), max(top - FIRST_PIXEL, 0.0)]
        is_difficult = found.findtext("difficult", "").strip() == "1"
        image.add([*corners, right, bottom], label, is_difficult)
    return image


def _sides_of(found: ElementTree.Element, where: str) -> Iterator[float]:
    """Yield the sides of an object; its parts, such as hands, have others."""
    for side in SIDES:
        text = found.findtext(f"bndbox/{side}", "")
        try:
            yield float(text)
        except ValueError as error:
            raise ValueError(
                f"{where} has no number {side!r} in its 'bndbox', but {text!r}."
            ) from error
