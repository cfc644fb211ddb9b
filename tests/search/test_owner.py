"""Which process has died, left or still works."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from automodel.search.owner import SILENT_SECONDS, Owners, ProcessMark
from tests.conftest import environment, wait_until


@pytest.fixture
def owners(tmp_path):
    own = Owners(tmp_path / "owners")
    own.enter()
    yield own
    own.leave()


def write(owners, name, mark):
    path = owners.folder / f"{name}.json"
    path.write_text(json.dumps(asdict(mark)), encoding="utf-8")
    return path


def test_this_process_is_here_and_lives():
    mark = ProcessMark.current()
    assert mark.is_here
    assert not mark.is_gone


def test_a_process_that_has_ended_is_gone():
    script = (
        "import json; from dataclasses import asdict;"
        "from automodel.search.owner import ProcessMark;"
        "print(json.dumps(asdict(ProcessMark.current())))"
    )
    env = environment()
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, env=env, capture_output=True, check=True).stdout
    mark = ProcessMark(**json.loads(said))
    assert mark.is_here
    assert mark.is_gone


@pytest.mark.skipif(sys.platform != "linux", reason="needs a start time")
def test_a_later_process_with_the_same_id_is_another():
    mark = replace(ProcessMark.current(), start="1")
    assert mark.is_gone


def test_an_owner_that_works_is_neither_dead_nor_gone(owners):
    assert not owners.is_dead(owners.own)
    assert not owners.has_left(owners.own)
    other = Owners(owners.folder)
    other.enter()
    assert not owners.is_dead(other.own)
    other.leave()
    assert owners.has_left(other.own)
    assert not owners.is_dead(other.own)


def test_a_killed_process_of_this_machine_is_dead(owners):
    write(owners, "killed", replace(ProcessMark.current(), start="1"))
    assert owners.is_dead("killed")


def test_a_process_elsewhere_is_dead_once_it_is_silent(owners):
    path = write(owners, "far", replace(ProcessMark.current(), host="elsewhere"))
    assert not owners.is_dead("far")
    long_ago = time.time() - SILENT_SECONDS - 5
    os.utime(path, (long_ago, long_ago))
    assert owners.is_dead("far")


def test_a_file_that_is_half_written_is_given_time(owners):
    path = owners.folder / "young.json"
    path.write_text('{"host"')
    assert not owners.is_dead("young")
    long_ago = time.time() - SILENT_SECONDS - 5
    os.utime(path, (long_ago, long_ago))
    assert owners.is_dead("young")


def test_the_heartbeat_beats(tmp_path, monkeypatch):
    monkeypatch.setattr("automodel.search.owner.HEARTBEAT_SECONDS", 0.02)
    owners = Owners(tmp_path)
    owners.enter()
    path = tmp_path / f"{owners.own}.json"
    os.utime(path, (1, 1))
    assert wait_until(lambda: path.stat().st_mtime > 2)
    owners.leave()
    assert list(tmp_path.iterdir()) == []
