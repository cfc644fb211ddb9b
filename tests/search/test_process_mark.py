"""Which process is which, and whether it still lives."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from automodel.search.process_mark import ProcessMark, _host
from tests.conftest import environment


def test_this_process_is_here_and_lives():
    mark = ProcessMark.current()
    assert mark.lives is not None
    assert mark.lives


def test_a_process_that_has_ended_is_gone():
    script = (
        "import json; from dataclasses import asdict;"
        "from automodel.search.process_mark import ProcessMark;"
        "print(json.dumps(asdict(ProcessMark.current())))"
    )
    env = environment()
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, env=env, capture_output=True, check=True).stdout
    mark = ProcessMark(**json.loads(said))
    assert mark.lives is not None
    assert mark.lives is False


@pytest.mark.skipif(sys.platform != "linux", reason="needs a start time")
def test_a_later_process_with_the_same_id_is_another():
    mark = replace(ProcessMark.current(), start="1")
    assert mark.lives is False


def other_process():
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def hidden(self, *arguments, **keywords):
    raise FileNotFoundError(2, "No such file or directory")


@pytest.mark.parametrize("has_psutil", [True, False])
@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_systems_without_proc(monkeypatch, platform, has_psutil):
    psutil = pytest.importorskip("psutil")
    _host.cache_clear()
    monkeypatch.setattr(sys, "platform", platform)
    if not has_psutil:
        monkeypatch.setitem(sys.modules, "psutil", None)
    with other_process() as process:
        start = str(psutil.Process(process.pid).create_time()) if has_psutil else ""
        mark = replace(ProcessMark.current(), pid=process.pid, start=start)
        assert mark.lives is (True if has_psutil else None)
        process.communicate(b"\n")
    knows = has_psutil or platform == "darwin"
    assert mark.lives is (False if knows else None)
    monkeypatch.undo()
    _host.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="is about /proc")
def test_a_machine_that_cannot_be_told_is_none_but_its_own(monkeypatch):
    """Two containers of one name, whose process ids mean different processes."""
    monkeypatch.setattr(Path, "readlink", hidden)
    _host.cache_clear()
    one = ProcessMark.current()
    assert one.lives
    _host.cache_clear()
    assert one.lives is None
    monkeypatch.undo()
    _host.cache_clear()


@pytest.mark.parametrize("pid", [0, 10**30])
def test_a_process_id_that_is_none_is_not_certain(pid):
    assert replace(ProcessMark.current(), pid=pid).lives is None
