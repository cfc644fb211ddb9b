"""Optimizers that take the steps of torch's and of papers, without the compiler."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification, make_regression

from automodel.nets import RealMLPClassifier, RealMLPRegressor
from automodel.nets._optimizers import OPTIMIZERS, SGD, AdamW, ScheduleFreeAdamW

BF16 = ", precision='bfloat16', averaging=0.9, mixup=0.2, embedding='piecewise'"


def parameters():
    generator = torch.Generator().manual_seed(0)
    shapes = [(5, 3), (7,), (4, 2)]
    return [torch.randn(s, generator=generator).requires_grad_() for s in shapes]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_steps_are_those_of_torch(weight_decay):
    options = {"lr": 0.01, "weight_decay": weight_decay, "betas": (0.9, 0.95)}
    weights = {}
    for kind in (AdamW, torch.optim.AdamW):
        own = parameters()
        groups = [{"params": own[:1], "lr": 0.1}, {"params": own[1:]}]
        optimizer = kind(groups, **options)
        for step in range(30):
            optimizer.zero_grad()
            # The last parameter has a gradient at every third step only.
            used = own if step % 3 == 0 else own[:-1]
            sum((p**3).sum() + p.sum() for p in used).backward()
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
            optimizer.step()
        weights[kind] = own
    for one, two in zip(*weights.values(), strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize(
    "options", ["", ", optimizer='sgd'", ", optimizer='schedule_free'", BF16]
)
def test_a_net_is_trained_without_the_compiler(options):
    code = (
        "import sys, numpy as np; from automodel.nets import RealMLPClassifier;"
        "X = np.random.default_rng(0).normal(size=(50, 3)); y = X[:, 0] > 0;"
        f"RealMLPClassifier(max_epochs=2{options}).fit(X, y);"
        "assert 'torch' in sys.modules; assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def trained(kind, n_steps=60, **options):
    own = parameters()
    optimizer = kind([{"params": own[:1], "lr": 0.02}, {"params": own[1:]}], **options)
    seen = []
    for _ in range(n_steps):
        optimizer.zero_grad()
        sum((p - 1).square().sum() for p in own).backward()
        optimizer.step()
        seen.append([p.detach().clone() for p in own])
    return optimizer, own, seen


def test_momentum_is_that_of_torch():
    weights = []
    for kind, options in (
        (SGD, {}),
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ):
        own = parameters()
        optimizer = kind(own if options else [{"params": own}], lr=0.01, **options)
        for _ in range(20):
            optimizer.zero_grad()
            (sum(p.square().sum() for p in own) / 100).backward()
            optimizer.step()
        weights.append(own)
    for one, two in zip(*weights, strict=True):
        torch.testing.assert_close(one, two)


def test_gradients_of_momentum_are_no_longer_than_one():
    weight = torch.zeros(4, requires_grad=True)
    optimizer = SGD([{"params": [weight]}], lr=1.0)
    (1e6 * weight).sum().backward()
    optimizer.step()
    assert weight.norm().item() == pytest.approx(1.9, rel=1e-4)


@pytest.mark.parametrize("kind", OPTIMIZERS.values())
def test_weights_decay_without_a_gradient_of_their_own(kind):
    weight = torch.ones(3, requires_grad=True)
    optimizer = kind([{"params": [weight]}], lr=0.1, weight_decay=0.5)
    (0 * weight).sum().backward()
    optimizer.step()
    optimizer.eval()
    torch.testing.assert_close(weight.detach(), torch.full((3,), 0.95))


def test_schedule_free_takes_the_steps_of_the_paper():
    _, own, seen = trained(ScheduleFreeAdamW, 10, lr=0.02)
    for i, start in enumerate(parameters()):
        x, z, square = (part.detach().clone() for part in (start, start, 0 * start))
        for t in range(1, 11):
            y = 0.1 * z + 0.9 * x
            gradient = 2 * (y - 1)
            square = 0.999 * square + 0.001 * gradient**2
            z = z - 0.02 * gradient / ((square / (1 - 0.999**t)).sqrt() + 1e-8)
            x = (1 - 1 / t) * x + z / t
            torch.testing.assert_close(seen[t - 1][i], 0.1 * z + 0.9 * x)


def test_schedule_free_shows_its_average():
    optimizer, own, seen = trained(ScheduleFreeAdamW, lr=0.02)
    optimizer.eval()
    fast = optimizer._fast[0][0]
    torch.testing.assert_close(0.1 * fast + 0.9 * own[0].detach(), seen[-1][0])


@pytest.mark.parametrize("kind", [AdamW, SGD])
def test_the_average_is_exponential_after_a_start(kind):
    optimizer, own, seen = trained(kind, lr=0.02, averaging=0.9)
    average = parameters()[0].detach()
    for t, weights in enumerate(seen, 1):
        memory = min(0.9, (1 + t) / (10 + t))
        average = memory * average + (1 - memory) * weights[0]
    optimizer.eval()
    torch.testing.assert_close(own[0].detach(), average)


@pytest.mark.parametrize("kind", OPTIMIZERS.values())
def test_a_look_at_the_average_changes_nothing(kind):
    optimizer, own, seen = trained(kind, lr=0.02, averaging=0.9)
    optimizer.eval()
    assert not torch.equal(own[0], seen[-1][0])
    optimizer.train()
    for now, before in zip(own, seen[-1], strict=True):
        assert torch.equal(now, before)


NETS = [RealMLPClassifier, RealMLPRegressor]
VARIANTS = [
    {"optimizer": "sgd"},
    {"optimizer": "schedule_free"},
    {"averaging": 0.98},
    {"averaging": 0.98, "normalization": "batch"},
    {"optimizer": "schedule_free", "normalization": "batch"},
    {"schedule": "cosine"},
    {"regularization_schedule": "constant"},
]


def rows(kind):
    if kind is RealMLPClassifier:
        return make_classification(300, 6, n_informative=4, random_state=0)
    return make_regression(300, 5, random_state=0)


@pytest.mark.parametrize("params", VARIANTS, ids=str)
@pytest.mark.parametrize("kind", NETS)
def test_each_way_to_train_learns(kind, params):
    X, y = rows(kind)
    net = kind(max_epochs=30, random_state=0, **params).fit(X[:200], y[:200])
    assert net.score(X[200:], y[200:]) > 0.8


@pytest.mark.parametrize("params", VARIANTS, ids=str)
@pytest.mark.parametrize("kind", NETS)
def test_a_hook_does_not_change_the_weights(kind, params):
    X, y = rows(kind)
    quiet, told = (kind(max_epochs=4, random_state=0, **params) for _ in range(2))
    quiet.fit(X, y)
    told._fit(X, y, on_epoch=lambda epoch, net: net.predict(X) is None)
    for name, weights in quiet.state_.items():
        if name.endswith("num_batches_tracked"):
            continue
        np.testing.assert_array_equal(told.state_[name], weights, err_msg=name)
