"""A tiny encoder for all tests of this folder."""

import pytest

from tests.tiny_encoder import write_encoder


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Return the folder of an encoder of two layers of 32 units."""
    return str(write_encoder(tmp_path_factory.mktemp("bert") / "tiny", width=32))
