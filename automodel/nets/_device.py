"""Where torch trains a net and predicts, and with what precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from automodel.shared_context import SharedContext

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
    return "bfloat16" if device == "cpu" and pays and has_bfloat16() else "float32"


def precision_context(precision: str, device: str) -> AbstractContextManager:
    """Return the context in which the module is called in training."""
    if precision != "bfloat16":
        return nullcontext()
    return torch.autocast(device.split(":")[0], dtype=torch.bfloat16)


@contextmanager
def seeded_draws(seed: int) -> Iterator[None]:
    """Seed torch's global generator of the processor, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


@contextmanager
def _limited_to_one() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_ONE_THREAD = SharedContext(_limited_to_one)


def one_thread() -> SharedContext:
    """Return a context, or a decorator, within which torch uses one thread.

    Small nets lose by more threads, by a factor of 200 where cores are busy.
    """
    return _ONE_THREAD
