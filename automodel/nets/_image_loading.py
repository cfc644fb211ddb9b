"""Pretrained nets of images, built and loaded from their files."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from automodel.exceptions import WeightsError
from automodel.nets._device import one_thread, seeded_draws
from automodel.nets._image_files import (
    colours_of,
    is_own,
    library_of,
    read_tensors,
    tensor_file,
)
from automodel.nets._image_nets import IMAGENET, Backbone, new_backbone

COUNTERS = ".num_batches_tracked"
TRIED_SIZE = 64  # pixels of the image that shows what the parts of a net return
# What a library raises if it has no such net, has another one, or does not suit torch.
UNLOADABLE = (ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError)


def loaded(path: Path, kind: str) -> Backbone:
    """Return the pretrained net in a file or folder, in float32.

    Parameters
    ----------
    path : Path
        The file or folder.
    kind : str
        Its architecture, as `image_kind` returns it.

    Raises
    ------
    WeightsError
        If the weights cannot be read, or belong to another architecture.
    """
    with one_thread(), seeded_draws(0):
        if is_own(kind):
            backbone = _of_tensors(read_tensors(path), path, kind)
        elif library_of(kind) == "timm":
            backbone = _of_timm(path, kind)
        else:
            backbone = _of_torchvision(path, kind)
    colours = colours_of(path)
    if colours is not None:
        for own, said in zip((backbone.mean, backbone.std), colours, strict=True):
            own.copy_(torch.tensor(said).reshape(own.shape))
    return backbone.eval()


def unloaded(kind: str, shapes: Mapping[str, Sequence[int]]) -> Backbone:
    """Return a net of an architecture with any weights, which are to be replaced.

    Parameters
    ----------
    kind : str
        The architecture.
    shapes : mapping of str to sequence of int
        Shapes of the tensors in the file of the weights, for one of our own nets.
    """
    with one_thread(), seeded_draws(0):
        if is_own(kind):
            return new_backbone(
                kind,
                {name: torch.empty(*s, device="meta") for name, s in shapes.items()},
            )
        library, _, name = kind.partition(":")
        if library == "timm":
            import timm

            net = timm.create_model(name, features_only=True, pretrained=False)
            return _in_stages(list(net.values()), kind, *IMAGENET)
        return _in_stages(_parts_of(_new_of_torchvision(name)), kind, *IMAGENET)


def _of_tensors(tensors: dict[str, torch.Tensor], path: Path, kind: str) -> Backbone:
    """Return the net that tensors belong to, without the classifier."""
    wrong = f"The weights in {str(path)!r} are not those of the architecture {kind!r}"
    try:
        net = new_backbone(kind, tensors)
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{wrong}: {error}.") from error
    state = {}
    for name, tensor in tensors.items():
        try:
            own = net.renamed(name)
        except (ValueError, IndexError):  # a block or layer that the net does not have
            own = name
        if own and not own.endswith(COUNTERS):
            state[own] = tensor
    expected = {n: t for n, t in net.state_dict().items() if not n.endswith(COUNTERS)}
    bad = [
        name
        for name in sorted(expected.keys() | state.keys())
        if name not in expected
        or name not in state
        or state[name].shape != expected[name].shape
    ]
    if bad:
        raise WeightsError(
            f"{wrong}: {len(bad)} tensors are missing, unknown or of another shape, "
            f"such as {bad[0]!r}."
        )
    net.load_state_dict(state, strict=False)
    return net


def _of_torchvision(path: Path, kind: str) -> Backbone:
    try:
        net = _new_of_torchvision(kind.partition(":")[2])
        net.load_state_dict(read_tensors(path))
    except UNLOADABLE as error:
        raise WeightsError(
            f"The weights in {str(path)!r} cannot be loaded as {kind!r}: {error}"
        ) from error
    parts = _parts_of(net)
    return _in_stages(parts, kind, *IMAGENET)


def _new_of_torchvision(name: str) -> Any:
    """Return a net with random weights, without any download."""
    from torchvision.models import get_model_builder

    builder = get_model_builder(name)
    names = inspect.signature(builder).parameters
    # Some builders download the weights of a part unless it is told to have none.
    return builder(**{own: None for own in names if own.startswith("weights")})


def _of_timm(path: Path, kind: str) -> Backbone:
    file = {"file": str(tensor_file(path)), "url": "", "hf_hub_id": None}
    try:
        import timm

        net = timm.create_model(
            kind.partition(":")[2],
            features_only=True,
            pretrained=True,
            pretrained_cfg_overlay=file,
        )
    except UNLOADABLE as error:
        raise WeightsError(
            f"The weights in {str(path)!r} cannot be loaded as {kind!r}: {error}"
        ) from error
    if isinstance(net, nn.ModuleDict) and hasattr(net, "return_layers"):
        parts = list(net.values())
    elif hasattr(net, "conv_stem") and hasattr(net, "blocks"):  # such as EfficientNet
        parts = [nn.Sequential(net.conv_stem, net.bn1), *net.blocks]
    else:
        raise WeightsError(f"The architecture {kind!r} has no stages of feature maps.")
    return _in_stages(parts, kind, *IMAGENET)


def _parts_of(net: Any) -> list[nn.Module]:
    """Return the parts of a net of torchvision that come before its classifier."""
    features = getattr(net, "features", None)
    if isinstance(features, nn.Sequential):
        return list(features)
    children = list(net.children())
    ends = (nn.AdaptiveAvgPool2d, nn.Linear)
    first = next((i for i, part in enumerate(children) if isinstance(part, ends)), None)
    return children[:first]


@torch.no_grad()
def _in_stages(parts: list[nn.Module], kind: str, mean, std) -> Backbone:
    """Return a net whose stages end where the size of the maps changes."""
    image, shapes = torch.zeros(1, 3, TRIED_SIZE, TRIED_SIZE), []
    try:
        for part in parts:
            image = part.eval()(image)
            if image.ndim != 4 or image.shape[2] != image.shape[3]:
                raise ValueError(f"a part returns an array of shape {image.shape}")
            shapes.append(tuple(image.shape[1:]))
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"The architecture {kind!r} has no stages of feature maps: {error}."
        ) from error
    ends = [i + 1 for i, (a, b) in enumerate(pairwise(shapes)) if a[1] != b[1]]
    bounds = pairwise([0, *ends, len(parts)])
    stages = [nn.Sequential(*parts[start:end]) for start, end in bounds]
    channels = [shapes[end - 1][0] for end in (*ends, len(parts))]
    return Backbone(stages, channels, mean, std)
