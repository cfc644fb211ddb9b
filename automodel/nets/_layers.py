"""The layers of the nets for tables.

Layers do not draw from the global generator of torch, but from one of the training, so
that it can be repeated and changes no global state. A parameter may have the attributes
`lr_factor`, by which its learning rate is multiplied, and `decays`, which says whether
weight decay applies to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


def learned(value: torch.Tensor, lr_factor: float = 1.0, decays: bool = False):
    """Return a parameter with the attributes of the training."""
    parameter: Any = nn.Parameter(value)
    parameter.lr_factor = lr_factor
    parameter.decays = decays
    return parameter


class Linear(nn.Module):
    """A linear layer that learns as in the neural tangent parametrisation.

    It would divide the output by sqrt(n_in). With Adam, dividing the learning rate has
    the same effect, and costs nothing.
    """

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        factor = 1 / math.sqrt(max(n_in, 1))
        self.weight = learned(torch.zeros(n_out, n_in), factor, decays=True)
        self.bias = learned(torch.zeros(n_out), 0.1)

    def forward(self, x):
        """Return x W^T + b."""
        return F.linear(x, self.weight, self.bias)

    @torch.no_grad()
    def initialize(self, x: torch.Tensor, generator: torch.Generator) -> None:
        """Draw weights with which the outputs for `x` have a variance of one.

        The biases put the zero of each unit, the kink of its activation, at a random
        mixture of five rows ("he+5" in RealMLP, Holzmüller et al., 2024, appendix A).
        """
        self.weight.normal_(generator=generator)
        output = F.linear(x, self.weight)
        deviation = output.std(0, correction=0)
        deviation = torch.where(deviation > 1e-6, deviation, 1.0)
        self.weight /= deviation[:, None]
        output /= deviation
        shape = (5, output.shape[1])
        draw: dict[str, Any] = {"generator": generator, "device": x.device}
        rows = torch.randint(len(output), shape, **draw)
        share = -torch.log(torch.rand(shape, **draw).clamp_min(1e-12))
        share /= share.sum(0)
        self.bias.copy_(-(share * output.gather(0, rows)).sum(0))


class PlainLinear(nn.Module):
    """A linear layer in the usual parametrisation, initialised as in torch."""

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.weight = learned(torch.zeros(n_out, n_in), decays=True)
        self.bias = learned(torch.zeros(n_out))

    def forward(self, x):
        """Return x W^T + b."""
        return F.linear(x, self.weight, self.bias)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw weights and biases uniformly, at most 1 / sqrt(n_in) from zero."""
        fill_uniform(generator, self.weight.shape[1], self.weight, self.bias)


@torch.no_grad()
def fill_uniform(generator: torch.Generator, n_in: int, *values: torch.Tensor) -> None:
    """Draw each value uniformly, at most 1 / sqrt(n_in) from zero."""
    bound = 1 / math.sqrt(max(n_in, 1))
    for value in values:
        value.uniform_(-bound, bound, generator=generator)


def in_parts(function: Callable, n_rows: int, dense, codes) -> torch.Tensor:
    """Return `function(dense, codes)`, computed for at most `n_rows` at a time."""
    if len(dense) <= n_rows:
        return function(dense, codes)
    parts = zip(dense.split(n_rows), codes.split(n_rows), strict=True)
    return torch.cat([function(*part) for part in parts])


