"""AutoImageClassifier and AutoImageRegressor, from any form to a fitted ensemble."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_score,
    train_test_split,
)

from automodel import AutoImageClassifier, AutoImageRegressor, EstimatorFamily
from automodel.ensemble.blend import FittedEnsemble
from automodel.exceptions import FitWarning
from automodel.nets.image.augment import FLIPS
from automodel.preprocessing.image.images import Images
from automodel.preprocessing.image.pixels import ImagePixels
from tests.conftest import environment
from tests.images import CHEAP_IMAGE, encoded, make_images, make_labels, write_images

X, VALUES = make_images()
Y = make_labels(VALUES)
NEW_X, NEW_VALUES = make_images(seed=1)
NEW_Y = make_labels(NEW_VALUES)


def classifier(**params):
    return AutoImageClassifier(**(CHEAP_IMAGE | params))


def regressor(**params):
    return AutoImageRegressor(**(CHEAP_IMAGE | params))


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, Y)


def test_a_classifier_learns_and_predicts(fitted):
    assert fitted.score(NEW_X, NEW_Y) > 0.9
    proba = fitted.predict_proba(NEW_X)
    assert proba.shape == (len(NEW_X), 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert set(fitted.leaderboard_["family"]) == {"image_pixels"}
    assert set(fitted.leaderboard_["status"]) == {"complete"}
    assert fitted.task_.modality == "image"
    assert fitted.image_shape_ == (12, 10, 1)
    assert fitted.weights_ == ()
    assert not hasattr(fitted, "n_features_in_")


def test_a_regressor_learns_and_predicts():
    search = regressor().fit(X, VALUES)
    assert search.predict(NEW_X).shape == (len(NEW_X),)
    assert np.mean(np.abs(search.predict(NEW_X) - NEW_VALUES)) < 1.0
    assert not set(search.task_.facts.augmentations) & set(FLIPS)


def test_several_labels_and_several_values():
    labels = np.column_stack([VALUES > 0, VALUES > 2, np.arange(len(X)) % 2])
    proba = classifier().fit(X, labels.astype(int)).predict_proba(NEW_X)
    assert np.mean((proba[:, 0] > 0.5) == (NEW_VALUES > 0)) > 0.85
    values = np.column_stack([VALUES, -VALUES])
    predicted = regressor().fit(X, values).predict(NEW_X)
    assert predicted.shape == values.shape
    assert np.corrcoef(predicted[:, 1], -NEW_VALUES)[0, 1] > 0.8


def forms_of(images, folder):
    paths = write_images(folder, images)
    return {
        "colour": np.repeat(images[..., None], 3, axis=3),
        "list": list(images),
        "floats": images / 255,
        "PIL": [Image.fromarray(image) for image in images],
        "paths": paths,
        "frame": pd.DataFrame({"path": paths}),
        "bytes": [encoded(image) for image in images],
    }


@pytest.mark.parametrize("form", ["colour", "floats", "PIL", "paths", "frame", "bytes"])
def test_all_forms_give_the_same_model(form, fitted, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = classifier().fit(forms_of(X, tmp_path / "old")[form], Y)
        new = forms_of(NEW_X, tmp_path / "new")
        proba = [again.predict_proba(new[form]), fitted.predict_proba(new["list"])]
    for found in proba:
        np.testing.assert_array_equal(found, fitted.predict_proba(NEW_X))


def test_images_of_any_size_and_kind_are_learned_together():
    odd = [
        np.zeros((1, 1)),
        np.zeros((1, 5000)),
        np.full((4000, 2, 3), 255, dtype=np.uint8),
        np.full((5, 5, 4), 200, dtype=np.uint8),
        np.full((5, 5), 60_000, dtype=np.uint16),
        np.zeros((5, 5), dtype=bool),
    ]
    dark = [0, 0, 1, 1, 1, 0]
    images, y = [*X, *odd * 5], [*(X.mean(axis=(1, 2)) > 300), *dark * 5]
    search = classifier(n_trials=2).fit(images, y)
    assert search.image_shape_ is None
    assert search.predict(odd).shape == (6,)


def test_the_name_of_the_column_of_a_frame_must_be_that_of_fit(tmp_path):
    frame = pd.DataFrame({"path": write_images(tmp_path, X)})
    search = classifier(n_trials=1).fit(frame, Y)
    assert search.feature_names_in_.tolist() == ["path"]
    with pytest.raises(ValueError, match="feature names"):
        search.predict(frame.rename(columns={"path": "other"}))
    assert not hasattr(search.fit(X, Y), "feature_names_in_")


BAD_X = {
    "nothing": ([], [], "0 sample"),
    "no rows": (np.zeros((0, 8, 8)), [], "0 sample"),
    "table": (np.eye(4), [0, 1, 0, 1], "AutoClassifier or AutoRegressor"),
    "missing": ([X[0], None, X[1]], [0, 1, 0], "Row 1 of X is missing"),
    "NaN": (np.full((4, 3, 5), np.nan), [0, 1, 0, 1], "NaN or infinite"),
    "no file": (["nowhere.png", "there.png"], [0, 1], "2 of 2 images cannot be read"),
    "broken": ([b"broken", X[0]], [0, 1], "row 0 of X .6 bytes. cannot be read"),
    "lengths": (X, [0, 1], "inconsistent"),
    "missing y": (X[:3], [1, np.nan, 0], "NaN"),
}


@pytest.mark.parametrize("case", BAD_X)
def test_bad_input_is_refused_before_any_training(case, tmp_path):
    images, y, match = BAD_X[case]
    with pytest.raises((TypeError, ValueError), match=match):
        classifier(storage=tmp_path / "storage").fit(images, y)
    assert not (tmp_path / "storage").exists()


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="only one class"):
        classifier().fit(X[:3], [1, 1, 1])


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"weights": 3}, "weights"),
        ({"image_size": 4}, "image_size"),
        ({"image_size": "large"}, "image_size"),
        (
            {"augmentations": ("flip",)},
            "'flip' instead. The names are: horizontal_flip",
        ),
        ({"augmentations": "trivial"}, "augmentations"),
    ],
)
def test_parameters_of_another_kind_are_refused(params, match):
    with pytest.raises(ValueError, match=match):
        classifier(**params).fit(X, Y)


def test_a_size_and_augmentations_of_the_user_reach_the_families():
    search = classifier(image_size=10, augmentations=("crop",), n_trials=1).fit(X, Y)
    facts = search.task_.facts
    assert (facts.image_size, facts.augmentations) == (10, ("crop",))
    assert search.leaderboard_["params"][0]["columns"].endswith("-10")


def test_a_file_that_disappears_before_predict_is_named(fitted, tmp_path):
    paths = write_images(tmp_path, NEW_X[:3])
    (tmp_path / "0001.png").unlink()
    with pytest.raises(ValueError, match=r"row 1 of X .*0001.png.*no such file"):
        fitted.predict(paths)


def test_a_broken_file_of_predict_is_named(fitted, tmp_path):
    paths = write_images(tmp_path, NEW_X[:3])
    (tmp_path / "0002.png").write_bytes(encoded(NEW_X[0])[:-40])
    with pytest.raises(ValueError, match=r"row 2 of X .*0002.png.*cannot be read"):
        fitted.predict(paths)


def test_files_of_fit_may_go_away(tmp_path):
    paths = write_images(tmp_path, X)
    search = classifier(n_trials=1).fit(paths, Y)
    for path in paths:
        (tmp_path / path).unlink()
    assert search.predict(NEW_X).shape == (len(NEW_X),)


def test_equal_images_are_in_the_same_fold():
    images, y = np.concatenate([X, X[:30]]), [*Y, *Y[:30]]
    with pytest.warns(FitWarning, match="equal to training rows"):
        classifier(n_trials=1, cv=KFold(3)).fit(images, y)
    random = np.random.default_rng(0).choice(["yes", "no"], len(X))
    honest = classifier(n_trials=1, scoring="accuracy", cv=None)
    honest.fit(np.concatenate([X, X]), [*random, *random])
    assert honest.best_score_ < 0.75  # it would be 1 if copies were known


def test_weights_of_rows_and_groups():
    weight, groups = np.where(VALUES > 0, 5.0, 1.0), np.arange(len(X)) % 5
    noisy = np.random.default_rng(0).permutation(Y)
    plain = classifier(n_trials=1).fit(X, noisy)
    weighted = classifier(n_trials=1).fit(X, noisy, np.where(noisy == "low", 5.0, 1.0))
    low = [search.predict_proba(NEW_X)[:, 1].mean() for search in (plain, weighted)]
    assert low[1] > low[0]
    search = classifier(n_trials=1, cv=None).fit(X, Y, weight, groups)
    assert search.predict(NEW_X).shape == (len(NEW_X),)


def test_a_second_fit_repeats(fitted):
    again = clone(fitted).fit(X, Y)
    np.testing.assert_array_equal(
        again.predict_proba(NEW_X), fitted.predict_proba(NEW_X)
    )


def test_some_rows_in_any_order_are_predicted_as_all(fitted):
    order = np.random.default_rng(0).permutation(len(NEW_X))[:20]
    np.testing.assert_allclose(
        fitted.predict_proba(NEW_X[order]),
        fitted.predict_proba(NEW_X)[order],
        rtol=1e-6,
    )
    assert fitted.predict(NEW_X[:1]).shape == (1,)


def test_few_images_are_encoded_at_a_time(fitted, monkeypatch):
    def watched(self, rows):
        lengths.append(len(rows))
        return predict(self, rows)

    lengths, predict = [], FittedEnsemble._predict_part
    expected = fitted.predict_proba(NEW_X)
    monkeypatch.setattr(Images, "most_encoded", 40)
    monkeypatch.setattr(FittedEnsemble, "_predict_part", watched)
    found = fitted.predict_proba(NEW_X)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert lengths == [40, 40, 10]


def test_replay_fits_the_same_again(fitted):
    again = fitted.replay(X, Y)
    np.testing.assert_array_equal(
        again.predict_proba(NEW_X), fitted.predict_proba(NEW_X)
    )


def test_a_search_is_resumed_and_refused_with_other_images(tmp_path, fitted):
    classifier(n_trials=1, storage=tmp_path).fit(X, Y)
    resumed = classifier(storage=tmp_path).fit(X, Y)
    assert len(resumed.leaderboard_) == 3
    np.testing.assert_array_equal(
        resumed.predict_proba(NEW_X), fitted.predict_proba(NEW_X)
    )
    with pytest.raises(ValueError, match="another X"):
        classifier(storage=tmp_path).fit(X[::-1], Y)


@pytest.mark.slow
def test_workers_give_the_same_ensemble(fitted, tmp_path):
    parallel = classifier(n_jobs=2).fit(write_images(tmp_path, X), Y)
    np.testing.assert_array_equal(
        parallel.predict_proba(NEW_X), fitted.predict_proba(NEW_X)
    )


WITHOUT_NETWORK = """
import pickle, socket, sys

