"""Temporary folders: one's own, and those of processes that were killed."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from automodel.search.process_mark import ProcessMark
from automodel.search.workers.scratch import _short, make_folder


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
        "import os, signal; from automodel.search.workers.scratch import make_folder;"
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


@pytest.mark.skipif(sys.platform != "linux", reason="is about /proc")
def test_those_of_the_living_whom_the_system_hides_stay(temporary, monkeypatch):
    """As for the processes of other users, with the option hidepid of /proc."""
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        mark = ProcessMark.current()
        start = Path(f"/proc/{process.pid}/stat").read_text().split()[21]
        name = f"automodel-{_short(mark.host)}-{process.pid}-{start}-x"
        (temporary / name).mkdir()

        def hidden(self, *arguments, **keywords):
            raise FileNotFoundError(2, "No such file or directory")

        monkeypatch.setattr(Path, "read_bytes", hidden)
        monkeypatch.setattr(Path, "read_text", hidden)
        make_folder()
        assert (temporary / name).exists()
        process.communicate(b"\n")
    make_folder()
    assert not (temporary / name).exists()


def test_a_name_with_an_id_that_no_process_has_does_no_harm(temporary):
    mark = ProcessMark.current()
    (temporary / f"automodel-{_short(mark.host)}-{10**30}-1-x").mkdir()
    assert make_folder().exists()