class Dropout(nn.Module):
    """Dropout with a generator of its own, and a random number for eight units.

    On a CPU, dropout spends most of its time on drawing random numbers. One byte for
    each unit is enough, so the rate is rounded to a multiple of 1/256. Schedules set
    `scale`, by which the rate is multiplied.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate
        self.scale = 1.0
        self.generator: torch.Generator | None = None

    @property
    def threshold(self) -> int:
        """The rate in steps of 1/256."""
        return min(round(self.rate * self.scale * 256), 255)

    def forward(self, x):
        """Set a share of the units to zero while training, and scale the rest."""
        threshold = self.threshold if self.training else 0
        if threshold == 0:
            return x
        keep = (self._bytes(x) >= threshold).to(x.dtype)
        return x * keep.mul_(256 / (256 - threshold))

    def _bytes(self, x):
        if x.device.type == "mps":  # draws no integers of 64 bits
            return 256 * torch.rand(x.shape, generator=self.generator, device=x.device)
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
        words.random_(-(2**63), None, generator=self.generator)
        return words.view(torch.uint8)[: x.numel()].view(x.shape)


class ParametricActivation(nn.Module):
    """x + a (f(x) - x) with a learned a per unit, which starts at one (RealMLP)."""

    def __init__(self, activation: str, size: int):
        super().__init__()
        self.function = getattr(F, activation)
        self.share = learned(torch.ones(size), 0.1)

    def forward(self, x):
        """Return an activation between the identity and the function, or beyond."""
        return x + self.share * (self.function(x) - x)


class PeriodicEmbedding(nn.Module):
    """Embed each number by a linear map of its cosines, next to the number itself.

    This is "PBLD" of RealMLP, after Gorishniy et al. (2022), *On Embeddings for
    Numerical Features in Tabular Deep Learning*.
    """

    def __init__(self, n_features: int, sigma: float, n_frequencies=16, n_out=3):
        super().__init__()
        self.sigma = sigma
        shape = (n_features, n_frequencies)
        self.frequency = learned(torch.zeros(shape), 0.1)
        self.phase = learned(torch.zeros(shape), 0.1)
        self.weight = learned(torch.zeros(n_features, n_frequencies, n_out), 0.1)
        self.bias = learned(torch.zeros(n_features, n_out), 0.1)
        self.n_out = n_features * (n_out + 1)

    def forward(self, x):
        """Return (n_rows, n_features * (n_out + 1))."""
        waves = torch.cos(
            torch.addcmul(self.phase, x.unsqueeze(-1), self.frequency, value=math.tau)
        )
        hidden = torch.baddbmm(
            self.bias.unsqueeze(1), waves.transpose(0, 1), self.weight
        )
        return torch.cat([x, hidden.transpose(0, 1).flatten(1)], dim=1)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw frequencies, phases and weights."""
        self.frequency.normal_(generator=generator).mul_(self.sigma)
        self.phase.uniform_(-math.pi, math.pi, generator=generator)
        bound = 1 / math.sqrt(self.weight.shape[1])
        self.weight.uniform_(-bound, bound, generator=generator)
        self.bias.uniform_(-bound, bound, generator=generator)


class PiecewiseEmbedding(nn.Module):
    """Embed each number by a linear map of it and of its position in bins.

    The piecewise linear encoding of Gorishniy et al. (2022), *On Embeddings for
    Numerical Features in Tabular Deep Learning*, in the form that its authors call
    version B: a linear embedding, to which a map of the encoding is added that starts
    at zero. The edges of the bins are quantiles. A column that repeats values may have
    fewer bins, and the others have no effect.
    """

    left: torch.Tensor
    slope: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, n_features: int, n_bins=16, n_out=8):
        super().__init__()
        shape = (n_features, n_bins)
        for name in ("left", "slope", "low", "high"):
            self.register_buffer(name, torch.zeros(shape))
        self.scale = learned(torch.zeros(n_features, n_out), 0.1)
        self.bias = learned(torch.zeros(n_features, n_out), 0.1)
        self.weight = learned(torch.zeros(n_features, n_bins, n_out), 0.1)
        self.n_out = n_features * n_out

    def forward(self, x):
        """Return (n_rows, n_features * n_out)."""
        column = x.t().unsqueeze(-1)
        position = (column - self.left.unsqueeze(1)) * self.slope.unsqueeze(1)
        position = position.clamp(self.low.unsqueeze(1), self.high.unsqueeze(1))
        linear = torch.addcmul(self.bias.unsqueeze(1), column, self.scale.unsqueeze(1))
        return torch.baddbmm(linear, position, self.weight).transpose(0, 1).flatten(1)

    @torch.no_grad()
    def learn_bins(self, x) -> None:
        """Take the edges of the bins from these rows."""
        n_bins = self.left.shape[1]
        steps = torch.linspace(0, 1, n_bins + 1, device=x.device, dtype=x.dtype)
        self.slope.zero_()
        self.low.zero_()
        self.high.fill_(1)
        for i in range(x.shape[1]):
            edges = torch.quantile(x[:, i], steps, interpolation="nearest").unique()
            n_used = len(edges) - 1
            if n_used < 1:
                continue
            self.left[i, :n_used] = edges[:-1]
            self.slope[i, :n_used] = 1 / edges.diff().clamp_min(1e-6)
            # The encoding is linear beyond the first and the last edge, too.
            self.low[i, 0] = -math.inf
            self.high[i, n_used - 1] = math.inf

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw the linear part."""
        bound = 1 / math.sqrt(self.scale.shape[1])
        self.scale.uniform_(-bound, bound, generator=generator)
        self.bias.uniform_(-bound, bound, generator=generator)
        self.weight.zero_()


class CategoryEmbedding(nn.Module):
    """One table of vectors for all category columns; row 0 of each starts at zero."""

    def __init__(self, cardinalities: list[int], size: int):
        super().__init__()
        self.table = learned(torch.zeros(sum(cardinalities), size))
        start = torch.tensor([0, *cardinalities[:-1]]).cumsum(0)
        self.register_buffer("start", start, persistent=False)
        self.n_out = len(cardinalities) * size

    def forward(self, codes):
        """Return (n_rows, n_columns * size)."""
        return F.embedding(codes + self.start, self.table).flatten(1)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw vectors with an expected squared length of one."""
        self.table.normal_(generator=generator).div_(math.sqrt(self.table.shape[1]))
        self.table[self.start] = 0
