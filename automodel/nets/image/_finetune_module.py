"""The torch module of a fine-tuned backbone: images to outputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from automodel.nets._layers import Dropout, PlainLinear

NORMS = nn.BatchNorm1d | nn.BatchNorm2d
FROZEN = "is_frozen"  # the attribute of norms that keep their means


class FineTunedModule(nn.Module):
    """A backbone, the means of its maps, and a linear head.

    Shapes: images (n, height, width, 3), output (n, n_outputs).

    Parameters
    ----------
    backbone : nn.Module
        Returns a list of maps, one of each of its `stages`, with as many channels as
        its `channels` say.
    n_outputs : int
        Columns of the output.
    taps : {"all", "last"}, default="all"
        Whether the head takes the means of the maps of all stages, or of the last one.
    layers : "all", "head" or int, default="all"
        What is trained: everything, the head alone, or also so many of the last stages.
    frozen_statistics : bool, default=True
        Whether batch normalisation keeps the means that it has learned before.
    dropout : float, default=0.0
        Share of the features that a training step leaves out.
    head_rate : float, default=10.0
        Factor of the learning rate of the head.
    layer_decay : float, default=1.0
        Factor of the learning rate from one stage to the one before it.

    Attributes
    ----------
    frozen : set of str
        Names of the weights that are not trained.
    """

    def __init__(
        self,
        backbone: Any,
        n_outputs: int,
        *,
        taps: str = "all",
        layers: str | int = "all",
        frozen_statistics: bool = True,
        dropout: float = 0.0,
        head_rate: float = 10.0,
        layer_decay: float = 1.0,
    ):
        super().__init__()
        self.backbone = backbone
        self.n_taps = len(backbone.channels) if taps == "all" else 1
        self.dropout = Dropout(dropout)
        self.head = PlainLinear(sum(backbone.channels[-self.n_taps :]), n_outputs)
        parameter: Any
        for parameter in self.head.parameters():
            parameter.lr_factor = head_rate
        n_trained = _n_trained(layers, len(backbone.stages))
        self.frozen: set[str] = set()
        for depth, stage in enumerate(reversed(backbone.stages)):
            number = len(backbone.stages) - 1 - depth
            is_trained = depth < n_trained
            for name, parameter in stage.named_parameters():
                parameter.lr_factor = layer_decay**depth
                parameter.requires_grad_(is_trained)
                if not is_trained:
                    self.frozen.add(f"backbone.stages.{number}.{name}")
            if frozen_statistics or not is_trained:
                names = (name for name, _ in stage.named_buffers())
                self.frozen.update(f"backbone.stages.{number}.{n}" for n in names)
                for part in stage.modules():
                    if isinstance(part, NORMS):
                        setattr(part, FROZEN, True)

    def forward(self, images):
        """Return (n, n_outputs)."""
        hidden = self.dropout(self.embed(images))
        with torch.autocast(hidden.device.type, enabled=False):  # bfloat16 would round
            return self.head(hidden)

    def embed(self, images):
        """Return the means of the maps, (n, n_features)."""
        maps = self.backbone(images.permute(0, 3, 1, 2))  # channels-last in memory
        means = [own.mean((2, 3)).float() for own in maps[-self.n_taps :]]
        return torch.cat(means, 1)

    def train(self, mode=True):
        """Set the mode; frozen statistics are used in both."""
        super().train(mode)
        for part in self.backbone.modules():
            if getattr(part, FROZEN, False):
                part.eval()
        return self


def _n_trained(layers: str | int, n_stages: int) -> int:
    if layers == "all":
        return n_stages
    return 0 if layers == "head" else min(int(layers), n_stages)
