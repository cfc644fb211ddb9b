"""Nets of images in plain torch, as stages that each return a map of features."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from automodel.nets._depthwise import DepthwiseConvolution, pays
from automodel.nets._strided import StridedConv2d

IMAGENET = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
LITE = "efficientnet_lite"
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

    def _conv_forward(self, images, weight, bias):
        if self.stride[0] > 1:
            height, width = images.shape[2:]
            sides = *self._sides(width), *self._sides(height)
            images = functional.pad(images, sides)
        if self.groups > 1 and pays(images, weight):
            steps = self.stride[0], int(self.padding[0])
            return DepthwiseConvolution.apply(images, weight, bias, *steps)
        return super()._conv_forward(images, weight, bias)

    def _sides(self, length: int) -> tuple[int, int]:
        size, stride = self.kernel_size[0], self.stride[0]
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        return total // 2, total - total // 2


class Layers(nn.Sequential):
    """Layers one after the other, of which some are computed in one step.

    A batch norm that keeps its statistics is a factor and a constant for each channel.
    These are merged into the convolution before it, which is faster and saves the
    memory of a map. Their gradients are the same.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output of the last layer."""
        before: nn.Conv2d | None = None  # waits for the norm that follows
        for layer, following in pairwise([*self, nn.Identity()]):
            if before is not None:
                x = before._conv_forward(x, *_merged(before, layer))
                before = None
            elif isinstance(layer, nn.Conv2d) and _is_constant(following):
                before = layer
            else:
                x = layer(x)
        return x


def _is_constant(layer: nn.Module) -> bool:
    return isinstance(layer, nn.BatchNorm2d) and not layer.training


def _merged(layer: nn.Conv2d, norm: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weight and the bias of a convolution that includes a batch norm."""
    factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
    constant = norm.bias - norm.running_mean * factor
    if layer.bias is not None:
        constant = constant + factor * layer.bias
    return layer.weight * factor.reshape(-1, 1, 1, 1), constant


class Residual(nn.Module):
    """Layers whose output is added to their input, if there is a shortcut for it."""

    def __init__(
        self,
        layers: Sequence[nn.Module],
        shortcut: nn.Module | None,
        activation: nn.Module,
    ):
        super().__init__()
        self.layers = Layers(*layers)
        self.shortcut = shortcut
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output of the block."""
        if self.shortcut is None:
            return self.layers(x)
        return self.activation(self.layers(x) + self.shortcut(x))


def new_backbone(kind: str, tensors: Mapping[str, torch.Tensor]) -> Backbone:
    """Return the net that tensors belong to, with random weights.

    Parameters
    ----------
    kind : str
        "efficientnet_lite0" to "efficientnet_lite4", or a ResNet.
    tensors : mapping of str to Tensor
        The weights, whose shapes tell how deep and wide a ResNet is.

    Raises
    ------
    KeyError
        If they are not those of a ResNet.
    """
    if kind.startswith(LITE):
        return _efficientnet_lite(int(kind.removeprefix(LITE)))
    return _resnet({name: tuple(tensor.shape) for name, tensor in tensors.items()})


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
        blocks: list[nn.Module] = []
        for j in range(n_blocks):
            own_stride = stride if j == 0 else 1
            blocks.append(_inverted(n_in, n_out, size, own_stride, expansion))
            n_in = n_out
        if i == 0:
            blocks = [*_convolution(3, LITE_STEM, 3, 2), nn.ReLU6(True), *blocks]
        stages.append(Layers(*blocks))
        channels.append(n_out)
        repeats.append(n_blocks)
    head = Layers(*_convolution(n_in, LITE_HEAD, 1), nn.ReLU6(True))
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


def _resnet(shapes: Mapping[str, tuple[int, ...]]) -> Backbone:
    """Return a net with the names, and the strides, of torchvision's ResNets."""
    n_in = shapes["conv1.weight"][0]
    stem = [*_normed(3, shapes["conv1.weight"], 2), nn.ReLU(True)]
    stages = [Layers(*stem, nn.MaxPool2d(3, 2, 1))]
    channels = [n_in]
    if "layer1.0.conv1.weight" not in shapes:
        raise KeyError("there is no tensor layer1.0.conv1.weight")
    while f"layer{len(stages)}.0.conv1.weight" in shapes:
        blocks: list[nn.Module] = []
        while (name := f"layer{len(stages)}.{len(blocks)}") + ".conv1.weight" in shapes:
            stride = 2 if len(stages) > 1 and not blocks else 1
            own = [
                shapes[n] for i in "123" if (n := f"{name}.conv{i}.weight") in shapes
            ]
            narrow = shapes.get(f"{name}.downsample.0.weight")
            blocks.append(_residual(n_in, own, narrow, stride))
            n_in = own[-1][0]
        stages.append(Layers(*blocks))
        channels.append(n_in)
    return Backbone(stages, channels, *IMAGENET, _resnet_name)


def _residual(
    n_in: int,
    shapes: Sequence[tuple[int, ...]],
    narrow: tuple[int, ...] | None,
    stride: int,
) -> Residual:
    """Return a block, whose first convolution of 3 x 3 pixels has the stride."""
    layers: list[nn.Module] = []
    first = next((i for i, shape in enumerate(shapes) if shape[2] > 1), 0)
    width = n_in
    for i, shape in enumerate(shapes):
        layers += [*_normed(width, shape, stride if i == first else 1), nn.ReLU(True)]
        width = shape[0]
    shortcut: nn.Module = nn.Identity()
    if narrow is not None:
        shortcut = Layers(*_normed(n_in, narrow, stride))
    return Residual(layers[:-1], shortcut, nn.ReLU(True))


def _normed(n_in: int, shape: tuple[int, ...], stride: int) -> list[nn.Module]:
    """Return a convolution with a kernel of this shape, and its batch norm."""
    n_out, n_of_group, size, _ = shape
    groups = max(n_in // n_of_group, 1)
    convolution = StridedConv2d(
        n_in, n_out, size, stride, size // 2, groups=groups, bias=False
    )
    return [convolution, nn.BatchNorm2d(n_out)]


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
