"""The forward pass of a module of torch: that of a user, or of any net on a GPU."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from automodel.nets._device import one_thread, prediction_device
from automodel.nets._training import load_state


class ModuleForward:
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

    rows_at_once = 2048

    @torch.inference_mode()
    def __init__(self, module: nn.Module, state: dict[str, np.ndarray], device: str):
        load_state(module, state)
        self.device = prediction_device(device)
        self.module = module.double().to(self.device).eval()

    @one_thread()
    @torch.inference_mode()
    def __call__(self, dense: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return (n_rows, n_outputs), or (n_rows, n_members, n_outputs)."""
        numbers = torch.as_tensor(dense, dtype=torch.float64, device=self.device)
        output = self.module(numbers, torch.as_tensor(codes, device=self.device))
        return output.cpu().numpy()
