"""Which process has died, left or still works."""

import json
import os
import shutil
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from automodel.search.process_mark import ProcessMark
from automodel.search.storage.participants import SILENT_SECONDS, Participants
from tests.conftest import FakeClock, wait_until
from tests.search.test_process_mark import hidden, other_process


@pytest.fixture
def participants(tmp_path):
    own = Participants(tmp_path / "participants")
    own.enter()
    yield own
    own.leave()


def write(participants, name, mark):
    path = participants.folder / f"{name}.json"
    path.write_text(json.dumps(asdict(mark)), encoding="utf-8")
    return path


def test_a_participant_that_works_is_neither_dead_nor_gone(participants):
    assert not participants.is_dead(participants.own)
    assert not participants.has_left(participants.own)
    other = Participants(participants.folder)
    other.enter()
    assert not participants.is_dead(other.own)
    other.leave()
    assert participants.has_left(other.own)
    assert not participants.is_dead(other.own)


def test_a_killed_process_of_this_machine_is_dead(participants):
    write(participants, "killed", replace(ProcessMark.current(), start="1"))
    assert participants.is_dead("killed")


def test_a_process_elsewhere_is_dead_once_it_is_silent(participants):
    path = write(participants, "far", replace(ProcessMark.current(), host="elsewhere"))
    assert not participants.is_dead("far")
    long_ago = time.time() - SILENT_SECONDS - 5
    os.utime(path, (long_ago, long_ago))
    assert participants.is_dead("far")


def test_a_file_that_is_half_written_is_given_time(participants):
    path = participants.folder / "young.json"
    path.write_text('{"host"')
    assert not participants.is_dead("young")
    long_ago = time.time() - SILENT_SECONDS - 5
    os.utime(path, (long_ago, long_ago))
    assert participants.is_dead("young")


def test_the_heartbeat_beats(tmp_path, monkeypatch):
    monkeypatch.setattr("automodel.search.storage.participants.HEARTBEAT_SECONDS", 0.02)
    participants = Participants(tmp_path)
    participants.enter()
    path = tmp_path / f"{participants.own}.json"
    os.utime(path, (1, 1))
    assert wait_until(lambda: path.stat().st_mtime > 2)
    participants.leave()
    assert list(tmp_path.iterdir()) == []


def forbidden(self, *arguments, **keywords):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("error", [hidden, forbidden])
@pytest.mark.skipif(sys.platform != "linux", reason="is about /proc")
def test_processes_that_proc_hides_are_told_by_heartbeats(
    participants, monkeypatch, error
):
    """As with its option hidepid, for the processes of other users."""
    with other_process() as process:
        start = Path(f"/proc/{process.pid}/stat").read_text().split()[21]
        mark = replace(ProcessMark.current(), pid=process.pid, start=start)
        assert mark.lives
        monkeypatch.setattr(Path, "read_bytes", error)
        monkeypatch.setattr(Path, "read_text", only_of_files(Path.read_text, error))
        assert mark.lives is None
        path = write(participants, "hidden", mark)
        assert not participants.is_dead("hidden")
        assert participants.is_unsure("hidden")
        long_ago = time.time() - SILENT_SECONDS - 5
        os.utime(path, (long_ago, long_ago))
        assert participants.is_dead("hidden")
        process.communicate(b"\n")
    assert mark.lives is False  # of this no system makes a secret


def only_of_files(real, error):
    """Return a way to read that fails for processes."""

    def read(self, *arguments, **keywords):
        if self.is_relative_to("/proc"):
            error(self)
        return real(self, *arguments, **keywords)

    return read


@pytest.mark.parametrize("text", ["", "{}", "[]", "1", '{"host": 1, "pid": "x"}'])
def test_a_damaged_file_of_a_participant_is_given_time(participants, text):
    (participants.folder / "other.json").write_text(text)
    assert not participants.is_dead("other")
    assert not participants.has_left("other")


def test_a_participant_that_is_seen_to_beat_lives_whatever_its_clock(
    participants,
):
    participants.clock = clock = FakeClock()
    path = write(participants, "far", replace(ProcessMark.current(), host="elsewhere"))
    behind = time.time() - SILENT_SECONDS - 60
    os.utime(path, (behind, behind))
    assert participants.is_dead("far")
    os.utime(path, (behind + 10, behind + 10))
    assert not participants.is_dead("far")
    clock.wait(SILENT_SECONDS + 5)
    assert participants.is_dead("far")


def test_what_cannot_leave_now_leaves_later(tmp_path, monkeypatch):
    """A file system that was away is back after the fit."""
    monkeypatch.setattr("automodel.search.storage.participants.HEARTBEAT_SECONDS", 0.02)
    participants = Participants(tmp_path / "participants")
    participants.enter()
    (tmp_path / "participants").rename(tmp_path / "away")
    participants.leave()
    assert len(list((tmp_path / "away").iterdir())) == 1
    (tmp_path / "away").rename(tmp_path / "participants")
    assert wait_until(lambda: not list((tmp_path / "participants").iterdir()))


def test_a_folder_that_was_deleted_is_not_waited_for_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("automodel.search.storage.participants.HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr("automodel.search.storage.participants.LEAVE_SECONDS", 0.05)
    participants = Participants(tmp_path / "participants")
    participants.enter()
    shutil.rmtree(participants.folder)
    before = set(threading.enumerate())
    participants.leave()
    assert wait_until(lambda: set(threading.enumerate()) <= before)


def test_the_dead_are_forgotten_but_for_those_who_are_needed(participants):
    dead = replace(ProcessMark.current(), start="1")
    for name in ("needed", "dead"):
        write(participants, name, dead)
    write(participants, "far", replace(dead, host="elsewhere"))
    assert participants.certainly_dead() == {"needed", "dead"}
    participants.forget(participants.certainly_dead() - {"needed"})
    left = {path.stem for path in participants.folder.iterdir()}
    assert left == {participants.own, "needed", "far"}
