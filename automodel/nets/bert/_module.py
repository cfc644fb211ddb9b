"""The torch module of a fine-tuned encoder: tokens to outputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from automodel.nets._layers import Dropout, PlainLinear
from automodel.nets.bert._pretrained import new_encoder


class HiddenDropout(Dropout):
    """Dropout of hidden units.

    Layers of attention read `p` from it and do without dropout, for which there is no
    fast function on processors.
    """

    p = 0.0


class BertModule(nn.Module):
    """An encoder, the mean over its tokens, and a linear head.

    Shapes: ids and mask (n_rows, n_tokens), output (n_rows, n_outputs).

    Parameters
    ----------
    config : dict
        Configuration of the encoder.
    n_outputs : int
        Columns of the output.
    layers : "all", "head" or int, default="all"
        What is trained: everything, the head alone, or also so many of the last layers.
    dropout : float, default=0.1
        Share of hidden units that a training step leaves out.
    head_rate : float, default=10.0
        Factor of the learning rate of the head.
    layer_decay : float, default=1.0
        Factor of the learning rate from one layer to the one before it.

    Attributes
    ----------
    frozen : set of str
        Names of the weights that are not trained.
    """

    def __init__(
        self,
        config: dict[str, Any],
        n_outputs: int,
        *,
        layers: str | int = "all",
        dropout: float = 0.1,
        head_rate: float = 10.0,
        layer_decay: float = 1.0,
    ):
        super().__init__()
        encoder: Any = new_encoder(config)
        _replace_dropout(encoder, dropout)
        self.encoder = encoder
        self.dropout = HiddenDropout(dropout)
        self.head = PlainLinear(encoder.config.hidden_size, n_outputs)
        parameter: Any
        for parameter in self.head.parameters():
            parameter.lr_factor = head_rate
        self.frozen = _freeze(encoder, layers, layer_decay)

    def forward(self, ids, mask):
        """Return (n_rows, n_outputs)."""
        hidden = self.dropout(self.embed(ids, mask))
        with torch.autocast(hidden.device.type, enabled=False):  # bfloat16 would round
            return self.head(hidden)

    def embed(self, ids, mask):
        """Return the mean of the last hidden states of each row's tokens."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask[:, :, None].float()
        return (hidden.float() * weight).sum(1) / weight.sum(1)

    def train(self, mode=True):
        """Set the mode; layers that are not trained have no dropout in either."""
        super().train(mode)
        for part in self.encoder.modules():
            own = list(part.parameters())
            if own and not any(parameter.requires_grad for parameter in own):
                part.eval()
        return self


def layers_of(encoder: nn.Module) -> list[nn.Module]:
    """Return the layers of an encoder, from the first to the last."""
    stacks = [list(m) for m in encoder.modules() if isinstance(m, nn.ModuleList)]
    return max(stacks, key=len, default=[])


def _freeze(encoder: Any, layers: str | int, layer_decay: float) -> set[str]:
    """Set learning rates by depth, and return the names of what is not trained."""
    stack = layers_of(encoder)
    deepest = len(stack) + 1  # that of the embeddings
    depths = {
        id(parameter): depth
        for depth, layer in enumerate(reversed(stack), start=1)
        for parameter in layer.parameters()
    }
    n_trained = _n_trained(layers, len(stack))
    frozen = set()
    parameter: Any
    for name, parameter in encoder.named_parameters():
        depth = depths.get(id(parameter), deepest if "embed" in name else 1)
        parameter.lr_factor = layer_decay ** (depth - 1)
        parameter.requires_grad_(depth <= n_trained)
        if depth > n_trained:
            frozen.add(f"encoder.{name}")
    return frozen


def _n_trained(layers: str | int, n_layers: int) -> int:
    if layers == "all":
        return n_layers + 1
    return 0 if layers == "head" else min(int(layers), n_layers)


def _replace_dropout(module: nn.Module, rate: float) -> None:
    """Let all dropout draw from the generator of the training."""
    for name, part in module.named_children():
        if isinstance(part, nn.Dropout):
            setattr(module, name, HiddenDropout(rate))
        else:
            _replace_dropout(part, rate)
