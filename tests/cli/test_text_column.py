"""`automodel fit --text-column` learns from one column of texts."""

import joblib
import pandas as pd
import pytest

from automodel import AutoTextClassifier, AutoTextRegressor
from automodel.cli.parser import main
from tests.texts import make_labels, make_texts
from tests.tiny_encoder import write_encoder

OPTIONS = ["--n-trials", "2", "--jobs", "1", "--random-state", "0", "--cv", "2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts, values = make_texts(60)
    table = pd.DataFrame({"review": texts, "stars": values, "number": range(60)})
    table["liked"] = make_labels(values)
    table.loc[3, "review"] = None
    table.to_csv("reviews.csv", index=False)
    return tmp_path


def fit(*options):
    return main(["fit", "reviews.csv", "--text-column", "review", *OPTIONS, *options])


def test_a_column_of_texts_is_learned_from_and_predicted(folder, capsys):
    assert fit("--target", "liked") == 0
    assert "1 of 60 texts are missing" in " ".join(capsys.readouterr().err.split())
    model = joblib.load("model.joblib")
    assert isinstance(model, AutoTextClassifier)
    assert model.feature_names_in_.tolist() == ["review"]
    arguments = ["predict", "model.joblib", "reviews.csv", "--out", "out.csv"]
    assert main([*arguments, "--proba"]) == 0
    assert "'number'" not in capsys.readouterr().out
    predicted = pd.read_csv("out.csv")
    assert list(predicted) == ["liked", "probability_no", "probability_yes"]
    assert (predicted["liked"] == pd.read_csv("reviews.csv")["liked"]).mean() > 0.7


def test_values_are_learned_by_a_regressor(folder):
    assert fit("--target", "stars", "--task", "regression", "--quiet") == 0
    assert isinstance(joblib.load("model.joblib"), AutoTextRegressor)


def test_texts_that_look_like_numbers_stay_texts(folder):
    table = pd.DataFrame({"review": ["01", "1"] * 20, "liked": ["yes", "no"] * 20})
    table["review"] += [f"{row:03}" for row in range(40)]
    table.to_csv("reviews.csv", index=False)
    assert fit("--target", "liked", "--quiet") == 0
    assert main(["predict", "model.joblib", "reviews.csv", "--out", "out.csv"]) == 0


def test_weights_are_named_for_texts_alone(folder, capsys):
    weights = write_encoder(folder / "tiny")
    options = ["--target", "liked", "--families", "text_tfidf", "--quiet"]
    assert fit(*options, "--weights", str(weights)) == 0
    assert joblib.load("model.joblib").weights_[0].name == "tiny"
    assert fit(*options, "--weights", "none") == 0
    assert joblib.load("model.joblib").weights_ == ()
    capsys.readouterr()
    arguments = ["fit", "reviews.csv", "--target", "liked", "--weights", "none"]
    assert main(arguments) == 2
    assert "--weights needs --text-column" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--target", "liked", "--text-column", "revew"], "Did you mean 'review'?"),
        (["--target", "review"], "only one role"),
        (["--target", "liked", "--families", "nothing"], "unknown name"),
        (["--target", "liked", "--weights", "nothing"], "'nothing' were found neither"),
        (["--target", "liked", "--text-column", "number"], "'number' holds numbers"),
    ],
)
def test_wrong_options_are_refused(folder, capsys, options, match):
    assert fit(*options) == 2
    assert match in capsys.readouterr().err
