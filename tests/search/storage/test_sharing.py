"""A search that goes on: in a folder, in a database, after a kill, beside another."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold

import automodel
from automodel import AutoClassifier, SharedStorage
from automodel.exceptions import FitWarning
from tests.conftest import (
    CHEAP,
    StubFamily,
    environment,
    make_frame,
    make_signal,
    wait_until,
)

X = make_frame()
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")
KNN = ["linear", "knn"]


def classifier(storage, **params):
    defaults = CHEAP | {"families": [StubFamily()], "n_trials": 4, "refit": False}
    return AutoClassifier(storage=storage, **(defaults | params))


def board(estimator):
    return estimator.leaderboard_.sort_index()


def same(one, two):
    """Compare two leaderboards in all but what the clock decides."""
    chosen = ["seconds", "weight", "stacking_coefficient"]
    one, two = (board(e).drop(columns=chosen) for e in (one, two))
    pd.testing.assert_frame_equal(one, two)


def same_trials(one, two):
    """Check that the trials of a second fit are those that the first one ran."""
    same(one, two)
    pd.testing.assert_series_equal(board(one)["seconds"], board(two)["seconds"])


def test_a_second_fit_goes_on_where_the_first_ended(tmp_path):
    first = classifier(tmp_path).fit(X, LABELS)
    second = classifier(tmp_path, n_trials=10).fit(X, LABELS)
    assert board(second).index.tolist() == list(range(10))
    pd.testing.assert_series_equal(
        board(second)["seconds"][:4], board(first)["seconds"]
    )
    files = {p.name for p in (tmp_path / "automodel").iterdir()}
    assert files >= {"journal.log", "fingerprint.json", "oof", "models", "trials"}


@pytest.mark.parametrize("n_first", [1, 4, 6, 8, 10])
def test_a_search_in_two_parts_is_the_search_in_one(tmp_path, n_first):
    params = {"families": [*KNN, StubFamily()], "n_trials": 10, "cv": 2}
    whole = classifier(None, **params).fit(X, LABELS)
    classifier(tmp_path, **(params | {"n_trials": n_first})).fit(X, LABELS)
    parts = classifier(tmp_path, **params).fit(X, LABELS)
    same(whole, parts)
    np.testing.assert_array_equal(whole.predict_proba(X), parts.predict_proba(X))


def test_a_fit_without_a_new_trial_gives_the_same_model(tmp_path):
    first = classifier(tmp_path, families=KNN, n_trials=6).fit(X, LABELS)
    second = classifier(tmp_path, families=KNN, n_trials=6).fit(X, LABELS)
    pd.testing.assert_frame_equal(first.leaderboard_, second.leaderboard_)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert first.best_score_ == second.best_score_


def test_a_seed_that_was_not_given_is_kept(tmp_path):
    first = classifier(tmp_path, random_state=None, n_trials=4).fit(X, LABELS)
    second = classifier(tmp_path, random_state=None, n_trials=8).fit(X, LABELS)
    assert len(board(second)) == 8
    assert board(second)["params"][:4].tolist() == board(first)["params"].tolist()


def test_the_first_time_budget_decides_the_splits(tmp_path):
    search = {"cv": None, "n_trials": 2}
    classifier(tmp_path, **search, time_budget=None).fit(X, LABELS)
    longer = classifier(tmp_path, **search, time_budget=60).fit(X, LABELS)
    assert len(board(longer)) == 2
    assert longer.task_.time_budget is None  # which the rule of the splits reads


def test_what_may_differ(tmp_path):
    classifier(tmp_path).fit(X, LABELS)
    other = classifier(
        tmp_path,
        families=["linear"],
        n_trials=6,
        time_budget=60,
        n_jobs=2,
        callbacks=[lambda study, trial: None],
        ensemble_size=3,
        refit=True,
    ).fit(X, LABELS)
    assert set(board(other)["family"]) == {"linear"}
    back = classifier(tmp_path, n_trials=6).fit(X, LABELS)
    assert board(back)["family"].tolist() == ["stub"] * 4


def test_names_keep_searches_apart(tmp_path):
    classifier(tmp_path, study_name="one").fit(X, LABELS)
    other = classifier(tmp_path, study_name="two").fit(X[:50], LABELS[:50])
    assert len(board(other)) == 4


CHANGES = {
    "X": {"X": X.assign(size=X["size"] + 1)},
    "y": {"y": np.roll(LABELS, 1)},
    "sample_weight": {"sample_weight": np.arange(1.0, 61)},
    "groups": {"groups": np.arange(60) // 2},
    "cv": {"cv": 4},
    "scoring": {"scoring": "accuracy"},
    "random_state": {"random_state": 5},
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_search_is_refused(tmp_path, what):
    classifier(tmp_path).fit(X, LABELS)
    change = dict(CHANGES[what])
    data = {"X": X, "y": LABELS}
    for name in ("X", "y", "sample_weight", "groups"):
        if name in change:
            data[name] = change.pop(name)
    with pytest.raises(ValueError, match=f"another ([\\w ,]*, )?{what}\\b"):
        classifier(tmp_path, **change).fit(**data)


def test_a_renamed_column_is_another_table(tmp_path):
    classifier(tmp_path).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"another X\."):
        classifier(tmp_path).fit(X.rename(columns={"age": "years"}), LABELS)


def test_another_version_is_refused(tmp_path, monkeypatch):
    classifier(tmp_path).fit(X, LABELS)
    monkeypatch.setattr("automodel.training.prepare.__version__", "99")
    with pytest.raises(ValueError, match="begun by automodel " + automodel.__version__):
        classifier(tmp_path).fit(X, LABELS)


def test_a_splitter_without_a_seed_is_named(tmp_path):
    cv = KFold(3, shuffle=True)
    classifier(tmp_path, cv=cv).fit(X, LABELS)
    with pytest.raises(ValueError, match="A splitter without random_state"):
        classifier(tmp_path, cv=cv).fit(X, LABELS)


def test_a_url_needs_a_folder():
    with pytest.raises(ValueError, match=r"SharedStorage\(url, folder\)"):
        classifier("sqlite:///trials.db").fit(X, LABELS)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden"])
def test_a_name_that_is_no_folder_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="'study_name' parameter must consist of"):
        classifier(tmp_path, study_name=name).fit(X, LABELS)


def shared(tmp_path, name="trials"):
    return SharedStorage(f"sqlite:///{tmp_path}/{name}.db", tmp_path / "arrays")


def test_a_database_takes_the_trials(tmp_path):
    import optuna

    classifier(shared(tmp_path)).fit(X, LABELS)
    second = classifier(shared(tmp_path), n_trials=9).fit(X, LABELS)
    assert board(second).index.tolist() == list(range(9))
    study = optuna.load_study(
        study_name="automodel-stub", storage=f"sqlite:///{tmp_path}/trials.db"
    )
    assert [t.user_attrs["number"] for t in study.trials] == list(range(9))
    assert {t.state.name for t in study.trials} <= {"COMPLETE", "PRUNED"}
    assert not (tmp_path / "arrays" / "automodel" / "journal.log").exists()


def test_a_storage_of_optuna_is_taken(tmp_path):
    import optuna

    storage = optuna.storages.InMemoryStorage()
    classifier(SharedStorage(storage, tmp_path)).fit(X, LABELS)
    again = classifier(SharedStorage(storage, tmp_path), n_trials=6).fit(X, LABELS)
    assert len(board(again)) == 6


def test_a_folder_of_another_search_is_refused(tmp_path):
    classifier(shared(tmp_path)).fit(X, LABELS)
    url = f"sqlite:///{tmp_path}/trials.db"
    with pytest.raises(ValueError, match="belongs to another search"):
        classifier(SharedStorage(url, tmp_path / "other")).fit(X, LABELS)


URL = "postgresql+psycopg2://me:s3cret:word@db.example:5432/trials"


def test_a_password_is_not_shown():
    storage = SharedStorage(URL, "/mnt/trials")
    search = AutoClassifier(storage=storage)
    assert "me:***@db.example:5432" in repr(storage)
    for text in (
        repr(storage),
        repr(search),
        str(vars(pickle.loads(pickle.dumps(storage)))),
    ):
        assert "s3cret" not in text
    assert b"s3cret" not in pickle.dumps(search)
    assert clone(search).storage is storage
    with pytest.raises(ValueError, match="neither passwords nor connections"):
        pickle.loads(pickle.dumps(storage)).open()


def test_a_storage_object_is_not_pickled(tmp_path):
    import optuna

    url = f"sqlite:///{tmp_path}/s3cret.db"
    storage = SharedStorage(optuna.storages.RDBStorage(url), tmp_path)
    assert repr(storage) == f"SharedStorage('RDBStorage', {str(tmp_path)!r})"
    assert b"s3cret" not in pickle.dumps(storage)
    with pytest.raises(ValueError, match="neither passwords nor connections"):
        pickle.loads(pickle.dumps(storage)).open()


@pytest.fixture
def full_disk(monkeypatch):
    """Return a function that lets journals take so many trials, and then no more."""
    from automodel.search.storage.journal import JournalFile

    real = JournalFile.append_logs

    def fill(n_trials, n_failures=10**6):
        moments = []

        def append(self, logs):
            moments.extend(log for log in logs if "user_attrs" in log)
            is_trial = any("distributions" in log for log in logs)
            if is_trial and n_trials < len(moments) <= n_trials + n_failures:
                raise OSError(28, "No space left on device")
            real(self, logs)

        monkeypatch.setattr(JournalFile, "append_logs", append)

    return fill


def test_a_storage_that_fails_does_not_end_the_search(tmp_path, full_disk, monkeypatch):
    full_disk(2)
    stored = r"Trials \[2, 3, 4, 5\] could not be stored.*No space left"
    with pytest.warns(FitWarning, match=stored):
        search = classifier(tmp_path, n_trials=6).fit(X, LABELS)
    assert search.failures_.empty
    monkeypatch.undo()
    again = classifier(tmp_path, n_trials=6).fit(X, LABELS)
    same(search, again)


def test_what_could_not_be_stored_is_stored_later(tmp_path, full_disk, monkeypatch):
    monkeypatch.setattr("automodel.search.storage.ledger.PAUSE_SECONDS", 0.0)
    full_disk(2, n_failures=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = classifier(tmp_path, n_trials=6).fit(X, LABELS)
    monkeypatch.undo()
    same_trials(search, classifier(tmp_path, n_trials=6).fit(X, LABELS))


class Away:
    """Takes the folder of a storage away after one trial, and back after another."""

    def __init__(self, folder, goes, comes):
        self.folder = folder
        self.goes, self.comes = goes, comes

    def __call__(self, study, trial):
        away = self.folder.with_name("away")
        if trial.user_attrs["number"] == self.goes:
            self.folder.rename(away)
        if trial.user_attrs["number"] == self.comes:
            away.rename(self.folder)


def heartbeats():
    """Return the threads that say that this process takes part in a search."""
    names = ("_beat", "_remove_own")
    threads = threading.enumerate()
    return {t.ident for t in threads if any(name in t.name for name in names)}


@pytest.mark.parametrize("pause", [0.0, 30.0])
def test_a_folder_that_comes_back_is_given_what_it_missed(tmp_path, monkeypatch, pause):
    monkeypatch.setattr("automodel.search.storage.ledger.PAUSE_SECONDS", pause)
    monkeypatch.setattr("automodel.search.storage.participants.HEARTBEAT_SECONDS", 0.02)
    before = heartbeats()
    away = Away(tmp_path / "s", goes=1, comes=3)
    params = {"families": KNN, "n_trials": 6}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = classifier(tmp_path / "s", callbacks=[away], **params)
        first.fit(X, LABELS)
    again = classifier(tmp_path / "s", **params).fit(X, LABELS)
    same_trials(first, again)
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    assert list((tmp_path / "s" / "automodel" / "participants").iterdir()) == []
    assert drafts(tmp_path / "s") == []
    assert wait_until(lambda: heartbeats() <= before)


def test_a_folder_that_does_not_come_back_costs_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr("automodel.search.storage.participants.HEARTBEAT_SECONDS", 0.02)
    before = heartbeats()
    away = Away(tmp_path / "s", goes=1, comes=99)
    stored = r"Trials \[2, 3, 4, 5\] could not be stored.*No such file"
    with pytest.warns(FitWarning, match=stored):
        search = classifier(tmp_path / "s", callbacks=[away], n_trials=6)
        search.fit(X, LABELS)
    same(search, classifier(None, n_trials=6).fit(X, LABELS))
    # When it is back after the fit, others are told that this one has ended.
    away(None, FrozenNumber(99))
    participants = tmp_path / "s" / "automodel" / "participants"
    assert wait_until(lambda: not list(participants.iterdir()))
    assert wait_until(lambda: heartbeats() <= before)
    same(search, classifier(tmp_path / "s", n_trials=6).fit(X, LABELS))


class FrozenNumber:
    """What a callback reads of a trial."""

    def __init__(self, number):
        self.user_attrs = {"number": number}


def test_errors_of_all_files_do_not_cost_the_fit(tmp_path, monkeypatch):
    def break_down(study, trial):
        if trial.user_attrs["number"] == 2:
            for name in ("unlink", "glob", "stat", "iterdir", "open", "rename"):
                monkeypatch.setattr(Path, name, of_storage(getattr(Path, name)))

    def of_storage(real):
        def call(self, *arguments, **keywords):
            if self.is_relative_to(tmp_path) and self.parent.name != "models":
                raise OSError(5, "Input/output error")
            return real(self, *arguments, **keywords)

        return call

    with pytest.warns(FitWarning, match=r"Trials \[3\] could not be stored.*Input"):
        search = classifier(tmp_path, callbacks=[break_down]).fit(X, LABELS)
    assert len(board(search)) == 4


def test_numbers_that_others_have_taken_meanwhile_are_not_stored(tmp_path, monkeypatch):
    """Two processes are cut off from each other, and both go on."""
    monkeypatch.setattr("automodel.search.storage.ledger.PAUSE_SECONDS", 0.0)
    folder, others = tmp_path / "s", []
    # Other proven settings, so that the same numbers mean other trials.
    families = [StubFamily(trials=[(0.7, "plain")] * n) for n in (0, 1)]

    def fit_another(study, trial):
        if trial.user_attrs["number"] == 5:
            (tmp_path / "away").rename(folder)
            other = classifier(folder, n_trials=8, families=families[1:])
            others.append(other.fit(X, LABELS))

    callbacks = [Away(folder, goes=3, comes=99), fit_another]
    params = {"n_trials": 8, "families": families[:1], "callbacks": callbacks}
    lost = r"Trials \[4, 5, 6, 7\] could not be stored.*another process has gone on"
    with pytest.warns(FitWarning, match=lost):
        search = classifier(folder, **params).fit(X, LABELS)
    same(search, classifier(None, n_trials=8, families=families[:1]).fit(X, LABELS))
    assert board(others[0])["score"][4] != board(search)["score"][4]
    last = classifier(folder, n_trials=8, families=families[1:]).fit(X, LABELS)
    same(others[0], last)
    np.testing.assert_array_equal(others[0].predict_proba(X), last.predict_proba(X))


def test_a_fork_in_a_callback_does_not_leave_for_its_parent(tmp_path):
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    participants, seen = tmp_path / "automodel" / "participants", []
    parent = os.getpid()

    def fork(study, trial):
        if trial.user_attrs["number"] == 1:
            child = os.fork()
            if child == 0:
                raise RuntimeError("this is the child")
            os.waitpid(child, 0)
            seen.extend(participants.iterdir())

    try:
        classifier(tmp_path, callbacks=[fork]).fit(X, LABELS)
    finally:
        if os.getpid() != parent:
            os._exit(0)
    assert len(seen) == 1


def test_a_silent_storage_is_given_up(tmp_path, monkeypatch):
    import optuna

    class Silent(optuna.storages.InMemoryStorage):
        def create_new_trial(self, *arguments, **keywords):
            time.sleep(600)

    monkeypatch.setattr("automodel.search.storage.ledger.MOST_SECONDS", 0.2)
    start = time.monotonic()
    with pytest.warns(FitWarning, match="could not be stored.*TimeoutError: no answer"):
        search = classifier(SharedStorage(Silent(), tmp_path)).fit(X, LABELS)
    assert len(board(search)) == 4
    assert time.monotonic() - start < 60


def test_what_seemed_to_fail_is_not_stored_twice(tmp_path, monkeypatch):
    import optuna

    class Late(optuna.storages.InMemoryStorage):
        def create_new_trial(self, *arguments, **keywords):
            super().create_new_trial(*arguments, **keywords)
            raise OSError("the answer was lost")

    monkeypatch.setattr("automodel.search.storage.ledger.PAUSE_SECONDS", 0.0)
    storage = Late()
    classifier(SharedStorage(storage, tmp_path)).fit(X, LABELS)
    stored = storage.get_all_trials(0)
    assert sorted(trial.user_attrs["number"] for trial in stored) == list(range(4))


def test_a_server_that_says_nothing_is_told(tmp_path, monkeypatch):
    """Its connections are accepted by the system, and nobody answers."""
    pytest.importorskip("psycopg")
    monkeypatch.setattr("automodel.search.storage.ledger.MOST_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql://me:s3cret@127.0.0.1:{server.getsockname()[1]}/none"
        with pytest.raises(TimeoutError, match="no answer"):
            classifier(SharedStorage(url, tmp_path)).fit(X, LABELS)


def test_arrays_that_are_gone_are_done_without(tmp_path):
    first = classifier(tmp_path, n_trials=6).fit(X, LABELS)
    best = first.leaderboard_.index[0]
    second = first.leaderboard_.index[1]
    (predictions,) = (tmp_path / "automodel" / "oof").glob(f"{best}-*")
    predictions.unlink()
    model, *_ = (tmp_path / "automodel" / "models").glob(f"{second}-*")
    model.write_bytes(b"half a mod")
    with pytest.warns(FitWarning, match=f"Models of trial {second} .* left out"):
        again = classifier(tmp_path, n_trials=6).fit(X, LABELS)
    same(first, again)
    assert board(again)["weight"][best] == 0
    assert board(again)["weight"].sum() == pytest.approx(1)


def test_what_the_deadline_stopped_runs_again(tmp_path):
    trials = [(0.9, "plain"), (0.8, "sleep")]
    slow, fast = (StubFamily(trials=trials, seconds=s) for s in (60, 0.1))
    short = classifier(tmp_path, families=[slow], n_trials=2, time_budget=2.0)
    assert board(short.fit(X, LABELS))["status"].tolist() == ["complete", "stopped"]
    longer = classifier(tmp_path, families=[fast], n_trials=2, time_budget=60)
    longer.fit(X, LABELS)
    assert board(longer)["status"].tolist() == ["complete", "complete"]


SCRIPT = """
import os
from pathlib import Path
from automodel.search.shared_trials import SharedTrials
from tests.conftest import StubFamily, wait_until
from tests.search.storage.test_sharing import X, LABELS, classifier, shared

