"""Many small perceptrons as one module, which computes a layer of all at once.

The first axes of all weights are members and folds, so that a step of eighty nets takes
a few calls of `baddbmm` instead of hundreds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from automodel.nets._layers import learned
from automodel.nets.packed._embeddings import CategoryTables, NumberEmbedding
from automodel.nets.packed._members import Inputs, Member, is_shared

BIAS_RATE = 0.1  # learning rates relative to that of the weights, as in RealMLP
SCALE_RATE = 6.0
FEWEST_OF_BFLOAT16 = 2**18  # size of a layer's output from which casts are worthwhile


class Pack(nn.Module):
    """A net with weights of its own for each member and each fold.

    Parameters
    ----------
    groups : sequence of list of Member
        The members of each kind, which share embeddings, the deepest first.
    n_folds : int
        Number of nets of each member.
    inputs : Inputs
        The shape of the rows.
    n_outputs : int
        Number of outputs of each net.
    low_precision : bool, default=False
        Whether products are computed in bfloat16 where that is faster.
    """

    def __init__(
        self,
        groups: Sequence[list[Member]],
        n_folds: int,
        inputs: Inputs,
        n_outputs: int,
        low_precision: bool = False,
    ):
        super().__init__()
        self.design = n_folds, inputs, n_outputs, low_precision
        self.groups: Any = nn.ModuleList(Group(g, *self.design) for g in groups)

    @property
    def members(self) -> list[Member]:
        """The members in the order of the outputs."""
        return [member for group in self.groups for member in group.members]

    def forward(self, dense, codes):
        """Return the outputs.

        Parameters
        ----------
        dense : Tensor of shape (n_folds, n_rows, n_dense)
            Rows of each fold.
        codes : Tensor of shape (n_folds, n_rows, n_category_columns)
            Their categories.

        Returns
        -------
        Tensor of shape (n_members, n_folds, n_rows, n_outputs)
            One output of each net.
        """
        outputs = [group(dense, codes) for group in self.groups]
        return torch.cat(outputs) if len(outputs) > 1 else outputs[0]

    @torch.no_grad()
    def initialize(self, dense, codes, generator) -> None:
        """Draw the weights, scaled to these rows; the heads start at zero."""
        for group in self.groups:
            group.initialize(dense, codes, generator)

    def kept(self, kept: Sequence[bool]) -> tuple[Pack, dict[Any, tuple[Any, Any]]]:
        """Return a pack of some of the members, and where its weights come from.

        The dict maps each parameter to the old one, and to the positions along the
        first axis that are kept, or None for all.
        """
        flags = iter(kept)
        positions = [
            [i for i, _ in enumerate(group.members) if next(flags)]
            for group in self.groups
        ]
        left = [(g, p) for g, p in zip(self.groups, positions, strict=True) if p]
        pack = Pack([[g.members[i] for i in p] for g, p in left], *self.design)
        origin: dict[Any, tuple[Any, Any]] = {}
        for new, (old, rows) in zip(pack.groups, left, strict=True):
            new.generator = old.generator
            origin.update(new.take_from(old, torch.as_tensor(rows)))
        return pack, origin


class Group(nn.Module):
    """The members of one kind: with the same width, activation and numeric embedding.

    They share the embeddings and scales of the inputs of a fold. For each member alone,
    these would cost more than the layers of a small net.
    """

    thresholds: torch.Tensor
    factors: torch.Tensor

    def __init__(self, members, n_folds, inputs: Inputs, n_outputs, low_precision):
        super().__init__()
        self.members: list[Member] = members
        self.n_folds, self.inputs, self.n_outputs = n_folds, inputs, n_outputs
        self.low_precision = low_precision
        self.generator: torch.Generator | None = None
        width, activation, sigma = members[0].kind
        self.activation: Any = getattr(F, activation)
        self.embedding: NumberEmbedding | None = None
        self.categories: CategoryTables | None = None
        n_inputs = inputs.n_dense
        if sigma and inputs.n_continuous:
            self.embedding = NumberEmbedding(n_folds, inputs.n_continuous, sigma)
            n_inputs += inputs.n_continuous * NumberEmbedding.n_out
        if inputs.cardinalities:
            self.categories = CategoryTables(n_folds, inputs.cardinalities)
            n_inputs += self.categories.n_out
        self.scale: nn.Parameter = learned(torch.ones(n_folds, 1, n_inputs), SCALE_RATE)
        # The first members are those with a layer i, since the deepest come first.
        depths = [m.n_layers for m in members]
        self.counts = [sum(d > i for d in depths) for i in range(max(depths))]
        sizes = [n_inputs, *[width] * (len(self.counts) - 1)]
        self.weights = nn.ParameterList(
            _weight(n, n_folds, n_in, width)
            for n, n_in in zip(self.counts, sizes, strict=True)
        )
        self.biases = nn.ParameterList(
            learned(torch.zeros(n, n_folds, 1, width), BIAS_RATE) for n in self.counts
        )
        self.head: nn.Parameter = _weight(len(members), n_folds, width, n_outputs)
        self.head_bias: nn.Parameter = learned(
            torch.zeros(len(members), n_folds, 1, n_outputs), BIAS_RATE
        )
        self._set_dropout()

    def _set_dropout(self) -> None:
        """Prepare the dropout of all layers: a row for each member of each layer."""
        rates = [m.dropout for n in self.counts for m in self.members[:n]]
        self.has_dropout = any(rates)
        thresholds = (256 * torch.tensor(rates)).round().clamp(max=255)
        thresholds = thresholds.view(-1, 1, 1, 1)
        self.register_buffer("thresholds", thresholds.to(torch.uint8), False)
        self.register_buffer("factors", 256 / (256 - thresholds), False)

    def forward(self, dense, codes):
        """Return (n_members, n_folds, n_rows, n_outputs)."""
        x = self._inputs(dense, codes)
        n_rows, width = x.shape[1], self.members[0].width
        n_nets = len(self.members) * self.n_folds
        if self.low_precision and n_nets * n_rows * width >= FEWEST_OF_BFLOAT16:
            x = x.bfloat16()
        x = x.expand(len(self.members), *x.shape).flatten(0, 1)
        masks = self._masks(n_rows, x.dtype)
        done = []
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = self.activation(_linear(x, weight, bias))
            if masks:
                x = (x.view(-1, self.n_folds, n_rows, width) * masks[i]).view_as(x)
            n_going_on = self.n_folds * sum(self.counts[i + 1 : i + 2])
            if n_going_on < len(x):
                x, last = x.split([n_going_on, len(x) - n_going_on])
                done.append(last)
        x = torch.cat(done[::-1]) if len(done) > 1 else done[0]
        output = _linear(x.to(self.head.dtype), self.head, self.head_bias)
        return output.view(len(self.members), self.n_folds, n_rows, self.n_outputs)

    def _masks(self, n_rows: int, dtype) -> Sequence[torch.Tensor]:
        """Return the dropout of each layer, (n_members, 1, n_rows, width).

        The folds of a member share their masks, which take long to draw.
        """
        if not (self.training and self.has_dropout):
            return ()
        shape = (sum(self.counts), 1, n_rows, self.members[0].width)
        n_bytes, device = math.prod(shape), self.thresholds.device
        words = torch.empty(-(-n_bytes // 8), dtype=torch.int64, device=device)
        words.random_(-(2**63), None, generator=self.generator)
        drawn = words.view(torch.uint8)[:n_bytes].view(shape)
        keep = (drawn >= self.thresholds).to(dtype)
        return keep.mul_(self.factors.to(dtype)).split(self.counts)

    def _inputs(self, dense, codes):
        parts = [dense]
        if self.embedding is not None:
            parts.append(self.embedding(dense[..., : self.inputs.n_continuous]))
        if self.categories is not None:
            parts.append(self.categories(codes))
        x = torch.cat(parts, dim=-1) if len(parts) > 1 else dense
        return x * self.scale

    def initialize(self, dense, codes, generator) -> None:
        """Draw weights with which outputs have variance one, as in `Linear`."""
        for part in (self.embedding, self.categories):
            if part is not None:
                part.initialize(generator)
        x = self._inputs(dense, codes)
        x = x.expand(len(self.members), *x.shape).flatten(0, 1)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = x[: len(weight) * self.n_folds]
            weight.normal_(generator=generator)
            output = torch.bmm(x, weight.flatten(0, 1))
            deviation = output.std(1, keepdim=True, correction=0)
            deviation = torch.where(deviation > 1e-6, deviation, 1.0)
            weight /= deviation.view(*weight.shape[:2], 1, -1)
            output /= deviation
            start = _zero_inside(output, generator)
            bias.copy_(start.view_as(bias))
            x = self.activation(output + start)

    def take_from(self, old: Group, positions) -> dict[Any, tuple[Any, Any]]:
        """Copy the weights of the members at these positions of another group."""
        origin: dict[Any, tuple[Any, Any]] = {}
        others = dict(old.named_parameters())
        for name, new in self.named_parameters():
            source = others[name]
            # In both groups, a layer belongs to the first members.
            rows = None if is_shared(name) else positions[: len(new)]
            new.data.copy_(source.data if rows is None else source.data[rows])
            origin[new] = source, rows
        return origin


def _linear(x, weight, bias):
    weight, bias = weight.flatten(0, 1), bias.flatten(0, 1)
    return torch.baddbmm(bias.to(x.dtype), x, weight.to(x.dtype))


def _weight(n_members, n_folds, n_in, n_out):
    """Return weights that learn as in the neural tangent parametrisation."""
    shape = (n_members, n_folds, n_in, n_out)
    return learned(torch.zeros(shape), 1 / math.sqrt(max(n_in, 1)), decays=True)


def _zero_inside(output, generator):
    """Return biases that put the zero of each unit at a mixture of five rows."""
    n_nets, n_rows, width = output.shape
    shape = (n_nets, 5, width)
    draw: dict[str, Any] = {"generator": generator, "device": output.device}
    rows = torch.randint(n_rows, shape, **draw)
    share = -torch.log(torch.rand(shape, **draw).clamp_min(1e-12))
    share /= share.sum(1, keepdim=True)
    return -(share * output.gather(1, rows)).sum(1, keepdim=True)
