"""A whole fit on a clock of its own."""

import pytest

from automodel.search.budget import Budget
from automodel.search.search import SearchSettings
from automodel.search.workers.base import Workers
from automodel.training.train import TrainingSettings, train
from tests.conftest import FakeClock, StubFamily
from tests.evaluation.test_folds import make_folds
from tests.search.storage.test_resume import random_sampler
from tests.search.test_search import HOUR, RESERVE


class TimedFamily(StubFamily):
    """Trains for a minute, and notes when, and whether that was a trial or a refit."""

    def __init__(self):
        super().__init__(modes=["sleep"], seconds=60.0)
        self.begun = {"trial": [], "refit": []}

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        what = "trial" if monitor.has_validation else "refit"
        self.begun[what].append(monitor.clock.now())
        return super().fit(
            estimator, X, y, sample_weight=sample_weight, monitor=monitor
        )


@pytest.mark.usefixtures("no_other_clock")
def test_a_fit_takes_its_budget_on_the_clock_it_is_given():
    """Each training takes a minute of that clock, and none of another."""
    opened = []

    def open_workers(n_jobs, folds, memory_limit, model_folder):
        opened.append(Workers(1, folds, model_folder))
        return opened[0]

    budget = Budget(HOUR, 10_000, FakeClock())
    settings = TrainingSettings(
        SearchSettings(sampler=random_sampler), open_workers=open_workers
    )
    family = TimedFamily()
    trained = train(make_folds(), [family], budget, settings)
    assert 0.7 * HOUR < budget.elapsed <= HOUR - 0.6  # in which files are removed
    refits = 1.3 * 5 * 60.0
    assert max(family.begun["trial"]) < HOUR - RESERVE - refits
    assert max(family.begun["trial"]) < max(family.begun["refit"]) < HOUR - 60.6
    assert len(opened) == 1
    assert {member.family for member in trained.ensemble.members} == {"stub"}
    assert len(trained.params) >= 10
