"""A pretrained net for all tests of this folder."""

import pytest

from tests.tiny_image_net import write_resnet


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Return the file of a ResNet of 18 layers with random weights."""
    return str(write_resnet(tmp_path_factory.mktemp("weights")))
