"""The head that linear probing finds."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from automodel.exceptions import DeadlineReached
from automodel.nets import _probe
from automodel.nets._objective import CrossEntropy, LabelCrossEntropy, SquaredError
from automodel.nets._probe import fit_head

RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.normal(3, 2, (200, 5))).float()
SIGNAL = (X - 3) @ torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, 0], [0, -1]])
CLASSES = torch.cat([SIGNAL, torch.zeros(200, 1)], 1).argmax(1)


def never():
    """Check no time."""


def test_it_is_the_minimum_of_loss_and_penalty():
    weight, bias = fit_head((X, CLASSES, None), None, 3, CrossEntropy(), never)
    scaled = StandardScaler().fit_transform(X.numpy())
    C = 1 / (_probe.PENALTY * len(X))
    expected = LogisticRegression(C=C, tol=1e-8, max_iter=500).fit(scaled, CLASSES)
    proba = torch.softmax(X @ weight.T + bias, 1)
    np.testing.assert_allclose(proba, expected.predict_proba(scaled), atol=0.01)


def test_weights_of_rows_count_and_constant_columns_do_not():
    own = torch.from_numpy(RNG.uniform(0, 2, 200)).float()
    features = torch.cat([X, torch.ones(200, 1)], 1)
    train = features, SIGNAL[:, 0], own
    weight, bias = fit_head(train, None, 1, SquaredError(), never)
    scaled = StandardScaler().fit_transform(X.numpy())
    ridge = Ridge(_probe.PENALTY * 200 / 2).fit(scaled, SIGNAL[:, 0], own)
    found = features @ weight.T + bias
    np.testing.assert_allclose(found[:, 0], ridge.predict(scaled), atol=0.02)


def test_the_penalty_is_chosen_on_the_validation_part():
    seen = []

    class Noted(CrossEntropy):
        def judge(self, output, target, weight):
            seen.append(super().judge(output, target, weight)[0])
            return seen[-1], 1.0

    train, valid = (X[:100], CLASSES[:100], None), (X[100:], CLASSES[100:], None)
    weight, bias = fit_head(train, valid, 3, Noted(), never)
    loss, _ = CrossEntropy().judge(X[100:] @ weight.T + bias, CLASSES[100:], None)
    assert loss == pytest.approx(min(seen), rel=1e-3)
    assert len(seen) > 1


def test_several_labels_are_learned():
    labels = (SIGNAL > 0).float()
    weight, bias = fit_head((X, labels, None), None, 2, LabelCrossEntropy(), never)
    assert (((X @ weight.T + bias) > 0) == labels.bool()).float().mean() > 0.9


def test_it_ends_when_time_is_up():
    def check():
        raise DeadlineReached

    with pytest.raises(DeadlineReached):
        fit_head((X, CLASSES, None), None, 3, CrossEntropy(), check)
