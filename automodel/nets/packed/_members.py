"""Draw the architectures and hyperparameters of a pack's members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from automodel.nets.packed._module import Member

MOST_KINDS = 2  # kinds are multiplied one by one, each at the overhead of a net
RATES = (0.5, 1.0, 2.0)  # of the pack's learning rate
DECAYS = (0.3, 1.0, 5.0)  # of its weight decay


@dataclass(frozen=True)
class Space:
    """What members are drawn from; each field holds choices."""

    n_layers: Sequence[int]
    width: Sequence[int]
    activation: Sequence[str]
    embedding_sigma: Sequence[float]
    dropout: Sequence[float]


def draw_members(n_members: int, space: Space, seed: int) -> list[Member]:
    """Return random members of a few kinds.

    Kinds take turns, and so do the choices of depth and dropout, in random order:
    with few members none is left out by chance.
    """
    random = np.random.default_rng(seed)
    kinds = list(product(space.width, space.activation, space.embedding_sigma))
    kinds = [kinds[i] for i in random.permutation(len(kinds))]
    kinds = _by_turns(kinds)[:MOST_KINDS]
    turns = [
        _turns(choices, n_members, random)
        for choices in (space.n_layers, space.dropout, RATES, DECAYS)
    ]
    return [
        Member(
            int(n_layers),
            int(width),
            str(activation),
            float(sigma),
            float(dropout),
            float(rate),
            float(decay),
        )
        for i, (n_layers, dropout, rate, decay) in enumerate(zip(*turns, strict=True))
        for width, activation, sigma in [kinds[i % len(kinds)]]
    ]


def _turns(choices, n_members: int, random) -> list:
    """Return choices, each as often as the others, in random order."""
    repeats = -(-n_members // len(choices))
    order = np.concatenate([random.permutation(len(choices)) for _ in range(repeats)])
    return [choices[i] for i in order[:n_members]]


def _by_turns(kinds: list[tuple]) -> list[tuple]:
    """Let the embeddings, in which kinds differ most, take turns."""
    seen: dict[float, int] = {}
    rounds = []
    for kind in kinds:
        seen[kind[2]] = seen.get(kind[2], 0) + 1
        rounds.append(seen[kind[2]])
    return [kinds[i] for i in np.argsort(rounds, kind="stable")]
