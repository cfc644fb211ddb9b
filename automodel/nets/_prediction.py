"""Predict with the weights of a fitted net."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from automodel.nets._device import one_thread, prediction_device
from automodel.nets._encoding import NetEncoder
from automodel.nets._objective import Objective
from automodel.nets._rows import take
from automodel.nets._training import load_state

PREDICT_ROWS = 2048


class Predictor:
    """A module in float64, in which no output depends on the other rows.

    Parameters
    ----------
    module : nn.Module
        A module of the architecture.
    state : dict of ndarray
        Its weights.
    device : str
        The device that the net trains on.
    """

    @torch.inference_mode()
    def __init__(self, module: nn.Module, state: dict[str, np.ndarray], device: str):
        load_state(module, state)
        self.device = prediction_device(device)
        self.module = module.double().to(self.device).eval()

    @one_thread()
    @torch.inference_mode()
    def outputs(self, X: Any, encoder: NetEncoder, objective: Objective) -> np.ndarray:
        """Return the combined outputs for rows, computed in bounded memory."""
        outputs = []
        for start in range(0, X.shape[0], PREDICT_ROWS):
            part = take(X, slice(start, start + PREDICT_ROWS))
            dense, codes = encoder.transform(part)
            dense = torch.as_tensor(dense, dtype=torch.float64, device=self.device)
            output = self.module(dense, torch.as_tensor(codes, device=self.device))
            outputs.append(objective.combined(output).cpu().numpy())
        return np.concatenate(outputs)
