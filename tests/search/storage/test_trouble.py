"""What a storage that fails, other processes and the end of the time do to a search."""

import itertools
import json
import math
import os
import time

import numpy as np
import optuna
import pytest

from automodel.clock import NO_DEADLINE, Deadline
from automodel.search.budget import Budget
from automodel.search.shared_trials import ROUND_SIZE
from automodel.search.storage.archive import Archive
from automodel.search.storage.memory import SearchStorage
from automodel.search.workers.open import open_workers
from tests.conftest import FakeClock, StubFamily
from tests.search.storage.test_archive import archives, lease
from tests.search.storage.test_memory import evaluation
from tests.search.storage.test_resume import Part, Slow, make, statuses

FAR = json.dumps({"host": "elsewhere", "pid": 1, "start": "1"})
OVER = Deadline(-math.inf)
PLAIN = [(0.9, "plain"), (0.8, "plain"), (0.7, "plain")]


class Noting(StubFamily):
    """Has numbers of NumPy in its portfolio, and notes what JSON does not know."""

    def portfolio(self, task):
        return [{"quality": np.float32(0.5), "mode": "plain", "depth": np.int64(3)}]

    def search_space(self, trial, task):
        trial.suggest_categorical("depth", list(np.arange(2, 5)))
        trial.set_user_attr("number of NumPy", np.float32(1))
        trial.set_user_attr("set", {1})
        trial.set_user_attr("keys", {(1, 2): 3})
        return super().search_space(trial, task)


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_values_that_json_does_not_know_are_stored(tmp_path, folds):
    with Part(tmp_path, folds, Budget(1e6, 3), families=[Noting()]) as part:
        assert part.run() == [0, 1, 2]
    assert part.storage.problem == ""
    with Part(tmp_path, folds, Budget(1e6, 4), families=[Noting()]) as again:
        assert again.run() == [3]
    assert statuses(again) == dict.fromkeys(range(4), "complete")
    (trials,) = again.search.trials().values()
    assert trials[0].params["depth"] == 3
    assert trials[0].user_attrs["number of NumPy"] == 1


def leave_far(archive):
    """Let a process seem to be one of another machine that lives."""
    archive.participants._ended.set()
    archive.participants._file(archive.participants.own).write_text(FAR)


def test_a_process_that_searches_apart_takes_over_nothing(tmp_path):
    one, two, three = archives(tmp_path, 3)
    assert lease(two, 0) and lease(three, 1)
    two.leave()
    leave_far(three)
    storage = SearchStorage(5, one)
    assert storage.is_unsure([1])
    one.first_apart = 1
    assert storage.take_lost([0]) == []
    assert not storage.is_unsure([1])
    assert not one.leases.has(0)
    one.leave()


class Brief(StubFamily):
    starts_search = True

    def cost(self, params, task):
        return 0.01


def test_the_limit_that_is_kept_is_the_one_that_a_trial_had(
    tmp_path,
    folds,
    monkeypatch,
):
    monkeypatch.setattr("automodel.search.workers.own.FIRST_SECONDS", 0.2)
    monkeypatch.setattr("automodel.search.workers.own.FIRST_SHARE", 0.0)
    family = Brief(trials=[(0.9, "sleep")], seconds=60)
    with Part(tmp_path, folds, Budget(15.0, 1), families=[family]) as part:
        keep = part.storage.model_folder
        with open_workers(2, folds, model_folder=keep) as workers:
            part.search.workers = workers
            part.search.run()
        assert statuses(part) == {0: "stopped"}
    assert part.storage.archive.stop_of(0)["time_limit"] == 0.2


@pytest.mark.parametrize("text", ["[]", "{}", "1"])
def test_files_of_another_shape_are_damaged_ones(tmp_path, folds, text):
    make(tmp_path, folds, 2)
    (tmp_path / "oof" / "1-deadbeef.npy").touch()
    for name in ("trial.json", "stopped.json"):
        (tmp_path / "trials" / "1" / name).write_text(text)
    with Part(tmp_path, folds, Budget(1e6, 3)) as part:
        assert part.storage.archive.stop_of(1) is None
        assert part.run() == [2]


class Refusing(StubFamily):
    """Refuses settings of little quality."""

    def search_space(self, trial, task):
        params = super().search_space(trial, task)
        if params["quality"] < 0.5:
            raise ValueError("too poor")
        return params


