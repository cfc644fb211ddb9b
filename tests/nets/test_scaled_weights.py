"""A multiple of all weights of rows is the same weighting."""

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression

from automodel import nets
from automodel.nets._recipe import FoldPart

X, Y = make_classification(240, 6, n_informative=4, random_state=0)
YR = make_regression(240, 6, noise=1.0, random_state=0)[1]
WEIGHT = np.random.default_rng(0).uniform(0.2, 3.0, 240)
SMALL = {
    "FTTransformer": {"n_blocks": 1, "width": 16, "early_stopping": True},
    "PackedMLP": {"n_members": 3, "cv": 3, "width": 16},
    "RealMLP": {"width": 16, "early_stopping": True},
    "TabM": {"k": 4, "width": 16, "early_stopping": True},
    "TabularResNet": {"width": 16, "early_stopping": True},
}
CASES = {
    "classes": ("Classifier", Y, {}),
    "balanced classes": ("Classifier", Y, {"class_weight": "balanced"}),
    "labels": ("Classifier", np.c_[Y, 1 - Y], {}),
    "values": ("Regressor", YR, {}),
    "means": ("Regressor", np.exp(YR / 100), {"loss": "gamma"}),
}
each_net = pytest.mark.parametrize("name", list(SMALL))
each_case = pytest.mark.parametrize("case", list(CASES))


def new(name, kind, **params):
    params = {"max_epochs": 3, "random_state": 0, **SMALL[name], **params}
    return getattr(nets, name + kind)(**params)


def answers(net):
    return net.predict_proba(X) if hasattr(net, "predict_proba") else net.predict(X)


@each_net
@each_case
def test_a_multiple_of_the_weights_changes_nothing(name, case):
    kind, y, options = CASES[case]
    one, *others = (
        answers(new(name, kind, **options).fit(X, y, WEIGHT * factor))
        for factor in (1.0, 2.0**-20, 2.0**20, 1e-6, 1e6)
    )
    for exact in others[:2]:
        np.testing.assert_array_equal(exact, one)
    for near in others[2:]:
        np.testing.assert_allclose(near, one, rtol=1e-4, atol=1e-4 * np.abs(one).mean())


@pytest.mark.parametrize("case", ["classes", "values"])
def test_a_multiple_of_the_weights_changes_nothing_in_parts(case):
    kind, y, _ = CASES[case]
    options = {"classes": [0, 1]} if kind == "Classifier" else {}
    one, two = (
        answers(new("RealMLP", kind).partial_fit(X, y, sample_weight=weight, **options))
        for weight in (WEIGHT, WEIGHT * 2.0**-20)
    )
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("case", ["classes", "values"])
def test_a_multiple_of_the_weights_changes_nothing_in_given_folds(case):
    kind, y, _ = CASES[case]
    turn = np.arange(240) % 3

    def fitted(factor):
        weight = WEIGHT * factor
        parts = [
            FoldPart(X[a], y[a], weight[a], X[b], y[b], weight[b])
            for a, b in ((turn != fold, turn == fold) for fold in range(3))
        ]
        return [answers(net) for net in new("PackedMLP", kind)._fit_folds(parts)]

    for factor in (2.0**-20, 2.0**20):
        for one, two in zip(fitted(1.0), fitted(factor), strict=True):
            np.testing.assert_array_equal(one, two)
