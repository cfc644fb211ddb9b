"""`automodel fit` learns from a column of paths, and from a folder of images."""

import joblib
import pandas as pd
import pytest

from automodel import AutoImageClassifier, AutoImageRegressor
from automodel.cli.parser import main
from tests.images import CHEAP_IMAGE, make_images, make_labels, write_images

OPTIONS = ["--n-trials", "2", "--jobs", "1", "--random-state", "0", "--cv", "2"]
OPTIONS += ["--families", "image_pixels"]
IMAGES, VALUES = make_images(60)
LABELS = make_labels(VALUES)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a table, and another one with a subfolder for each class."""
    monkeypatch.chdir(tmp_path)
    paths = write_images(tmp_path / "data" / "png", IMAGES)
    names = [path.removeprefix(f"{tmp_path}/data/") for path in paths]
    table = pd.DataFrame({"path": names, "number": range(60), "place": VALUES})
    table["class"] = LABELS
    table.to_csv("data/images.csv", index=False)
    for label in ("high", "low"):
        write_images(tmp_path / "photos" / label, IMAGES[label == LABELS])
    return tmp_path


def fit(source, *options):
    return main(["fit", source, *OPTIONS, *options])


def test_a_column_of_paths_is_learned_from_and_predicted(folder, capsys):
    assert fit("data/images.csv", "--image-column", "path", "--target", "class") == 0
    assert "No pretrained weights" in " ".join(capsys.readouterr().err.split())
    model = joblib.load("model.joblib")
    assert isinstance(model, AutoImageClassifier)
    assert model.feature_names_in_.tolist() == ["path"]
    arguments = ["predict", "model.joblib", "data/images.csv", "--out", "out.csv"]
    assert main([*arguments, "--proba"]) == 0
    predicted = pd.read_csv("out.csv")
    assert list(predicted) == ["class", "probability_high", "probability_low"]
    assert (predicted["class"] == LABELS).mean() > 0.85


def test_values_are_learned_by_a_regressor(folder):
    options = ["--target", "place", "--task", "regression", "--quiet"]
    assert fit("data/images.csv", "--image-column", "path", *options) == 0
    assert isinstance(joblib.load("model.joblib"), AutoImageRegressor)


def test_a_folder_with_a_subfolder_for_each_class_is_learned_from(folder, capsys):
    (folder / "photos" / "Thumbs.db").write_bytes(b"stray")
    (folder / "photos" / "low" / "notes.txt").write_text("stray")
    (folder / "photos" / "low" / ".hidden.png").write_bytes(b"broken")
    (folder / "photos" / "empty").mkdir()
    nested = folder / "photos" / "low" / "more"
    nested.mkdir()
    (folder / "photos" / "low" / "0000.png").rename(nested / "a.PNG")
    assert fit("photos") == 0
    said = capsys.readouterr().err
    assert "2 files that are no images are ignored: Thumbs.db, notes.txt" in said
    assert "subfolders without images are ignored: empty" in said
    model = joblib.load("model.joblib")
    assert model.classes_.tolist() == ["high", "low"]
    assert main(["predict", "model.joblib", "photos/low", "--out", "out.csv"]) == 0
    predicted = pd.read_csv("out.csv")
    assert list(predicted) == ["path", "class"]
    assert len(predicted) == (LABELS == "low").sum()
    assert (predicted["class"] == "low").mean() > 0.85
    arguments = ["predict", "model.joblib", "data/images.csv", "--out", "two.csv"]
    assert main(arguments) == 0


def test_broken_images_are_named(folder, capsys):
    (folder / "photos" / "low" / "0003.png").write_bytes(b"broken")
    assert fit("photos") == 2
    assert "low/0003.png') cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "options", "match"),
    [
        ("photos", ["--target", "class"], "a folder, which has no columns"),
        ("photos/low", [], "no subfolders with images"),
        ("data/images.csv", ["--image-column", "path"], "with --target"),
        ("photos", ["--groups", "place"], "no column 'place'"),
        (
            "data/images.csv",
            ["--target", "class", "--image-column", "paths"],
            "Did you mean 'path'?",
        ),
        (
            "data/images.csv",
            ["--target", "path", "--image-column", "path"],
            "only one role",
        ),
    ],
)
def test_wrong_options_are_refused(folder, capsys, source, options, match):
    assert fit(source, *options) == 2
    assert match in capsys.readouterr().err


def test_texts_and_images_exclude_each_other(folder, capsys):
    with pytest.raises(SystemExit):
        fit("data/images.csv", "--image-column", "path", "--text-column", "class")
    assert "not allowed with" in capsys.readouterr().err


def test_a_model_that_was_fitted_to_arrays_predicts_files(folder, capsys):
    search = AutoImageClassifier(**(CHEAP_IMAGE | {"n_trials": 1}))
    joblib.dump(search.fit(IMAGES, LABELS), "model.joblib")
    assert main(["predict", "model.joblib", "photos/low", "--out", "out.csv"]) == 0
    predicted = pd.read_csv("out.csv")
    assert list(predicted) == ["path", "prediction"]
    assert (predicted["prediction"] == "low").mean() > 0.7
    capsys.readouterr()
    assert main(["predict", "model.joblib", "data/images.csv"]) == 2
    assert "needs a table of 1 column" in capsys.readouterr().err
