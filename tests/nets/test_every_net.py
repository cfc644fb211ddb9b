"""What all nets promise alike, whatever their architecture."""

import pickle
from functools import cache

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression

from automodel import nets
from tests.nets import modules

X, Y = make_classification(300, 6, n_informative=4, random_state=0)
XR, YR = make_regression(300, 5, noise=1.0, random_state=0)
SMALL = {
    "FTTransformer": {"n_blocks": 2, "width": 16},
    "TabM": {"k": 4, "width": 32},
    "TabularResNet": {"width": 32},
}
NAMES = [
    pytest.param(name, kind, id=f"{name}{kind}")
    for name in SMALL
    for kind in ("Classifier", "Regressor")
]
each = pytest.mark.parametrize(("name", "kind"), NAMES)
each_name = pytest.mark.parametrize("name", list(SMALL))


def new(name, kind, **params):
    params = {"max_epochs": 3, "random_state": 0, **SMALL[name], **params}
    return getattr(nets, name + kind)(**params)


def data(kind):
    return (X, Y) if kind == "Classifier" else (XR, YR)


def fitted(name, kind, **params):
    return new(name, kind, **params).fit(*data(kind))


@cache
def shared(name, kind):
    """Return a net, fitted once, that several tests look at and leave as it is."""
    return fitted(name, kind)


def answers(net, X):
    return net.predict_proba(X) if hasattr(net, "predict_proba") else net.predict(X)


@each
def test_same_seed_gives_the_same_predictions(name, kind):
    first = answers(shared(name, kind), data(kind)[0])
    before = torch.get_rng_state()
    second, other = (
        answers(fitted(name, kind, random_state=seed), data(kind)[0]) for seed in (0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@each
def test_groups_reach_the_inner_split_without_rows_of_no_weight(name, kind):
    rows, y = data(kind)
    groups = np.arange(300) // 6
    weight = np.where(np.arange(300) % 3, 1.0, 0.0)
    kept = weight > 0
    net, fewer, without = (
        new(name, kind, early_stopping=True)._fit(*fit, groups=g)
        for fit, g in (
            ((rows, y, weight), groups),
            ((rows[kept], y[kept], weight[kept]), groups[kept]),
            ((rows, y, weight), None),
        )
    )
    np.testing.assert_array_equal(answers(net, rows), answers(fewer, rows))
    assert not np.array_equal(answers(net, rows), answers(without, rows))


@each
def test_pickle_holds_no_torch(name, kind):
    net = shared(name, kind)
    expected = answers(net, data(kind)[0])
    stored = pickle.dumps(net)
    assert b"torch" not in stored
    np.testing.assert_array_equal(
        answers(pickle.loads(stored), data(kind)[0]), expected
    )


@each
def test_prediction_does_not_depend_on_the_other_rows(name, kind):
    net, rows = shared(name, kind), data(kind)[0]
    alone = np.concatenate([answers(net, rows[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, answers(net, rows)[:20], rtol=1e-10)


@each
@pytest.mark.parametrize("n_rows", [2, 3, 65])
def test_odd_last_batches_are_trained(name, kind, n_rows):
    rows, y = data(kind)
    chosen = np.r_[np.flatnonzero(y > np.median(y))[:1], np.arange(n_rows - 1)]
    net = new(name, kind, batch_size=64).fit(rows[chosen], y[chosen])
    assert np.isfinite(answers(net, rows)).all()


@each
def test_bfloat16_is_close_to_single_precision(name, kind):
    single, half = (
        answers(fitted(name, kind, precision=precision, max_epochs=10), data(kind)[0])
        for precision in ("float32", "bfloat16")
    )
    assert not np.array_equal(single, half)
    spread = 1.0 if kind == "Classifier" else YR.std()
    assert np.abs(single - half).mean() < 0.1 * spread


@each
@pytest.mark.parametrize("optimizer", ["sgd", "schedule_free"])
def test_other_optimizers_and_augmentation_train(name, kind, optimizer):
    options = {"feature_noise": 0.1, "mixup": 0.2, "feature_swap": 0.1}
    net = fitted(name, kind, optimizer=optimizer, **options)
    assert np.isfinite(answers(net, data(kind)[0])).all()


@each
def test_sparse_rows_are_the_same_as_dense_ones(name, kind):
    rows, y = data(kind)
    rows = np.where(np.abs(rows) < 1, 0, rows)
    matrix = sparse.csr_matrix(rows)
    dense = answers(new(name, kind).fit(rows, y), rows)
    np.testing.assert_array_equal(
        answers(new(name, kind).fit(matrix, y), matrix), dense
    )


@each_name
def test_categories_and_missing_numbers_are_learned(name):
    frame, y = modules.table(2000)
    net = new(name, "Classifier", max_epochs=25, batch_size=64, learning_rate=0.01)
    assert net.fit(frame[:1500], y[:1500]).score(frame[1500:], y[1500:]) > 0.95


@each_name
def test_several_targets_are_learned_at_once(name):
    y = np.c_[YR, -2 * YR + 5]
    net = new(name, "Regressor", max_epochs=60, learning_rate=0.01).fit(XR, y)
    assert net.predict(XR).shape == (300, 2)
    assert net.score(XR, y) > 0.8


@each_name
def test_several_labels_are_learned_at_once(name):
    y = np.c_[Y, X[:, 0] > 0].astype(int)
    net = new(name, "Classifier", max_epochs=40, learning_rate=0.01).fit(X, y)
    assert net.predict_proba(X).shape == (300, 2)
    assert (net.predict(X) == y).mean() > 0.85


@each
def test_training_goes_on_where_it_ended(name, kind):
    net = fitted(name, kind, warm_start=True, early_stopping=False)
    loss = net.history_["train_loss"][-1]
    again = net.fit(*data(kind)).history_["train_loss"]
    assert again[-1] < loss
    stepwise = new(name, kind)
    options = {"classes": [0, 1]} if kind == "Classifier" else {}
    for _ in range(8):
        stepwise.partial_fit(*data(kind), **options)
    losses = stepwise.history_["train_loss"]
    assert losses[-1] < losses[0]


@each
def test_divergence_is_a_clear_error(name, kind):
    with pytest.raises(FloatingPointError, match="learning rate"):
        fitted(name, kind, learning_rate=1e30, max_epochs=10)


@each
def test_net_is_cloned_with_its_parameters(name, kind):
    net = new(name, kind, max_epochs=7)
    assert clone(net).get_params() == net.get_params()
    assert "max_epochs=7" in repr(net)


def test_width_that_heads_cannot_share_is_an_error():
    with pytest.raises(ValueError, match="multiple of n_heads"):
        new("FTTransformer", "Classifier", width=18).fit(X, Y)
