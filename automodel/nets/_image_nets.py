"""Nets of images in plain torch, as stages that each return a map of features."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

IMAGENET = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
HALF = (127.0,) * 3, (128.0,) * 3
LITE_SCALES = (1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8)
# Of EfficientNet: repeats, kernel size, stride, expansion, and channels of each stage.
LITE_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
LITE_STEM, LITE_HEAD = 32, 1280
RESNET_BLOCKS = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}
SHALLOW = ("resnet18", "resnet34")  # whose blocks have two convolutions, not three
RESNET_WIDTHS = 64, 128, 256, 512


class Backbone(nn.Module):
    """A net of images without its classifier, which returns a map of each stage.

    Parameters
    ----------
    stages : sequence of nn.Module
        The parts of the net, one after the other.
    channels : sequence of int
        Number of channels of the map that each stage returns.
    mean, std : sequence of 3 floats
        Of the red, green and blue values, from 0 to 255, that the net was trained with.
    renamed : callable
        `renamed(name)` returns the name in this net of a tensor in files of pretrained
        weights; an empty one for those of the classifier.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        stages: Sequence[nn.Module],
        channels: Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        renamed: Callable[[str], str] = str,
    ):
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.channels = tuple(channels)
        self.renamed = renamed
        for name, values in (("mean", mean), ("std", std)):
            tensor = torch.tensor(values).reshape(3, 1, 1)
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of all stages, each of shape (n, channels, height, width).

        Parameters
        ----------
        images : Tensor of shape (n, 3, height, width)
            Red, green and blue values from 0 to 255, as uint8 or floats.
        """
        x = (images.to(self.mean.dtype) - self.mean) / self.std
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class SameConv2d(nn.Conv2d):
    """A convolution without bias whose output is the input size, divided by the stride.

    As in TensorFlow, more is padded at the bottom and on the right. The padding follows
    from the size of the images, since that for a fixed one spoils those of others.
    """

    def __init__(
        self, n_in: int, n_out: int, size: int, stride: int = 1, groups: int = 1
    ):
        padding = size // 2 if stride == 1 else 0
        super().__init__(n_in, n_out, size, stride, padding, groups=groups, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pad and convolve the images."""
        if self.stride[0] > 1:
            height, width = images.shape[2:]
            sides = *self._sides(width), *self._sides(height)
            images = functional.pad(images, sides)
        return super().forward(images)

    def _sides(self, length: int) -> tuple[int, int]:
        size, stride = self.kernel_size[0], self.stride[0]
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        return total // 2, total - total // 2


