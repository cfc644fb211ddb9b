"""Backbones of detectors: pretrained ones, or a small ResNet; and their strides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from automodel.exceptions import WeightsError
from automodel.nets._image_nets import IMAGENET, Backbone
from automodel.nets.image._pretrained import new_net
from automodel.nets.image._resnet_module import deep_stages, stem

SCRATCH = "scratch"  # the kind of a net without pretrained weights
DEPTH = 18
TRIED_SIDE = 64  # pixels of an image that shows the strides of a net
WIDENED = 2  # from which a layer that keeps the size of a map is a part of a classifier


def scratch_design(width: int) -> dict[str, Any]:
    """Return the design of a ResNet with group normalisation."""
    return {"kind": SCRATCH, "width": width}


def new_backbone(design: dict[str, Any]) -> Backbone:
    """Return a backbone of a design, whose weights are drawn or to be replaced.

    Batches of detectors are small, so that the net without pretrained weights has group
    normalisation (He, Girshick, Dollár, 2019, *Rethinking ImageNet Pre-training*).
    """
    if design["kind"] != SCRATCH:
        return new_net(design)  # type: ignore[return-value]
    width = design["width"]
    stages, channels = deep_stages(DEPTH, width, "group")
    first = nn.Sequential(stem(width, "group", True), *stages[0])
    others = (nn.Sequential(*blocks) for blocks in stages[1:])
    backbone = Backbone([first, *others], channels, *IMAGENET)
    for part in backbone.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
    return backbone


@torch.no_grad()
def stages_by_stride(backbone: Backbone) -> dict[int, int]:
    """Return the stage that has the best map of each stride, by its stride.

    It is the last stage of the stride, unless that only widens the map for the
    classifier of the net.
    """
    maps = backbone.eval()(torch.zeros(1, 3, TRIED_SIDE, TRIED_SIDE))
    found: dict[int, int] = {}
    for stage, own in enumerate(maps):
        stride = TRIED_SIDE // own.shape[2]
        before = found.get(stride)
        widest = None if before is None else WIDENED * maps[before].shape[1]
        if widest is None or own.shape[1] <= widest:
            found[stride] = stage
    return found


def levels_of(backbone: Backbone, strides: Sequence[int]) -> list[tuple[int, int]]:
    """Return the stage and the stride of each level of a pyramid.

    Raises
    ------
    WeightsError
        If the backbone has no map of any of these strides.
    """
    stages = stages_by_stride(backbone)
    levels = [(stages[stride], stride) for stride in strides if stride in stages]
    if not levels:
        raise WeightsError(
            f"The pretrained net has no maps of the strides {tuple(strides)}, which a "
            f"detector needs, but of the strides {tuple(stages)}."
        )
    return levels


def shortened(backbone: Backbone, last: int) -> Backbone:
    """Remove the stages behind the last one that is used."""
    backbone.stages = backbone.stages[: last + 1]
    backbone.channels = backbone.channels[: last + 1]
    return backbone
