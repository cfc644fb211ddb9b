"""The torch module of Faster R-CNN with a small pyramid and light heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from automodel.nets.detection._backbone import new_backbone, shortened
from automodel.nets.detection._matching import Matcher, Sampler
from automodel.nets.image._finetune_module import FROZEN, NORMS
from automodel.nets.image._resnet_module import group_norm

CELLS = 5  # of a region, per side
SAMPLES = 2  # of a cell, per side
N_ANCHORS = 256  # of an image that a training step learns from
OVERLAP_OF_PROPOSALS = 0.7  # above which the worse of two is left out
# Most proposals of a level before, and of an image after the worse ones are left out.
BEFORE = {"training": 1000, "testing": 500}
AFTER = {"training": 500, "testing": 300}
MOST_BOXES = 100  # of a predicted image
ALL_STAGES = 99


class Sides(NamedTuple):
    """What torchvision needs to know about a batch."""

    image_sizes: list[tuple[int, int]]


class FasterRCNNModule(nn.Module):
    """Faster R-CNN [1]_ with a feature pyramid [2]_.

    Shapes: images (n, height, width, 3), whose sides are multiples of the coarsest
    stride.

    Parameters
    ----------
    backbone : dict
        Design of the backbone.
    levels : sequence of (int, int)
        Stage of the backbone and stride of each level of the pyramid, from the finest.
    anchors : sequence of shape (n_levels, n_anchors, 2)
        Width and height of the anchors of each level.
    n_classes : int
        Number of classes.
    width : int
        Channels of the pyramid.
    head_width : int
        Width of the hidden layers that classify a region.
    n_regions : int
        Regions of an image that a training step learns from.
    score_threshold : float
        Least score of a predicted box.
    overlap : float
        Intersection over union above which the worse of two boxes of a class is left
        out.
    n_trained : int
        How many of the last stages of the backbone, among those that are used, are
        trained at some time.

    Attributes
    ----------
    frozen : set of str
        Names of the weights that are not trained.

    References
    ----------
    .. [1] Ren et al. (2015), Faster R-CNN: Towards Real-Time Object Detection with
       Region Proposal Networks.
    .. [2] Lin et al. (2017), Feature Pyramid Networks for Object Detection.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        *,
        levels: Sequence[Sequence[int]],
        anchors: Sequence[Sequence[Sequence[float]]],
        n_classes: int,
        width: int = 96,
        head_width: int = 256,
        n_regions: int = 128,
        score_threshold: float = 0.05,
        overlap: float = 0.5,
        n_trained: int = ALL_STAGES,
    ):
        from torchvision.ops import FeaturePyramidNetwork

        super().__init__()
        stages, strides = zip(*levels, strict=True)
        self.stages = tuple(stages)
        self.backbone = shortened(new_backbone(backbone), max(stages))
        is_normed = any(isinstance(p, nn.GroupNorm) for p in self.backbone.modules())
        channels = [self.backbone.channels[stage] for stage in stages]
        norm = group_norm if is_normed else None
        self.pyramid = FeaturePyramidNetwork(channels, width, norm_layer=norm)
        grid = AnchorGrid(strides, anchors)
        self.rpn = _proposals(grid, width)
        self.regions = _regions(
            strides, width, head_width, n_classes, n_regions, score_threshold, overlap
        )
        self.frozen = self._frozen(n_trained)

    def _frozen(self, n_trained: int) -> set[str]:
        for part in self.backbone.modules():
            if isinstance(part, NORMS):  # statistics of small batches would be noisy
                setattr(part, FROZEN, True)
        n_frozen = max(len(self.backbone.stages) - n_trained, 0)
        self.backbone.stages[:n_frozen].requires_grad_(False)
        own = {name for name, _ in self.backbone.named_buffers()}
        for name, parameter in self.backbone.named_parameters():
            if not parameter.requires_grad:
                own.add(name)
        return {f"backbone.{name}" for name in own & {*self.backbone.state_dict()}}

    def maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of the backbone that the pyramid is made of."""
        found = self.backbone(images.permute(0, 3, 1, 2))  # channels-last in memory
        return [found[stage] for stage in self.stages]

    def forward(
        self,
        maps: list[torch.Tensor],
        extents: list[tuple[int, int]],
        targets: list[dict[str, torch.Tensor]] | None = None,
    ) -> Any:
        """Return the loss in training, and else the boxes of each image.

        Parameters
        ----------
        maps : list of Tensor
            What `maps` returns.
        extents : list of tuple
            Height and width of the part of each canvas that is the image.
        targets : list of dict, default=None
            In training, the "boxes" of each image, their "labels" from 1 on, and
            whether they are "ignored".
        """
        levels = {str(i): own for i, own in enumerate(maps)}
        # In single precision, since coordinates have more digits than bfloat16.
        levels = {name: own.float() for name, own in self.pyramid(levels).items()}
        for part in (self.rpn, self.regions) if targets is not None else ():
            part.proposal_matcher.expect(targets)
        proposals, losses = self.rpn(Sides(extents), levels, targets)
        found, others = self.regions(levels, proposals, extents, targets)
        return sum({**losses, **others}.values()) if self.training else found

    def draw_from(self, generator: torch.Generator) -> None:
        """Let all draws of a training come from a generator."""
        for part in (self.rpn, self.regions):
            part.fg_bg_sampler.generator = generator

    def train(self, mode=True):
        """Set the mode; frozen statistics are used in both."""
        super().train(mode)
        for part in self.backbone.modules():
            if getattr(part, FROZEN, False):
                part.eval()
        return self


class AnchorGrid(nn.Module):
    """Anchors of given sizes around the centre of each cell of a map.

    Parameters
    ----------
    strides : sequence of int
        Pixels between the cells of each level.
    anchors : sequence of shape (n_levels, n_anchors, 2)
        Width and height of the anchors of each level.
    """

    corners: torch.Tensor

    def __init__(self, strides, anchors):
        super().__init__()
        self.strides = tuple(strides)
        halves = torch.tensor(anchors, dtype=torch.float32) / 2
        self.register_buffer("corners", torch.cat([-halves, halves], -1), False)

    def num_anchors_per_location(self) -> list[int]:
        """Return the number of anchors of a cell of each level."""
        return [own.shape[0] for own in self.corners]

    def forward(self, images: Sides, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the anchors of all levels for each image."""
        found = []
        for own, stride, corners in zip(maps, self.strides, self.corners, strict=True):
            rows, columns = (
                stride * (torch.arange(n, device=own.device) + 0.5)
                for n in own.shape[2:]
            )
            y, x = torch.meshgrid(rows, columns, indexing="ij")
            centres = torch.stack([x, y, x, y], -1).reshape(-1, 1, 4)
            found.append((centres + corners).reshape(-1, 4))
        return [torch.cat(found)] * len(images.image_sizes)


