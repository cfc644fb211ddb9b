"""Where a net is trained and predicts, and with what precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

# Below these, bfloat16 costs more than it saves.
LEAST_WIDTH = 256
LEAST_BATCH = 128
LEAST_PRODUCT = 90_000  # of width and batch size


def choose_device(device: str) -> str:
    """Return the device to train on; "auto" takes CUDA, then MPS, then the CPU."""
    if device != "auto":
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def prediction_device(device: str) -> str:
    """Return where to predict in float64, which MPS does not have."""
    chosen = choose_device(device)
    has_cuda = chosen.startswith("cuda") and torch.cuda.is_available()
    return chosen if has_cuda else "cpu"


def choose_precision(precision: str, device: str, width: int, batch_size: int) -> str:
    """Return "float32" or "bfloat16".

    "auto" is bfloat16 only on processors that multiply in it, and for nets that are
    large enough to gain.
    """
    if precision != "auto":
        return precision
    is_large = width >= LEAST_WIDTH and batch_size >= LEAST_BATCH
    pays = is_large and width * batch_size >= LEAST_PRODUCT
    return "bfloat16" if device == "cpu" and pays and _cpu_has_bf16() else "float32"


def precision_context(precision: str, device: str) -> AbstractContextManager:
    """Return the context in which the module is called in training."""
    if precision != "bfloat16":
        return nullcontext()
    return torch.autocast(device.split(":")[0], dtype=torch.bfloat16)


def _cpu_has_bf16() -> bool:
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)
