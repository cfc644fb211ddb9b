import numpy as np
import pytest
from PIL import Image

from automodel.detection import draw_boxes
from automodel.detection.drawing import GREY, colour_of
from tests.images import write_images

IMAGE = np.full((90, 120, 3), 10, dtype=np.uint8)
TRUTH = {"boxes": [[20, 30, 60, 70]], "labels": ["cat"]}


def colours(picture):
    return {colour for _, colour in picture.getcolors(2**20)}


def test_a_box_is_drawn_on_its_edges():
    drawn = np.asarray(draw_boxes(IMAGE, TRUTH))
    colour = list(colour_of("cat"))
    for row, column in [(50, 20), (50, 59), (69, 40), (30, 40)]:
        assert drawn[row, column].tolist() == colour
    for row, column in [(50, 19), (50, 60), (70, 40), (50, 40)]:
        assert drawn[row, column].tolist() == [10, 10, 10]


def test_the_image_is_not_changed():
    image = IMAGE.copy()
    assert draw_boxes(image, TRUTH).mode == "RGB"
    assert (image == IMAGE).all()


def test_images_of_all_forms_are_drawn_alike(tmp_path):
    expected = np.asarray(draw_boxes(IMAGE, TRUTH))
    (path,) = write_images(tmp_path, IMAGE[None])
    for image in (path, tmp_path / "0000.png", Image.open(path), IMAGE[:, :, 0]):
        assert (np.asarray(draw_boxes(image, TRUTH)) == expected).all()


def test_predictions_below_the_threshold_are_not_drawn():
    boxes = [[20, 30, 60, 70], [70, 30, 100, 70]]
    y = {"boxes": boxes, "labels": ["cat", "dog"], "scores": [0.9, 0.4]}
    assert colour_of("dog") not in colours(draw_boxes(IMAGE, y))
    assert colour_of("dog") in colours(draw_boxes(IMAGE, y, threshold=0.4))


def test_an_image_without_boxes_stays_as_it_is():
    y = {"boxes": [], "labels": [], "scores": []}
    assert (np.asarray(draw_boxes(IMAGE, y)) == IMAGE).all()


def test_ignored_boxes_are_grey():
    assert GREY in colours(draw_boxes(IMAGE, TRUTH | {"ignored": [True]}))


@pytest.mark.parametrize("box", [[0, 0, 120, 90], [0, 80, 5, 90], [-9, -9, 200, 200]])
def test_boxes_at_the_edges_are_drawn(box):
    y = {"boxes": [box], "labels": ["a name that is longer than the image is wide"]}
    assert draw_boxes(IMAGE, y, font_size=20, line_width=3).size == (120, 90)


def test_tiny_images_are_drawn():
    y = {"boxes": [[0, 0, 1, 1]], "labels": [3]}
    assert draw_boxes(np.zeros((3, 2), np.uint8), y).size == (2, 3)


def test_the_colour_is_that_of_the_class():
    assert colour_of("cat") == colour_of(np.str_("cat")) != colour_of("dog")
    known = [colour_of(label, range(10)) for label in range(10)]
    assert len(set(known)) == 10