FOLDER = Path(__file__).parent

tell = SharedTrials.tell

def told(trials, number, evaluation, time_limit=None):
    "Say which trials of this process have ended: callbacks hear of all."
    tell(trials, number, evaluation, time_limit)
    value = evaluation.score if evaluation.status == "complete" else "nan"
    print("told", number, value, flush=True)
    FOLDER.joinpath(f"told-{{os.getpid()}}").touch()
    wait_until(lambda: len(list(FOLDER.glob("told-*"))) >= {n_processes})

if __name__ == "__main__":
    SharedTrials.tell = told
    print("begin", flush=True)
    search = classifier({storage}, **{params})
    search.fit(X, LABELS)
    print("end", len(search.leaderboard_), flush=True)
"""


def start(tmp_path, storage, params, n_processes=1):
    """Start a fit in a process; `storage` is a path or an expression.

    After its first trial it waits until so many processes have ended one. The script
    is a file of its own, since Python may read it after the next process is started.
    """
    script = tmp_path / f"script-{uuid.uuid4().hex}.py"
    if isinstance(storage, Path):
        storage = f"Path({str(storage)!r})"
    values = {"storage": storage, "params": params, "n_processes": n_processes}
    script.write_text(SCRIPT.format(**values))
    return subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )


def told(lines):
    """Return the trials that a process said it had finished, with their values."""
    words = [line.split() for line in lines]
    whole = [w for w in words if w[:1] == ["told"] and len(w) == 3]  # a kill cuts
    return {int(number): float(value) for _, number, value in whole}


def drafts(storage):
    """Return what was begun in a storage and never finished."""
    return [p.name for p in (storage / "automodel").rglob(".*")]


def agree(scores, finished):
    """Check that a leaderboard holds what processes said they had finished."""
    for number, value in finished.items():
        np.testing.assert_equal(scores[number], value)


@pytest.mark.slow
def test_a_trial_that_kills_the_process_twice_is_failed(tmp_path):
    params = (
        "{'families': [StubFamily(trials=[(.9, 'plain'), (.8, 'exit')])], "
        "'n_trials': 2}"
    )
    for _ in range(2):
        process = start(tmp_path, tmp_path / "s", params)
        assert process.wait() == 3
    process = start(tmp_path, tmp_path / "s", params)
    output = process.stdout.read().splitlines()
    assert process.wait() == 0
    assert output[-1] == "end 2"
    family = StubFamily(trials=[(0.9, "plain"), (0.8, "exit")])
    search = classifier(tmp_path / "s", families=[family], n_trials=2).fit(X, LABELS)
    assert board(search)["status"].tolist() == ["complete", "failed"]
    assert search.failures_["error"][0] == "the process that ran it died, twice"


@pytest.mark.slow
@pytest.mark.parametrize(("n_jobs", "n_kills", "n_trials"), [(1, 3, 30), (2, 3, 40)])
def test_kills_at_random_moments_lose_no_finished_trial(
    tmp_path, n_jobs, n_kills, n_trials
):
    params = (
        "{'families': [StubFamily(modes=['sleep'], seconds=.05)], 'cv': 2, "
        f"'n_jobs': {n_jobs}, 'n_trials': {n_trials}}}"
    )
    rng = np.random.default_rng(n_jobs)
    finished, n_waited = {}, 0
    for _ in range(n_kills):
        process = start(tmp_path, tmp_path / "s", params)
        lines = [process.stdout.readline()]
        if rng.uniform() < 0.8:  # the others die before or soon after their first
            lines.append(process.stdout.readline())
            n_waited += 1
        time.sleep(rng.uniform(0, 0.5))
        process.kill()
        lines += process.stdout.read().splitlines()
        assert process.wait() == -9
        news = told(lines)
        assert not finished.keys() & news.keys(), "a finished trial was run again"
        finished |= news
    process = start(tmp_path, tmp_path / "s", params)
    output, _ = process.communicate()
    assert process.returncode == 0
    assert not finished.keys() & told(output.splitlines()).keys()
    family = StubFamily(modes=["sleep"], seconds=0.05)
    search = classifier(tmp_path / "s", families=[family], n_trials=n_trials, cv=2)
    search.fit(X, LABELS)
    assert board(search).index.tolist() == list(range(n_trials))
    scores = board(search)["score"]
    assert len(finished) >= n_waited > n_kills / 2
    agree(scores, finished)
    assert drafts(tmp_path / "s") == []
    assert not list((tmp_path / "s" / "automodel" / "participants").iterdir())


@pytest.mark.slow
def test_a_killed_search_ends_as_one_that_was_not(tmp_path):
    params = "{'families': ['linear', 'knn', 'extra_trees'], 'n_trials': 20, 'cv': 2}"
    process = start(tmp_path, tmp_path / "s", params)
    while not process.stdout.readline().startswith("told 5"):
        pass
    process.kill()
    process.wait()
    families = {"families": ["linear", "knn", "extra_trees"], "n_trials": 20, "cv": 2}
    resumed = classifier(tmp_path / "s", **families).fit(X, LABELS)
    whole = classifier(None, **families).fit(X, LABELS)
    same(whole, resumed)
    np.testing.assert_array_equal(whole.predict_proba(X), resumed.predict_proba(X))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "sqlite"])
def test_processes_share_one_search(tmp_path, kind):
    params = (
        "{'families': [StubFamily(modes=['sleep'], seconds=.05)], 'n_trials': 60, "
        "'time_budget': 60, 'cv': 2}"
    )
    storage = tmp_path / "s"
    if kind == "sqlite":
        storage = f"shared(Path({str(tmp_path)!r}))"
    processes = [start(tmp_path, storage, params, 3) for _ in range(3)]
    outputs = [process.stdout.read().splitlines() for process in processes]
    assert [process.wait() for process in processes] == [0, 0, 0]
    by_process = [told(lines) for lines in outputs]
    assert sum(map(len, by_process)) == 60
    assert min(map(len, by_process)) >= 1
    family = StubFamily(modes=["sleep"], seconds=0.05)
    storage = tmp_path / "s" if kind == "folder" else shared(tmp_path)
    search = classifier(storage, families=[family], n_trials=60, cv=2).fit(X, LABELS)
    assert board(search).index.tolist() == list(range(60))
    settings = [repr(params) for params in board(search)["params"]]
    assert len(set(settings)) == 60
    for trials in by_process:
        agree(board(search)["score"], trials)
    assert drafts(tmp_path / ("s" if kind == "folder" else "arrays")) == []


def small_disk(tmp_path, size):
    """Mount a small file system, or skip where this user cannot."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        if os.environ.get("AUTOMODEL_TEST_SERVERS"):
            pytest.fail(f"cannot mount a small disk: {done.stderr}")
        pytest.skip("needs the right to mount a small disk")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_full_disk_does_not_end_the_search(tmp_path, n_jobs):
    folder = small_disk(tmp_path, "512k")
    params = {"families": ["extra_trees"], "n_trials": 24, "n_jobs": n_jobs, "cv": 2}
    try:
        with pytest.warns(FitWarning, match="No space left"):
            search = classifier(folder, **params).fit(X, LABELS)
        assert board(search).index.tolist() == list(range(24))
        assert (board(search)["status"] == "complete").any()
        assert search.predict(X).shape == (60,)
        more = ["mount", "-o", "remount,size=4m", str(folder)]
        subprocess.run(more, check=True)
        again = classifier(folder, **(params | {"n_trials": 1}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again.fit(X, LABELS)
        stored = board(again)[board(again)["status"] == "complete"]
        assert len(stored) > 1
        for number, score in stored["score"].items():
            assert board(search)["score"][number] == score
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_interrupt_leaves_the_storage_in_order(tmp_path, n_jobs):
    params = (
        "{'families': [StubFamily(modes=['sleep'], seconds=.2)], 'time_budget': 600, "
        f"'n_jobs': {n_jobs}, 'n_trials': 1000, 'cv': 2}}"
    )
    process = start(tmp_path, tmp_path / "s", params)
    lines = []
    while len(told(lines)) < 3:
        lines.append(process.stdout.readline())
    moment = time.monotonic()
    process.send_signal(signal.SIGINT)
    lines += process.stdout.read().splitlines()
    assert process.wait() == 0
    assert time.monotonic() - moment < 30  # of the minutes that are left
    assert lines[-1].startswith("end ")
    family = StubFamily(modes=["sleep"], seconds=0.05)
    search = classifier(tmp_path / "s", families=[family], n_trials=8, cv=2)
    search.fit(X, LABELS)
    agree(board(search)["score"], told(lines))
    assert not list((tmp_path / "s" / "automodel" / "participants").iterdir())
