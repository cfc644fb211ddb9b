"""The members of a pack, how they are drawn, and the rows that they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from automodel.nets._encoding import NetEncoder

MOST_KINDS = 2  # kinds are multiplied one by one, each at the overhead of a net
RATES = (0.5, 1.0, 2.0)  # of the pack's learning rate
DECAYS = (0.3, 1.0, 5.0)  # of its weight decay


@dataclass(frozen=True)
class Member:
    """Architecture and hyperparameters of one perceptron.

    Parameters
    ----------
    n_layers, width : int
        Hidden layers, and units of each.
    activation : str
        Name of a function of `torch.nn.functional`.
    sigma : float
        Standard deviation of the frequencies of the numeric embedding; 0 for none.
    dropout : float
        Share of units left out.
    learning_rate, weight_decay : float
        In units of those of the pack.
    """

    n_layers: int
    width: int
    activation: str
    sigma: float = 0.0
    dropout: float = 0.0
    learning_rate: float = 1.0
    weight_decay: float = 1.0

    @property
    def kind(self) -> tuple[int, str, float]:
        """What members need to have in common to be multiplied together."""
        return self.width, self.activation, self.sigma


@dataclass(frozen=True)
class Inputs:
    """The shape of the rows: numbers, all dense columns, categories of each column."""

    n_continuous: int
    n_dense: int
    cardinalities: tuple[int, ...]


def common_inputs(encoders: Sequence[NetEncoder]) -> Inputs:
    """Return a shape that the rows of all folds fit into."""
    n_continuous = max(e.n_continuous_ for e in encoders)
    n_others = max(e.n_dense_ - e.n_continuous_ for e in encoders)
    n_columns = max(len(e.cardinalities_) for e in encoders)
    cardinalities = tuple(
        max(e.cardinalities_[i] for e in encoders if i < len(e.cardinalities_))
        for i in range(n_columns)
    )
    return Inputs(n_continuous, n_continuous + n_others, cardinalities)


def spread(encoder: NetEncoder, X, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """Return dense and codes of some rows in the common shape."""
    dense, codes = encoder.transform(X)
    n = encoder.n_continuous_
    wide = np.zeros((len(dense), inputs.n_dense), np.float32)
    wide[:, :n] = dense[:, :n]
    wide[:, inputs.n_continuous :][:, : dense.shape[1] - n] = dense[:, n:]
    all_codes = np.zeros((len(dense), len(inputs.cardinalities)), np.int64)
    all_codes[:, : codes.shape[1]] = codes
    return wide, all_codes


def grouped(members: Sequence[Member]) -> list[list[Member]]:
    """Return the members by kind, the deepest of each first."""
    groups: dict[tuple, list[Member]] = {}
    for member in sorted(members, key=lambda m: -m.n_layers):
        groups.setdefault(member.kind, []).append(member)
    return list(groups.values())


def is_shared(name: str) -> bool:
    """Whether the members of a group share the parameter of this name."""
    return name.startswith(("embedding.", "categories.", "scale"))


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
