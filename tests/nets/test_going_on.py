"""Training that goes on: partial_fit and warm_start."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression

from automodel.nets import RealMLPClassifier, RealMLPRegressor

X, Y = make_classification(400, 6, n_informative=4, random_state=0)
XR, YR = make_regression(400, 5, noise=1.0, random_state=0)
NETS = [
    (RealMLPClassifier(max_epochs=4, random_state=0), X, Y),
    (RealMLPRegressor(max_epochs=4, random_state=0), XR, YR),
]
both = pytest.mark.parametrize(("net", "X", "y"), NETS, ids=["classes", "values"])


def answers(net, X):
    return net.predict_proba(X) if hasattr(net, "predict_proba") else net.predict(X)


def first_fit(net, X, y):
    classes = {"classes": np.unique(y)} if hasattr(net, "predict_proba") else {}
    return net.partial_fit(X, y, **classes)


@both
def test_partial_fit_learns_in_parts(net, X, y):
    net = clone(net).set_params(learning_rate=0.01)
    first_fit(net, X[:150], y[:150])
    for _ in range(30):
        net.partial_fit(X[:150], y[:150]).partial_fit(X[150:300], y[150:300])
    assert net.score(X[300:], y[300:]) > 0.75
    assert net.n_iter_ == len(net.history_["train_loss"]) == 61


@both
def test_scales_are_those_of_the_first_rows(net, X, y):
    net = first_fit(clone(net), X[:100], y[:100])
    center, target = net.encoder_.center_, net.target_
    net.partial_fit(X[100:] * 9, y[100:])
    assert net.encoder_.center_ is center
    assert net.target_ is target


@both
def test_partial_fit_repeats_with_its_seed(net, X, y):
    one, two = (
        first_fit(clone(net), X, y).partial_fit(X[:99], y[:99]) for _ in range(2)
    )
    np.testing.assert_array_equal(answers(one, X), answers(two, X))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "schedule_free"])
@both
def test_the_state_of_the_optimizer_is_kept_but_not_pickled(net, X, y, optimizer):
    net = first_fit(clone(net).set_params(optimizer=optimizer), X, y)
    n_weights = sum(value.size for value in net.state_.values())
    data = pickle.dumps(net)
    assert b"torch" not in data
    assert len(data) < 4 * n_weights + 20_000
    again = pickle.loads(data).partial_fit(X, y)
    net.partial_fit(X, y)
    assert net.n_steps_ == again.n_steps_
    assert not np.array_equal(answers(net, X), answers(again, X))
    assert np.isfinite(answers(again, X)).all()


@both
def test_partial_fit_follows_a_change_of_the_learning_rate(net, X, y):
    net = first_fit(clone(net), X, y)
    before = {name: value.copy() for name, value in net.state_.items()}
    net.set_params(learning_rate=1e-9).partial_fit(X, y)
    for name, value in net.state_.items():
        np.testing.assert_allclose(value, before[name], atol=1e-5)


@both
def test_partial_fit_recovers_from_a_loss_that_is_not_a_number(net, X, y):
    net = first_fit(clone(net), X, y)
    before = answers(net, X)
    with pytest.raises(FloatingPointError):
        net.set_params(learning_rate=1e30).partial_fit(X, y)
    np.testing.assert_array_equal(answers(net, X), before)
    net.set_params(learning_rate=0.01).partial_fit(X, y)
    assert np.isfinite(answers(net, X)).all()


@both
def test_partial_fit_goes_on_after_fit(net, X, y):
    net = clone(net).set_params(max_epochs=30, learning_rate=0.02).fit(X, y)
    before = net.score(X, y)
    net.partial_fit(X, y)
    assert net.score(X, y) > before - 0.1
    assert len(net.history_["train_loss"]) > 1


def test_classes_are_needed_in_the_first_call():
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        RealMLPClassifier().partial_fit(X, Y)


def test_classes_may_not_change():
    net = RealMLPClassifier().partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="is not the same as on last call"):
        net.partial_fit(X, Y, classes=[0, 1, 2])


def test_a_class_may_come_later():
    net = RealMLPClassifier().partial_fit(X, Y, classes=[0, 1, 5])
    assert net.predict_proba(X).shape == (len(X), 3)
    net.partial_fit(X, np.full(len(X), 5))
    with pytest.raises(ValueError, match=r"not in \[0, 1, 5\]: \[7\]"):
        net.partial_fit(X, np.full(len(X), 7))


def test_labels_are_learned_in_parts():
    labels = np.c_[Y, 1 - Y, Y]
    net = RealMLPClassifier(random_state=0).partial_fit(X, labels, classes=range(3))
    assert net.partial_fit(X[:9], labels[:9]).predict(X).shape == labels.shape
    with pytest.raises(ValueError, match="names 2 labels, and y has 3 columns"):
        RealMLPClassifier().partial_fit(X, labels, classes=[0, 1])


def test_balance_needs_all_rows():
    net = RealMLPClassifier(class_weight="balanced")
    with pytest.raises(ValueError, match="needs all rows at once"):
        net.partial_fit(X, Y, classes=[0, 1])


@both
def test_a_warm_start_goes_on_from_the_weights(net, X, y):
    params = {"max_epochs": 20, "early_stopping": False, "warm_start": True}
    net = clone(net).set_params(**params).fit(X, y)
    learned = net.history_["train_loss"][-1]
    net.set_params(max_epochs=1, learning_rate=1e-3).fit(X, y)
    assert net.history_["train_loss"][0] < 1.5 * learned + 0.01


@both
def test_without_warm_start_a_fit_starts_anew(net, X, y):
    net = clone(net)
    first = answers(net.fit(X, y), X)
    np.testing.assert_array_equal(answers(net.fit(X, y), X), first)


@both
def test_other_columns_stop_a_warm_start(net, X, y):
    net = clone(net).set_params(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="X has 2 features, but RealMLP"):
        net.fit(X[:, :2], y)


def test_other_classes_stop_a_warm_start():
    net = RealMLPClassifier(max_epochs=1, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match=r"classes that are not in \[0, 1\]: \[2\]"):
        net.fit(X, Y + 1)


@both
def test_another_architecture_stops_a_warm_start(net, X, y):
    net = clone(net).set_params(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="hidden_sizes changed since"):
        net.set_params(width=16).fit(X, y)


def test_a_warm_start_widens_the_range_of_predictions():
    net = RealMLPRegressor(max_epochs=20, warm_start=True, random_state=0)
    net.fit(XR, YR).fit(XR, YR + 500)
    assert net.predict(XR).max() > YR.max()


def test_a_warm_start_keeps_the_categories():
    frame = pd.DataFrame({"kind": pd.Categorical(np.array(["a", "b"])[Y])})
    net = RealMLPClassifier(max_epochs=20, warm_start=True, random_state=0)
    net.fit(frame, Y).fit(frame[::-1], Y[::-1])
    assert net.score(frame, Y) == 1


@pytest.mark.parametrize("early_stopping", [False, True])
@both
def test_history_can_be_plotted(net, X, y, early_stopping):
    net = clone(net).set_params(early_stopping=early_stopping).fit(X, y)
    losses = pd.DataFrame(net.history_)
    assert losses.shape == (4, 1 + early_stopping)
    assert losses.notna().all(axis=None)


@both
def test_a_training_that_ends_in_its_first_epoch_has_an_empty_history(net, X, y):
    net = clone(net).set_params(early_stopping=True)
    net._fit(X, y, step_plan=[(0, 2)])
    assert net.n_steps_ == 2
    assert net.history_ == {"train_loss": [], "valid_loss": []}


@both
def test_a_loss_that_is_not_a_number_says_what_to_do(net, X, y):
    net = clone(net).set_params(learning_rate=1e30, activation="relu")
    with pytest.raises(FloatingPointError, match="in epoch 1. Lower the learning"):
        first_fit(net, X, y).partial_fit(X, y)
