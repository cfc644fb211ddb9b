"""Temporary folders: one's own, and those of processes that were killed."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from automodel.search.scratch import make_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Give the test a folder for temporary files of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_those_of_the_living_stay(temporary):
    one, two = make_folder(), make_folder()
    assert sorted(temporary.iterdir()) == sorted([one, two])


def test_those_of_the_killed_go(temporary):
    code = (
        "import os, signal; from automodel.search.scratch import make_folder;"
        "(make_folder() / 'file').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    env = {
        **os.environ,
        "TMPDIR": str(temporary),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = temporary.iterdir()
    own = make_folder()
    assert not left.exists()
    assert list(temporary.iterdir()) == [own]


def test_those_of_others_stay(temporary):
    names = ["automodel-00000000-1-2-x", "automodel-models", "another"]
    for name in names:
        (temporary / name).mkdir()
    make_folder()
    assert all((temporary / name).exists() for name in names)
