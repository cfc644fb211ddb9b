"""Batches of texts of similar length, and the net of skorch that takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset

from automodel.nets._device import precision_context
from automodel.nets._parts import PartBatches, edges_of
from automodel.nets._skorch import ObjectiveNet
from automodel.nets.bert._tokens import Tokens

POOL = 32  # batches whose texts are sorted by length together
MOST_TOKENS = 8192  # of a batch of texts that are predicted


class TokenDataset(Dataset):
    """Tokens of texts, which are padded batch by batch.

    Parameters
    ----------
    tokens : Tokens
        The texts.
    target : Tensor
        Target of the texts.
    weight : Tensor, default=None
        Weights of the texts.
    device : str, default="cpu"
        Where batches are needed. All texts stay in the memory of the processor.
    """

    def __init__(self, tokens: Tokens, target, weight=None, device="cpu"):
        super().__init__(tokens, target, length=len(tokens))
        self.ids = torch.from_numpy(tokens.ids)
        self.starts = torch.from_numpy(tokens.starts[:-1])
        self.lengths = torch.from_numpy(tokens.starts[1:] - tokens.starts[:-1])
        self.weight = weight
        self.device = device

    def take(self, rows) -> TokenDataset:
        """Return the texts of some rows, in their order."""
        starts, ends = self.X.starts[:-1][rows], self.X.starts[1:][rows]
        pairs = zip(starts, ends, strict=True)
        ids = np.concatenate([self.X.ids[start:end] for start, end in pairs])
        tokens = Tokens(ids, np.concatenate([[0], np.cumsum(ends - starts)]))
        weight = None if self.weight is None else self.weight[rows]
        return TokenDataset(tokens, self.y[rows], weight, self.device)

    def inputs(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ids and mask of some texts, as wide as the longest of them."""
        columns = torch.arange(int(self.lengths[rows].max()))
        mask = columns < self.lengths[rows][:, None]
        ids = torch.zeros(mask.shape, dtype=torch.int64)
        ids[mask] = self.ids[(self.starts[rows][:, None] + columns)[mask]].long()
        return {"ids": ids.to(self.device), "mask": mask.to(self.device)}

    def batches_by_length(self) -> Iterator[torch.Tensor]:
        """Yield the rows of batches of few tokens, short texts first."""
        order = torch.argsort(self.lengths, stable=True)
        lengths = self.lengths[order].tolist()
        start = 0
        for end in range(1, len(order) + 1):
            is_last = end == len(order)
            if is_last or (end + 1 - start) * lengths[end] > MOST_TOKENS:
                yield order[start:end]
                start = end


class TokenBatches(PartBatches):
    """Iterate over one part of a pass over all texts after the other.

    The texts of a batch are of similar length: pools of many batches are sorted. Each
    pass has another order, and its batches come in random order.

    Parameters
    ----------
    dataset : TokenDataset
        The texts.
    batch_size : int
        The most texts of a batch; all have as many, give or take one.
    generator : torch.Generator
        Shuffles the texts.
    n_parts : int, default=1
        The number of parts of a pass.
    """

    def __init__(self, dataset, batch_size, generator, n_parts=1):
        super().__init__(dataset, batch_size, generator, n_parts)
        self.pool_size = POOL * batch_size

    def _shuffled(self) -> list[torch.Tensor]:
        n_texts = len(self.dataset)
        order = torch.randperm(n_texts, generator=self.generator)
        pools = torch.arange(n_texts) // self.pool_size
        lengths = self.dataset.lengths[order]
        order = order[torch.argsort(pools * (lengths.max() + 1) + lengths, stable=True)]
        edges = edges_of(n_texts, self.n_batches)
        shuffled = torch.randperm(self.n_batches, generator=self.generator).tolist()
        return [order[edges[i] : edges[i + 1]] for i in shuffled]


class TextNet(ObjectiveNet):
    """A net whose module is called with the tokens of texts."""

    def infer(self, x, **fit_params):
        """Return the outputs of the module."""
        with precision_context(self.precision, self.device):
            output = self.module_(x["ids"], x["mask"])
        return output.float()

    def outputs(self, rows):
        """Return the outputs for the texts of a `TokenDataset`, or for its tokens."""
        if isinstance(rows, Tokens):
            rows = TokenDataset(rows, torch.zeros(len(rows)), device=self.device)
        return outputs_of(self.module_, rows, self.precision)


def outputs_of(
    module: Any,
    dataset: TokenDataset,
    precision: str,
    function: Callable | None = None,
    check_time: Callable[[], None] = lambda: None,
) -> torch.Tensor:
    """Return what a module that does not train makes of texts, in bounded memory.

    Parameters
    ----------
    module : nn.Module
        The module.
    dataset : TokenDataset
        The texts.
    precision : str
        The precision of the products of matrices.
    function : callable, default=None
        Called with ids and mask in place of the module itself.
    check_time : callable, default=None
        Called before each batch.
    """
    module.eval()
    function = function or module
    parts, order = [], []
    with torch.no_grad(), precision_context(precision, dataset.device):
        for rows in dataset.batches_by_length():
            check_time()
            parts.append(function(**dataset.inputs(rows)).float())
            order.append(rows)
    place = torch.argsort(torch.cat(order)).to(dataset.device)
    return torch.cat(parts)[place]
