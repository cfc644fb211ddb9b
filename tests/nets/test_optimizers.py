"""Our AdamW takes the steps of torch's, without its compiler."""

import subprocess
import sys

import pytest
import torch

from automodel.nets._optimizers import AdamW, clip_gradients


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


def test_a_net_is_trained_without_the_compiler():
    code = (
        "import sys, numpy as np; from automodel.nets import RealMLPClassifier;"
        "X = np.random.default_rng(0).normal(size=(50, 3)); y = X[:, 0] > 0;"
        "RealMLPClassifier(max_epochs=2).fit(X, y);"
        "assert 'torch' in sys.modules; assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("largest", [0.1, 1e3])
def test_gradients_are_clipped_as_torch_does(largest):
    gradients = {}
    for clip in (clip_gradients, torch.nn.utils.clip_grad_norm_):
        own = parameters()
        sum((p**2).sum() for p in own[:2]).backward()  # the last has no gradient
        clip(own, largest)
        gradients[clip] = [p.grad for p in own[:2]]
    for one, two in zip(*gradients.values(), strict=True):
        torch.testing.assert_close(one, two)
