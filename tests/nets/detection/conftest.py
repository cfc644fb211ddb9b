"""A pretrained net for all tests of this folder."""

import pytest

from tests.tiny_backbone import write_backbone


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Return the file of a tiny ResNet of four stages with random weights."""
    folder = tmp_path_factory.mktemp("weights")
    return str(write_backbone(folder / "resnet8.safetensors"))
