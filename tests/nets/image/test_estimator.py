"""The estimators: targets, persistence, and what they accept."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from skorch.callbacks import EpochScoring

from automodel.nets import ImageResNetClassifier
from automodel.preprocessing.image.resize import ResizedImages
from automodel.some_rows import SomeRows
from tests.nets.image.images import classifier, make_images, regressor

IMAGES, VALUES = make_images()
NEW_IMAGES, NEW_VALUES = make_images(60, seed=1)
CLASSES = np.array(["dark", "grey", "light"])[np.digitize(VALUES, [-0.3, 0.3])]
NEW_CLASSES = np.array(["dark", "grey", "light"])[np.digitize(NEW_VALUES, [-0.3, 0.3])]


@pytest.fixture(scope="module")
def fitted():
    """Return a net that several tests look at, and leave as it is."""
    return classifier().fit(IMAGES, CLASSES)


def test_classes_are_learned(fitted):
    assert fitted.score(NEW_IMAGES, NEW_CLASSES) > 0.8
    proba = fitted.predict_proba(NEW_IMAGES)
    assert fitted.classes_.tolist() == ["dark", "grey", "light"]
    np.testing.assert_allclose(proba.sum(1), 1)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "quantile"])
def test_values_are_learned(loss):
    net = regressor(loss=loss).fit(IMAGES, VALUES)
    assert net.score(NEW_IMAGES, NEW_VALUES) > 0.7


@pytest.mark.parametrize("loss", ["poisson", "tweedie"])
def test_deviances_are_learned(loss):
    net = regressor(loss=loss).fit(IMAGES, VALUES + 2)
    assert net.score(NEW_IMAGES, NEW_VALUES + 2) > 0.4


def test_several_labels_are_learned():
    y, new_y = (np.c_[v > 0, v < 0.3].astype(int) for v in (VALUES, NEW_VALUES))
    net = classifier(loss="focal").fit(IMAGES, y)
    assert net.predict(NEW_IMAGES).shape == new_y.shape
    assert (net.predict(NEW_IMAGES) == new_y).mean() > 0.8


def test_several_values_are_learned():
    y, new_y = (np.c_[v, -2 * v] for v in (VALUES, NEW_VALUES))
    assert regressor().fit(IMAGES, y).score(NEW_IMAGES, new_y) > 0.7


@pytest.mark.parametrize(
    "params",
    [
        {"depth": 18},
        {"depth": 50, "stochastic_depth": 0.2},
        {"norm": "group"},
        {"stem": "large"},
        {"optimizer": "sgd", "learning_rate": 0.1},
        {"optimizer": "schedule_free"},
        {"averaging": 0.9},
        {"dropout": 0.2},
        {"label_smoothing": 0.1},
        {"early_stopping": False},
        {"mixup": 0.2},
        {"cutmix": 1.0},
        {"translate": 0.1, "rotate": 10, "scale": 0.1, "crop": 0.2, "noise": 0.05},
        {"horizontal_flip": 0.5, "flip_average": True},
    ],
    ids=str,
)
def test_each_way_to_train_learns(params):
    net = classifier(**{"max_epochs": 15, **params}).fit(IMAGES, CLASSES)
    assert net.score(NEW_IMAGES, NEW_CLASSES) > 0.7


def test_training_lowers_the_loss(fitted):
    losses = fitted.history_["train_loss"]
    assert losses[-1] < 0.7 * losses[0]


def test_the_same_seed_gives_the_same_net_and_leaves_the_global_one_alone():
    options = {"max_epochs": 3, "translate": 0.1, "trivial": 0.5, "mixup": 0.2}
    options |= {"stochastic_depth": 0.2, "dropout": 0.1}
    before = torch.get_rng_state()
    np.random.seed(3)  # noqa: NPY002  the state of users of the global generator
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two, other = (
        classifier(**options, random_state=seed).fit(IMAGES, CLASSES)
        for seed in (0, 0, 1)
    )
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    first = one.predict_proba(NEW_IMAGES)
    np.testing.assert_array_equal(first, two.predict_proba(NEW_IMAGES))
    assert not np.array_equal(first, other.predict_proba(NEW_IMAGES))


def test_weights_of_images_count():
    weight = np.where(CLASSES == "light", 1.0, 0.0)
    weight[:20] = 1.0
    some = weight > 0
    weighted = classifier(max_epochs=3).fit(IMAGES, CLASSES, sample_weight=weight)
    left_out = classifier(max_epochs=3).fit(IMAGES[some], CLASSES[some])
    np.testing.assert_array_equal(
        weighted.predict_proba(NEW_IMAGES), left_out.predict_proba(NEW_IMAGES)
    )
    heavy = np.where(CLASSES == "light", 20.0, 0.1)
    biased = classifier().fit(IMAGES, CLASSES, sample_weight=heavy)
    plain = classifier().fit(IMAGES, CLASSES)
    gain = biased.predict_proba(NEW_IMAGES) - plain.predict_proba(NEW_IMAGES)
    assert gain[:, 2].mean() > 0.02


def test_predictions_do_not_depend_on_other_images_or_their_order(fitted):
    whole = fitted.predict_proba(NEW_IMAGES)
    order = np.random.default_rng(0).permutation(len(NEW_IMAGES))
    permuted = fitted.predict_proba(NEW_IMAGES[order])
    np.testing.assert_allclose(permuted, whole[order], atol=1e-5)
    one = fitted.predict_proba(NEW_IMAGES[:1])
    np.testing.assert_allclose(one, whole[:1], atol=1e-5)


def test_a_list_of_images_is_an_array(fitted):
    expected = fitted.predict_proba(NEW_IMAGES)
    np.testing.assert_array_equal(fitted.predict_proba(list(NEW_IMAGES)), expected)


def test_grey_images_and_others_are_read():
    grey = IMAGES[..., 0]
    net = classifier(max_epochs=2).fit(grey, CLASSES)
    expected = net.predict_proba(grey)
    same = (grey[..., None], np.repeat(grey[..., None], 3, 3))
    for images in same:
        np.testing.assert_array_equal(net.predict_proba(images), expected)
    opaque = np.concatenate([same[1], np.full((*grey.shape, 1), 255, np.uint8)], 3)
    np.testing.assert_array_equal(net.predict_proba(opaque), expected)


def test_the_range_of_numbers_is_learned_in_fit():
    net = classifier(max_epochs=2)
    expected = net.fit(IMAGES, CLASSES).predict_proba(NEW_IMAGES)
    low, high = int(IMAGES.min()), int(IMAGES.max())
    assert net.value_range_ == (0.0, 255.0)
    net.fit((IMAGES - low) / (high - low), CLASSES)
    assert net.value_range_ == (0.0, 1.0)
    assert net.predict_proba(np.zeros((1, 12, 12, 3))).shape == (1, 3)
    assert expected.shape == (60, 3)


def test_a_clone_has_the_parameters_and_is_not_fitted(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "state_")


LOADED = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    net, images, expected = pickle.load(file)
assert "torch" not in sys.modules
assert abs(net.predict_proba(images) - expected).max() < 1e-6
"""


