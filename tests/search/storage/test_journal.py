"""A journal that survives kills and full disks."""

import json
import os
import subprocess
import sys
import threading

import optuna
import pytest

from automodel.search.storage.journal import JournalFile, locked
from tests.conftest import environment


@pytest.fixture
def journal(tmp_path):
    return JournalFile(tmp_path / "journal.log")


def numbers(journal, start=0):
    return [record["n"] for record in journal.read_logs(start)]


def test_records_are_read_as_they_were_written(journal):
    journal.append_logs([{"n": 0}, {"n": 1}])
    journal.append_logs([{"n": 2}])
    assert numbers(journal) == [0, 1, 2]
    assert numbers(journal, 2) == [2]
    assert numbers(journal, 3) == []
    journal.append_logs([{"n": 3}])
    assert numbers(journal, 3) == [3]
    assert numbers(journal) == [0, 1, 2, 3]


def test_no_file_is_an_empty_journal(journal):
    assert numbers(journal) == []


@pytest.mark.parametrize("torn", [b'{"n": 9', b"x" * 10_000, b"{"])
def test_a_record_that_a_kill_has_cut_is_taken_out(journal, torn):
    journal.append_logs([{"n": 0}])
    with journal.path.open("ab") as file:
        file.write(torn)
    assert numbers(journal) == [0]
    journal.append_logs([{"n": 1}])
    assert numbers(journal) == [0, 1]
    assert numbers(JournalFile(journal.path)) == [0, 1]


def test_a_torn_first_record_is_taken_out(journal):
    journal.path.write_bytes(b'{"n"')
    journal.append_logs([{"n": 0}])
    assert numbers(journal) == [0]


def test_every_cut_of_a_journal_leaves_a_study_that_goes_on(journal):
    study = open_study(journal.path)
    study.add_trial(optuna.create_trial(value=1.0))
    study.add_trial(optuna.create_trial(value=2.0))
    whole = journal.path.read_bytes()
    first_trial = whole.index(b"\n") + 1
    for end in range(first_trial, len(whole), 7):
        journal.path.write_bytes(whole[:end])
        again = open_study(journal.path)
        n_before = len(again.trials)
        assert n_before == whole[first_trial:end].count(b"\n")
        again.add_trial(optuna.create_trial(value=3.0))
        assert len(open_study(journal.path).trials) == n_before + 1


def open_study(path):
    storage = optuna.storages.JournalStorage(JournalFile(path))
    return optuna.create_study(
        study_name="s", storage=storage, load_if_exists=True, direction="maximize"
    )


def test_a_line_that_is_no_record_is_an_error(journal):
    journal.path.write_bytes(b'{"n": 0}\nnonsense\n{"n": 1}\n')
    with pytest.raises(ValueError, match="Line 2 of .* is not a record"):
        numbers(journal)


def test_a_record_without_space_is_taken_back(journal, monkeypatch):
    journal.append_logs([{"n": 0}])
    real = os.fsync

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        journal.append_logs([{"n": 1}])
    monkeypatch.setattr(os, "fsync", real)
    journal.append_logs([{"n": 2}])
    assert numbers(journal) == [0, 2]


def test_threads_and_processes_do_not_mix_their_records(journal):
    script = (
        "import sys; from pathlib import Path;"
        "from automodel.search.storage.journal import JournalFile;"
        "j = JournalFile(Path(sys.argv[1]));"
        "[j.append_logs([{'n': i, 'by': sys.argv[2] * 500}]) for i in range(50)]"
    )
    command = [sys.executable, "-c", script, str(journal.path)]
    env = environment()
    others = [subprocess.Popen([*command, by], env=env) for by in "ab"]
    assert [other.wait() for other in others] == [0, 0]
    lines = journal.path.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for by in "ab":
        own = [record["n"] for record in records if record["by"][0] == by]
        assert own == list(range(50))


def test_the_lock_goes_with_its_process(journal):
    script = (
        "import sys, os; from pathlib import Path;"
        "from automodel.search.storage.journal import locked;"
        "lock = locked(open(sys.argv[1], 'ab')); lock.__enter__(); os._exit(1)"
    )
    env = environment()
    command = [sys.executable, "-c", script, str(journal.path)]
    subprocess.run(command, env=env, check=False)
    journal.append_logs([{"n": 0}])
    assert numbers(journal) == [0]


def test_a_lock_that_is_held_is_waited_for(journal):
    journal.append_logs([{"n": 0}])
    with journal.path.open("ab") as file, locked(file):
        thread = threading.Thread(target=journal.append_logs, args=([{"n": 1}],))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
    thread.join(60)
    assert numbers(journal) == [0, 1]
