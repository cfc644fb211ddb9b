"""Small packs and rows, for the tests of the packed nets."""

import torch

from automodel.nets.packed._members import Inputs, Member, grouped
from automodel.nets.packed._module import Pack

MEMBERS = [
    Member(1, 6, "silu", 0.0, 0.0, 0.5, 5.0),
    Member(3, 6, "silu", 0.0, 0.0, 2.0, 0.3),
    Member(2, 6, "silu", 0.0, 0.0, 1.0, 1.0),
    Member(2, 5, "relu", 0.1, 0.0, 1.0, 1.0),
    Member(1, 5, "relu", 0.1, 0.0, 2.0, 5.0),
    Member(2, 4, "selu", 0.1, 0.0, 0.5, 1.0),
]
N_FOLDS = 3
INPUTS = Inputs(n_continuous=4, n_dense=6, cardinalities=(11, 12))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def make_rows(n_rows=20, seed=0, inputs=INPUTS, n_folds=N_FOLDS):
    """Return dense and codes of some rows."""
    draw = seeded(seed)
    dense = torch.randn(n_folds, n_rows, inputs.n_dense, generator=draw)
    codes = [
        torch.randint(c, (n_folds, n_rows), generator=draw)
        for c in inputs.cardinalities
    ]
    return dense, torch.stack(codes, -1)


def make_pack(members=MEMBERS, seed=0, **options):
    """Return a pack whose weights, heads included, are drawn."""
    pack = Pack(grouped(members), N_FOLDS, INPUTS, 2, **options)
    draw = seeded(seed)
    for group in pack.groups:
        group.generator = draw
    pack.initialize(*make_rows(seed=5), draw)
    with torch.no_grad():
        for group in pack.groups:
            for parameter in (group.head, group.head_bias):
                parameter.normal_(generator=draw)
            group.scale.uniform_(0.5, 1.5, generator=draw)
    return pack


def learn(pack, optimizer, n_steps=1, seed=0):
    """Train on squares of drawn targets."""
    for step in range(n_steps):
        dense, codes = make_rows(16, seed + step)
        target = torch.randn(N_FOLDS, 16, 2, generator=seeded(100 + seed + step))
        optimizer.zero_grad()
        (pack(dense, codes) - target).square().mean(-1).mean(-1).sum().backward()
        optimizer.step()
