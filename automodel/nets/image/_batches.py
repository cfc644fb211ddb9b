"""Batches of images, and the net of skorch that takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset

from automodel.nets._device import precision_context
from automodel.nets._parts import PartBatches, edges_of
from automodel.nets._skorch import ObjectiveNet
from automodel.some_rows import SomeRows

MOST_PIXELS = 2**20  # of a batch of images that are predicted
MOST_IMAGES = 256  # the same
STATISTICS_IMAGES = 1024  # from which the means of batch normalisation are renewed


class ImageDataset(Dataset):
    """Images with their target, which are read when a batch needs them.

    Parameters
    ----------
    images : ndarray or SomeRows of shape (n, height, width, 3)
        Bytes.
    target : Tensor
        Target of the images.
    weight : Tensor, default=None
        Weights of the images.
    device : str, default="cpu"
        Where batches are needed.
    """

    def __init__(self, images, target, weight=None, device="cpu"):
        super().__init__(SomeRows.of(images), target, length=len(target))
        self.weight = weight
        self.device = device

    def take(self, rows) -> ImageDataset:
        """Return some of the images, in their order."""
        weight = None if self.weight is None else self.weight[rows]
        return ImageDataset(self.X[rows], self.y[rows], weight, self.device)

    def flipped(self, axis: int) -> ImageDataset:
        """Return the same images, upside down (axis 1) or reversed (axis 2)."""
        images = SomeRows(np.flip(self.X.array, axis), self.X.rows)
        return ImageDataset(images, self.y, self.weight, self.device)

    def inputs(self, rows) -> dict[str, torch.Tensor]:
        """Return some of the images on the device."""
        images = np.ascontiguousarray(self.X.copied(np.asarray(rows)))
        return {"images": torch.from_numpy(images).to(self.device)}

    def in_order(self) -> Iterator[np.ndarray]:
        """Yield the rows of batches to predict."""
        height, width = self.X.shape[1:3]
        size = max(min(MOST_PIXELS // (height * width), MOST_IMAGES), 1)
        for start in range(0, len(self.y), size):
            yield np.arange(start, min(start + size, len(self.y)))


class ImageBatches(PartBatches):
    """Iterate over one part of a pass over all images after the other.

    No batch has a single image, which batch normalisation could not take.

    Parameters
    ----------
    dataset : ImageDataset
        The images.
    batch_size : int
        The most images of a batch; all have as many, give or take one.
    generator : torch.Generator
        Shuffles the images.
    n_parts : int, default=1
        The number of parts of a pass.
    augmenter : Augmenter, default=None
        Changes the images of a batch.
    """

    def __init__(self, dataset, batch_size, generator, n_parts=1, augmenter=None):
        super().__init__(dataset, batch_size, generator, n_parts)
        self.augmenter = augmenter

    @staticmethod
    def n_batches_of(n_rows, batch_size):
        """Return the number of batches of a pass."""
        return max(min(-(-n_rows // batch_size), n_rows // 2), 1)

    def _shuffled(self):
        n_images = len(self.dataset)
        order = torch.randperm(n_images, generator=self.generator)
        edges = edges_of(n_images, self.n_batches)
        pairs = zip(edges[:-1], edges[1:], strict=True)
        return [order[start:end] for start, end in pairs]

    def _batch(self, rows):
        X, target = super()._batch(rows)
        if self.augmenter is not None:
            X["images"], mixture = self.augmenter(X["images"])
            if mixture is not None:
                X["mixture"] = mixture
        return X, target


class ImageNet(ObjectiveNet):
    """A net whose module is called with images."""

    def infer(self, x, **fit_params):
        """Return the outputs of the module."""
        with precision_context(self.precision, self.device):
            output = self.module_(x["images"])
        return output.float()

    def some_inputs(self, rows):
        """Yield the images of some batches."""
        n = len(rows)
        some = np.linspace(0, n - 1, min(n, STATISTICS_IMAGES)).astype(int)
        dataset = rows.take(some)
        for batch in dataset.in_order():
            yield dataset.inputs(batch)

    def outputs(self, rows):
        """Return the outputs for an `ImageDataset`, or for its images."""
        if not isinstance(rows, ImageDataset):
            rows = ImageDataset(rows, torch.zeros(len(rows)), device=self.device)
        return outputs_of(self.module_, rows, self.precision)


def outputs_of(
    module: Any,
    dataset: ImageDataset,
    precision: str,
    function: Callable | None = None,
    check: Callable[[], None] = lambda: None,
) -> torch.Tensor:
    """Return what a module that does not train makes of images, in bounded memory.

    Parameters
    ----------
    module : nn.Module
        The module.
    dataset : ImageDataset
        The images.
    precision : str
        The precision of the products of matrices.
    function : callable, default=None
        Called with images in place of the module itself.
    check : callable, default=None
        Called before each batch.
    """
    module.eval()
    function = function or module
    parts = []
    with torch.no_grad(), precision_context(precision, dataset.device):
        for rows in dataset.in_order():
            check()
            parts.append(function(**dataset.inputs(rows)).float())
    return torch.cat(parts)