class ObjectnessHead(nn.Module):
    """Tell for each anchor whether there is an object, and how far away.

    Parameters
    ----------
    width : int
        Channels of the maps.
    n_anchors : int
        Anchors of a cell.
    """

    def __init__(self, width: int, n_anchors: int):
        super().__init__()
        self.hidden = nn.Conv2d(width, width, 3, padding=1)
        self.logits = nn.Conv2d(width, n_anchors, 1)
        self.moves = nn.Conv2d(width, 4 * n_anchors, 1)
        layer: Any
        for layer in (self.hidden, self.logits, self.moves):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, maps: list[torch.Tensor]) -> tuple[list, list]:
        """Return the log-odds and the moves of the anchors of each level."""
        hidden = [F.relu(self.hidden(own)) for own in maps]
        logits = [self.logits(own).float() for own in hidden]
        return logits, [self.moves(own).float() for own in hidden]


class RegionOutputs(nn.Module):
    """Tell the class of each region, and how its box moves.

    Parameters
    ----------
    width : int
        Features of a region.
    n_classes : int
        Number of classes, without that of no object.
    """

    def __init__(self, width: int, n_classes: int):
        super().__init__()
        self.logits = nn.Linear(width, n_classes + 1)
        self.moves = nn.Linear(width, 4 * (n_classes + 1))
        for layer, deviation in ((self.logits, 0.01), (self.moves, 0.001)):
            nn.init.normal_(layer.weight, std=deviation)
            nn.init.zeros_(layer.bias)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits of the classes, and a move for each class."""
        return self.logits(features).float(), self.moves(features).float()


def _proposals(grid: AnchorGrid, width: int) -> Any:
    """Return the part that proposes regions."""
    from torchvision.models.detection.rpn import RegionProposalNetwork

    head = ObjectnessHead(width, grid.num_anchors_per_location()[0])
    shares = 0.7, 0.3, N_ANCHORS, 0.5
    rpn = RegionProposalNetwork(
        grid, head, *shares, BEFORE, AFTER, OVERLAP_OF_PROPOSALS
    )
    return _drawing(rpn, N_ANCHORS, 0.5)


def _regions(
    strides, width, head_width, n_classes, n_regions, score_threshold, overlap
) -> Any:
    """Return the part that classifies regions."""
    from torchvision.models.detection.roi_heads import RoIHeads
    from torchvision.ops import MultiScaleRoIAlign
    from torchvision.ops.poolers import initLevelMapper

    names = [str(i) for i in range(len(strides))]
    pool = MultiScaleRoIAlign(names, CELLS, SAMPLES)
    # Otherwise guessed from the first batch.
    pool.scales = [1 / stride for stride in strides]
    ends = (int(math.log2(stride)) for stride in (strides[0], strides[-1]))
    pool.map_levels = initLevelMapper(*ends)
    head = nn.Sequential(
        nn.Flatten(),
        nn.Linear(width * CELLS**2, head_width),
        nn.ReLU(),
        nn.Linear(head_width, head_width),
        nn.ReLU(),
    )
    outputs = RegionOutputs(head_width, n_classes)
    parts = pool, head, outputs
    shares = 0.5, 0.5, n_regions, 0.25
    limits = None, score_threshold, overlap, MOST_BOXES
    return _drawing(RoIHeads(*parts, *shares, *limits), n_regions, 0.25)


def _drawing(part: Any, n_regions: int, positive_share: float) -> Any:
    """Let a part of torchvision match and draw as this package does."""
    part.proposal_matcher = Matcher(part.proposal_matcher)
    part.fg_bg_sampler = Sampler(n_regions, positive_share)
    return part
