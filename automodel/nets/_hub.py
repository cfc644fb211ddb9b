"""Models of the Hugging Face Hub: those in its cache on this machine, and downloads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from automodel.exceptions import WeightsError, describe_error

FILES = ["*.json", "*.txt", "*.model", "README.md", "model*.safetensors"]
TIMEOUT = 10.0


def cached() -> Iterator[tuple[str, Path]]:
    """Yield names and folders of the models in the cache of Hugging Face."""
    for path in sorted(_cache_folder().glob("models--*")):
        revision = path / "refs" / "main"
        if revision.is_file():
            commit = revision.read_text(encoding="utf-8").strip()
            folder = path / "snapshots" / commit
            if (folder / "config.json").is_file():
                name = path.name.removeprefix("models--").replace("--", "/")
                yield name, folder


def download(name: str) -> str:
    """Download a model and return its folder. Nothing else uses the network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):
        def __init__(self, *args, **options):
            super().__init__(*args, **{**options, "disable": True})

    try:
        return snapshot_download(
            name, allow_patterns=FILES, etag_timeout=TIMEOUT, tqdm_class=Silent
        )
    except Exception as error:  # noqa: BLE001  the library raises many kinds
        raise WeightsError(
            f"The weights {name!r} could not be downloaded from the Hugging Face Hub. "
            f"{describe_error(error)}"
        ) from error


def _cache_folder() -> Path:
    """Return the folder in which the library huggingface_hub keeps its downloads."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(name):
            return Path(os.environ[name]).expanduser()
    if os.environ.get("HF_HOME"):
        return Path(os.environ["HF_HOME"]).expanduser() / "hub"
    above = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(above).expanduser() / "huggingface" / "hub"
