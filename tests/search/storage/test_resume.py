"""A search that goes on in its storage; results are told, and no model is trained."""

import itertools
import shutil
import time

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial

from automodel.clock import NO_DEADLINE
from automodel.containment import contained
from automodel.evaluation.evaluate import Evaluation
from automodel.search.budget import Budget
from automodel.search.search import Search, SearchSettings
from automodel.search.storage.archive import Archive
from automodel.search.storage.memory import SearchStorage
from automodel.search.workers.base import Workers
from tests.conftest import FakeClock, StubFamily


def random_sampler(seed):
    return optuna.samplers.RandomSampler(seed=seed)


class Part:
    """A part of a search, in a folder, that is told what its trials come to."""

    def __init__(
        self, folder, folds, budget, *, families=None, storage=None, callbacks=()
    ):
        archive = Archive(folder, "test", (lambda: storage) if storage else None)
        self.storage = SearchStorage(5, archive)
        self.folds, self.budget = folds, budget
        self.families = families or [StubFamily()]
        self.settings = SearchSettings(sampler=random_sampler, callbacks=callbacks)

    def __enter__(self):
        self._block = contained()
        self._block.__enter__()
        names = [family.name for family in self.families]
        self._opened = self.storage.opened(names, self.budget)
        self._opened.__enter__()
        workers = Workers(1, self.folds)
        self.search = Search(
            self.families,
            self.folds,
            self.budget,
            self.storage,
            workers,
            self.settings,
        )
        return self

    def __exit__(self, *exc_info):
        self._opened.__exit__(*exc_info)
        self._block.__exit__(*exc_info)

    def tell(self, item, status="complete", **known):
        result = Evaluation(item.candidate, status, **known)
        if status == "complete":
            keep = self.storage.model_folder(item.number)
            result.score = item.candidate.params["quality"]
            result.oof = np.zeros((40, 2), dtype=np.float32)
            result.fold_scores = [result.score] * 2
            result.models = [keep(fold, None) for fold in range(2)]
        self.search.tell(item, result)

    def run(self):
        """Run all that is asked for, and return the numbers."""
        numbers = []
        while (item := self.search.ask()) is not None:
            numbers.append(item.number)
            is_pruned = item.number > 20 and item.number % 10 > 2
            self.tell(item, "pruned" if is_pruned else "complete")
        return numbers


def make(folder, folds, n_trials, **params):
    with Part(folder, folds, Budget(1e6, n_trials), **params) as part:
        assert len(part.run()) == n_trials


def statuses(part):
    return {n: e.status for n, e in sorted(part.storage.evaluations.items())}


def test_the_work_of_going_on_grows_with_the_trials_and_no_faster(
    tmp_path, folds, monkeypatch
):
    """Work is what is read of evaluations and trials."""
    n_reads = itertools.count()

    def read(self, name):
        next(n_reads)
        return object.__getattribute__(self, name)

    spent = []
    for n_trials in (50, 400):
        make(tmp_path / str(n_trials), folds, n_trials)
        with (
            monkeypatch.context() as patch,
            Part(tmp_path / str(n_trials), folds, Budget(1e6, n_trials)) as part,
        ):
            for kind in (Evaluation, FrozenTrial):
                patch.setattr(kind, "__getattribute__", read)
            before = next(n_reads)
            assert part.search.ask() is None
            spent.append(next(n_reads) - before)
        assert len(part.storage.evaluations) == n_trials
    assert spent[1] < 10 * spent[0]


def test_what_has_ended_is_read_from_the_journal_alone(tmp_path, folds):
    make(tmp_path, folds, 6)
    for path in tmp_path.glob("trials/*/trial.json"):
        path.unlink()
    with Part(tmp_path, folds, Budget(1e6, 8)) as part:
        assert part.run() == [6, 7]
    assert (
        len({repr(e.candidate.params) for e in part.storage.evaluations.values()}) == 8
    )


