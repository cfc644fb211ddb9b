"""Values in files whose arrays are mapped."""

import mmap

import numpy as np
import pytest
from scipy.sparse import random as random_matrix

from automodel import mapped
from tests.evaluation.test_folds import make_folds


def again(value, tmp_path):
    mapped.dump(value, tmp_path / "file")
    return mapped.load(tmp_path / "file")


RNG = np.random.default_rng(0)
ARRAYS = {
    "rows": RNG.normal(size=(7, 5)),
    "columns": np.asfortranarray(RNG.normal(size=(7, 5))),
    "every other": RNG.normal(size=(7, 5))[::2],
    "none": np.empty((0, 3)),
    "one": np.array(3.0),
    "labels": np.array(["a", "bc"]),
    "objects": np.array(["a", None], dtype=object),
    "flags": np.array([True, False]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back(name, tmp_path):
    array = ARRAYS[name]
    found = again({"before": 1, "array": array}, tmp_path)["array"]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert found.flags.f_contiguous == array.flags.f_contiguous


def origin(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


def test_arrays_are_parts_of_the_file(tmp_path):
    np.save(tmp_path / "x.npy", ARRAYS["rows"])
    given = ARRAYS["rows"], np.load(tmp_path / "x.npy", mmap_mode="r")
    for found in again(given, tmp_path):
        assert type(found) is np.ndarray
        assert isinstance(origin(found), mmap.mmap)
        assert found.flags.aligned
        assert not found.flags.writeable


def test_matrices_are_mapped_too(tmp_path):
    matrix = random_matrix(20, 9, 0.3, format="csr", random_state=0)
    found = again(matrix, tmp_path)
    np.testing.assert_array_equal(found.toarray(), matrix.toarray())
    assert isinstance(origin(found.data), mmap.mmap)


def test_what_a_script_defines_goes_along(tmp_path):
    assert again(lambda x: x + 1, tmp_path)(1) == 2


def test_folds_come_back(tmp_path):
    folds = make_folds()
    found = again(folds, tmp_path)
    np.testing.assert_array_equal(found.rows.numeric, folds.rows.numeric)
    assert isinstance(origin(found.rows.numeric), mmap.mmap)
    assert len(found) == len(folds)
