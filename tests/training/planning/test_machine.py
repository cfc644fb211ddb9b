"""The hardware of a plan."""

import pytest

from automodel.training.planning.machine import Machine


def test_what_is_not_said_is_that_of_this_machine():
    machine = Machine()
    assert machine.n_cores >= 1
    assert machine.memory > 10**8
    assert machine.gpu in (True, False)


@pytest.mark.parametrize("options", [{"n_cores": 0}, {"n_cores": 1.5}, {"memory": -1}])
def test_a_machine_without_cores_or_memory_is_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"'{name}' of Machine must be a positive"):
        Machine(**options)


def test_a_gpu_is_there_or_not():
    with pytest.raises(TypeError, match="'gpu' of Machine must be a bool"):
        Machine(gpu="yes")


def test_a_limit_of_the_container_counts(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("123456789\n", encoding="ascii")
    monkeypatch.setattr("automodel.training.planning.machine.CGROUP", tmp_path)
    assert Machine().memory == 123456789
