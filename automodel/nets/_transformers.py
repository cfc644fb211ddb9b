"""Models of the library transformers, loaded from a folder without a word."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from automodel.exceptions import MissingLibraryError, WeightsError
from automodel.nets._device import one_thread, seeded_draws
from automodel.nets.weights import INSTALL
from automodel.shared_context import SharedContext


def load_model(folder: str | os.PathLike) -> tuple[Any, Any]:
    """Return the tokenizer and the encoder in a folder, in float32.

    Raises
    ------
    WeightsError
        If the weights cannot be loaded, or are incomplete.
    """
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise MissingLibraryError(
            f"Encoders of texts need transformers. Run: {INSTALL}"
        ) from error
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        with one_thread(), silent(), seeded_draws(0):
            tokenizer = AutoTokenizer.from_pretrained(str(folder), **options)
            model, info = AutoModel.from_pretrained(
                str(folder), output_loading_info=True, dtype=torch.float32, **options
            )
    except (OSError, RuntimeError, ValueError, KeyError, ImportError) as error:
        raise WeightsError(
            f"The weights in {str(folder)!r} cannot be loaded: {error}"
        ) from error
    missing = [name for name in info["missing_keys"] if "pooler" not in name]
    if missing:
        raise WeightsError(
            f"The weights in {str(folder)!r} are incomplete: {len(missing)} tensors "
            f"are missing, such as {missing[0]!r}."
        )
    return tokenizer, model


@contextmanager
def _silenced() -> Iterator[None]:
    from transformers.utils import logging

    level, shows_progress = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shows_progress:
            logging.enable_progress_bar()


_SILENT = SharedContext(_silenced)


def silent() -> SharedContext:
    """Return a context in which transformers prints no progress and no warnings."""
    return _SILENT
