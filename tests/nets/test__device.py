"""The choice of device and precision, on a machine that may have neither."""

import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import make_regression

from automodel.nets import RealMLPRegressor
from automodel.nets._device import (
    choose_device,
    choose_precision,
    prediction_device,
)
from automodel.nets._prediction import predicts_on_gpu


@pytest.fixture
def machine(monkeypatch):
    """Set what the machine has."""

    def has(cuda=False, mps=False, bf16=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, name, lambda: bf16, raising=False)

    return has


@pytest.mark.parametrize(
    ("cuda", "mps", "device"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_device(machine, cuda, mps, device):
    machine(cuda=cuda, mps=mps)
    assert choose_device("auto") == device
    assert choose_device("cpu") == "cpu"


def test_predictions_are_made_where_there_is_double_precision(machine):
    machine(cuda=True)
    assert prediction_device("auto") == "cuda"
    assert prediction_device("cuda:1") == "cuda:1"
    machine(mps=True)
    assert prediction_device("auto") == "cpu"


def test_a_net_of_a_cuda_machine_predicts_on_another(machine):
    machine()
    assert prediction_device("cuda") == "cpu"


def test_a_gpu_predicts_if_it_is_named_or_torch_is_loaded(machine, monkeypatch):
    machine(cuda=True)
    assert predicts_on_gpu("cuda:1")
    assert predicts_on_gpu("auto")
    assert not predicts_on_gpu("cpu")
    monkeypatch.delitem(sys.modules, "torch")
    assert not predicts_on_gpu("auto")


@pytest.mark.parametrize("device", ["cuda", "auto", "mps", "cpu"])
def test_the_processor_predicts_where_there_is_no_cuda(machine, monkeypatch, device):
    machine(mps=True)
    assert not predicts_on_gpu(device)
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    assert not predicts_on_gpu(device)


def test_auto_is_bfloat16_where_it_pays(machine):
    machine(bf16=True)
    assert choose_precision("auto", "cpu", 512, 256) == "bfloat16"
    assert choose_precision("auto", "cpu", 128, 1024) == "float32"
    assert choose_precision("auto", "cpu", 512, 64) == "float32"
    assert choose_precision("auto", "cuda", 512, 256) == "float32"
    machine(bf16=False)
    assert choose_precision("auto", "cpu", 512, 256) == "float32"


def test_a_torch_that_does_not_know_is_taken_as_no(monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert choose_precision("auto", "cpu", 512, 256) == "float32"


def test_bfloat16_trains_weights_in_float32():
    X, y = make_regression(300, 5, random_state=0)
    net = RealMLPRegressor(precision="bfloat16", max_epochs=30, random_state=0)
    net.fit(X[:200], y[:200])
    assert {value.dtype for value in net.state_.values()} == {np.dtype(np.float32)}
    assert net.predict(X).dtype == np.float64
    assert net.score(X[200:], y[200:]) > 0.9


def test_bfloat16_changes_training():
    X, y = make_regression(100, 5, random_state=0)
    low, high = (
        RealMLPRegressor(precision=precision, max_epochs=2, random_state=0).fit(X, y)
        for precision in ("bfloat16", "float32")
    )
    assert not np.array_equal(low.predict(X), high.predict(X))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_net_is_trained_on_cuda():
    X, y = make_regression(300, 5, random_state=0)
    net = RealMLPRegressor(device="cuda", max_epochs=30, random_state=0)
    assert net.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.9
    on_cpu = net.set_params(device="cpu").predict(X)
    np.testing.assert_allclose(net.set_params(device="cuda").predict(X), on_cpu)
