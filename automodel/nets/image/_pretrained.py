"""Backbones in plain values: read from a file, and built without one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from automodel.nets._image_files import is_own, read_tensors
from automodel.nets._image_loading import loaded, unloaded
from automodel.nets._shared_arrays import SharedArrays

PREFIX = "backbone."


@dataclass(frozen=True)
class PretrainedImageNet:
    """A backbone in plain values.

    Parameters
    ----------
    design : dict
        What `new_net` needs.
    state : dict of ndarray
        The weights, by their names in `FineTunedModule`. Nobody may change them.
    checksum : str
        Identifies the weights.
    """

    design: dict[str, Any]
    state: dict[str, np.ndarray]
    checksum: str

    def shared(self, names) -> dict[str, np.ndarray]:
        """Return some of the weights, which all models in a process share."""
        arrays = {name: self.state[name] for name in names}
        return SharedArrays(self.checksum, arrays)


@lru_cache(maxsize=1)
def load_pretrained(path: str, kind: str, checksum: str) -> PretrainedImageNet:
    """Return the backbone in a file or folder.

    Raises
    ------
    WeightsError
        If the weights cannot be loaded.
    """
    backbone = loaded(Path(path), kind)
    design: dict[str, Any] = {"kind": kind, "shapes": {}}
    if is_own(kind):
        tensors = read_tensors(Path(path))
        kernels = {name: list(t.shape) for name, t in tensors.items() if t.ndim == 4}
        design["shapes"] = kernels
    for name in ("mean", "std"):
        design[name] = getattr(backbone, name).flatten().tolist()
    state = {
        PREFIX + name: value.detach().numpy()
        for name, value in backbone.state_dict().items()
    }
    return PretrainedImageNet(design, state, checksum)


def new_net(design: dict[str, Any]) -> nn.Module:
    """Return a backbone of a design, whose weights are to be replaced."""
    backbone: Any = unloaded(design["kind"], design["shapes"])
    for name in ("mean", "std"):
        own = getattr(backbone, name)
        own.copy_(own.new_tensor(design[name]).reshape(own.shape))
    return backbone
