"""A process holds the same pretrained weights once."""

import pickle

import numpy as np

from automodel.nets._shared_arrays import SharedArrays


def test_equal_weights_are_one_array():
    one = SharedArrays("checksum", {"a": np.ones(3)})
    two = SharedArrays("checksum", {"a": np.ones(3), "b": np.zeros(2)})
    assert one["a"] is two["a"]
    assert SharedArrays("other", {"a": np.ones(3)})["a"] is not one["a"]


def test_a_pickle_holds_the_arrays_and_shares_them_when_loaded():
    one = SharedArrays("checksum of a pickle", {"a": np.arange(1000.0)})
    assert pickle.loads(pickle.dumps(one))["a"] is one["a"]
    both = pickle.dumps([one, SharedArrays(one.checksum, {"a": np.arange(1000.0)})])
    assert len(both) < 1.5 * len(pickle.dumps(one))
    del one
    first, second = pickle.loads(both)
    np.testing.assert_array_equal(first["a"], np.arange(1000.0))
    assert first["a"] is second["a"]
