"""Random nets of images of a few kilobytes, with the names of torchvision's ResNets."""

import json
from pathlib import Path

import numpy as np

from tests.tiny_encoder import write_tensors

WIDTHS = (8, 16, 24)
CHANNELS = (8, *WIDTHS)  # of the maps of all stages


def write_backbone(path, *, widths=WIDTHS, seed=0):
    """Write a ResNet of random weights, and return the path of the file.

    Without the suffix ".safetensors", the path is a folder of timm, which is made.
    """
    path = Path(path)
    tensors = tensors_of(widths, seed)
    if path.suffix == ".safetensors":
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(path, tensors)
        return path
    path.mkdir(parents=True)
    said = {"architecture": "resnet8", "num_features": widths[-1]}
    colours = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    (path / "config.json").write_text(json.dumps(said | {"pretrained_cfg": colours}))
    (path / "README.md").write_text("---\nlicense: mit\n---\nA random net.")
    write_tensors(path / "model.safetensors", tensors)
    return path


def tensors_of(widths=WIDTHS, seed=0):
    """Return the tensors of a ResNet of one block a stage, by their names."""
    rng = np.random.default_rng(seed)
    found = _normed(rng, "conv1", "bn1", (widths[0], 3, 7, 7))
    n_in = widths[0]
    for stage, width in enumerate(widths, start=1):
        block = f"layer{stage}.0"
        first = _normed(rng, f"{block}.conv1", f"{block}.bn1", (width, n_in, 3, 3))
        second = _normed(rng, f"{block}.conv2", f"{block}.bn2", (width, width, 3, 3))
        found |= first | second
        if stage > 1:
            names = f"{block}.downsample.0", f"{block}.downsample.1"
            found |= _normed(rng, *names, (width, n_in, 1, 1))
        n_in = width
    found["fc.weight"] = rng.normal(size=(5, n_in)).astype(np.float32)
    found["fc.bias"] = np.zeros(5, dtype=np.float32)
    return found


def _normed(rng, convolution, norm, shape):
    scale = 1 / np.sqrt(np.prod(shape[1:]))
    ones, zeros = np.ones(shape[0]), np.zeros(shape[0])
    tensors = {
        f"{convolution}.weight": scale * rng.normal(size=shape),
        f"{norm}.weight": ones,
        f"{norm}.bias": 0.1 * rng.normal(size=shape[0]),
        f"{norm}.running_mean": zeros,
        f"{norm}.running_var": ones,
    }
    return {name: array.astype(np.float32) for name, array in tensors.items()}
