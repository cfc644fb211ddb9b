"""Predict images with the weights of a fitted net."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from automodel.nets._device import (
    has_bfloat16,
    one_thread,
    prediction_device,
    seeded_draws,
)
from automodel.nets.image._batches import ImageDataset, outputs_of
from automodel.quiet import no_warnings
from automodel.some_rows import SomeRows


class StatePredictor:
    """A module with given weights, on the device and in the precision to predict.

    Parameters
    ----------
    build : callable
        Returns a new module.
    state : dict of ndarray
        Its weights, which are not copied.
    device : str
        The device that the net trains on.
    precision : str
        That of the training. Processors without bfloat16 predict in float32.
    """

    def __init__(
        self,
        build: Callable[[], Any],
        state: dict[str, np.ndarray],
        device: str,
        precision: str,
    ):
        self.device = prediction_device(device)
        is_fast = self.device != "cpu" or has_bfloat16()
        self.precision = precision if is_fast else "float32"
        with seeded_draws(0):
            self.module = build()
        self.load(state)

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Predict with these weights, and otherwise with those of before."""
        with no_warnings():  # about arrays that are read-only, and stay as they are
            tensors = {name: torch.from_numpy(value) for name, value in state.items()}
        self.module.load_state_dict(tensors, strict=False, assign=True)
        self.module.to(self.device, memory_format=torch.channels_last)


class ImagePredictor(StatePredictor):
    """A module that predicts images, with the parameters of `StatePredictor`."""

    @one_thread()
    def outputs(self, images: np.ndarray | SomeRows, flips: bool) -> np.ndarray:
        """Return the outputs for images, computed in bounded memory.

        Parameters
        ----------
        images : ndarray or SomeRows of shape (n, height, width, 3)
            Bytes.
        flips : bool
            Whether to return the mean of the outputs for an image and its reflection.
        """
        target = torch.zeros(len(images))
        dataset = ImageDataset(images, target, device=self.device)
        found = self._outputs(dataset)
        if flips:
            found = (found + self._outputs(dataset.flipped(2))) / 2
        return found

    def _outputs(self, dataset: ImageDataset) -> np.ndarray:
        return outputs_of(self.module, dataset, self.precision).cpu().double().numpy()
