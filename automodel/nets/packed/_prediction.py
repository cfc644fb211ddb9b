"""Predict with the weights of a fitted pack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from automodel.nets._device import one_thread, prediction_device
from automodel.nets._rows import take
from automodel.nets._training import load_state
from automodel.nets.packed._members import Inputs, Member, spread
from automodel.nets.packed._module import Pack


class PackPredictor:
    """A pack in float64, in which no output depends on the other rows.

    Parameters
    ----------
    members : sequence of Member
        Members of the pack.
    inputs : Inputs
        The shape of the rows.
    shape : tuple of int
        Folds, and outputs of each net.
    state : dict of ndarray
        Weights of the pack.
    device : str
        The device that the pack trains on.
    """

    @torch.inference_mode()
    def __init__(
        self,
        members: Sequence[Member],
        inputs: Inputs,
        shape: tuple[int, int],
        state: dict[str, np.ndarray],
        device: str,
    ):
        self.device = prediction_device(device)
        self.inputs = inputs
        pack = Pack([[member] for member in members], shape[0], inputs, shape[1])
        load_state(pack, state)
        self.pack = pack.double().to(self.device).eval()

    def outputs(self, X, encoders, n_rows: int) -> Iterator[np.ndarray]:
        """Yield (n_members, n_folds, n_rows, n_outputs) for some rows at a time."""
        for start in range(0, X.shape[0], n_rows):
            yield self._outputs(take(X, slice(start, start + n_rows)), encoders)

    @one_thread()
    @torch.inference_mode()
    def _outputs(self, X, encoders) -> np.ndarray:
        encoded = [spread(encoder, X, self.inputs) for encoder in encoders]
        dense = torch.as_tensor(np.stack([e[0] for e in encoded]), device=self.device)
        codes = torch.as_tensor(np.stack([e[1] for e in encoded]), device=self.device)
        return self.pack(dense.double(), codes).cpu().numpy()
