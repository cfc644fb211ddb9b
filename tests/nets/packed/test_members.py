"""Members are drawn so that no choice is left out by chance."""

from collections import Counter

import pytest

from automodel.nets.packed._members import (
    DECAYS,
    MOST_KINDS,
    RATES,
    Space,
    draw_members,
)

SPACE = Space([1, 2, 3], [32, 64], ["relu", "silu"], [0.0, 0.1], [0.0, 0.3])


def test_the_same_seed_draws_the_same_members():
    assert draw_members(8, SPACE, 1) == draw_members(8, SPACE, 1)
    assert draw_members(8, SPACE, 1) != draw_members(8, SPACE, 2)


@pytest.mark.parametrize("seed", range(5))
def test_choices_take_turns(seed):
    members = draw_members(12, SPACE, seed)
    for name, choices in {
        "n_layers": SPACE.n_layers,
        "dropout": SPACE.dropout,
        "learning_rate": RATES,
        "weight_decay": DECAYS,
    }.items():
        counts = Counter(getattr(member, name) for member in members)
        assert counts == dict.fromkeys(choices, 12 // len(choices))


@pytest.mark.parametrize("seed", range(5))
def test_kinds_are_few_and_of_both_embeddings(seed):
    kinds = Counter(member.kind for member in draw_members(16, SPACE, seed))
    assert list(kinds.values()) == [16 // MOST_KINDS] * MOST_KINDS
    assert Counter(sigma for _, _, sigma in kinds) == {0.0: 1, 0.1: 1}


@pytest.mark.parametrize("n_members", [1, 2, 5, 40])
def test_there_are_as_many_members_as_asked_for(n_members):
    members = draw_members(n_members, Space([2], [8], ["relu"], [0.1], [0.0]), 0)
    assert len(members) == n_members
    assert {member.kind for member in members} == {(8, "relu", 0.1)}
