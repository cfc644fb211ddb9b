"""A pack is nothing but many perceptrons, computed together."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from automodel.nets._encoding import NetEncoder
from automodel.nets.packed._members import (
    Inputs,
    Member,
    common_inputs,
    grouped,
    spread,
)
from automodel.nets.packed._module import Pack
from tests.nets.packed.packs import (
    INPUTS,
    MEMBERS,
    N_FOLDS,
    make_pack,
    make_rows,
    seeded,
)


def alone(group, i, fold, dense, codes):
    """Return the outputs of one net by plain matrix products."""
    parts = [dense]
    if group.embedding is not None:
        e = group.embedding
        for column in range(INPUTS.n_continuous):
            wave = torch.outer(dense[:, column], e.frequency[fold, 0, column])
            wave = torch.cos(2 * math.pi * wave + e.phase[fold, 0, column])
            parts.append(wave @ e.weight[fold, column] + e.bias[fold, column, 0])
    start = 0
    for column, cardinality in enumerate(INPUTS.cardinalities):
        table = group.categories.table[fold, start : start + cardinality]
        parts.append(table[codes[:, column]])
        start += cardinality
    x = torch.cat(parts, 1) * group.scale[fold]
    member = group.members[i]
    for layer in range(member.n_layers):
        weight, bias = group.weights[layer][i, fold], group.biases[layer][i, fold]
        x = getattr(F, member.activation)(x @ weight + bias)
    return x @ group.head[i, fold] + group.head_bias[i, fold]


def test_each_net_is_a_perceptron_of_its_own():
    pack = make_pack().double().eval()
    dense, codes = make_rows()
    outputs = iter(pack(dense.double(), codes))
    for group in pack.groups:
        for i, _ in enumerate(group.members):
            output = next(outputs)
            for fold in range(N_FOLDS):
                expected = alone(group, i, fold, dense[fold].double(), codes[fold])
                torch.testing.assert_close(output[fold], expected)


def test_members_of_a_kind_are_grouped_the_deepest_first():
    groups = grouped(MEMBERS)
    assert [[m.n_layers for m in group] for group in groups] == [[3, 2, 1], [2, 1], [2]]
    assert all(len({m.kind for m in group}) == 1 for group in groups)
    assert make_pack().members == [m for group in groups for m in group]


def test_the_start_is_drawn_from_the_generator_alone():
    before = torch.get_rng_state()
    one, two, other = (make_pack(seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert not torch.equal(one["groups.0.head"], other["groups.0.head"])


def test_heads_start_at_zero_and_hidden_units_at_variance_one():
    pack = Pack(grouped(MEMBERS), N_FOLDS, INPUTS, 2)
    dense, codes = make_rows(200)
    pack.initialize(dense, codes, seeded())
    assert not pack(dense, codes).any()
    group = pack.groups[0]
    x = group._inputs(dense, codes)
    outputs = torch.einsum("fri,mfio->mfro", x, group.weights[0])
    torch.testing.assert_close(
        outputs.std(2, correction=0), torch.ones(3, N_FOLDS, 6), rtol=1e-3, atol=1e-3
    )
    kinks = outputs + group.biases[0]
    assert (kinks.amin(2) < 0).all()
    assert (kinks.amax(2) > 0).all()


def test_the_nets_of_a_fold_see_its_rows_alone():
    pack = make_pack().eval()
    dense, codes = make_rows()
    outputs = pack(dense, codes)
    dense[1], codes[1] = -dense[1], 0
    changed = pack(dense, codes)
    assert torch.equal(outputs[:, [0, 2]], changed[:, [0, 2]])
    assert not torch.equal(outputs[:, 1], changed[:, 1])


def test_rows_do_not_depend_on_the_rows_they_come_with():
    pack = make_pack().double().eval()
    dense, codes = make_rows()
    whole = pack(dense.double(), codes)
    parts = zip(dense.double().split(3, 1), codes.split(3, 1), strict=True)
    parts = [pack(*part) for part in parts]
    torch.testing.assert_close(torch.cat(parts, 2), whole, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("flags", ["110111", "010100", "000001", "111111"])
def test_kept_members_say_what_they_said(flags):
    pack = make_pack().eval()
    dense, codes = make_rows()
    kept = [flag == "1" for flag in flags]
    fewer, origin = pack.kept(kept)
    expected = pack(dense, codes)[torch.tensor(kept)]
    torch.testing.assert_close(fewer.eval()(dense, codes), expected)
    assert fewer.members == [m for m, k in zip(pack.members, kept, strict=True) if k]
    assert set(origin) == set(fewer.parameters())
    for new, (old, rows) in origin.items():
        assert torch.equal(new, old if rows is None else old[rows])
        assert (new.lr_factor, new.decays) == (old.lr_factor, old.decays)


def test_dropout_leaves_out_the_share_of_each_member_and_keeps_the_mean():
    members = [Member(1, 64, "relu", dropout=rate) for rate in (0.0, 0.25, 0.5)]
    pack = Pack(grouped(members), 2, Inputs(3, 3, ()), 1)
    group = pack.groups[0]
    group.generator = seeded()
    (mask,) = group._masks(500, torch.float32)
    assert mask.shape == (3, 1, 500, 64)  # of all folds
    shares = (mask == 0).float().mean((1, 2, 3))
    torch.testing.assert_close(shares, torch.tensor([0, 0.25, 0.5]), rtol=0, atol=0.01)
    means = mask.mean((1, 2, 3))
    torch.testing.assert_close(means, torch.ones(3), rtol=0, atol=0.03)
    pack.eval()
    assert not group._masks(500, torch.float32)


def test_dropout_draws_from_its_own_generator():
    members = [Member(2, 8, "relu", dropout=0.3)]
    before = torch.get_rng_state()
    one, two = (make_pack(members).train()(*make_rows()) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, two)
    assert not torch.equal(one, make_pack(members).eval()(*make_rows()))


def test_low_precision_is_close(monkeypatch):
    monkeypatch.setattr("automodel.nets.packed._module.FEWEST_OF_BFLOAT16", 1)
    members = [Member(2, 64, "silu", 0.1)] * 4
    dense, codes = make_rows(300)
    single = make_pack(members).eval()(dense, codes)
    half = make_pack(members, low_precision=True).eval()(dense, codes)
    assert half.dtype == torch.float32
    assert not torch.equal(single, half)
    assert (single - half).abs().mean() < 0.02 * single.abs().mean()


def test_folds_of_other_columns_and_categories_are_spread_to_one_shape():
    number = [1.0, 2.0, 3.0, 4.0] * 5
    many = [f"v{i}" for i in range(20)]
    frame = pd.DataFrame({"n": number, "c": pd.Categorical(many)})
    holes = frame.assign(n=np.where(np.arange(20) < 3, np.nan, number))
    few = frame.assign(c=pd.Categorical(["a", "b"] * 10))
    encoders = [NetEncoder().fit(part) for part in (frame, holes, few)]
    inputs = common_inputs(encoders)
    assert inputs == Inputs(1, 4, (21,))
    for encoder, part in zip(encoders, (frame, holes, few), strict=True):
        dense, codes = encoder.transform(part)
        wide, all_codes = spread(encoder, part, inputs)
        assert wide.shape == (20, inputs.n_dense)
        assert all_codes.shape == (20, len(inputs.cardinalities))
        assert np.array_equal(wide[:, : dense.shape[1]], dense)
        assert not wide[:, dense.shape[1] :].any()
        assert np.array_equal(all_codes[:, : codes.shape[1]], codes)
        assert not all_codes[:, codes.shape[1] :].any()


def test_columns_of_zeros_change_nothing():
    members = [Member(2, 8, "relu")]
    wide = Pack(grouped(members), 1, Inputs(2, 5, ()), 1)
    dense = torch.zeros(1, 30, 5)
    dense[..., :2] = torch.randn(1, 30, 2, generator=seeded())
    codes = torch.zeros(1, 30, 0, dtype=torch.int64)
    wide.initialize(dense, codes, seeded())
    torch.nn.init.ones_(wide.groups[0].head)
    narrow = Pack(grouped(members), 1, Inputs(2, 2, ()), 1)
    state = wide.state_dict()
    state["groups.0.scale"] = state["groups.0.scale"][..., :2]
    state["groups.0.weights.0"] = state["groups.0.weights.0"][..., :2, :]
    narrow.load_state_dict(state)
    torch.testing.assert_close(narrow(dense[..., :2], codes), wide(dense, codes))
    wide(dense, codes).sum().backward()
    assert not wide.groups[0].weights[0].grad[..., 2:, :].any()


def test_every_parameter_gets_a_gradient():
    pack = make_pack()
    pack(*make_rows(50)).square().mean().backward()
    for name, parameter in pack.named_parameters():
        assert parameter.grad.abs().max() > 0, name
