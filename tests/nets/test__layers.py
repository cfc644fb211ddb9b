"""Layers: bins of numbers, activations, and dropout that a schedule scales."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_regression

from automodel.nets import RealMLPClassifier, RealMLPRegressor
from automodel.nets._layers import Dropout, ParametricActivation, PiecewiseEmbedding
from automodel.nets._schedules import LEARNING_RATES, learning_rate_factor
from automodel.nets._schedules import regularization_factor as regularization


def embedding(x, n_bins=4, n_out=3):
    module = PiecewiseEmbedding(x.shape[1], n_bins, n_out)
    module.learn_bins(x)
    module.initialize(torch.Generator().manual_seed(0))
    return module


def position(module, x):
    """Return the piecewise linear encoding: what weights of identity show."""
    n_features, n_bins = module.left.shape
    module.scale.data.zero_()
    module.bias.data.zero_()
    module.weight.data = torch.eye(n_bins).expand(n_features, -1, -1)
    return module(x).view(len(x), n_features, n_bins)


def test_an_embedding_is_linear_at_the_start():
    x = torch.linspace(-1, 1, 101)[:, None]
    out = embedding(x)(x)
    torch.testing.assert_close(out[2:] - out[1:-1], out[1:-1] - out[:-2])


def test_bins_lie_between_quantiles_and_fill_one_after_the_other():
    x = torch.tensor([0.0, 1.0, 3.0, 6.0, 10.0])[:, None]
    module = embedding(x, n_out=4)
    new = torch.tensor([0.5, 1.0, 4.5, 10.0])[:, None]
    expected = [[0.5, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0.5, 0], [1, 1, 1, 1]]
    torch.testing.assert_close(position(module, new)[:, 0], torch.tensor(expected))


def test_the_encoding_goes_on_in_a_line_outside():
    x = torch.tensor([0.0, 1.0, 3.0, 6.0, 10.0])[:, None]
    out = position(embedding(x, n_out=4), torch.tensor([[-2.0], [14.0]]))[:, 0]
    torch.testing.assert_close(out, torch.tensor([[-2.0, 0, 0, 0], [1, 1, 1, 2]]))


def test_columns_of_few_values_use_fewer_bins_and_constants_none():
    x = torch.stack([torch.arange(20) % 2, torch.ones(20)], 1).float()
    out = position(embedding(x, n_out=4), x)
    assert (out[:, 0, 1:] == 0).all()
    torch.testing.assert_close(out[:, 0, 0], x[:, 0])
    assert (out[:, 1] == 0).all()


def test_bins_are_kept_with_the_weights():
    X, y = make_regression(300, 4, random_state=0)
    net = RealMLPRegressor(embedding="piecewise", n_bins=5, max_epochs=1).fit(X, y)
    assert net.state_["inputs.numeric.left"].shape == (4, 5)
    assert (np.diff(net.state_["inputs.numeric.left"], axis=1) > 0).all()


def test_a_step_is_learned_by_bins():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(1000, 1))
    y = (X[:, 0] * 8).astype(int) % 2
    params = {"max_epochs": 60, "n_layers": 1, "width": 32, "random_state": 0}
    bins = RealMLPClassifier(embedding="piecewise", n_bins=32, **params)
    plain = RealMLPClassifier(embedding="none", **params)
    score = bins.fit(X[:800], y[:800]).score(X[800:], y[800:])
    assert score > 0.9
    assert score > plain.fit(X[:800], y[:800]).score(X[800:], y[800:])


@pytest.mark.parametrize("d_embedding", [2, 6])
@pytest.mark.parametrize("kind", ["periodic", "piecewise"])
def test_size_of_an_embedding_is_a_parameter(kind, d_embedding):
    X, y = make_regression(60, 3, random_state=0)
    net = RealMLPRegressor(
        embedding=kind, d_embedding=d_embedding, n_frequencies=5, n_bins=5, max_epochs=1
    )
    state = net.fit(X, y).state_
    assert state["scale"].shape == (3 * d_embedding,)
    assert state["inputs.numeric.weight"].shape[:2] == (3, 5)


def test_a_parametric_activation_starts_as_the_function():
    x = torch.linspace(-2, 2, 12).view(3, 4)
    activation = ParametricActivation("relu", 4)
    torch.testing.assert_close(activation(x), x.relu())
    activation.share.data.zero_()
    torch.testing.assert_close(activation(x), x)


def test_a_parametric_activation_is_learned():
    X, y = make_regression(300, 5, random_state=0)
    net = RealMLPRegressor(parametric_activation=True, max_epochs=20, random_state=0)
    net.fit(X[:200], y[:200])
    assert (net.state_["activations.0.share"] != 1).any()
    assert net.score(X[200:], y[200:]) > 0.9


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.0])
def test_dropout_follows_its_scale(scale):
    dropout = Dropout(0.4)
    dropout.generator = torch.Generator().manual_seed(0)
    dropout.scale = scale
    out = dropout(torch.ones(40_000))
    assert (out == 0).float().mean().item() == pytest.approx(0.4 * scale, abs=0.01)
    assert out.mean().item() == pytest.approx(1.0, abs=0.02)


def test_regularisation_is_flat_and_then_falls_to_zero():
    course = [regularization("flat_cos", t) for t in (0, 0.3, 0.5, 0.75, 1)]
    assert course == pytest.approx([1, 1, 1, 0.5, 0])
    assert regularization("constant", 0.9) == 1


@pytest.mark.parametrize("schedule", LEARNING_RATES)
def test_learning_rates_stay_within_the_given_one(schedule):
    course = [learning_rate_factor(schedule, t) for t in np.linspace(0, 1, 200)]
    assert max(course) == pytest.approx(1, abs=0.01)
    assert min(course) >= 0
    assert (course[-1] < 1e-9) == (schedule != "constant")


def test_a_warm_up_is_constant_afterwards():
    course = [learning_rate_factor("warm-up", t) for t in (0.025, 0.05, 0.5, 1)]
    assert course == pytest.approx([0.5, 1, 1, 1])
