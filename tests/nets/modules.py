"""What every module of a net has to keep, for the tests of each."""

import copy

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from automodel.nets._optimizers import AdamW


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def inputs(n_continuous, n_dense, cardinalities=(), **options):
    """Return parameters of `TableInputs`."""
    return {
        "n_continuous": n_continuous,
        "n_dense": n_dense,
        "cardinalities": list(cardinalities),
        **options,
    }


def rows(n_rows=40, n_dense=5, cardinalities=(4, 11), seed=0):
    """Return dense and codes of some rows."""
    generator = seeded(seed)
    dense = torch.randn(n_rows, n_dense, generator=generator)
    codes = [torch.randint(c, (n_rows, 1), generator=generator) for c in cardinalities]
    return dense, torch.cat([torch.zeros(n_rows, 0, dtype=torch.long), *codes], dim=1)


def table(n_rows, seed=0):
    """Return a frame with a missing number and categories, and two classes."""
    rng = np.random.default_rng(seed)
    few, many = rng.choice(["a", "b", "c"], n_rows), rng.integers(0, 20, n_rows)
    number = np.where(rng.random(n_rows) < 0.2, np.nan, rng.normal(size=n_rows))
    frame = pd.DataFrame(
        {
            "number": number,
            "few": pd.Categorical(few),
            "many": pd.Categorical(many),
        }
    )
    return frame, (few == "a") ^ (many < 10)


def initialized(module, dense, codes, seed=0):
    """Give the module its generator and its start, as training does."""
    generator = seeded(seed)
    for part in module.modules():
        if hasattr(part, "generator"):
            part.generator = generator
    module.initialize(dense, codes, generator)
    return module


def check_start_repeats(make):
    """The start depends on the seed alone, and no global generator is touched."""
    dense, codes = rows()
    before = torch.get_rng_state()
    states = [initialized(make(), dense, codes, s).state_dict() for s in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(v, states[1][k]) for k, v in states[0].items())
    assert any(not torch.equal(v, states[2][k]) for k, v in states[0].items())


def check_training_uses_its_own_generator(make):
    """A training step repeats with the seed and changes no global generator."""
    dense, codes = rows()
    before = torch.get_rng_state()
    outputs = [initialized(make(), dense, codes).train()(dense, codes) for _ in "ab"]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*outputs)


def check_gradients_reach_all(make):
    """Every parameter gets a gradient, also a second time."""
    dense, codes = rows()
    module = initialized(make(), dense, codes).train()
    module(dense, codes).square().mean().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def check_rows_are_independent(make):
    """In double precision a row has the same output whatever it comes with."""
    dense, codes = rows(300)
    module = initialized(make(), dense, codes).double().eval()
    dense = dense.double()
    with torch.inference_mode():
        alone = [module(dense[i : i + 1], codes[i : i + 1]) for i in range(20)]
        torch.testing.assert_close(
            torch.cat(alone), module(dense, codes)[:20], rtol=1e-10, atol=1e-12
        )


def check_precisions_agree(make):
    """Double precision gives what single precision gives."""
    dense, codes = rows()
    module = initialized(make(), dense, codes).eval()
    double = copy.deepcopy(module).double()
    with torch.inference_mode():
        output = double(dense.double(), codes)
        assert output.dtype == torch.float64
        torch.testing.assert_close(
            module(dense, codes).double(), output, rtol=1e-3, atol=1e-4
        )


def trained_error(module, learning_rate=0.01, n_steps=150):
    """Return the error on new rows of a product of signs, where chance is 0.5."""
    dense, codes = rows(1500, 2, ())
    labels = (dense.prod(dim=1) > 0).long()
    initialized(module, dense[:1000], codes[:1000])
    optimizer = AdamW([{"params": list(module.parameters())}], lr=learning_rate)
    module.train()
    for step in range(n_steps):
        part = slice(step % 8 * 125, step % 8 * 125 + 125)
        optimizer.zero_grad()
        member_loss(module(dense[part], codes[part]), labels[part]).mean().backward()
        optimizer.step()
    module.eval()
    with torch.inference_mode():
        output = module(dense[1000:], codes[1000:])
    proba = output.softmax(dim=-1)
    proba = proba.mean(dim=1) if proba.ndim == 3 else proba
    return (proba.argmax(dim=1) != labels[1000:]).double().mean().item()


def member_loss(output, labels):
    """Return the loss of each row, the mean over the members if there are any."""
    if output.ndim == 2:
        return F.cross_entropy(output, labels, reduction="none")
    n_members = output.shape[1]
    labels = labels.unsqueeze(1).expand(-1, n_members)
    return F.cross_entropy(output.permute(0, 2, 1), labels, reduction="none").mean(
        dim=1
    )