def test_a_pickle_predicts_the_same_in_another_process(tmp_path, fitted):
    path = tmp_path / "net.pkl"
    expected = fitted.predict_proba(NEW_IMAGES)
    path.write_bytes(pickle.dumps((fitted, NEW_IMAGES, expected)))
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADED, str(path)],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_fitted_state_is_arrays_and_plain_values(fitted):
    def is_plain(value):
        if isinstance(value, dict):
            return all(map(is_plain, value.values()))
        if isinstance(value, list | tuple):
            return all(map(is_plain, value))
        plain = (np.ndarray, np.generic, str, int, float, bool, type(None))
        return isinstance(value, plain)

    state = fitted.__getstate__()
    names = set(state) - set(fitted.get_params()) - {"target_"}
    assert all(is_plain(state[name]) for name in names)


def test_few_images_are_enough():
    net = classifier(early_stopping=False).fit(IMAGES[:3], ["a", "b", "a"])
    assert np.isfinite(net.predict_proba(NEW_IMAGES)).all()


def test_one_class_is_predicted():
    net = classifier(max_epochs=1).fit(IMAGES, ["a"] * len(IMAGES))
    assert set(net.predict(IMAGES)) == {"a"}


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (2, 3)])
@pytest.mark.parametrize("depth", [9, 18])
def test_odd_sizes_are_learned(shape, depth):
    images = np.random.default_rng(0).integers(0, 256, (20, *shape), dtype=np.uint8)
    net = classifier(depth=depth, max_epochs=1).fit(images, np.arange(20) % 2)
    assert np.isfinite(net.predict_proba(images)).all()


