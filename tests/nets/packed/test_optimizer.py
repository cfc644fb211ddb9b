"""The steps of each member are those that it would take alone."""

import copy

import pytest
import torch

from automodel.nets.packed._members import Member, grouped, is_shared
from automodel.nets.packed._module import Pack
from automodel.nets.packed._optimizer import MemberAdamW
from tests.nets.packed.packs import INPUTS, MEMBERS, N_FOLDS, learn, make_pack

LR, DECAY = 0.03, 0.1


def parts_of(pack):
    """Return each parameter of each member, with the member and a name."""
    for g, group in enumerate(pack.groups):
        for name, parameter in group.named_parameters():
            if is_shared(name):
                yield (g, None, name), parameter, Member(1, 1, "relu")
            else:
                for i in range(len(parameter)):
                    yield (g, i, name), parameter[i], group.members[i]


def test_each_member_takes_the_steps_of_adamw_with_its_rates():
    pack = make_pack()
    twins, groups = {}, []
    for key, value, member in parts_of(pack):
        whole = dict(pack.groups[key[0]].named_parameters())[key[2]]
        twin = torch.nn.Parameter(value.detach().clone())
        twins[key] = twin
        lr = LR * whole.lr_factor * member.learning_rate
        decay = DECAY * member.weight_decay / whole.lr_factor if whole.decays else 0.0
        groups.append({"params": [twin], "lr": lr, "weight_decay": decay})
    theirs = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8)
    ours = MemberAdamW(pack.groups, LR, DECAY)
    for step in range(4):
        learn(pack, ours, seed=step)
        for key, twin in twins.items():
            grad = dict(pack.groups[key[0]].named_parameters())[key[2]].grad
            twin.grad = grad if key[1] is None else grad[key[1]].clone()
        theirs.step()
        for key, value, _ in parts_of(pack):
            torch.testing.assert_close(value, twins[key], rtol=1e-4, atol=1e-6)


def test_decay_shrinks_weights_but_no_biases_or_scales():
    pack = make_pack([Member(1, 6, "relu", weight_decay=3.0)])
    group = pack.groups[0]
    before = copy.deepcopy(pack.state_dict())
    optimizer = MemberAdamW(pack.groups, LR, DECAY)
    for parameter in pack.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    share = 1 - LR * DECAY * 3
    for name, parameter in group.named_parameters():
        factor = share if name.startswith(("weights", "head")) else 1
        factor = 1 if name == "head_bias" else factor
        torch.testing.assert_close(parameter.data, factor * before[f"groups.0.{name}"])


def test_rates_follow_the_schedule():
    pack = make_pack()
    optimizer = MemberAdamW(pack.groups, LR, DECAY)
    assert all(g["lr"] == g["initial_lr"] for g in optimizer.param_groups)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = copy.deepcopy(pack.state_dict())
    learn(pack, optimizer)
    assert all(torch.equal(v, before[k]) for k, v in pack.state_dict().items())


def freeze_shared(optimizer):
    for group in optimizer.param_groups:
        if group["slices"][0][1] is None:
            group["lr"] = 0.0


@pytest.mark.parametrize("gone", ["of a group", "a group", "several"])
def test_members_that_leave_do_not_change_the_next_steps_of_the_others(gone):
    flags = {
        "of a group": [True, False, True, True, True, True],
        "a group": [True, True, True, True, True, False],
        "several": [False, True, False, False, False, True],
    }[gone]
    pack = make_pack()
    optimizer = MemberAdamW(pack.groups, LR, DECAY)
    learn(pack, optimizer, 3)
    fewer, origin = pack.kept(flags)
    less = optimizer.kept(fewer.groups, origin)
    if gone != "a group":  # what members share would learn from fewer of them
        freeze_shared(optimizer)
        freeze_shared(less)
    learn(pack, optimizer, 3, seed=3)
    learn(fewer, less, 3, seed=3)
    expected, _ = pack.kept(flags)
    values = expected.state_dict()
    for name, value in fewer.state_dict().items():
        torch.testing.assert_close(value, values[name], rtol=1e-4, atol=1e-6, msg=name)


def test_gradients_that_are_not_finite_leave_what_is_shared_alone():
    pack = make_pack()
    optimizer = MemberAdamW(pack.groups, LR, DECAY)
    learn(pack, optimizer, 2)
    with torch.no_grad():
        pack.groups[0].head[1] = torch.nan
    before = copy.deepcopy(pack.state_dict())
    learn(pack, optimizer, 1)
    after = pack.state_dict()
    assert torch.equal(after["groups.0.scale"], before["groups.0.scale"])
    assert not torch.equal(after["groups.1.scale"], before["groups.1.scale"])
    for i in (0, 2):
        assert after["groups.0.head"][i].isfinite().all()
        assert not torch.equal(after["groups.0.head"][i], before["groups.0.head"][i])


def test_the_optimizer_loads_no_compiler_and_keeps_no_state_to_store():
    pack = Pack(grouped(MEMBERS), N_FOLDS, INPUTS, 2)
    assert MemberAdamW(pack.groups, LR, DECAY).state_dict() == {}