def test_what_failed_before_it_ran_is_booked_at_once_by_a_later_part_too(
    tmp_path,
    folds,
):
    poor = [(0.9, "plain"), (0.8, "plain"), (0.1, "plain"), (0.7, "plain")]
    asked = []
    for _ in range(2):
        budget = Budget(None, 8)
        with Part(tmp_path, folds, budget, families=[Refusing(trials=poor)]) as part:
            asked.append([item.number for item in part.search.ask_round()])
            assert statuses(part) == {2: "failed"}
    assert asked == [[0, 1, 3]] * 2


class Broken(StubFamily):
    def portfolio(self, task):
        raise RuntimeError("no settings")


def test_the_error_of_a_trial_without_parameters_stays(tmp_path, folds):
    for _ in range(2):
        with Part(tmp_path, folds, Budget(1e6, 2), families=[Broken()]) as part:
            part.run()
        errors = {e.error for e in part.storage.evaluations.values()}
        assert errors == {"RuntimeError: no settings"}


def test_a_category_that_is_gone_does_not_end_its_family(tmp_path, folds):
    trials = [(0.5, "plain"), (0.9, "report"), (0.8, "report"), (0.7, "report")]
    make(tmp_path, folds, 4, families=[StubFamily(trials=trials)])
    families = [StubFamily(trials=PLAIN)]
    with Part(tmp_path, folds, Budget(1e6, 6), families=families) as part:
        assert part.run() == [4, 5]
    assert list(statuses(part).values()).count("failed") == 3


def test_what_a_callback_does_to_a_trial_is_not_stored(tmp_path, folds):
    def callback(study, trial):
        trial.user_attrs.clear()
        trial.params.clear()

    with Part(tmp_path, folds, Budget(1e6, 3), callbacks=[callback]) as part:
        part.storage._pause = NO_DEADLINE
        assert part.run() == [0, 1, 2]
    with Part(tmp_path, folds, Budget(1e6, 3)) as again:
        assert again.run() == []
    assert statuses(again) == dict.fromkeys(range(3), "complete")


def test_only_the_first_reading_may_take_long(tmp_path, monkeypatch):
    monkeypatch.setattr("automodel.search.storage.ledger.MOST_SECONDS", 0.1)
    storage = Slow()
    archive = Archive(tmp_path, "s", lambda: storage)
    archive.enter(["stub"])
    assert archive.ledger.news() == []
    storage.seconds = 1.0
    assert archive.ledger.news() is None
    archive.leave()


def trial_of(number):
    state = optuna.trial.TrialState.PRUNED
    return optuna.trial.create_trial(state=state, user_attrs={"number": number})


def test_nothing_is_written_long_after_the_end(tmp_path):
    (archive,) = archives(tmp_path, 1)
    archive.ledger.seconds_left = lambda: -1.0
    archive.ledger.add("stub", trial_of(0))
    assert archive.ledger.close() == {0}
    assert "no time left" in archive.ledger.failure
    archive.leave()


class Full(optuna.storages.InMemoryStorage):
    n_reads = 0

    def create_new_trial(self, *arguments, **keywords):
        raise OSError(28, "No space left on device")

    def get_all_trials(self, *arguments, **keywords):
        self.n_reads += 1
        return super().get_all_trials(*arguments, **keywords)


def test_a_storage_that_takes_nothing_is_not_read(tmp_path, monkeypatch):
    storage = Full()
    archive = Archive(tmp_path, "s", lambda: storage)
    archive.enter(["stub"])
    archive.ledger.add("stub", trial_of(0))
    archive.ledger._pause = OVER
    archive.ledger._is_doubtful = False
    n_reads = storage.n_reads
    assert archive.ledger.news() is None
    assert storage.n_reads == n_reads
    archive.leave()


def test_without_time_no_files_of_trials_are_read(tmp_path):
    one, two = archives(tmp_path, 2)
    lease(one, 0)
    two.seconds_left = lambda: 0.0
    assert two.news() == ([], [])
    two.seconds_left = lambda: 1.0
    assert [number for number, *_ in two.news()[0]] == [0]
    one.leave()
    two.leave()


def test_a_lease_whose_link_was_made_twice_is_ones_own(tmp_path, monkeypatch):
    """A server of NFS answers a request that is sent again."""
    one, two = archives(tmp_path, 2)
    lease(one, 0)
    one.leave()
    real = os.link

    def link(*arguments):
        real(*arguments)
        raise FileExistsError(17, "File exists")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", link)
        assert two.take_lost([0]) == [(0, False)]
    two.leases.release(0)
    assert two.leases.participant_of(0) == ""
    two.leave()


