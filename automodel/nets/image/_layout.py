"""The layout of ResNets for images, as the net is built and its cost estimated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

DEPTHS = {  # residual blocks of each of four stages, and whether they are bottlenecks
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
}
SMALL_SIDE = 64  # pixels, up to which the first layer does not make maps smaller
BOTTLENECK = 4  # outputs of a bottleneck for each channel inside


class Convolution(NamedTuple):
    """A convolution: its channels, its kernel, and the side of its output."""

    n_in: int
    n_out: int
    kernel: int
    side: float

    @property
    def products(self) -> float:
        """Number of multiplications for an image."""
        return self.n_in * self.n_out * self.kernel**2 * self.side**2


def has_large_stem(stem: str, side: int) -> bool:
    """Tell whether the first layers divide the sides of an image by four."""
    return stem == "large" or (stem == "auto" and side > SMALL_SIDE)


def products_of(depth: int, width: int, side: int, stem: str = "auto") -> float:
    """Return the number of multiplications that a ResNet needs for an image."""
    is_large = has_large_stem(stem, side)
    layers = _first(width, side, is_large)
    own = float(side) / 4 if is_large else float(side)
    layers += _nine(width, own) if depth == 9 else list(_deep(depth, width, own))
    return sum(layer.products for layer in layers)


def _first(width: int, side: int, is_large: bool) -> list[Convolution]:
    if is_large:
        return [Convolution(3, width, 7, side / 2)]
    return [Convolution(3, width, 3, side)]


def _nine(width: int, side: float) -> list[Convolution]:
    w = width
    return [
        Convolution(w, 2 * w, 3, side),
        *[Convolution(2 * w, 2 * w, 3, side / 2)] * 2,
        Convolution(2 * w, 4 * w, 3, side / 2),
        Convolution(4 * w, 8 * w, 3, side / 4),
        *[Convolution(8 * w, 8 * w, 3, side / 8)] * 2,
    ]


def _deep(depth: int, width: int, side: float) -> Iterator[Convolution]:
    blocks, is_bottleneck = DEPTHS[depth]
    n_in = width
    for stage, n_blocks in enumerate(blocks):
        n_inside, own = width * 2**stage, side / 2**stage
        n_out = n_inside * (BOTTLENECK if is_bottleneck else 1)
        for i in range(n_blocks):
            if is_bottleneck:
                before = 2 * own if stage and not i else own
                yield Convolution(n_in, n_inside, 1, before)
                yield Convolution(n_inside, n_inside, 3, own)
                yield Convolution(n_inside, n_out, 1, own)
            else:
                yield Convolution(n_in, n_inside, 3, own)
                yield Convolution(n_inside, n_out, 3, own)
            n_in = n_out
