"""Predict texts with the weights of a fitted net."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from automodel.nets._device import has_bfloat16, one_thread, prediction_device
from automodel.nets.bert._batches import TokenDataset, outputs_of
from automodel.nets.bert._module import BertModule
from automodel.nets.bert._tokens import Tokens
from automodel.quiet import no_warnings


class TextPredictor:
    """A module that predicts.

    Parameters
    ----------
    design : dict
        Parameters of `BertModule`.
    state : dict of ndarray
        Its weights, which are not copied.
    device : str
        The device that the net trains on.
    precision : str
        That of the training. Processors without bfloat16 predict in float32.
    """

    def __init__(
        self,
        design: dict[str, Any],
        state: dict[str, np.ndarray],
        device: str,
        precision: str,
    ):
        self.device = prediction_device(device)
        is_fast = self.device != "cpu" or has_bfloat16()
        self.precision = precision if is_fast else "float32"
        self.module = BertModule(**design)
        self.load(state)

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Predict with these weights, and otherwise with those of before."""
        with no_warnings():  # about arrays that are read-only, and stay as they are
            tensors = {name: torch.from_numpy(value) for name, value in state.items()}
        self.module.load_state_dict(tensors, strict=False, assign=True)
        self.module.to(self.device)

    @one_thread()
    def outputs(self, tokens: Tokens) -> np.ndarray:
        """Return the outputs for texts, computed in bounded memory."""
        dataset = TokenDataset(tokens, torch.zeros(len(tokens)), device=self.device)
        found = outputs_of(self.module, dataset, self.precision)
        return found.cpu().double().numpy()
