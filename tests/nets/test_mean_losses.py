"""Losses of a positive mean, whose logarithm every net can learn."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import mean_tweedie_deviance

from automodel import nets
from automodel.nets._rows import draw_seed, split_rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 4))
MEAN = np.exp(X[:, 0] - 0.5 * X[:, 1]) * 3e4
COUNTS = RNG.poisson(MEAN / 3e4)
SIZES = RNG.gamma(2.0, 1 / 2.0, 400)
TARGETS = {
    "poisson": (1.0, 1.0 * COUNTS),
    "gamma": (2.0, SIZES * MEAN),
    "tweedie": (1.5, SIZES * COUNTS * 1e-4),
}
NETS = {
    "FTTransformer": {"n_blocks": 1, "width": 16, "learning_rate": 0.01},
    "PackedMLP": {"n_members": 3, "cv": 3, "width": 16},
    "RealMLP": {"width": 32},
    "TabM": {"k": 4, "width": 32},
    "TabularResNet": {"width": 32},
}
each_net = pytest.mark.parametrize("name", list(NETS))
each_loss = pytest.mark.parametrize("loss", list(TARGETS))
TRAIN, TEST = slice(0, 300), slice(300, None)


def new(name, loss, **params):
    params = {"max_epochs": 30, "random_state": 0, **NETS[name], **params}
    return getattr(nets, name + "Regressor")(loss=loss, **params)


def skill(net, loss):
    """Return the share of the deviance of the mean that a net explains."""
    power, y = TARGETS[loss]
    constant = np.full(100, y[TRAIN].mean())
    deviance = mean_tweedie_deviance(y[TEST], net.predict(X[TEST]), power=power)
    return 1 - deviance / mean_tweedie_deviance(y[TEST], constant, power=power)


@each_net
@each_loss
def test_each_net_learns_the_mean(name, loss):
    y = TARGETS[loss][1][TRAIN]
    net = new(name, loss).fit(X[TRAIN], y)
    assert skill(net, loss) > 0.35
    far = net.predict(100 * X)
    assert far.min() > 0
    assert far.max() <= y.max()


@each_net
def test_several_means_are_learned_at_once_with_weights(name):
    y = np.c_[TARGETS["poisson"][1], TARGETS["gamma"][1]]
    weight = np.where(np.arange(400) % 4, 1.0, 0.0)
    broken = np.where(weight[:, None] > 0, y, 1e9)
    net = new(name, "poisson", max_epochs=15).fit(X, broken, weight)
    answer = net.predict(X)
    assert answer.shape == (400, 2)
    for i in range(2):
        assert np.corrcoef(np.log(answer[:, i]), np.log(MEAN))[0, 1] > 0.8
        assert answer[:, i].max() <= y[weight > 0, i].max()


@each_net
def test_units_do_not_matter(name):
    y = TARGETS["gamma"][1]
    one, two = (
        new(name, "gamma", max_epochs=4).fit(X, y * unit).predict(X) / unit
        for unit in (1.0, 2.0**-40)
    )
    np.testing.assert_allclose(one, two, rtol=1e-12)


@each_net
def test_a_net_starts_near_the_mean(name):
    y = TARGETS["gamma"][1]
    net = new(name, "gamma", max_epochs=1, learning_rate=1e-7).fit(X, y)
    assert np.abs(np.log(net.predict(X) / y.mean())).mean() < 1


@each_net
@pytest.mark.parametrize(
    ("loss", "value", "bound"),
    [("poisson", -1.0, "at least 0"), ("gamma", 0.0, "above 0"), ("tweedie", -2, "0")],
)
def test_values_that_a_loss_cannot_take_are_named(name, loss, value, bound):
    y = TARGETS[loss][1].copy()
    y[17] = value
    weight = np.where(np.arange(400) < 10, 0.0, 1.0)
    with pytest.raises(ValueError, match=f"{bound}, and row 17 of y has {value:g}"):
        new(name, loss).fit(X, y, weight)


@each_net
def test_a_target_of_zeros_is_predicted_as_little(name):
    answer = new(name, "poisson", max_epochs=2).fit(X, np.zeros(400)).predict(X)
    assert answer.min() > 0
    assert answer.max() < 0.01


def test_early_stopping_watches_the_loss():
    power, y = TARGETS["tweedie"]
    options = {"early_stopping": True, "validation_fraction": 0.25, "patience": 5}
    net = new("TabM", "tweedie", learning_rate=0.02, **options).fit(X, y)
    losses = net.history_["valid_loss"]
    assert net.n_iter_ == int(np.argmin(losses)) + 1
    _, held_out = split_rows(y, 0.25, draw_seed(0))
    predicted = net.predict(X[held_out])
    by_hand = mean_tweedie_deviance(y[held_out], predicted, power=power) / 2
    scaled = by_hand / y.mean() ** (2 - power)
    assert min(losses) == pytest.approx(scaled, rel=1e-3)


def test_the_power_is_that_of_the_deviance():
    near = new("RealMLP", "tweedie", power=1.0001, max_epochs=4).fit(X, COUNTS * 1.0)
    poisson = new("RealMLP", "poisson", max_epochs=4).fit(X, COUNTS * 1.0)
    np.testing.assert_allclose(near.predict(X), poisson.predict(X), rtol=0.05)
    with pytest.raises(ValueError, match="'power' parameter of RealMLPRegressor"):
        new("RealMLP", "tweedie", power=2.5).fit(X, COUNTS)


@pytest.mark.parametrize("name", ["RealMLP", "TabM"])
def test_parts_go_on_and_widen_the_range(name):
    power, y = TARGETS["gamma"]
    order = np.argsort(y)[:300]
    net = new(name, "gamma", learning_rate=0.01).partial_fit(X[order], y[order])
    low, high = net.predict(X).min(), net.predict(X).max()
    assert y.min() <= low <= high <= y[order].max()
    for _ in range(40):
        net.partial_fit(X, y)
    assert net.predict(X).max() > y[order].max()
    assert skill(net, "gamma") > 0.35
    with pytest.raises(ValueError, match="row 3 of y has -1"):
        net.partial_fit(X[:5], np.array([1.0, 2, 3, -1, 4]))


def test_a_warm_start_goes_on_with_a_loss_of_its_kind_alone():
    y = TARGETS["gamma"][1]
    net = new("RealMLP", "gamma", warm_start=True).fit(X, y)
    learned = net.history_["train_loss"][-1]
    net.set_params(learning_rate=1e-3, max_epochs=1).fit(X, y)
    assert net.history_["train_loss"][0] < 1.5 * learned
    clone(net).set_params(loss="squared_error").fit(X, y)
    with pytest.raises(ValueError, match="loss='squared_error' from weights of a loss"):
        net.set_params(loss="squared_error").fit(X, y)
