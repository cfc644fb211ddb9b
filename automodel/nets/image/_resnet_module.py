"""The torch modules of ResNets for images."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from automodel.nets._layers import Dropout, PlainLinear
from automodel.nets._strided import StridedConv2d
from automodel.nets.image._layout import BOTTLENECK, DEPTHS

GROUP_CHANNELS = 16  # of a group of group normalisation
LOGIT_SCALE = 0.125  # of the net of 9 layers, whose features are maxima


class ResNetModule(nn.Module):
    """A residual net [1]_ for images of bytes.

    The net of 9 layers [2]_ has three stages of a convolution and a maximum, the first
    and the last of which have a residual block. Deeper nets are those of [1]_.

    Shapes: images (n, height, width, 3), output (n, n_outputs).

    Parameters
    ----------
    n_outputs : int
        Columns of the output.
    depth : {9, 18, 34, 50}
        Number of layers.
    width : int
        Channels of the first layer, which grow eightfold.
    norm : {"batch", "group"}
        Kind of the normalisation.
    large_stem : bool
        Whether the first layers divide the sides of an image by four.
    stochastic_depth : float
        Probability that an image leaves out the last residual block in training. It
        grows linearly from the first one [3]_.
    dropout : float
        Share of the features that a training step leaves out.

    References
    ----------
    .. [1] He et al. (2016), Deep Residual Learning for Image Recognition.
    .. [2] Page (2018), How to Train Your ResNet.
    .. [3] Huang et al. (2016), Deep Networks with Stochastic Depth.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self,
        n_outputs: int,
        *,
        depth: int = 9,
        width: int = 32,
        norm: str = "batch",
        large_stem: bool = False,
        stochastic_depth: float = 0.0,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("scale", torch.ones(3))
        layers, n_features = (
            _nine_layers(width, norm)
            if depth == 9
            else _deep_layers(depth, width, norm)
        )
        self.layers = nn.Sequential(stem(width, norm, large_stem), *layers)
        self.takes_maximum = depth == 9
        self.dropout = Dropout(dropout)
        self.head = PlainLinear(n_features, n_outputs)
        residuals = [m for m in self.modules() if isinstance(m, Residual)]
        for i, block in enumerate(residuals):
            block.skipped = stochastic_depth * (i + 1) / len(residuals)

    def forward(self, images):
        """Return (n, n_outputs)."""
        features = self.dropout(self.embed(images))
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features)

    def embed(self, images):
        """Return the features of images, (n, n_features)."""
        pixels = (images.float() - self.mean) * self.scale
        maps = self.layers(pixels.permute(0, 3, 1, 2))  # channels-last in memory
        if self.takes_maximum:
            return LOGIT_SCALE * maps.amax((2, 3)).float()
        return maps.mean((2, 3)).float()

    @torch.no_grad()
    def initialize(self, images: torch.Tensor, generator: torch.Generator) -> None:
        """Draw the weights, and learn the colours of some images."""
        pixels = images.float().flatten(0, 2)
        self.mean.copy_(pixels.mean(0))
        self.scale.copy_(1 / pixels.std(0, correction=0).clamp_min(1.0))
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                fan_out = part.weight.shape[0] * part.weight[0, 0].numel()
                part.weight.normal_(std=(2 / fan_out) ** 0.5, generator=generator)
            elif isinstance(part, Residual):
                part.last_norm.weight.zero_()  # so that a block begins as the identity
            elif isinstance(part, PlainLinear):
                part.initialize(generator)
        own: Any = self
        own.to(memory_format=torch.channels_last)


class Residual(nn.Module):
    """x + f(x), or g(x) + f(x) where the shape changes.

    Parameters
    ----------
    body : nn.Sequential
        f; its last layer is a normalisation.
    shortcut : nn.Module, default=None
        g.
    """

    def __init__(self, body: nn.Sequential, shortcut: nn.Module | None = None):
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.skipped = 0.0  # probability that an image leaves out the body
        self.generator: torch.Generator | None = None

    @property
    def last_norm(self) -> Any:
        """The last layer of the body."""
        return self.body[-1]

    def forward(self, x):
        """Return the sum, after an activation."""
        change = self.body(x)
        if self.training and self.skipped:
            draws = torch.rand(len(x), generator=self.generator, device=x.device)
            kept = (draws >= self.skipped).to(change.dtype) / (1 - self.skipped)
            change = change * kept[:, None, None, None]
        return F.relu((x if self.shortcut is None else self.shortcut(x)) + change)