def test_without_time_no_trial_is_taken_over(tmp_path, folds):
    (other,) = archives(tmp_path, 1)
    assert lease(other, 0)
    other.leave()
    clock = FakeClock()
    budget = Budget(100.0, 1, clock)
    with Part(tmp_path, folds, budget) as part:
        clock.wait(99.9)
        assert part.search.ask() is None
        assert not part.storage.archive.leases.has(0)


def test_a_number_that_was_not_read_is_read_later(tmp_path):
    one, two = archives(tmp_path, 2)
    assert lease(one, 0)
    assert lease(two, 1)
    assert [number for number, *_ in two.news()[0]] == [0, 1]
    for archive in (one, two):
        archive.leave()


def test_own_trials_are_no_news(tmp_path, folds):
    (other,) = archives(tmp_path, 1)
    assert lease(other, 0)
    with Part(tmp_path, folds, Budget(1e6, 3)) as part:
        part.search._trials.n_asked = 1  # what another asks for could not be read
        part.search._trials._next_sync = NO_DEADLINE
        assert part.search.ask().number == 1
        part.search._trials.sync()
        assert part.search._trials._elsewhere.keys() == {0}
        assert part.search.ask().number == 2
    other.leave()


def test_the_first_cause_of_a_failure_is_told(tmp_path):
    (archive,) = archives(tmp_path, 1)
    storage = SearchStorage(5, archive)
    calls = itertools.chain([OSError(28, "No space left"), TimeoutError("late")])

    def fail(archive):
        raise next(calls)

    for _ in range(2):
        storage._pause = OVER
        storage._archived(fail, None)
    storage._unrecorded[0] = evaluation(0.5), None
    assert "No space left" in storage._said_of(set(), "", [])
    storage._unrecorded.clear()
    storage._pause = OVER
    assert storage._archived(lambda archive: 1, None) == 1
    assert storage._failure == ""
    archive.leave()


def test_a_search_that_was_stopped_does_not_wait_for_others(
    tmp_path,
    folds,
    monkeypatch,
):
    (far,) = archives(tmp_path, 1)
    assert lease(far, 0)
    leave_far(far)

    def sleep(seconds):
        raise AssertionError

    with Part(tmp_path, folds, Budget(None, 1)) as part:
        part.search._families["stub"].shown.stop()
        monkeypatch.setattr(time, "sleep", sleep)
        assert part.search.ask_round() == []
        monkeypatch.undo()


def test_the_dead_of_trials_that_were_not_read_are_remembered(tmp_path):
    one, two = archives(tmp_path, 2)
    assert lease(one, 0)
    file = one.participants._file(one.participants.own)
    one.participants._ended.set()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"start": "1"}))
    assert two.participants.is_dead(one.participants.own)
    two.leave()
    assert file.exists()


def search_in_rounds(folder, folds, n_trials, families):
    with Part(folder, folds, Budget(None, n_trials), families=families) as part:
        while items := part.search.ask_round():
            for item in items:
                part.tell(item)
            part.search._trials.take_in(items[0].number // ROUND_SIZE)
    known = sorted(part.storage.evaluations.items())
    return [(e.candidate.family.name, e.candidate.params, e.status) for _, e in known]


@pytest.mark.parametrize("n_first", [5, 7, 9, 10])
def test_refused_settings_do_not_tell_two_parts_from_one(tmp_path, folds, n_first):
    trials = [(quality, "plain") for quality in (0.9, 0.1, 0.8, 0.2, 0.7, 0.3)]
    families = [Refusing("one", trials=trials), StubFamily("two", rank=2)]
    families.append(Refusing("three", rank=3))
    whole = search_in_rounds(tmp_path / "whole", folds, 16, families)
    search_in_rounds(tmp_path / "parts", folds, n_first, families)
    assert search_in_rounds(tmp_path / "parts", folds, 16, families) == whole


def test_a_round_of_refused_settings_does_not_end_the_search(tmp_path, folds):
    trials = [(quality, "plain") for quality in (0.1, 0.9, 0.8)]
    families = [Refusing(name, trials=trials) for name in "abcd"]
    statuses = [s for *_, s in search_in_rounds(tmp_path, folds, 6, families)]
    assert statuses == ["failed"] * 4 + ["complete"] * 2
