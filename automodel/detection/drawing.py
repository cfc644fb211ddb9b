"""Pictures of boxes in images."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from automodel.preprocessing.image.files import pillow
from automodel.preprocessing.image.reader import read_images
from automodel.targets.box_checks import read_boxes

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Colour = tuple[int, int, int]

LINE_SHARE = 1 / 250  # width of a line, of the shorter side of the image
FONT_SHARE = 1 / 35
LEAST_FONT = 9
GREY: Colour = (128, 128, 128)  # of boxes that are ignored
LUMA = (0.299, 0.587, 0.114)  # brightness of red, green and blue (ITU-R BT.601)
GOLDEN = (5**0.5 - 1) / 2  # hues of successive classes that are far apart


def draw_boxes(
    image: Any,
    prediction: Mapping[str, Any],
    *,
    threshold: float = 0.5,
    classes: Sequence[Any] | None = None,
    line_width: int | None = None,
    font_size: int | None = None,
) -> Image:
    """Return a picture of an image and its boxes, with their labels and scores.

    Parameters
    ----------
    image : ndarray, PIL image, str, Path or bytes
        The image, as in X.
    prediction : dict
        Its boxes: an entry of y, or of a prediction with ``scores``.
    threshold : float, default=0.5
        Least score of the predicted boxes that are drawn.
    classes : sequence, default=None
        All labels, such as ``detector.classes_``, which then have colours that differ
        well. None means a colour that depends on the label alone.
    line_width : int, default=None
        Width of the lines in pixels; None means one that suits the image.
    font_size : int, default=None
        Height of the text in pixels, likewise.

    Returns
    -------
    PIL.Image.Image
        A new image of mode RGB. Boxes that are ignored are grey.

    Raises
    ------
    ImageError
        If the image cannot be read.
    ValueError
        If the boxes have another form than in y.
    MissingLibraryError
        If Pillow is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel import draw_boxes
    >>> image = np.zeros((60, 80), dtype=np.uint8)
    >>> y = {"boxes": [[10, 10, 50, 40]], "labels": ["cat"], "scores": [0.9]}
    >>> draw_boxes(image, y).size
    (80, 60)
    """
    pil = pillow()
    from PIL import ImageDraw, ImageFont

    is_predicted = isinstance(prediction, Mapping) and "scores" in prediction
    boxes, labels = read_boxes([prediction], is_predicted=is_predicted)
    if boxes.scores is not None:  # the best on top of the others
        boxes = boxes.where(boxes.scores >= threshold).best(len(boxes.classes))
    drawn = pil.Image.fromarray(read_images([image]).image(0))
    side = min(drawn.size)
    line_width = line_width or max(1, round(LINE_SHARE * side))
    font = ImageFont.load_default(
        font_size or max(LEAST_FONT, round(FONT_SHARE * side))
    )
    draw = ImageDraw.Draw(drawn)
    for i in reversed(range(len(boxes.classes))):
        label = labels[boxes.classes[i]]
        colour = GREY if boxes.ignored[i] else colour_of(label, classes)
        text = str(label)
        if boxes.scores is not None:
            text = f"{text} {boxes.scores[i]:.2f}"
        _draw(draw, boxes.coordinates[i], colour, text, font, line_width)
    return drawn


def colour_of(label: Any, classes: Sequence[Any] | None = None) -> Colour:
    """Return the colour of a class, as red, green and blue.

    Parameters
    ----------
    label : str or int
        The class.
    classes : sequence, default=None
        All labels.
    """
    known = [] if classes is None else list(classes)
    if label in known:
        hue = known.index(label) * GOLDEN % 1.0
    else:
        hue = zlib.crc32(str(label).encode()) / 2**32
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.9, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw(
    draw: ImageDraw,
    box: np.ndarray,
    colour: Colour,
    text: str,
    font: Any,
    line_width: int,
) -> None:
    """Draw a box, and its text above it, or inside if there is no room."""
    left, top, right, bottom = np.rint(box).astype(int).tolist()
    last = max(right - 1, left), max(bottom - 1, top)  # pixels of the box
    draw.rectangle((left, top, *last), outline=colour, width=line_width)
    ends = draw.textbbox((0, 0), text, font=font)
    width, height = round(ends[2]) + 2, round(ends[3]) + 2
    image_width, image_height = draw.im.size
    x = min(max(left, 0), max(image_width - width, 0))
    y = top - height if top >= height else min(max(top, 0), image_height - height)
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    fill = "black" if np.dot(colour, LUMA) > 140 else "white"
    draw.text((x + 1, y + 1), text, font=font, fill=fill)
