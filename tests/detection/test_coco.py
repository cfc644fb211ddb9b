import json

import numpy as np
import pytest

from automodel.detection import boxes_from_coco, boxes_to_coco
from automodel.exceptions import FitWarning, ImageError
from tests.images import write_images

ANNOTATIONS = [
    {"image_id": 5, "category_id": 3, "bbox": [1, 2, 10, 5.5], "iscrowd": 0},
    {"image_id": 9, "category_id": 1, "bbox": [0, 0, 4, 4], "iscrowd": 1},
    {"image_id": 5, "category_id": 1, "bbox": [3, 3, 2, 2]},
]
CONTENT = {
    "images": [
        {"id": i, "file_name": f"{row:04}.png"} for row, i in enumerate([9, 5, 7])
    ],
    "categories": [{"id": i, "name": name} for i, name in [(1, "cat"), (3, "dog")]]
    + [{"id": 4, "name": "bird, of which there are no boxes"}],
    "annotations": ANNOTATIONS,
}


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path, np.zeros((3, 20, 30), dtype=np.uint8))
    return tmp_path


def write(folder, **changes):
    path = folder / "annotations.json"
    path.write_text(json.dumps(CONTENT | changes))
    return path


def test_images_and_boxes_are_read(folder):
    paths, y = boxes_from_coco(write(folder))
    assert paths == [str(folder / f"{row:04}.png") for row in range(3)]
    assert [image["labels"].tolist() for image in y] == [["cat"], ["dog", "cat"], []]
    assert y[1]["boxes"].tolist() == [[1, 2, 11, 7.5], [3, 3, 5, 5]]
    assert y[2]["boxes"].shape == (0, 4)


def test_crowds_are_ignored(folder):
    _, y = boxes_from_coco(write(folder))
    assert y[0]["ignored"].tolist() == [True]
    assert "ignored" not in y[1]


def test_images_may_be_in_another_folder(folder, tmp_path_factory):
    path = write(tmp_path_factory.mktemp("elsewhere"))
    assert boxes_from_coco(str(path), folder)[0][0] == str(folder / "0000.png")


def test_missing_images_are_named(folder):
    (folder / "0001.png").unlink()
    with pytest.raises(FileNotFoundError, match="1 of the 3 images .*0001.png"):
        boxes_from_coco(write(folder))


def test_boxes_without_an_area_are_left_out_and_counted(folder):
    flat = {"image_id": 7, "category_id": 1, "bbox": [1, 1, 0, 5]}
    with pytest.warns(FitWarning, match="1 boxes"):
        _, y = boxes_from_coco(write(folder, annotations=[flat, *ANNOTATIONS]))
    assert [len(image["boxes"]) for image in y] == [1, 2, 0]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"image_id": 6}, "Annotation 0 .* of the image 6"),
        ({"category_id": 2}, "Annotation 0 .* of the category 2"),
        ({"bbox": [1, 2, 3]}, "Annotation 0 .* four numbers"),
        ({"bbox": None}, "Annotation 0 .* four numbers"),
    ],
)
def test_broken_annotations_are_named(folder, record, message):
    with pytest.raises(ValueError, match=message):
        boxes_from_coco(write(folder, annotations=[ANNOTATIONS[0] | record]))


def test_a_field_that_lacks_is_named(folder):
    with pytest.raises(ValueError, match="Annotation 0 .* has no 'bbox'"):
        boxes_from_coco(write(folder, annotations=[{"image_id": 9, "category_id": 1}]))
    with pytest.raises(ValueError, match="Image 0 .* has no 'file_name'"):
        boxes_from_coco(write(folder, images=[{"id": 3}]))


@pytest.mark.parametrize("text", ["no json", "[]", '{"images": []}', '"text"'])
def test_other_files_are_an_error(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="a.json is no"):
        boxes_from_coco(path)


def test_ids_of_images_are_unique(folder):
    twice = [CONTENT["images"][0]] * 2
    with pytest.raises(ValueError, match="the same 'id'"):
        boxes_from_coco(write(folder, images=twice, annotations=[]))


def test_boxes_that_were_written_are_read_again(folder):
    paths, y = boxes_from_coco(write(folder))
    written = boxes_to_coco(paths, y, folder)
    again, same = boxes_from_coco(write(folder, **written))
    assert again == paths
    for image, other in zip(y, same, strict=True):
        assert image.keys() == other.keys()
        for key in image:
            assert image[key].tolist() == other[key].tolist()


def test_predictions_are_written_with_their_scores(folder):
    paths = write_images(folder, np.zeros((2, 20, 30), dtype=np.uint8))
    y = [
        {"boxes": [], "labels": [], "scores": []},
        {"boxes": [[1, 2, 4, 9]], "labels": [7], "scores": [0.5]},
    ]
    written = boxes_to_coco(paths, y)
    json.dumps(written)
    assert written["categories"] == [{"id": 1, "name": "7"}]
    assert written["images"][1] == {
        "id": 2,
        "file_name": paths[1],
        "width": 30,
        "height": 20,
    }
    (annotation,) = written["annotations"]
    assert annotation["bbox"] == [1, 2, 3, 7]
    assert annotation["image_id"] == 2
    assert annotation["score"] == 0.5


def test_only_boxes_of_all_images_are_written(folder):
    with pytest.raises(ValueError, match="X has 1 images, but y has 0"):
        boxes_to_coco(["a.png"], [])
    with pytest.raises(ImageError, match="no such file"):
        boxes_to_coco([folder / "b.png"], [{"boxes": [], "labels": []}])
