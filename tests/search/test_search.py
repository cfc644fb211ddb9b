"""A search on a clock of its own: hours of trials pass at once."""

import heapq

import numpy as np
import pytest

from automodel.evaluation.evaluate import Evaluation
from automodel.search.budget import Budget
from automodel.search.search import Search, SearchSettings
from automodel.search.storage.memory import SearchStorage
from automodel.search.workers.base import Workers
from tests.conftest import FakeClock, StubFamily
from tests.search.storage.test_resume import random_sampler

HOUR = 3600.0
RESERVE = 4.0  # seconds of it that are left to choose the ensemble, and to tidy up


class FakeWorkers(Workers):
    """Workers that train nothing: a trial lets time pass, and scores its quality.

    `seconds_of` says how long the trials of each family take.
    """

    def __init__(self, n_jobs, folds, clock, seconds_of):
        super().__init__(n_jobs, folds)
        self.clock, self.seconds_of = clock, seconds_of
        self.begun = []

    def run(self, items):
        items, running = iter(items), []
        while True:
            while len(running) < self.n_jobs and (item := next(items, None)):
                now = self.clock.now()
                seconds = self.seconds_of[item.candidate.family.name]
                end = min(now + seconds, item.deadline.moment)
                heapq.heappush(running, (end, item.number, now, item))
                self.begun.append(now)
            if not running:
                return
            end, _, start, item = heapq.heappop(running)
            self.clock.wait(max(end - self.clock.now(), 0.0))
            yield item, self.evaluation(item, end - start)

    def evaluation(self, item, seconds):
        if item.deadline.is_over:
            return Evaluation(item.candidate, "stopped", seconds=seconds)
        score = item.candidate.params["quality"]
        n_folds = len(self.folds)
        return Evaluation(
            item.candidate,
            "complete",
            score,
            fold_scores=[score] * n_folds,
            seconds=seconds,
            oof=np.full((len(self.folds.y), 2), 0.5, dtype=np.float32),
            models=[None] * n_folds,
        )


def searched(folds, budget, workers, families):
    storage = SearchStorage(5, clock=budget.clock)
    settings = SearchSettings(sampler=random_sampler)
    Search(families, folds, budget, storage, workers, settings).run()
    return storage.evaluations


@pytest.mark.usefixtures("no_other_clock")
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_a_search_ends_at_its_budget_whatever_its_clock(folds, n_jobs):
    clock = FakeClock(1e6)
    budget = Budget(HOUR, 10_000, clock)
    workers = FakeWorkers(n_jobs, folds, clock, {"stub": 100.0})
    evaluations = searched(folds, budget, workers, [StubFamily()])
    refits = 1.3 * 5 * 50.0 / n_jobs  # of members that took 50 seconds for a fold
    end = budget.deadline.moment - RESERVE - refits
    assert end - 200.0 < max(workers.begun) < end - 100.0  # so that it ends in time
    assert budget.elapsed < HOUR - RESERVE - refits
    assert 25 * n_jobs < len(evaluations) <= 36 * n_jobs
    complete = [e for e in evaluations.values() if e.status == "complete"]
    assert len(complete) >= len(evaluations) - n_jobs


@pytest.mark.usefixtures("no_other_clock")
def test_trials_that_take_longer_than_the_budget_are_stopped(folds):
    clock = FakeClock()
    budget = Budget(HOUR, 10_000, clock)
    workers = FakeWorkers(1, folds, clock, {"stub": 10 * HOUR})
    evaluations = searched(folds, budget, workers, [StubFamily()])
    assert [e.status for e in evaluations.values()] == ["stopped"]
    assert budget.elapsed == HOUR - RESERVE


@pytest.mark.usefixtures("no_other_clock")
def test_no_time_is_kept_for_refits_that_are_too_long(folds):
    clock = FakeClock()
    budget = Budget(HOUR, 10_000, clock)
    workers = FakeWorkers(1, folds, clock, {"stub": 1600.0})  # 800 for a fold
    evaluations = searched(folds, budget, workers, [StubFamily()])
    assert [e.status for e in evaluations.values()] == ["complete"] * 2


class LongFamily(StubFamily):
    """A family of which a trial may take most of the time."""

    most_share = 0.9

    def cost(self, params, task):
        return self.seconds


@pytest.mark.parametrize(("seconds", "share"), [(0.4 * HOUR, 0.45), (0.5 * HOUR, 1.0)])
def test_long_trials_leave_time_for_refits_if_both_fit(folds, seconds, share):
    clock, limits = FakeClock(), []

    class Noting(FakeWorkers):
        def evaluation(self, item, seconds):
            limits.append(item.time_limit)
            return super().evaluation(item, seconds)

    budget = Budget(HOUR, 10_000, clock)
    workers = Noting(1, folds, clock, {"stub": seconds})
    evaluations = searched(folds, budget, workers, [LongFamily(seconds=seconds)])
    assert [e.status for e in evaluations.values()] == ["complete"]
    assert limits == [pytest.approx(0.9 * (share * HOUR - RESERVE))]


def test_without_a_budget_no_decision_depends_on_the_clock(folds):
    def chosen(step, **seconds_of):
        clock = FakeClock(step=step)
        workers = FakeWorkers(1, folds, clock, seconds_of)
        families = [StubFamily("one"), StubFamily("two")]
        found = searched(folds, Budget(None, 12, clock), workers, families)
        return [(e.candidate.family.name, e.candidate.params) for e in found.values()]

    first = chosen(0.0, one=1.0, two=1.0)
    assert len(first) == 12
    assert chosen(HOUR, one=1e9, two=1.0) == first
