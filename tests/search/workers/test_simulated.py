"""Workers whose trials take no time."""

import math

import numpy as np
import pytest

from automodel.families.base import ModelFamily
from automodel.search.budget import Budget
from automodel.search.search import Search, SearchSettings
from automodel.search.storage.memory import SearchStorage
from automodel.search.workers.simulated import SimulatedClock, SimulatedWorkers
from automodel.search.workers.simulated_trial import Course
from automodel.search.workers.work import Refit
from tests.conftest import StubFamily
from tests.evaluation.test_folds import make_folds
from tests.search.storage.test_resume import random_sampler

GIGA = 10**9


class FixedCosts:
    """Costs that tests choose, the same for all trials of a family."""

    start_seconds, start_bytes, trial_seconds = 2.0, 0.2 * GIGA, 0.0

    def __init__(self, folds, seconds=1.0, n_bytes=0.0, loaded=(0.0, 0.0), shared=0.0):
        self.folds, self.shared = folds, shared
        self.seconds, self.n_bytes, self.loaded = seconds, n_bytes, loaded

    def course(self, candidate):
        n_folds = len(self.folds)
        quality = candidate.params["quality"]
        return Course(
            fold_seconds=[self.seconds / n_folds] * n_folds,
            predict_seconds=0.0,
            oof=np.full((len(self.folds.y), 2), 0.5 + 0.1 * quality, np.float32),
            n_iterations=0,
            n_bytes=self.n_bytes,
            model_bytes=1000.0,
            encode_seconds=0.0,
            shared_seconds=self.shared,
        )

    def refit_seconds(self, candidate):
        return self.seconds

    def import_seconds(self, family):
        return self.loaded[0]

    def import_bytes(self, family):
        return self.loaded[1]

    def ensemble_seconds(self, n_evaluations):
        return 3.0


def searched(
    costs, *, n_jobs=1, limit=None, n_trials=None, seconds=None, families=(), here=False
):
    """Search until the trials or the seconds are used up; return workers and clock."""
    clock = SimulatedClock()
    workers = SimulatedWorkers(
        n_jobs,
        costs.folds,
        clock,
        costs,
        limit,
        has_processes=n_jobs > 1 or bool(limit),
        may_start_here=here,
    )
    search = Search(
        list(families) or [StubFamily()],
        costs.folds,
        Budget(seconds, n_trials, clock),
        SearchStorage(10, clock=clock),
        workers,
        SearchSettings(sampler=random_sampler),
    )
    search.run()
    return search, workers, clock


@pytest.fixture(autouse=True)
def nothing_reads_the_time(no_other_clock):
    """A simulation must not depend on how long it takes."""


def test_trials_follow_each_other_in_this_process():
    _, workers, clock = searched(FixedCosts(make_folds(), seconds=5.0), n_trials=8)
    assert len(workers.ended) == 8
    assert clock.now() == pytest.approx(40.0)
    assert workers.first_end == pytest.approx(5.0)


def test_trials_run_side_by_side_once_the_processes_have_started():
    _, _, clock = searched(FixedCosts(make_folds(), seconds=5.0), n_jobs=4, n_trials=8)
    assert clock.now() == pytest.approx(2 * 5.0 + FixedCosts.start_seconds)


@pytest.mark.parametrize(
    ("here", "cost", "first_end"), [(True, 0.1, 5.0), (True, 9.0, 7.0), (False, 0.1, 7)]
)
def test_a_cheap_first_trial_waits_for_no_process(here, cost, first_end):
    family = StubFamily()
    family.starts_search, family.cost = True, lambda params, task: cost
    costs = FixedCosts(make_folds(), seconds=5.0)
    _, workers, _ = searched(costs, n_jobs=2, n_trials=8, families=[family], here=here)
    assert workers.first_end == pytest.approx(first_end)


def test_each_process_loads_the_libraries_of_a_family_once():
    costs = FixedCosts(make_folds(), seconds=5.0, loaded=(7.0, 0.0))
    _, _, clock = searched(costs, n_jobs=2, n_trials=8)
    assert clock.now() == pytest.approx(4 * 5.0 + 2.0 + 7.0)


