"""`automodel fit` learns boxes from annotations of COCO, and `predict` writes them."""

import json

import joblib
import numpy as np
import pytest
from PIL import Image

from automodel import AutoObjectDetector
from automodel.cli.detection import coco_results
from automodel.cli.parser import main
from automodel.metrics import mean_average_precision
from tests.images import CHEAP_IMAGE, make_images, make_labels, write_images
from tests.shapes import BlobFamily, detector, make_shapes

X, Y = make_shapes()
NUMBERS = {"blue": 4, "red": 9}
OPTIONS = ["--n-trials", "2", "--jobs", "1", "--random-state", "0", "--cv", "2"]


def annotations_of(names, y):
    """Return boxes in the format of COCO."""
    annotations = [
        {"image_id": i, "category_id": NUMBERS[label], "bbox": [a, b, c - a, d - b]}
        for i, image in enumerate(y)
        for (a, b, c, d), label in zip(
            image["boxes"].tolist(), image["labels"], strict=True
        )
    ]
    return {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": annotations,
        "categories": [{"id": n, "name": name} for name, n in NUMBERS.items()],
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with images and their annotations; the stand-in is the only family."""
    monkeypatch.chdir(tmp_path)
    families = {"blobs": BlobFamily()}
    monkeypatch.setattr("automodel.families.all_families", lambda: families)
    paths = write_images(tmp_path / "photos" / "a", X)
    names = [path.removeprefix(f"{tmp_path}/photos/") for path in paths]
    content = json.dumps(annotations_of(names, Y))
    (tmp_path / "boxes.json").write_text(content)
    return tmp_path


def fit(*options):
    return main(["fit", "boxes.json", "--image-folder", "photos", *OPTIONS, *options])


def predict(*options):
    return main(["predict", "model.joblib", "--image-folder", "photos", *options])


def test_boxes_are_learned_predicted_and_drawn(folder, capsys):
    assert fit() == 0
    said = capsys.readouterr()
    n_boxes = sum(len(image["boxes"]) for image in Y)
    assert f"{n_boxes} boxes of 2 classes in 40 images" in said.err
    assert "AutoObjectDetector: ensemble of" in said.out
    model = joblib.load("model.joblib")
    assert isinstance(model, AutoObjectDetector)
    assert predict("--out", "found.json", "--draw", "drawn") == 0
    assert "found.json" in capsys.readouterr().err
    results = json.loads((folder / "found.json").read_text())
    assert {row["file_name"] for row in results} <= {f"a/{i:04}.png" for i in range(40)}
    assert {row["category_id"] for row in results} == {4, 9}
    assert mean_average_precision(Y, as_dictionaries(results)) > 0.6
    drawn = sorted((folder / "drawn" / "a").iterdir())
    assert len(drawn) == 40
    assert Image.open(drawn[0]).size == (48, 40)


def as_dictionaries(results):
    """Return boxes in the format of results of COCO as those of `predict`."""
    found = []
    for i in range(1, 41):
        own = [row for row in results if row["image_id"] == i]
        boxes = np.array([row["bbox"] for row in own]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = [row["category"] for row in own]
        scores = [row["score"] for row in own]
        found.append({"boxes": boxes, "labels": labels, "scores": scores})
    return found


def test_boxes_are_printed_without_a_file(folder, capsys):
    joblib.dump(detector(n_trials=1).fit(X, Y), "model.joblib")
    assert predict("--quiet") == 0
    results = json.loads(capsys.readouterr().out)
    assert {row["category_id"] for row in results} == {1, 2}


def test_results_are_those_of_coco():
    found = {
        "boxes": np.array([[1.0, 2.0, 4.0, 8.0]]),
        "labels": np.array(["red"]),
        "scores": np.array([0.5]),
    }
    nothing = {name: part[:0] for name, part in found.items()}
    assert coco_results(["a", "b"], [nothing, found], ["blue", "red"], {"red": 9}) == [
        {
            "image_id": 2,
            "file_name": "b",
            "category_id": 9,
            "category": "red",
            "bbox": [1.0, 2.0, 3.0, 6.0],
            "score": 0.5,
        }
    ]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--target", "label"], "cannot be combined with --target"),
        (["--groups", "label"], "cannot be combined with --groups"),
        (["--task", "regression"], "cannot be combined with --task"),
        (["--scoring", "accuracy"], "'accuracy' cannot score"),
        (["--families", "blob"], "Did you mean 'blobs'"),
    ],
)
def test_options_of_tables_are_refused(folder, capsys, options, match):
    assert fit(*options) == 2
    assert match in capsys.readouterr().err


def test_files_that_are_not_there_are_named(folder, capsys):
    arguments = ["fit", "boxes.json", *OPTIONS, "--image-folder"]
    assert main([*arguments, "nowhere"]) == 2
    assert "there is no folder nowhere" in capsys.readouterr().err
    assert main(["fit", "none.json", "--image-folder", "photos"]) == 2
    assert "there is no file none.json" in capsys.readouterr().err
    assert main(["fit", "photos", "--image-folder", "photos"]) == 2
    assert "not a .json file" in capsys.readouterr().err
    (folder / "photos" / "a" / "0003.png").unlink()
    assert fit() == 2
    assert "0003.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ([], "name a table, or a folder of images"),
        (["photos", "--image-folder", "photos"], "and not both"),
        (["photos", "--draw", "drawn"], "--draw needs --image-folder"),
        (["photos"], "Name their folder with --image-folder"),
        (["--image-folder", "nowhere"], "there is no folder nowhere"),
        (["--image-folder", "photos", "--proba"], "each box has a score"),
        (["--image-folder", "photos", "--out", "found.csv"], "a .json file"),
        (["--image-folder", "photos", "--draw", "no/where"], "there is no folder no"),
    ],
)
def test_wrong_options_of_predict_are_refused(folder, capsys, arguments, match):
    joblib.dump(detector(n_trials=1).fit(X, Y), "model.joblib")
    assert main(["predict", "model.joblib", *arguments]) == 2
    assert match in capsys.readouterr().err


def test_another_model_finds_no_boxes(folder, capsys, monkeypatch):
    monkeypatch.undo()
    images, values = make_images(40)
    from automodel import AutoImageClassifier

    search = AutoImageClassifier(**(CHEAP_IMAGE | {"n_trials": 1}))
    path = str(folder / "model.joblib")
    joblib.dump(search.fit(images, make_labels(values)), path)
    photos = str(folder / "photos")
    assert main(["predict", path, "--image-folder", photos]) == 2
    assert "--image-folder is for detectors" in capsys.readouterr().err
