"""The files of pretrained nets of images, which are checked before they are used."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automodel.exceptions import MissingLibraryError, WeightsError
from automodel.nets._weight_files import check_is_stored, read_header, read_json

if TYPE_CHECKING:
    import torch

# Channels of the map of each stage, by architecture; those of ResNets are in the files.
CHANNELS = {
    "efficientnet_lite0": (16, 24, 40, 80, 112, 192, 320, 1280),
    "efficientnet_lite1": (16, 24, 40, 80, 112, 192, 320, 1280),
    "efficientnet_lite2": (16, 24, 48, 88, 120, 208, 352, 1280),
    "efficientnet_lite3": (24, 32, 48, 96, 136, 232, 384, 1280),
    "efficientnet_lite4": (24, 32, 56, 112, 160, 272, 448, 1280),
}
RESNET = re.compile(r"(wide_)?resnet\d+(_2)?|resnext\d+_\d+x\d+d")  # of torchvision
LIBRARIES = ("timm", "torchvision")  # that build all other architectures
TENSORS = ("model.safetensors", "pytorch_model.bin")
SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")
HASH = re.compile(r"-[0-9a-f]{8}$")  # at the end of the names of torch's downloads
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64"}


def is_image_net(path: Path) -> bool:
    """Tell whether a file or folder holds a net of images, perhaps incompletely."""
    if path.is_file():
        return path.suffix in SUFFIXES and is_own(architecture_of(path))
    return bool(_config_of(path).get("architecture"))


def is_own(kind: str) -> bool:
    """Tell whether an architecture needs no other library than torch."""
    return kind in CHANNELS or RESNET.fullmatch(kind) is not None


def is_image_kind(kind: str) -> bool:
    """Tell whether a kind of weights is an architecture of images."""
    return is_own(kind) or kind.startswith(tuple(f"{own}:" for own in LIBRARIES))


def library_of(kind: str) -> str:
    """Return the library that builds an architecture."""
    return kind.partition(":")[0] if ":" in kind else "torch"


def architecture_of(path: Path) -> str:
    """Return the name of an architecture, of which a file is the state."""
    name = HASH.sub("", path.stem).lower()
    own = name.replace("-", "_")
    return own if own in CHANNELS else name


def checkpoints() -> Iterator[tuple[str, Path]]:
    """Yield the architecture and the path of each file in the cache of torch."""
    above = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or f"{above}/torch"
    folder = Path(home).expanduser() / "hub" / "checkpoints"
    for file in sorted(folder.glob("*.pth")):
        yield architecture_of(file), file


def tensor_file(path: Path) -> Path:
    """Return the file with the weights."""
    if path.is_file():
        return path
    for name in TENSORS:
        if (path / name).is_file():
            return path / name
    raise WeightsError(
        f"The folder of weights {str(path)!r} is incomplete: it has no file "
        f"{TENSORS[0]!r}."
    )


def image_kind(path: Path) -> str:
    """Return the architecture of a pretrained net of images.

    It is "library:name" if a library has to build it.

    Raises
    ------
    WeightsError
        If the files are incomplete or belong to something else.
    MissingLibraryError
        If the library is not installed.
    """
    if path.is_dir():
        config = _config_of(path)
        if not config.get("architecture"):
            raise WeightsError(
                f"The folder {str(path)!r} holds no net of images: it has no file "
                "'config.json' of timm, which names the architecture. Name the file of "
                "the weights if they are those of torchvision."
            )
        name, library = str(config["architecture"]), "timm"
    elif path.is_file():
        name, library = architecture_of(path), "torchvision"
    else:
        raise WeightsError(f"The weights {str(path)!r} do not exist.")
    # The nets of timm have their own names for all tensors but those of ResNets.
    is_known = is_own(name) and (library != "timm" or name not in CHANNELS)
    kind = name if is_known else f"{library}:{name}"
    needed = library_of(kind)
    if find_spec(needed) is None:
        hint = ""
        if not is_known:
            hint = f" Without it, there are ResNets and {', '.join(CHANNELS)}."
            if path.is_file():
                hint += " The name of a file must be that of its architecture."
        raise MissingLibraryError(
            f"The weights {str(path)!r} are those of the architecture {name!r}, which "
            f"needs {needed}. Run: pip install {needed}.{hint}"
        )
    return kind


def check_tensors(path: Path) -> None:
    """Check that the file of the weights is complete.

    Raises
    ------
    WeightsError
        If it is not.
    """
    file = tensor_file(path)
    check_is_stored(file)
    if file.suffix == ".safetensors":
        read_header(file)
    elif not zipfile.is_zipfile(file) and not _is_old(file):
        raise WeightsError(f"The file {str(file)!r} is incomplete or holds no weights.")


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors in the file of the weights, by their names.

    Raises
    ------
    WeightsError
        If they cannot be read.
    """
    import torch

    file = tensor_file(path)
    if file.suffix == ".safetensors":
        return _of_safetensors(file)
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  damaged files raise many kinds
        raise WeightsError(
            f"The weights in {str(file)!r} cannot be read: {error}"
        ) from error
    for key in ("state_dict", "model"):  # of checkpoints that hold more than a state
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not found:
        raise WeightsError(f"The file {str(file)!r} holds no state of a net.")
    return {str(name): value for name, value in found.items() if hasattr(value, "ndim")}


def colours_of(path: Path) -> tuple[list[float], list[float]] | None:
    """Return mean and spread of the colours, from 0 to 255, if a folder names them."""
    config = _config_of(path) if path.is_dir() else {}
    said = config.get("pretrained_cfg") or config
    if not (said.get("mean") and said.get("std")):
        return None
    mean, std = ([255.0 * float(value) for value in said[n]] for n in ("mean", "std"))
    return mean, std


def _config_of(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    return read_json(file) if file.is_file() else {}


def _is_old(file: Path) -> bool:
    """Tell whether a file has the format of torch before version 1.6."""
    with file.open("rb") as stream:
        return stream.read(2) == b"\x80\x02"


def _of_safetensors(file: Path) -> dict[str, torch.Tensor]:
    import torch

    header, start = read_header(file)
    content = bytearray(file.read_bytes())
    found = {}
    for name, tensor in header.items():
        if tensor["dtype"] not in DTYPES:
            raise WeightsError(
                f"The file {str(file)!r} has tensors of type {tensor['dtype']}."
            )
        dtype = getattr(torch, DTYPES[tensor["dtype"]])
        begin, end = tensor["data_offsets"]
        n_values = (end - begin) // dtype.itemsize
        values = torch.empty(0, dtype=dtype)
        if n_values:
            values = torch.frombuffer(
                content, dtype=dtype, count=n_values, offset=start + begin
            )
        found[name] = values.reshape(tensor["shape"]).clone()
    return found
