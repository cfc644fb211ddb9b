"""Plans from probes that are made up."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from automodel.training.plan import Planner, jobs_of
from automodel.training.planning.machine import Machine
from automodel.training.planning.simulation import _gaps
from tests.conftest import StubFamily
from tests.training.planning.makers import (
    MEGA,
    BlindFamily,
    CostlyFamily,
    SilentFamily,
    make_fit,
    make_probe,
    make_probes,
)

TWO_CORES = Machine(n_cores=2, memory=4_000 * MEGA, gpu=False)


def planned(families, *probes, machine=TWO_CORES, **options):
    return Planner(make_fit(families, **options), make_probes(*probes)).plan(machine)


def test_seconds_are_those_of_the_trials():
    probes = [make_probe(n_rows=n, fit_seconds=n / 800) for n in (400, 800)]
    plan = planned([StubFamily()], *probes, n_trials=20)
    # Of 20 trials in five folds, each of a second, some are pruned.
    assert 30 < plan.seconds.low < plan.seconds.likely < plan.seconds.high < 150
    assert plan.n_trials["stub"].likely == plan.total_trials.likely == 20
    assert plan.seconds_to_first_model.likely == pytest.approx(5.0, rel=0.4)


def test_a_plan_is_the_same_each_time():
    plans = [planned([CostlyFamily()], make_probe(), n_trials=9) for _ in range(2)]
    assert plans[0].seconds == plans[1].seconds
    assert plans[0].n_trials == plans[1].n_trials


def test_a_fit_takes_its_budget_and_more_trials_if_they_are_short():
    slow, fast = (
        planned([StubFamily()], make_probe(fit_seconds=s), seconds=60.0)
        for s in (1.0, 0.1)
    )
    assert slow.seconds.likely == pytest.approx(60.0, rel=0.1)
    assert fast.total_trials.likely > 2 * slow.total_trials.likely


def test_a_family_with_costly_trials_has_few():
    families = [StubFamily("cheap"), StubFamily("costly", rank=2)]
    probes = make_probe("cheap", fit_seconds=0.05), make_probe("costly", fit_seconds=2)
    plan = planned(families, *probes, seconds=120.0)
    assert plan.n_trials["cheap"].likely > 2 * plan.n_trials["costly"].likely > 0


def test_a_family_without_time_is_left_out():
    families = [StubFamily("cheap"), BlindFamily("costly", rank=2)]
    probes = make_probe("cheap", fit_seconds=0.1), make_probe("costly", fit_seconds=900)
    plan = planned(families, *probes, seconds=30.0)
    assert plan.left_out == {"costly": "has no trial that ends in time"}


def test_a_family_that_states_a_large_cost_is_not_tried():
    costly = CostlyFamily("costly", rank=2)
    costly.seconds_per_1000 = 10_000.0
    plan = planned([StubFamily(), costly], make_probe(), seconds=30.0)
    assert plan.left_out == {"costly": "has no time within the budget"}


def test_a_budget_of_a_second_has_a_plan():
    plan = planned([BlindFamily()], make_probe(fit_seconds=5.0), seconds=1.0)
    assert plan.seconds.likely <= 1.0
    assert plan.seconds_to_first_model.likely == float("inf")


def test_a_family_that_fails_is_left_out():
    families = [StubFamily(), StubFamily("broken")]
    broken = make_probe("broken", error="ValueError: no such solver")
    plan = planned(families, make_probe(), broken, n_trials=4)
    assert plan.left_out["broken"] == "its trials fail: ValueError: no such solver"
    assert "broken" not in plan.n_trials


def test_there_is_no_plan_if_everything_fails():
    broken = make_probe(error="ValueError: no such solver")
    with pytest.raises(RuntimeError, match="Every family fails .* no such solver"):
        planned([StubFamily()], broken, n_trials=4)


LIMIT = 300 * MEGA  # of which a process has 240 between its trials


@pytest.mark.parametrize(("used", "fits"), [(40, True), (80, False)])
def test_what_does_not_fit_in_the_memory_limit(used, fits):
    families = [StubFamily("small"), StubFamily("large", rank=2)]
    small = make_probe("small", n_rows=800, n_bytes=10 * MEGA)
    large = make_probe("large", n_rows=800, n_bytes=used * MEGA)
    options = {"memory_limit": LIMIT, "seconds": 60.0}
    plan = planned(families, small, large, **options)
    assert ("large" not in plan.left_out) == fits
    if not fits:
        assert plan.left_out == {"large": "does not fit in memory"}
        assert plan.memory_worker > LIMIT


def test_a_fit_that_needs_more_memory_than_the_machine_has():
    probe = make_probe(n_rows=800, n_bytes=1_500 * MEGA)
    plan = planned([StubFamily()], probe, n_jobs=2, n_trials=8)
    assert plan.peak_memory.likely > 3_000 * MEGA
    small = plan.on(Machine(n_cores=2, memory=1_000 * MEGA, gpu=False))
    assert any("does not fit in memory" in note for note in small.notes)
    assert not any(
        "memory" in note for note in planned([StubFamily()], n_trials=1).notes
    )


def test_a_family_that_states_no_cost_is_named():
    plan = planned([SilentFamily("own")], make_probe("own"), n_trials=4)
    assert plan.notes == ("own states no cost. It was measured.",)
    plan = planned([SilentFamily("own")], n_trials=4)
    assert "guesses" in plan.notes[0]
    plan = planned([CostlyFamily()], n_trials=4)
    assert "follow from the costs that they state" in plan.notes[0]


def test_another_machine_runs_more_trials_at_a_time():
    options = {"n_jobs": -1, "n_trials": 16}
    plan = planned([StubFamily()], make_probe(fit_seconds=2.0), **options)
    large = plan.on(Machine(n_cores=8, memory=10**10, gpu=False))
    assert (plan.n_jobs, large.n_jobs) == (2, 8)
    assert large.seconds.likely < plan.seconds.likely / 1.3  # four run at a time
    assert large.peak_memory.likely > plan.peak_memory.likely


def test_more_jobs_than_cores_share_them():
    options = {"n_jobs": 8, "n_trials": 16}
    probe = make_probe(fit_seconds=2.0)
    few = planned([StubFamily()], probe, **options)
    many = few.on(Machine(n_cores=8, memory=10**10, gpu=False))
    assert few.seconds.likely > 2 * many.seconds.likely


@pytest.mark.parametrize(
    ("n_jobs", "n_cores", "found"), [(-1, 4, 4), (-2, 4, 3), (3, 1, 3), (-5, 2, 1)]
)
def test_jobs_on_a_machine(n_jobs, n_cores, found):
    assert jobs_of(n_jobs, n_cores) == found


def test_a_plan_from_a_file_holds_no_probes():
    plan = planned([StubFamily()], make_probe(), n_trials=2)
    loaded = pickle.loads(pickle.dumps(plan))
    assert loaded == plan
    with pytest.raises(RuntimeError, match="Call 'plan' of the estimator again"):
        loaded.on(TWO_CORES)


def test_advice_says_what_cores_and_budgets_change():
    probe = make_probe(fit_seconds=1.0)
    plan = planned([StubFamily()], probe, n_jobs=2, n_trials=16)
    advice = {one.change: one for one in plan.advice}
    assert advice["half the cores"].seconds.likely > 1.4 * plan.seconds.likely
    assert advice["twice the cores"].seconds.likely < plan.seconds.likely / 1.2
    assert advice["twice the budget"].n_trials.likely == 32
    assert "n_jobs=4" in advice["twice the cores"].text
    assert "n_trials=8" in advice["half the budget"].text


@pytest.mark.parametrize("needed", [None, ()])
def test_the_process_of_fit_loads_what_predictions_need(needed):
    family = StubFamily()
    family.requires, family.predict_requires = ("numpy",), needed
    probe = make_probe(import_bytes=400.0 * MEGA)
    plan = planned([family], probe, n_jobs=2, n_trials=4)
    others = planned([family], make_probe(import_bytes=0.0), n_jobs=2, n_trials=4)
    added = plan.memory_parent - others.memory_parent
    assert added == pytest.approx(0.0 if needed == () else 400 * MEGA, abs=MEGA)
    assert plan.memory_worker > others.memory_worker + 300 * MEGA


def test_the_process_that_others_are_forked_from_counts_as_memory():
    fit = make_fit([StubFamily()], n_jobs=2, n_trials=4)
    memory = []
    for server_bytes in (0.0, 300.0 * MEGA):
        probes = replace(make_probes(make_probe()), server_bytes=server_bytes)
        memory.append(Planner(fit, probes).plan(TWO_CORES).peak_memory.likely)
    assert memory[1] - memory[0] == pytest.approx(300 * MEGA, abs=MEGA)


def test_scores_are_compared_by_what_is_missing_to_the_perfect_one():
    """A model with an AUC of 0.98 makes half the errors of one with 0.96."""
    families = [StubFamily("good"), StubFamily("bad", rank=2)]
    probes = [make_probe("good", 10**5, score=0.98)]
    probes += [make_probe("bad", 10**5, score=0.96)]
    scene = Planner(make_fit(families, n_trials=4), make_probes(*probes)).scene
    gaps = [
        _gaps(replace(scene, perfect=perfect), np.random.default_rng(0))
        for perfect in (1.0, 0.0)
    ]
    assert gaps[0][0] == gaps[1][0] == 0
    assert gaps[0][1] > 0.5 > 0.1 > gaps[1][1]
