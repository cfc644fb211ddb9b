"""The residual net: what its module promises."""

import pytest
import torch

from automodel.nets._resnet_module import ResNetModule
from tests.nets import modules

EMBEDDINGS = pytest.mark.parametrize("embedding", ["none", "periodic", "piecewise"])


def make(embedding="none"):
    inputs = modules.inputs(3, 5, [4, 11], embedding=embedding)
    return ResNetModule(inputs, 2, width=16)


@EMBEDDINGS
def test_module_keeps_the_contract(embedding):
    def start():
        return make(embedding)

    dense, codes = modules.rows()
    assert modules.initialized(start(), dense, codes)(dense, codes).shape == (40, 2)
    modules.check_start_repeats(start)
    modules.check_training_uses_its_own_generator(start)
    modules.check_gradients_reach_all(start)
    modules.check_rows_are_independent(start)
    modules.check_precisions_agree(start)


def test_statistics_start_as_those_of_the_rows():
    dense, codes = modules.rows(200)
    module = modules.initialized(make(), dense, codes)
    seen = []
    module.norm.register_forward_hook(lambda norm, args, output: seen.append(output))
    module.eval()(dense, codes)
    torch.testing.assert_close(seen[0].mean(0), torch.zeros(16), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen[0].std(0), torch.ones(16), atol=1e-2, rtol=0)


@pytest.mark.parametrize("n_rows", [1, 2])
def test_few_or_equal_rows_leave_finite_numbers(n_rows):
    dense, codes = modules.rows(1)
    dense, codes = dense.expand(n_rows, -1), codes.expand(n_rows, -1)
    module = modules.initialized(make(), dense, codes)
    assert module.eval()(dense, codes).isfinite().all()
    if n_rows > 1:
        assert module.train()(dense, codes).isfinite().all()


def test_the_start_leaves_the_mode_as_it_was():
    dense, codes = modules.rows()
    assert modules.initialized(make(), dense, codes).training
    assert not modules.initialized(make().eval(), dense, codes).training


def test_weights_decay_but_not_biases_norms_and_embeddings():
    decaying = {n for n, p in make().named_parameters() if getattr(p, "decays", False)}
    assert decaying == {
        "first.weight",
        "head.weight",
        *(f"blocks.{i}.{n}.weight" for i in (0, 1) for n in ("expand", "contract")),
    }


def test_what_no_line_can_tell_apart_is_learned():
    module = ResNetModule(modules.inputs(2, 2), 2, width=16)
    assert modules.trained_error(module) < 0.1
