"""TabM: what its module promises."""

import pytest
import torch

from automodel.nets._tabm_module import BatchEnsembleLinear, TabMModule
from tests.nets import modules

KINDS = pytest.mark.parametrize("kind", ["tabm", "tabm-mini"])
EMBEDDINGS = pytest.mark.parametrize("embedding", ["none", "periodic", "piecewise"])


def make(kind="tabm", embedding="none", **options):
    inputs = modules.inputs(3, 5, [4, 11], embedding=embedding)
    return TabMModule(inputs, 2, [16, 16], kind=kind, **{"k": 4, **options})


@KINDS
@EMBEDDINGS
def test_there_is_an_output_for_each_member(kind, embedding):
    dense, codes = modules.rows()
    module = modules.initialized(make(kind, embedding), dense, codes)
    assert module(dense, codes).shape == (40, 4, 2)


@KINDS
def test_members_differ_from_the_start(kind):
    dense, codes = modules.rows()
    module = make(kind, dropout=0.0)
    modules.initialized(module, dense, codes)
    module.head.weight.data[:] = module.head.weight.data[0]
    module.head.bias.data[:] = 0
    output = module(dense, codes)
    assert (output[:, 0] - output[:, 1]).abs().mean() > 1e-3


@KINDS
def test_without_embeddings_the_first_scaling_is_a_sign_per_feature(kind):
    features = [
        0,
        1,
        1,
        2,
        2,
        2,
    ]  # the third: what of the second is missing
    module = TabMModule(
        modules.inputs(2, 6, [40], features=features), 1, [8], kind=kind, k=50
    )
    modules.initialized(module, *modules.rows(10, 6, (40,)))
    first = module.hidden[0].r if kind == "tabm" else module.scale
    assert first.shape == (50, 2 + 1 + 3 + 8)
    assert set(first.unique().tolist()) == {-1.0, 1.0}
    assert module.inputs.feature.tolist() == [*features, *[3] * 8]
    for feature in range(4):
        own = first[:, module.inputs.feature == feature]
        assert torch.equal(own, own[:, :1].expand_as(own))
    assert not torch.equal(first[:, 2], first[:, 3])


def test_with_embeddings_the_first_scaling_is_normal():
    module = TabMModule(modules.inputs(3, 3, embedding="periodic"), 1, [8], k=400)
    modules.initialized(module, *modules.rows(10, 3, ()))
    first = module.hidden[0].r
    assert first[:, 0].std().item() == pytest.approx(1, abs=0.1)
    assert torch.equal(first[:, 1], first[:, 6])  # number 1, and a wave of it
    assert module.inputs.feature.tolist() == [0, 1, 2, 0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_all_other_scalings_start_at_one():
    module = modules.initialized(make(), *modules.rows())
    assert (module.hidden[1].r == 1).all()
    assert (module.hidden[1].s == 1).all()


@pytest.mark.parametrize("n_inputs", [1, 3])
def test_both_ways_to_apply_a_layer_agree(n_inputs):
    layer = BatchEnsembleLinear(3, 4, 6).double()
    generator = modules.seeded()
    layer.initialize(generator)
    for scaling in (layer.r, layer.s, layer.bias):
        scaling.data.normal_(generator=generator)
    x = torch.randn(n_inputs, 50, 4, dtype=torch.float64, generator=generator)
    few = torch.cat([layer(x[:, i : i + 5]) for i in range(0, 50, 5)], dim=1)
    torch.testing.assert_close(layer(x), few)
    expected = (x * layer.r[:, None]) @ layer.weight.T * layer.s[:, None]
    torch.testing.assert_close(layer(x), expected + layer.bias[:, None])


@KINDS
def test_a_member_learns_from_its_own_loss(kind):
    dense, codes = modules.rows()
    module = modules.initialized(make(kind), dense, codes)
    module(dense, codes)[:, 2].square().sum().backward()
    gradient = module.head.weight.grad.abs().sum(dim=(1, 2))
    assert (gradient > 0).tolist() == [False, False, True, False]


@KINDS
@EMBEDDINGS
def test_module_keeps_the_contract(kind, embedding):
    def start():
        return make(kind, embedding)

    modules.check_start_repeats(start)
    modules.check_training_uses_its_own_generator(start)
    modules.check_gradients_reach_all(start)
    modules.check_rows_are_independent(start)
    modules.check_precisions_agree(start)


def test_weights_decay_but_not_scalings_biases_and_embeddings():
    module = make("tabm", "periodic")
    decaying = {n for n, p in module.named_parameters() if p.decays}
    assert decaying == {"hidden.0.weight", "hidden.1.weight", "head.weight"}
    assert {p.lr_factor for p in module.parameters()} == {1.0}


@KINDS
def test_parts_of_the_rows_give_what_all_give(kind):
    dense, codes = modules.rows(100)
    module = modules.initialized(make(kind), dense, codes).double().eval()
    whole = module(dense.double(), codes)
    module.rows_at_once = 7
    torch.testing.assert_close(module(dense.double(), codes), whole)


@KINDS
def test_what_no_line_can_tell_apart_is_learned(kind):
    module = TabMModule(modules.inputs(2, 2), 2, [32, 32], kind=kind, k=8)
    assert modules.trained_error(module) < 0.1
