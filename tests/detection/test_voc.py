import numpy as np
import pytest

from automodel.detection import boxes_from_voc
from automodel.exceptions import FitWarning
from tests.images import write_images

SIDES = ("xmin", "ymin", "xmax", "ymax")


def an_object(name, *box, difficult=0, more=""):
    sides = "".join(
        f"<{side}>{value}</{side}>" for side, value in zip(SIDES, box, strict=True)
    )
    return (
        f"<object><name>{name}</name><difficult>{difficult}</difficult>"
        f"{more}<bndbox>{sides}</bndbox></object>"
    )


PART = "<part><name>hand</name><bndbox><xmin>7</xmin></bndbox></part>"
FIRST = an_object("cat", 1, 2, 10, 5) + an_object("dog", 3, 3, 4, 4, difficult=1)


def write(folder, stem, *objects, filename="", head=""):
    name = f"<filename>{filename}</filename>"
    text = f"{head}<annotation>{name}{''.join(objects)}</annotation>"
    folder.mkdir(exist_ok=True)
    (folder / f"{stem}.xml").write_text(text)


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path, np.zeros((2, 20, 30), dtype=np.uint8))
    return tmp_path


def test_files_beside_their_images_are_read(folder):
    write(folder, "0000", FIRST)
    write(folder, "0001")
    paths, y = boxes_from_voc(str(folder))
    assert paths == [str(folder / "0000.png"), str(folder / "0001.png")]
    assert y[0]["labels"].tolist() == ["cat", "dog"]
    assert y[1]["boxes"].shape == (0, 4)


def test_pixels_are_numbered_from_one(folder):
    write(folder, "0000", an_object("cat", 1, 2, 10, 5), an_object("cat", 0, 0, 3, 3.5))
    _, y = boxes_from_voc(folder)
    assert y[0]["boxes"].tolist() == [[0, 1, 10, 5], [0, 0, 3, 3.5]]


def test_difficult_objects_are_ignored(folder):
    write(folder, "0000", FIRST)
    write(folder, "0001", an_object("cat", 1, 2, 10, 5, difficult="Unspecified"))
    _, y = boxes_from_voc(folder)
    assert y[0]["ignored"].tolist() == [False, True]
    assert "ignored" not in y[1]


def test_the_folders_of_voc_are_read(tmp_path):
    write_images(tmp_path / "JPEGImages", np.zeros((2, 20, 30), dtype=np.uint8))
    write(tmp_path / "Annotations", "b", FIRST, filename="0000.png")
    paths, y = boxes_from_voc(tmp_path)
    assert paths == [str(tmp_path / "JPEGImages" / "0000.png")]
    assert len(y) == 1


def test_an_image_that_was_renamed_is_found(folder):
    write(folder, "0001", filename="C:\\pictures\\old.jpg")
    assert boxes_from_voc(folder)[0] == [str(folder / "0001.png")]


def test_parts_of_objects_are_not_read(folder):
    write(folder, "0000", an_object("cat", 1, 2, 10, 5, more=PART))
    assert boxes_from_voc(folder)[1][0]["labels"].tolist() == ["cat"]


def test_missing_images_are_named(folder):
    write(folder, "0000", FIRST)
    write(folder, "other", filename="lost.jpg")
    with pytest.raises(FileNotFoundError, match="1 of the 2 images .*lost.jpg"):
        boxes_from_voc(folder)


def test_there_are_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no XML files"):
        boxes_from_voc(tmp_path)
    with pytest.raises(FileNotFoundError, match="no XML files"):
        boxes_from_voc(tmp_path / "nowhere")


def test_objects_without_an_area_are_left_out_and_counted(folder):
    write(folder, "0000", FIRST, an_object("cat", 9, 9, 5, 12))
    with pytest.warns(FitWarning, match="1 boxes"):
        _, y = boxes_from_voc(folder)
    assert len(y[0]["boxes"]) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (an_object("cat", 1, "x", 3, 4), "Object 0 .*0000.xml has no number 'ymin'"),
        ("<object><name>cat</name></object>", "has no number 'xmin'"),
        (an_object("", 1, 2, 3, 4), "Object 0 .*has no name"),
        ("<object>", "0000.xml cannot be read as XML"),
    ],
)
def test_broken_files_are_named(folder, content, message):
    write(folder, "0000", content)
    with pytest.raises(ValueError, match=message):
        boxes_from_voc(folder)


def test_other_documents_are_an_error(folder):
    (folder / "0000.xml").write_text("<html/>")
    with pytest.raises(ValueError, match="its root is 'html'"):
        boxes_from_voc(folder)


@pytest.mark.parametrize(
    "head",
    [
        "<!DOCTYPE annotation>",
        '<!DOCTYPE annotation SYSTEM "other.dtd">',
        '<!DOCTYPE annotation [<!ENTITY lol "lol">]>',
    ],
)
def test_documents_that_may_have_entities_are_refused(folder, head):
    write(folder, "0000", head=head)
    with pytest.raises(ValueError, match="document type"):
        boxes_from_voc(folder)
