import mmap
import os

import pytest

from automodel import peak_memory
from automodel.peak_memory import peak_bytes
from automodel.search.workers.starting import resident_bytes


def test_memory_that_was_given_back_counts():
    before = peak_bytes()
    more = before - resident_bytes(os.getpid()) + 50_000_000
    with mmap.mmap(-1, more) as fresh:  # no memory that was free before
        fresh.write(bytes([1]) * more)
    assert peak_bytes() >= before + 30_000_000


def test_systems_without_proc_know_it_as_well(monkeypatch):
    pytest.importorskip("resource")
    known = peak_bytes()
    monkeypatch.setattr(peak_memory, "Path", lambda path: _Nowhere())
    assert peak_bytes() == pytest.approx(known, rel=0.5)


class _Nowhere:
    def read_text(self, **options):
        raise FileNotFoundError