class Residual(nn.Module):
    """Layers whose output is added to their input, if there is a shortcut for it."""

    def __init__(
        self,
        layers: Sequence[nn.Module],
        shortcut: nn.Module | None,
        activation: nn.Module,
    ):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.shortcut = shortcut
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output of the block."""
        if self.shortcut is None:
            return self.layers(x)
        return self.activation(self.layers(x) + self.shortcut(x))


def new_backbone(kind: str) -> Backbone:
    """Return a net with random weights.

    Parameters
    ----------
    kind : str
        "efficientnet_lite0" to "efficientnet_lite4", or one of RESNET_BLOCKS.
    """
    if kind in RESNET_BLOCKS:
        return _resnet(kind)
    return _efficientnet_lite(int(kind.removeprefix("efficientnet_lite")))


def folded(backbone: nn.Module) -> nn.Module:
    """Merge each batch norm into the convolution before it, for faster predictions."""
    backbone.eval()
    for part in list(backbone.modules()):
        if isinstance(part, nn.Sequential):
            for i, (layer, norm) in enumerate(pairwise(list(part))):
                if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    part[i], part[i + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
    return backbone


def _efficientnet_lite(number: int) -> Backbone:
    width, depth = LITE_SCALES[number]
    last = len(LITE_STAGES) - 1
    n_in, stages, channels, repeats = LITE_STEM, [], [], []
    for i, (n_blocks, size, stride, expansion, n_out) in enumerate(LITE_STAGES):
        # The first and the last stage keep their number of blocks.
        n_blocks = n_blocks if i in (0, last) else -int(-(depth * n_blocks) // 1)
        n_out = _rounded(n_out * width)
        blocks = []
        for j in range(n_blocks):
            own_stride = stride if j == 0 else 1
            blocks.append(_inverted(n_in, n_out, size, own_stride, expansion))
            n_in = n_out
        if i == 0:
            blocks = [*_convolution(3, LITE_STEM, 3, 2), nn.ReLU6(True), *blocks]
        stages.append(nn.Sequential(*blocks))
        channels.append(n_out)
        repeats.append(n_blocks)
    head = nn.Sequential(*_convolution(n_in, LITE_HEAD, 1), nn.ReLU6(True))
    return Backbone(
        [*stages, head], [*channels, LITE_HEAD], *HALF, _LiteNames(tuple(repeats))
    )


def _convolution(
    n_in: int, n_out: int, size: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    norm = nn.BatchNorm2d(n_out, eps=1e-3, momentum=0.01)
    return [SameConv2d(n_in, n_out, size, stride, groups), norm]


def _inverted(
    n_in: int, n_out: int, size: int, stride: int, expansion: int
) -> Residual:
    """Return a block that widens, convolves each channel, and narrows again."""
    width = n_in * expansion
    layers: list[nn.Module] = []
    if expansion > 1:
        layers += [*_convolution(n_in, width, 1), nn.ReLU6(True)]
    layers += [*_convolution(width, width, size, stride, width), nn.ReLU6(True)]
    layers += _convolution(width, n_out, 1)
    is_residual = stride == 1 and n_in == n_out
    return Residual(layers, nn.Identity() if is_residual else None, nn.Identity())


def _rounded(n_channels: float, divisor: int = 8) -> int:
    found = max(divisor, int(n_channels + divisor / 2) // divisor * divisor)
    return found + divisor if found < 0.9 * n_channels else found


class _LiteNames:
    """Names of the tensors in the files of EfficientNet-Lite, as in TensorFlow."""

    def __init__(self, repeats: tuple[int, ...]):
        self.repeats = repeats

    def __call__(self, name: str) -> str:
        parts = [part.removeprefix("_") for part in name.split(".")]
        ends = f"stages.{len(self.repeats)}"
        around = {"conv_stem": "stages.0.0", "bn0": "stages.0.1"}
        around |= {"conv_head": f"{ends}.0", "bn1": f"{ends}.1"}
        if parts[0] != "blocks":
            return f"{around[parts[0]]}.{parts[1]}" if parts[0] in around else ""
        number, layer, tensor = int(parts[1]), *parts[2:]
        ends_of_stages = list(accumulate(self.repeats))
        stage = sum(number >= end for end in ends_of_stages)
        block = number - ([0, *ends_of_stages][stage])
        block += 3 * (stage == 0)  # behind the stem
        layers = ("expand_conv", "bn0", "", "depthwise_conv", "bn1", "", "project_conv")
        position = (*layers, "bn2").index(layer) - 3 * (LITE_STAGES[stage][3] == 1)
        return f"stages.{stage}.{block}.layers.{position}.{tensor}"


def _resnet(kind: str) -> Backbone:
    n_convolutions = 2 if kind in SHALLOW else 3
    factor = 1 if kind in SHALLOW else 4
    stem = nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(True),
        nn.MaxPool2d(3, 2, 1),
    )
    n_in, stages = 64, [stem]
    for width, n_blocks in zip(RESNET_WIDTHS, RESNET_BLOCKS[kind], strict=True):
        blocks = []
        for i in range(n_blocks):
            stride = 2 if i == 0 and width > RESNET_WIDTHS[0] else 1
            sizes = (3, 3) if n_convolutions == 2 else (1, 3, 1)
            blocks.append(_residual(n_in, width, factor * width, sizes, stride))
            n_in = factor * width
        stages.append(nn.Sequential(*blocks))
    channels = [64, *(factor * width for width in RESNET_WIDTHS)]
    return Backbone(stages, channels, *IMAGENET, _resnet_name)


def _residual(
    n_in: int, width: int, n_out: int, sizes: Sequence[int], stride: int
) -> Residual:
    """Return a block of torchvision's ResNets, whose first 3 x 3 layer has strides."""
    layers: list[nn.Module] = []
    widths = [n_in, *[width] * (len(sizes) - 1), n_out]
    for i, size in enumerate(sizes):
        own_stride = stride if i == sizes.index(3) else 1
        convolution = nn.Conv2d(
            widths[i], widths[i + 1], size, own_stride, size // 2, bias=False
        )
        layers += [convolution, nn.BatchNorm2d(widths[i + 1]), nn.ReLU(True)]
    shortcut: nn.Module = nn.Identity()
    if stride > 1 or n_in != n_out:
        narrow = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
        shortcut = nn.Sequential(narrow, nn.BatchNorm2d(n_out))
    return Residual(layers[:-1], shortcut, nn.ReLU(True))


def _resnet_name(name: str) -> str:
    """Return the name of a tensor in a file of torchvision's, or timm's, ResNets."""
    found = re.fullmatch(r"(?:layer(\d)\.(\d+)\.)?(conv|bn)(\d)\.(\w+)", name)
    if found:
        stage, block, layer, number, tensor = found.groups()
        if stage is None:
            return f"stages.0.{int(layer == 'bn')}.{tensor}"
        position = 3 * (int(number) - 1) + (layer == "bn")
        return f"stages.{stage}.{block}.layers.{position}.{tensor}"
    found = re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.(.*)", name)
    return "stages.{}.{}.shortcut.{}".format(*found.groups()) if found else ""