def refuse(*args, **kwargs):
    raise OSError("the network was used")

socket.socket.connect = socket.getaddrinfo = refuse
model, images, expected = pickle.load(sys.stdin.buffer)
assert abs(model.predict_proba(images) - expected).max() < 1e-9
"""


def test_a_pickle_predicts_in_a_fresh_process_without_a_network(fitted):
    stored = pickle.dumps((fitted, NEW_X, fitted.predict_proba(NEW_X)))
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK],
        input=stored,
        capture_output=True,
        env=environment(),
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def test_the_best_single_model_is_a_pipeline_of_raw_images(fitted, tmp_path):
    paths = write_images(tmp_path, NEW_X)
    assert np.mean(fitted.best_estimator_.predict(paths) == NEW_Y) > 0.85


def test_it_works_with_the_tools_of_scikit_learn(tmp_path):
    paths = write_images(tmp_path, X)
    assert cross_val_score(classifier(n_trials=1), paths, Y, cv=2).min() > 0.8
    train, test, y_train, y_test = train_test_split(pd.Series(paths), Y, random_state=0)
    grid = GridSearchCV(classifier(n_trials=1), {"ensemble_size": [1, 5]}, cv=2)
    assert grid.fit(train, y_train).score(test, y_test) > 0.8
    members = [("a", classifier(n_trials=1)), ("b", classifier(n_trials=2))]
    stack = StackingClassifier(members, LogisticRegression(), cv=2)
    assert stack.fit(X, Y).score(NEW_X, NEW_Y) > 0.8


def space(trial):
    return {"C": trial.suggest_float("C", 0.01, 100.0, log=True)}


def test_any_estimator_joins_the_search():
    own = EstimatorFamily(
        "own", LogisticRegression(), space, preprocessor=ImagePixels(10, color=False)
    )
    search = classifier(families=["image_pixels", own], n_trials=4).fit(X, Y)
    board = search.leaderboard_
    assert set(board["family"]) == {"image_pixels", "own"}
    assert set(board["status"]) == {"complete"}
    alone = classifier(families=[own]).fit(X, Y)
    assert alone.score(NEW_X, NEW_Y) > 0.85
    assert np.mean(alone.best_estimator_.predict(NEW_X) == NEW_Y) > 0.8


@pytest.mark.parametrize("family", ["linear", "text_tfidf"])
def test_families_of_other_data_are_refused(family):
    with pytest.raises(ValueError, match="None of the families"):
        classifier(families=[family]).fit(X, Y)


def test_nothing_is_printed_or_left_behind(capfd, nothing_left, tmp_path):
    classifier(n_trials=2).fit(write_images(tmp_path, X), Y).predict(NEW_X)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_digits_are_told_apart():
    from sklearn.datasets import load_digits

    digits = load_digits()
    parts = train_test_split(digits.images, digits.target, random_state=0)
    train, test, y_train, y_test = parts
    search = classifier(n_trials=4, scoring="accuracy").fit(train, y_train)
    assert search.score(test, y_test) > 0.975