def stem(width: int, norm: str, is_large: bool) -> nn.Sequential:
    """Return the first layers, of which large ones divide the sides by four."""
    if not is_large:
        return nn.Sequential(*_convolved(3, width, norm), nn.ReLU(inplace=True))
    return nn.Sequential(
        *_convolved(3, width, norm, kernel=7, stride=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, padding=1),
    )


def _nine_layers(width: int, norm: str) -> tuple[list[nn.Module], int]:
    layers: list[nn.Module] = []
    for i, n_out in enumerate((2 * width, 4 * width, 8 * width)):
        layers += [
            *_convolved(n_out // 2, n_out, norm),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2, ceil_mode=True),  # so that a single pixel stays
        ]
        if i != 1:
            body = [*_convolved(n_out, n_out, norm), nn.ReLU(inplace=True)]
            layers.append(
                Residual(nn.Sequential(*body, *_convolved(n_out, n_out, norm)))
            )
    return layers, 8 * width


def _deep_layers(depth: int, width: int, norm: str) -> tuple[list[nn.Module], int]:
    stages, channels = deep_stages(depth, width, norm)
    return [block for stage in stages for block in stage], channels[-1]


def deep_stages(
    depth: int, width: int, norm: str
) -> tuple[list[list[nn.Module]], list[int]]:
    """Return the blocks of each of four stages, and the channels of its output.

    Parameters
    ----------
    depth, width, norm
        See `ResNetModule`. The stem comes before the stages.
    """
    blocks, is_bottleneck = DEPTHS[depth]
    block = _bottleneck if is_bottleneck else _basic
    stages: list[list[nn.Module]] = []
    channels = []
    n_in = width
    for stage, n_blocks in enumerate(blocks):
        layers: list[nn.Module] = []
        for i in range(n_blocks):
            stride = 2 if stage and not i else 1
            own, n_out = block(n_in, width * 2**stage, norm, stride)
            shortcut = None
            if stride > 1 or n_in != n_out:
                shortcut = nn.Sequential(
                    *_convolved(n_in, n_out, norm, kernel=1, stride=stride)
                )
            layers.append(Residual(nn.Sequential(*own), shortcut))
            n_in = n_out
        stages.append(layers)
        channels.append(n_in)
    return stages, channels


def _basic(n_in: int, n_out: int, norm: str, stride: int):
    layers = [
        *_convolved(n_in, n_out, norm, stride=stride),
        nn.ReLU(inplace=True),
        *_convolved(n_out, n_out, norm),
    ]
    return layers, n_out


def _bottleneck(n_in: int, n_inside: int, norm: str, stride: int):
    n_out = BOTTLENECK * n_inside
    layers = [
        *_convolved(n_in, n_inside, norm, kernel=1),
        nn.ReLU(inplace=True),
        *_convolved(n_inside, n_inside, norm, stride=stride),
        nn.ReLU(inplace=True),
        *_convolved(n_inside, n_out, norm, kernel=1),
    ]
    return layers, n_out


def _convolved(n_in: int, n_out: int, norm: str, kernel: int = 3, stride: int = 1):
    """Return a convolution and its normalisation."""
    convolution = StridedConv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False)
    if norm == "batch":
        return [convolution, nn.BatchNorm2d(n_out)]
    return [convolution, group_norm(n_out)]


def group_norm(n_channels: int) -> nn.GroupNorm:
    """Return a normalisation of groups of about `GROUP_CHANNELS` channels."""
    n_groups = max(n_channels // GROUP_CHANNELS, 1)
    while n_channels % n_groups:
        n_groups -= 1
    return nn.GroupNorm(n_groups, n_channels)
