"""Predict with the weights of a fitted net, in NumPy or on a GPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from automodel.nets._encoding import NetEncoder
from automodel.nets._rows import take

ROWS_TO_ENCODE = 2048


class Forward(Protocol):
    """Computes the outputs of a net for at most `rows_at_once` encoded rows."""

    rows_at_once: int

    def __call__(self, dense: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return (n_rows, n_outputs), or (n_rows, n_members, n_outputs)."""


def outputs_in_parts(
    forward: Forward, X: Any, encoder: NetEncoder
) -> Iterator[np.ndarray]:
    """Yield the outputs of a net for some rows at a time, in bounded memory."""
    for start in range(0, X.shape[0], ROWS_TO_ENCODE):
        part = take(X, slice(start, start + ROWS_TO_ENCODE))
        dense, codes = encoder.transform(part)
        for first in range(0, len(dense), forward.rows_at_once):
            rows = slice(first, first + forward.rows_at_once)
            with np.errstate(over="ignore"):  # of exponentials that are divided by
                outputs = forward(dense[rows], codes[rows])
            yield outputs


def predicts_on_gpu(device: str) -> bool:
    """Whether a net predicts on a GPU, for which torch is needed.

    "auto" takes a GPU only where torch has been loaded, as in a training.
    """
    if not device.startswith("cuda") and (
        device != "auto" or "torch" not in sys.modules
    ):
        return False
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()