def test_where_time_is_up_the_best_trials_are_still_read(tmp_path, folds, monkeypatch):
    monkeypatch.setattr("automodel.search.shared_trials.COUNTED_AT_ONCE", 5)
    make(tmp_path, folds, 200)
    with Part(tmp_path, folds, Budget(25.0, clock=FakeClock(step=1.0))) as part:
        assert part.search.ask() is None
    read = part.storage.evaluations
    assert len(read) < 150
    best = max(read.values(), key=lambda e: e.score)
    with Part(tmp_path, folds, Budget(1e6, 200)) as whole:
        assert whole.search.ask() is None
    assert best.score == max(e.score for e in whole.storage.evaluations.values())
    assert part.storage.usable() == whole.storage.usable()


def test_an_archive_that_is_silent_does_not_make_trials_run_again(tmp_path, folds):
    make(tmp_path, folds, 6)
    with Part(tmp_path, folds, Budget(1e6, 8)) as part:
        part.storage.archive.ledger._pause = NO_DEADLINE
        assert part.run() == [6, 7]
    with Part(tmp_path, folds, Budget(1e6, 8)) as part:
        assert part.run() == []
    assert len(part.storage.evaluations) == 8


@pytest.mark.parametrize("number", [2, 6])
def test_a_folder_without_its_trial_is_passed_over(tmp_path, folds, number):
    make(tmp_path, folds, 6)
    shutil.rmtree(tmp_path / "trials" / str(number), ignore_errors=True)
    (tmp_path / "trials" / str(number)).mkdir()
    (tmp_path / "trials" / str(number) / "lease-0").touch()
    with Part(tmp_path, folds, Budget(1e6, 9)) as part:
        assert len(part.run()) == (3 if number == 2 else 2)
    with Part(tmp_path, folds, Budget(1e6, 9)) as part:
        assert part.run() == []


class Layered(StubFamily):
    """Chooses among tuples, which JSON makes lists of, and notes on the trial."""

    def search_space(self, trial, task):
        sizes = trial.suggest_categorical("sizes", [(8,), (8, 4), ((2, 1), 3)])
        assert isinstance(sizes, tuple)
        trial.set_user_attr("n_layers", len(sizes))
        return super().search_space(trial, task) | {"sizes": sizes}


def test_choices_among_tuples_and_notes_of_a_family_stay(tmp_path, folds):
    with Part(tmp_path, folds, Budget(1e6, 9), families=[Layered()]) as part:
        part.run()
    with Part(tmp_path, folds, Budget(1e6, 12), families=[Layered()]) as again:
        assert again.run() == [9, 10, 11]
    read = [again.storage.evaluations[n].candidate.params for n in range(9)]
    assert all(isinstance(params["sizes"], tuple) for params in read)
    (trials,) = again.search.trials().values()
    assert len({repr(t.distributions["sizes"]) for t in trials}) == 1
    assert [t.user_attrs["n_layers"] for t in trials] == [
        len(t.params["sizes"]) for t in trials
    ]


def stop(folder, folds, seconds=100.0):
    """Make a search whose second trial is stopped; return the limit that it had."""
    with Part(folder, folds, Budget(seconds, 3)) as part:
        for _ in range(3):
            item = part.search.ask()
            if item.number == 1:
                part.tell(item, "stopped", seconds=20.0)
                limit = item.time_limit
            else:
                part.tell(item)
    return limit


def test_what_a_limit_has_stopped_does_not_run_again_under_the_same(tmp_path, folds):
    stop(tmp_path, folds)
    for _ in range(3):
        with Part(tmp_path, folds, Budget(100.0, 4)) as part:
            assert 1 not in part.run()
        assert statuses(part)[1] == "stopped"
        assert part.storage.evaluations[1].seconds == 20.0


def test_what_a_limit_has_stopped_runs_again_once_it_has_much_more_time(
    tmp_path, folds
):
    limit = stop(tmp_path, folds)
    with Part(tmp_path, folds, Budget(1000.0, 3)) as part:
        item = part.search.ask()
        assert item.number == 1 and item.is_rerun
        assert item.time_limit > 2 * limit
        part.tell(item, "stopped", seconds=200.0)
        assert part.search.ask() is None
    with Part(tmp_path, folds, Budget(1000.0, 3)) as part:
        assert part.run() == []
    with Part(tmp_path, folds, Budget(10_000.0, 3)) as part:
        assert part.run() == [1]
        (trials,) = part.search.trials().values()
    assert statuses(part) == dict.fromkeys(range(3), "complete")
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3


