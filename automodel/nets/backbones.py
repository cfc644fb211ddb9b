"""Pretrained nets of images without their classifier, to be trained or left frozen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional

from automodel.nets._device import has_bfloat16, one_thread
from automodel.nets._image_files import is_own
from automodel.nets._image_loading import loaded
from automodel.nets._image_nets import Backbone, folded
from automodel.nets.weights import Weights, located

__all__ = ["Backbone", "frozen_backbone", "load_backbone"]

BATCH_PIXELS = 32 * 96 * 96  # of a batch, which is small enough to stay in the cache
GRID = 2  # cells of the coarse grid, per side


def load_backbone(weights: Weights) -> Backbone:
    """Return a new net with pretrained weights, in float32, to be fine-tuned.

    Its `stages` are consecutive parts, of which the last ones may be trained alone. The
    net is in evaluation mode.

    Parameters
    ----------
    weights : Weights
        Weights of a net of images.

    Raises
    ------
    WeightsError
        If they are not found or cannot be loaded.
    """
    return loaded(located(weights), weights.kind)


@lru_cache(maxsize=2)
def frozen_backbone(weights: Weights, precision: str = "auto") -> FrozenBackbone:
    """Return a net whose weights do not change, which stays loaded in the process.

    See `ImageFeatures` for the parameters.
    """
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16() else "float32"
    return FrozenBackbone(load_backbone(weights), weights, getattr(torch, precision))


class FrozenBackbone:
    """A pretrained net whose maps are pooled.

    Parameters
    ----------
    backbone : Backbone
        The net, which is changed.
    weights : Weights
        Its weights.
    dtype : torch.dtype
        Data type of the computation.
    """

    def __init__(self, backbone: Backbone, weights: Weights, dtype: torch.dtype):
        if is_own(weights.kind):  # in others, layers may be used in another order
            folded(backbone)
        backbone.requires_grad_(False)
        backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.net = backbone.to(dtype).eval()

    @one_thread()
    @torch.inference_mode()
    def pooled(
        self,
        images: np.ndarray,
        plan: Sequence[tuple[int, str]],
        check: Callable[[], None],
    ) -> np.ndarray:
        """Return a float32 array with one row for each image.

        Parameters
        ----------
        images : ndarray of shape (n, size, size, 3), uint8
            The images.
        plan : sequence of (int, str)
            Stages, and what is taken of their maps: "mean", "std" or "grid".
        check : callable
            It is called before each batch, and may raise an exception to end the work.
        """
        n_rows = max(BATCH_PIXELS // max(images.shape[1] * images.shape[2], 1), 1)
        rows = []
        for start in range(0, len(images), n_rows):
            check()
            batch = torch.from_numpy(images[start : start + n_rows])
            maps = self.net(batch.permute(0, 3, 1, 2))
            parts = [STATISTICS[name](maps[stage].float()) for stage, name in plan]
            rows.append(torch.cat(parts, dim=1).numpy())
        return np.concatenate(rows)


def _mean(maps: torch.Tensor) -> torch.Tensor:
    return maps.mean(dim=(2, 3))


def _std(maps: torch.Tensor) -> torch.Tensor:
    return maps.var(dim=(2, 3), correction=0).sqrt()


def _cells(maps: torch.Tensor) -> torch.Tensor:
    """Return the means of the cells of a coarse grid."""
    return functional.adaptive_avg_pool2d(maps, GRID).flatten(start_dim=1)


STATISTICS = {"mean": _mean, "std": _std, "grid": _cells}
