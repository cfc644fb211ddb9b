"""AutoObjectDetector, from any form of images to a fitted ensemble."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.metrics import make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from automodel.exceptions import (
    FitWarning,
    MissingLibraryError,
    WeightsWarning,
)
from automodel.metrics import mean_average_precision
from automodel.preprocessing.image.images import Images
from automodel.targets.box_fusion import BoxFusion
from tests.images import write_images
from tests.shapes import BlobDetector, BlobFamily, detector, make_shapes, same

X, Y = make_shapes()
NEW_X, NEW_Y = make_shapes(seed=1)
COMPLEMENTS = [{"margin": m, "side": "left"} for m in (2.0, -2.0, 3.0)]


@pytest.fixture(scope="module")
def fitted():
    return detector().fit(X, Y)


def test_it_fits_and_predicts_boxes(fitted):
    found = fitted.predict(NEW_X)
    assert len(found) == len(NEW_X)
    for image in found:
        assert set(image) == {"boxes", "labels", "scores"}
        assert image["boxes"].shape == (len(image["labels"]), 4)
        assert (np.diff(image["scores"]) <= 0).all()
    assert mean_average_precision(NEW_Y, found) > 0.7
    assert set(fitted.leaderboard_["status"]) == {"complete"}
    assert fitted.classes_.tolist() == ["blue", "red"]
    assert fitted.metric_name_ == "map"
    assert fitted.task_.kind == fitted.task_.modality == "detection"
    assert fitted.task_.n_outputs == 2
    assert fitted.image_shape_ == (40, 48, 3)
    assert fitted.expected_score_ == pytest.approx(fitted.best_score_, abs=0.1)


def test_the_score_is_the_mean_average_precision_of_predictions(fitted):
    expected = mean_average_precision(NEW_Y, fitted.predict(NEW_X))
    assert fitted.score(NEW_X, NEW_Y) == expected
    other = detector(scoring="map_50", n_trials=1).fit(X, Y)
    found = other.predict(NEW_X)
    assert other.score(NEW_X, NEW_Y) == mean_average_precision(NEW_Y, found)
    assert other.best_score_ > fitted.best_score_


def test_the_precision_of_each_class_is_a_table(fitted):
    table = fitted.average_precision_per_class(NEW_X, NEW_Y)
    assert table.index.tolist() == ["blue", "red"]
    assert table.columns.tolist() == ["average_precision", "average_precision_50"]
    score = fitted.score(NEW_X, NEW_Y)
    assert table["average_precision"].mean() == pytest.approx(score)


def test_boxes_below_the_threshold_are_left_out(fitted):
    every = fitted.predict(NEW_X)
    least = np.median(np.concatenate([image["scores"] for image in every]))
    strict = clone(fitted).set_params(score_threshold=float(least)).fit(X, Y)
    found = strict.predict(NEW_X)
    assert min(image["scores"].min(initial=1) for image in found) >= least
    counts = [sum(len(image["scores"]) for image in own) for own in (found, every)]
    assert 0 < counts[0] < counts[1]
    nothing = strict.set_params(score_threshold=1.0).predict(NEW_X)
    assert not any(len(image["boxes"]) for image in nothing)


def test_the_expected_score_has_an_interval(fitted):
    low, high = fitted.expected_score_interval_
    assert 0 < low < fitted.expected_score_ < high <= 1


def test_a_report_says_which_parts_boxes_do_not_have(fitted):
    report = fitted.report(X=X, y=Y, show_examples=True)
    assert "which predicts boxes from 40 images" in report.html
    for part in ("errors", "importance", "dependence", "notes", "examples"):
        message = report.facts[part]["message"]
        assert "could not be made" not in message
    assert report.facts["score"]["interval"][0] > 0


@pytest.mark.parametrize("form", ["list", "PIL", "paths", "frame"])
def test_all_forms_of_images_give_the_same_boxes(form, fitted, tmp_path):
    def converted(images, folder):
        if form == "list":
            return list(images)
        if form == "PIL":
            return [Image.fromarray(image) for image in images]
        paths = write_images(tmp_path / folder, images)
        return pd.DataFrame({"path": paths}) if form == "frame" else paths

    again = detector().fit(converted(X, "old"), Y)
    assert same(again.predict(converted(NEW_X, "new")), fitted.predict(NEW_X))
    assert hasattr(again, "feature_names_in_") == (form == "frame")


def test_images_of_several_sizes_have_boxes_in_their_own_pixels():
    small, boxes = make_shapes(20, seed=3, height=50, width=60)
    search = detector(n_trials=1).fit([*X, *small], [*Y, *boxes])
    assert search.score(small, boxes) > 0.5
    assert search.image_shape_ is None


def test_labels_may_be_numbers_and_boxes_lists():
    y = [
        {
            "boxes": image["boxes"].tolist(),
            "labels": [7 if label == "red" else 3 for label in image["labels"]],
        }
        for image in Y
    ]
    search = detector(n_trials=1).fit(X, y)
    assert search.classes_.tolist() == [3, 7]
    labels = np.concatenate([image["labels"] for image in search.predict(NEW_X)])
    assert labels.dtype.kind == "i" and set(labels.tolist()) == {3, 7}


def test_ignored_boxes_are_neither_learned_nor_scored():
    crowd = [
        {
            "boxes": [*image["boxes"], [0, 0, 40, 39]],
            "labels": [*image["labels"], "red"],
            "ignored": [*[False] * len(image["boxes"]), True],
        }
        for image in Y
    ]
    search, plain = (detector(n_trials=1).fit(X, y) for y in (crowd, Y))
    assert same(search.predict(NEW_X), plain.predict(NEW_X))
    assert search.best_score_ >= plain.best_score_


def wrong(image, **changes):
    return [*Y[:image], {**Y[image], **changes}, *Y[image + 1 :]]


BOX = [[2, 2, 9, 9]]
BAD_Y = {
    "beyond": (wrong(3, boxes=[[2, 2, 60, 9]], labels=["red"]), "[Ii]mage 3"),
    "no width": (wrong(3, boxes=[[9, 2, 9, 9]], labels=["red"]), "[Ii]mage 3"),
    "NaN": (wrong(2, boxes=[[1, np.nan, 9, 9]], labels=["red"]), "[Ii]mage 2"),
    "lengths": (wrong(2, boxes=BOX, labels=["red", "red"]), "[Ii]mage 2"),
    "kinds": (wrong(1, boxes=BOX, labels=[1]), "labels"),
    "too few": (Y[:-1], "40"),
    "no boxes": ([{"boxes": [], "labels": []}] * len(X), "nothing to learn"),
    "no dictionaries": (np.zeros(len(X)), "dictionar"),
    "nothing": (None, "y to be passed"),
}


@pytest.mark.parametrize("case", BAD_Y)
def test_bad_boxes_are_refused_before_any_training(case, tmp_path):
    y, match = BAD_Y[case]
    with pytest.raises((TypeError, ValueError), match=match):
        detector(storage=tmp_path / "storage").fit(X, y)
    assert not (tmp_path / "storage").exists()


def test_sample_weights_are_refused():
    with pytest.raises(ValueError, match="does not use sample weights"):
        detector().fit(X, Y, sample_weight=np.ones(len(X)))


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"score_threshold": 2}, "score_threshold"),
        ({"image_size": 4}, "image_size"),
        ({"augmentations": ("rotate",)}, "names are: horizontal_flip, vertical_flip"),
        ({"scoring": "accuracy"}, "Use a scorer that fits the target, such as 'map'"),
        ({"scoring": "mapp"}, "Did you mean 'map'"),
        ({"families": ["linear"]}, "None of the families"),
    ],
)
def test_parameters_of_another_kind_are_refused(params, match):
    with pytest.raises(ValueError, match=match):
        detector(**params).fit(X, Y)


def test_augmentations_are_those_that_move_boxes_too():
    facts = detector(n_trials=1).fit(X, Y).task_.facts
    assert facts.augmentations == (
        "horizontal_flip",
        "vertical_flip",
        "scale",
        "crop",
        "brightness",
    )
    search = detector(augmentations=("scale",), image_size=32, n_trials=1).fit(X, Y)
    assert search.task_.facts.augmentations == ("scale",)
    assert search.task_.facts.image_size == 32
    facts = detector(augmentations=None, n_trials=1).fit(X, Y).task_.facts
    assert facts.augmentations == ()


def test_missing_weights_are_warned_of():
    with pytest.warns(WeightsWarning, match="No pretrained weights"):
        detector(weights="auto", n_trials=1).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", WeightsWarning)
        detector(weights=None, n_trials=1).fit(X, Y)


def test_a_missing_library_is_named(monkeypatch):
    class Absent(BlobFamily):
        requires = ("a_library_that_is_not_there",)

    monkeypatch.setattr("automodel.families.all_families", lambda: {"a": Absent()})
    with pytest.raises(MissingLibraryError, match="pip install a_library_that_is"):
        detector(families=None).fit(X, Y)


def count_error(y_true, y_pred):
    pairs = zip(y_true, y_pred, strict=True)
    return np.mean([abs(len(a["boxes"]) - len(b["boxes"])) for a, b in pairs])


def scorer_of_counts(estimator, X, y):
    return -count_error(y, estimator.predict(X))


@pytest.mark.parametrize(
    "scoring", [make_scorer(count_error, greater_is_better=False), scorer_of_counts]
)
def test_own_scores_take_lists_of_dictionaries(scoring):
    search = detector(scoring=scoring, n_trials=2).fit(X, Y)
    assert -0.5 < search.best_score_ <= 0
    assert set(search.leaderboard_["status"]) == {"complete"}


def test_several_models_are_fused_if_they_are_better_together():
    search = detector(families=[BlobFamily(COMPLEMENTS)]).fit(X, Y)
    combiner = search.ensemble_.combiner
    assert isinstance(combiner, BoxFusion)
    assert np.count_nonzero(combiner.weights) > 1
    assert search.best_score_ > search.leaderboard_["score"].max()
    single = detector(families=[BlobFamily(COMPLEMENTS)], ensemble_size=1).fit(X, Y)
    assert search.score(NEW_X, NEW_Y) > single.score(NEW_X, NEW_Y)


def test_a_model_that_is_best_alone_stays_alone():
    settings = [{"margin": m, "side": "left"} for m in (0.0, 2.0, 2.5)]
    search = detector(families=[BlobFamily(settings)]).fit(X, Y)
    assert [member.number for member in search.ensemble_.members] == [0]
    assert search.best_score_ == search.leaderboard_["score"].max()


def test_replay_and_pickle_predict_the_same(fitted):
    expected = fitted.predict(NEW_X)
    assert same(fitted.replay(X, Y).predict(NEW_X), expected)
    assert same(pickle.loads(pickle.dumps(fitted)).predict(NEW_X), expected)
    assert same(clone(fitted).fit(X, Y).predict(NEW_X), expected)
    one_label = [{**image, "labels": ["red"] * len(image["labels"])} for image in Y]
    with pytest.raises(ValueError, match="the labels"):
        fitted.replay(X, one_label)


def test_many_images_are_predicted_in_parts(fitted, monkeypatch):
    expected = fitted.predict(NEW_X)
    monkeypatch.setattr(Images, "most_encoded", 7)
    assert same(fitted.predict(NEW_X), expected)
    monkeypatch.setattr("automodel.evaluation.fitted_model.PREDICT_ROWS", 3)
    assert same(fitted.predict(NEW_X), expected)


def test_a_search_is_resumed_and_refused_with_other_boxes(tmp_path, fitted):
    detector(n_trials=1, storage=tmp_path).fit(X, Y)
    resumed = detector(storage=tmp_path).fit(X, Y)
    again = detector(storage=tmp_path).fit(X, Y)
    for search in (resumed, again):
        assert len(search.leaderboard_) == 3
        assert same(search.predict(NEW_X), fitted.predict(NEW_X))
    with pytest.raises(ValueError, match="another y"):
        detector(storage=tmp_path).fit(X, wrong(0, boxes=BOX, labels=["red"]))


@pytest.mark.slow
def test_workers_give_the_same_boxes(fitted, tmp_path):
    parallel = detector(n_jobs=2).fit(write_images(tmp_path, X), Y)
    assert same(parallel.predict(NEW_X), fitted.predict(NEW_X))


def test_the_best_single_model_is_a_pipeline_of_raw_images(fitted, tmp_path):
    found = fitted.best_estimator_.predict(write_images(tmp_path, NEW_X))
    assert mean_average_precision(NEW_Y, found) > 0.6


def test_the_baseline_is_used_if_no_trial_ends():
    failing = BlobFamily()
    failing.estimator = lambda task, seed: BlobDetector(mode="raise")
    with pytest.warns(FitWarning, match="Only the baseline"):
        search = detector(families=[failing], n_trials=2).fit(X, Y)
    assert len(search.predict(NEW_X)) == len(NEW_X)
    assert search.best_score_ >= 0
    assert len(search.replay(X, Y).predict(NEW_X)) == len(NEW_X)


def test_a_time_budget_is_kept_with_boxes():
    search = detector(time_budget=3.0, n_trials=4, cv=None).fit(X, Y)
    assert search.score(NEW_X, NEW_Y) > 0.5


def folds_of(search, y, groups=None):
    return search._prepare(search._check_data(X, y, None, groups), [], 0, None).folds


@pytest.mark.parametrize("cv", [3, StratifiedKFold(3)])
def test_folds_are_stratified_by_the_rarest_class_of_each_image(cv):
    rare = [{**image, "labels": ["blue"] * len(image["labels"])} for image in Y]
    with_red = [i for i, image in enumerate(Y) if len(image["boxes"])][:6]
    for i in with_red:
        rare[i]["labels"] = ["red", *rare[i]["labels"][1:]]
    folds = folds_of(detector(cv=cv), rare)
    counts = [np.isin(with_red, valid).sum() for _, valid in folds.splits]
    assert counts == [2, 2, 2]


def test_images_of_a_group_are_in_the_same_fold():
    groups = np.arange(len(X)) // 4
    for train, valid in folds_of(detector(), Y, groups).splits:
        assert not np.intersect1d(groups[train], groups[valid]).size


def test_it_works_with_the_tools_of_scikit_learn(fitted):
    assert not is_classifier(fitted) and not is_regressor(fitted)
    once = detector(n_trials=1)
    assert cross_val_score(once, X, Y, cv=2).min() > 0.5
    scores = cross_val_score(
        once,
        X,
        Y,
        cv=GroupKFold(2),
        groups=np.arange(len(X)) // 4,
        scoring=make_scorer(mean_average_precision, iou_thresholds=0.5),
    )
    assert scores.min() > 0.8
    train, test, y_train, y_test = train_test_split(list(X), Y, random_state=0)
    grid = GridSearchCV(once, {"score_threshold": [0.05, 1.0]}, cv=2)
    assert grid.fit(train, y_train).best_params_ == {"score_threshold": 0.05}
    assert make_pipeline(once).fit(train, y_train).score(test, y_test) > 0.5


@parametrize_with_checks([detector(n_trials=1)])
def test_it_passes_the_checks_that_there_are(estimator, check):
    check(estimator)


def test_nothing_is_printed_or_left_behind(capfd, nothing_left, tmp_path):
    detector(n_trials=2).fit(write_images(tmp_path, X), Y).predict(NEW_X)
    assert capfd.readouterr() == ("", "")