def test_bfloat16_gives_nearly_the_same(fitted):
    exact = fitted.predict_proba(NEW_IMAGES)
    net = classifier(precision="bfloat16").fit(IMAGES, CLASSES)
    assert net.precision_ == "bfloat16"
    assert np.abs(net.predict_proba(NEW_IMAGES) - exact).mean() < 0.15
    assert net.score(NEW_IMAGES, NEW_CLASSES) > 0.8


def test_callbacks_of_skorch_see_each_part_of_an_epoch():
    scoring = EpochScoring("accuracy", lower_is_better=False)
    options = {"max_epochs": 2, "validations_per_epoch": 2}
    history = classifier(callbacks=[scoring], **options).fit(IMAGES, CLASSES).history_
    assert set(history) == {"train_loss", "valid_loss", "accuracy"}
    assert len(history["accuracy"]) == 4


def test_groups_stay_together_in_the_part_that_is_held_out():
    groups = np.repeat(np.arange(12), 10)
    seen = []

    class Noted(ImageResNetClassifier):
        def _rows(self, X, rows, target, weight, hooks):
            seen.append({*groups[rows]})
            return super()._rows(X, rows, target, weight, hooks)

    Noted(width=4, max_epochs=1)._fit(IMAGES, CLASSES, groups=groups)
    assert len(seen) == 2
    assert not seen[0] & seen[1]


def test_it_works_in_a_pipeline_and_a_grid_search():
    pipeline = make_pipeline(ResizedImages(8), classifier(max_epochs=4))
    scores = cross_val_score(pipeline, list(IMAGES), CLASSES, cv=2)
    assert scores.mean() > 0.5
    grid = GridSearchCV(classifier(max_epochs=2), {"translate": [0.0, 0.1]}, cv=2)
    assert grid.fit(IMAGES, CLASSES).best_params_["translate"] in (0.0, 0.1)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((4, 64)), r"shape \(4, 64\): reshape it"),
        (np.zeros((4, 8, 8, 5)), "1, 3 or 4 channels"),
        (np.zeros((4, 0, 8)), "at least one pixel"),
        (np.full((4, 8, 8), np.nan), "contains NaN"),
        (np.zeros((4, 8, 8), dtype=complex), "Complex data"),
        (np.full((4, 8, 8), "a"), "real numbers"),
        ([np.zeros((8, 8)), np.zeros((9, 8))] * 2, "of one size.*ResizedImages"),
        ([], "0 sample"),
    ],
)
def test_other_input_is_an_error_that_says_what_to_do(X, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, np.arange(len(X)) % 2)


def test_images_of_another_size_are_refused_in_predict(fitted):
    with pytest.raises(ValueError, match="was fitted on images of .12, 12. pixels"):
        fitted.predict(np.zeros((2, 10, 12), dtype=np.uint8))


@pytest.mark.parametrize(
    "params", [{"depth": 10}, {"norm": "layer"}, {"rotate": 200}, {"stem": "none"}]
)
def test_wrong_parameters_are_refused(params):
    (name,) = params
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        classifier(**params).fit(IMAGES, CLASSES)


def test_images_that_stay_in_a_larger_array_are_learned_and_predicted():
    images, values = make_images(60)
    y = values > 0
    rows = np.arange(59, -1, -1)
    some = SomeRows(images[::-1].copy(), rows)
    net = classifier(max_epochs=2, flip_average=True, horizontal_flip=0.5)
    expected = clone(net).fit(images, y).predict_proba(images)
    np.testing.assert_array_equal(net.fit(some, y).predict_proba(some), expected)
