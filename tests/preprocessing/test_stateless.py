"""Outputs of encoders that learn nothing: on a disk that fills up."""

import os

import numpy as np
import pytest

from automodel.clock import Deadline
from automodel.preprocessing import stateless
from automodel.preprocessing.parts import Parts
from automodel.preprocessing.stateless import bytes_written, output_of
from tests.evaluation.test_encoding import (
    KINDS,
    N_ROWS,
    Doubled,
    dense,
    folds_of,
    kept_in,
    rows_encoded,
)

ROWS = folds_of().rows
N_BYTES = 4 * N_ROWS * 5


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "folder"
    made.mkdir()
    return made


def fill_disk(monkeypatch, free):
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(stateless.shutil, "disk_usage", lambda path: usage)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_written", [0, stateless.PART_ROWS, N_ROWS])
def test_what_is_encoded_is_not_lost_when_the_disk_is_full(
    kind, n_written, log, folder, monkeypatch
):
    append = Parts.append

    def append_some(self, part):
        if self.n_written >= n_written:
            self._file.write(b"half of it")
            raise OSError(28, "No space left on device")
        append(self, part)

    monkeypatch.setattr(Parts, "append", append_some)
    X, is_mapped = output_of(Doubled(log, kind), ROWS, folder / "encoded-x", Deadline())
    assert is_mapped == (n_written == N_ROWS)
    expected = Doubled(os.devnull, kind).transform(ROWS)
    np.testing.assert_array_equal(dense(X), dense(expected))
    assert rows_encoded(log) == N_ROWS
    assert ".draft" not in kept_in(folder)


def test_what_was_used_least_recently_makes_room(log, folder, monkeypatch):
    def use(name):
        X, is_mapped = output_of(Doubled(log), ROWS, folder / name, Deadline())
        assert is_mapped
        return X

    fill_disk(monkeypatch, 6 * N_BYTES)
    for age, name in enumerate(("encoded-a", "encoded-b", "encoded-c")):
        kept = use(name)
        path = folder / f"{name}.npy"
        os.utime(path, ns=(age, age))
    use("encoded-a")
    fill_disk(monkeypatch, 3.5 * N_BYTES)
    use("encoded-d")
    names = {path.stem for path in folder.glob("*.npy")}
    assert names == {"encoded-a", "encoded-c", "encoded-d"}
    np.testing.assert_array_equal(kept, use("encoded-b"))


def test_one_that_is_larger_than_the_disk_stays_in_memory(log, folder, monkeypatch):
    fill_disk(monkeypatch, N_BYTES // 2)
    _, is_mapped = output_of(Doubled(log), ROWS, folder / "encoded-a", Deadline())
    assert not is_mapped
    assert rows_encoded(log) == N_ROWS


def test_the_bytes_of_outputs_grow_part_by_part(log, folder):
    seen = []

    class Looking(Doubled):
        def transform(self, rows):
            seen.append(bytes_written(folder))
            return super().transform(rows)

    output_of(Looking(log), ROWS, folder / "encoded-a", Deadline())
    assert len(set(seen)) == len(seen)
    assert bytes_written(folder) >= N_BYTES
    assert bytes_written(folder / "gone") == 0
