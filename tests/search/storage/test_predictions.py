"""Predictions of any kind survive their file, and a damaged file is none."""

import numpy as np
import pytest

from automodel.search.storage.predictions import (
    SUFFIXES,
    read_predictions,
    suffix_of,
    write_predictions,
)
from tests.modality.spans import Spans

ARRAY = np.arange(6, dtype=np.float32).reshape(3, 2)
SPANS = Spans.of([[(1, 2), (3, 4)], None, []])


def test_an_array_is_a_file_of_numpy(tmp_path):
    path = tmp_path / f"oof{suffix_of(ARRAY)}"
    write_predictions(ARRAY, path)
    assert path.suffix == ".npy"
    np.testing.assert_array_equal(np.load(path), ARRAY)
    found = read_predictions(path)
    np.testing.assert_array_equal(found, ARRAY)
    assert found.dtype == np.float32


def test_what_is_no_array_comes_back_as_it_was(tmp_path):
    path = tmp_path / f"oof{suffix_of(SPANS)}"
    write_predictions(SPANS, path)
    assert path.suffix == ".pickle"
    found = read_predictions(path)
    assert isinstance(found, Spans)
    np.testing.assert_array_equal(found.ends, SPANS.ends)
    np.testing.assert_array_equal(found.known, [True, False, True])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [None, b"", b"half of a file"])
def test_a_file_that_is_gone_or_cut_off_has_no_predictions(tmp_path, suffix, content):
    path = tmp_path / f"oof{suffix}"
    if content is not None:
        path.write_bytes(content)
    assert read_predictions(path) is None