def test_what_all_trials_share_is_computed_once():
    costs = FixedCosts(make_folds(), seconds=5.0, shared=30.0)
    _, workers, clock = searched(costs, n_jobs=2, n_trials=8)
    assert clock.now() == pytest.approx(4 * 5.0 + 2.0 + 30.0)
    assert {e.seconds for _, e in workers.ended} == {5.0}


def test_a_search_ends_with_its_time():
    search, workers, clock = searched(FixedCosts(make_folds(), 5.0), seconds=100.0)
    assert 70.0 < clock.now() < 100.0
    assert len(search.trials()["stub"]) == len(workers.ended) >= 14


class BlindFamily(StubFamily):
    """A family that does not look at the clock when it trains."""

    fit = ModelFamily.fit


LONG = 1000.0  # seconds of a trial, of which there are 100 at most


def test_a_family_that_looks_at_the_clock_stops_in_time():
    _, workers, clock = searched(FixedCosts(make_folds(), LONG), seconds=100.0)
    assert workers.ended[0][1].status == "complete"
    assert 20.0 < workers.first_end < 30.0
    assert clock.now() < 100.0


def test_a_family_that_does_not_is_ended():
    costs = FixedCosts(make_folds(), LONG)
    families = [BlindFamily()]
    _, workers, clock = searched(costs, seconds=100.0, families=families)
    assert [e.error[:12] for _, e in workers.ended][0] == "TimeoutError"
    assert {e.status for _, e in workers.ended} <= {"failed", "stopped"}
    assert clock.now() < 100.0


@pytest.mark.parametrize(
    ("limit", "status"), [(GIGA, "failed"), (2 * GIGA, "complete")]
)
def test_a_trial_that_exceeds_the_memory_limit_fails(limit, status):
    costs = FixedCosts(make_folds(), n_bytes=GIGA, loaded=(0.0, 0.1 * GIGA))
    _, workers, _ = searched(costs, limit=limit, n_trials=2)
    assert {e.status for _, e in workers.ended} == {status}
    assert workers.worker_bytes == pytest.approx(1.3 * GIGA)


def test_memory_is_that_of_all_processes_together():
    costs = FixedCosts(make_folds(), seconds=5.0, n_bytes=GIGA)
    _, workers, _ = searched(costs, n_jobs=3, n_trials=9)
    assert workers.peak_bytes == pytest.approx(3 * 1.2 * GIGA)
    assert workers.worker_bytes == pytest.approx(1.2 * GIGA)


def test_a_hopeless_family_is_given_up():
    costs = FixedCosts(make_folds(), n_bytes=2 * GIGA)
    families = [StubFamily(), StubFamily("other", rank=2)]
    search, workers, _ = searched(costs, limit=GIGA, seconds=100.0, families=families)
    assert len(workers.ended) == 4
    assert {len(trials) for trials in search.trials().values()} == {2}


def refit_with(seconds, deadline):
    folds = make_folds()
    costs = FixedCosts(folds, seconds=seconds)
    search, workers, clock = searched(costs, n_jobs=2, n_trials=4)
    trials = search.storage.evaluations
    orders = [Refit(n, trials[n].candidate, None, deadline(clock)) for n in trials]
    before = clock.now()
    return workers.refit(orders), clock.now() - before


def test_refits_share_the_processes():
    models, seconds = refit_with(5.0, lambda clock: Budget(None, 1, clock).deadline)
    assert all(model.n_bytes == 1000 for model in models)
    assert seconds == pytest.approx(3.0 + 2 * 5.0)


def test_refits_that_end_too_late_have_no_models():
    models, _ = refit_with(5.0, lambda clock: Budget(10.0, 1, clock).deadline)
    assert [model is None for model in models] == [False, False, True, True]


def test_a_search_without_a_complete_trial_has_no_first_model():
    costs = FixedCosts(make_folds(), n_bytes=2 * GIGA)
    _, workers, _ = searched(costs, limit=GIGA, n_trials=2)
    assert workers.first_end == math.inf