def test_what_was_stopped_runs_again_also_where_nothing_else_is_to_be_gained(
    tmp_path, folds
):
    with Part(tmp_path, folds, Budget(100.0)) as part:
        while (item := part.search.ask()) is not None:
            is_first = item.number == 0
            part.tell(item, "stopped" if is_first else "pruned", seconds=9.0)
            if item.number == 1:
                part.search._trials.best = Evaluation(item.candidate, "complete", 0.5)
                part.search._trials.scores[:] = [0.5] * 99
        assert statuses(part) == {0: "stopped", 1: "pruned"}
    with Part(tmp_path, folds, Budget(1e4)) as part:
        part.search._trials.best = Evaluation(None, "complete", 0.5)
        part.search._trials.scores[:] = [0.5] * 99
        assert part.run() == [0]


def test_without_a_clock_what_was_stopped_runs_in_its_round(tmp_path, folds):
    stop(tmp_path, folds)
    with Part(tmp_path, folds, Budget(None, 8)) as part:
        assert [item.number for item in part.search.ask_round()] == [1, 3]


def test_what_was_stopped_waits_for_the_turn_of_its_family(tmp_path, folds):
    families = (StubFamily("one"), StubFamily("two", rank=2))
    budget = Budget(100.0, 6)
    with Part(tmp_path, folds, budget, families=families) as part:
        while (item := part.search.ask()) is not None:
            is_two = item.candidate.family.name == "two"
            part.tell(item, "stopped" if is_two else "complete", seconds=9.0)
    n_stopped = list(statuses(part).values()).count("stopped")
    assert n_stopped >= 1
    with Part(tmp_path, folds, Budget(1e4, 40), families=families) as part:
        numbers = part.run()
    stopped = [number for number in numbers if number < 6]
    assert len(stopped) == n_stopped
    assert numbers[0] not in stopped
    assert "stopped" not in statuses(part).values()


class Slow(optuna.storages.InMemoryStorage):
    """Takes its time to read all trials for the first time."""

    seconds = 0.0

    def get_all_trials(self, *arguments, **keywords):
        time.sleep(self.seconds)
        self.seconds = 0.0
        return super().get_all_trials(*arguments, **keywords)


def test_a_storage_that_needs_long_for_many_trials_is_waited_for(
    tmp_path, folds, monkeypatch
):
    storage = Slow()
    make(tmp_path, folds, 6, storage=storage)
    monkeypatch.setattr("automodel.search.storage.ledger.MOST_SECONDS", 0.1)
    storage.seconds = 0.6
    with Part(tmp_path, folds, Budget(1e6, 7), storage=storage) as part:
        assert part.run() == [6]
    assert len(part.storage.evaluations) == 7


def stop_search(study, trial):
    study.stop()


@pytest.mark.parametrize("seconds", [None, 1e6])
def test_a_callback_that_stops_at_an_earlier_trial_lets_none_begin(
    tmp_path, folds, seconds
):
    make(tmp_path, folds, 8)
    budget = Budget(seconds, 9)
    with Part(tmp_path, folds, budget, callbacks=[stop_search]) as part:
        assert not (part.run() if seconds else part.search.ask_round())
    assert statuses(part) == dict.fromkeys(range(8), "complete")


def test_callbacks_hear_of_a_stopped_trial_once_it_has_run_again(tmp_path, folds):
    told = []

    def note(study, trial):
        told.append((trial.user_attrs["number"], trial.user_attrs["status"]))

    stop(tmp_path, folds)
    for seconds in (100.0, 1000.0):
        told.clear()
        budget = Budget(seconds, 3)
        with Part(tmp_path, folds, budget, callbacks=[note]) as part:
            part.run()
        ran = [(1, "complete")] if seconds == 1000.0 else []
        assert told == [(0, "complete"), (2, "complete"), *ran]
