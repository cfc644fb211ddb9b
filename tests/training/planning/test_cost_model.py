"""Seconds and memory as functions of rows and settings."""

from dataclasses import replace

import numpy as np
import pytest

from automodel.training.planning.cost_model import (
    FamilyCosts,
    _mean_below,
    fit_costs,
)
from tests.conftest import StubFamily, make_task
from tests.training.planning.makers import (
    MEGA,
    CostlyFamily,
    SilentFamily,
    make_probe,
    make_probes,
)

TASK = make_task("binary", 10_000, 5, 2)


def test_one_probe_corrects_a_stated_cost():
    family = CostlyFamily()
    costs = FamilyCosts(family, TASK, [make_probe(n_rows=1000, fit_seconds=2.0)])
    assert costs.fit_seconds({}, 1000) == pytest.approx(2.0, rel=0.1)
    assert 12.0 < costs.fit_seconds({}, 8000) < 16.0


def test_a_family_that_states_no_cost_is_measured():
    probes = [make_probe(n_rows=n, fit_seconds=n / 100) for n in (400, 1600, 6400)]
    costs = FamilyCosts(SilentFamily(), TASK, probes)
    assert not costs.states_cost
    assert costs.fit_seconds({}, 8000) == pytest.approx(80.0, rel=0.1)


def test_the_speed_of_a_machine_is_that_of_the_families_that_were_probed():
    families = [CostlyFamily(name) for name in ("a", "b", "c", "d")]
    probes = [make_probe(name, 1000, 3.0) for name in "abc"]  # of a stated second
    other = fit_costs(families, TASK, make_probes(*probes))["d"]
    assert 1.3 < other.fit_seconds({}, 1000) < 3.0


def test_a_machine_on_which_processes_start_slowly_is_slow():
    seconds = []
    for start_seconds in (2.0, 8.0):
        probes = replace(make_probes(), start_seconds=start_seconds)
        own = fit_costs([CostlyFamily()], TASK, probes)["stub"]
        seconds.append(own.fit_seconds({}, 1000))
    assert seconds[1] > 1.5 * seconds[0]


def test_memory_grows_with_the_rows():
    probes = [make_probe(n_rows=n, n_bytes=n * 1e4) for n in (1000, 4000)]
    costs = FamilyCosts(StubFamily(), TASK, probes)
    assert costs.bytes_of({}, 8000) == pytest.approx(80 * MEGA, rel=0.2)


def test_buffers_of_a_library_do_not_grow_with_the_rows():
    probes = [make_probe(n_rows=400, n_bytes=20 * MEGA)]
    costs = FamilyCosts(StubFamily(), TASK, probes)
    grown = costs.stated.memory({}, 8000) - costs.stated.memory({}, 400)
    assert costs.bytes_of({}, 8000) == pytest.approx(20 * MEGA + grown)


class Boosting(CostlyFamily):
    """A stub that expects 120 rounds of 2 ms for any rows."""

    iteration_param, chooses_rounds = "n_rounds", True

    def growth_of_steps(self, task):
        return 0.5

    def cost(self, params, task):
        return 0.002 * min(params.get("n_rounds", 120), 120)


class Net(CostlyFamily):
    requires, iteration_param = ("torch",), "max_epochs"

    def cost(self, params, task):
        return super().cost(params, task) * params.get("max_epochs", 128) / 128


def boosted(n_rows, n_rounds, name="stub"):
    """Return a probe that has stopped after some of 1,000 rounds of 4 ms."""
    seconds = 0.004 * n_rounds
    probe = make_probe(name, n_rows, seconds, n_iterations=n_rounds)
    return replace(probe, params={"n_rounds": 1000})


def test_more_rows_allow_more_rounds_before_early_stopping():
    costs = FamilyCosts(Boosting(), TASK, [boosted(400, 50), boosted(1600, 200)])
    rounds = [costs.n_rounds({"n_rounds": 1000}, n) for n in (400, 1600, 6400, 10**6)]
    assert 40 < rounds[0] < 80
    assert 110 < rounds[1] < 220
    assert rounds[1] < rounds[2] < rounds[3] < 1000
    assert rounds[3] == pytest.approx(1000, rel=0.2)
    few, many = (costs.fit_seconds({"n_rounds": 1000}, n) for n in (1600, 10**6))
    assert few == pytest.approx(0.004 * rounds[1], rel=0.2)
    assert many > 3 * few


def test_the_seconds_of_a_round_do_not_depend_on_when_early_stopping_ends():
    few, many = (FamilyCosts(Boosting(), TASK, [boosted(400, n)]) for n in (20, 1000))
    seconds = [own.fit_seconds({"n_rounds": 5}, 400) for own in (few, many)]
    assert seconds[0] == pytest.approx(seconds[1], rel=0.2)


def test_other_families_take_more_rounds_where_one_does():
    families = [Boosting("a"), Boosting("b"), Net("c")]
    rounds, epochs = [], []
    for n_rounds in (20, 600):
        probes = make_probes(boosted(400, n_rounds, "a"))
        costs = fit_costs(families, TASK, probes)
        rounds.append(costs["b"].n_rounds({"n_rounds": 1000}, 400))
        epochs.append(costs["c"].n_rounds({"max_epochs": 30}, 400))
    assert 20 < rounds[0] < 120 < rounds[1] < 600
    assert epochs[0] == epochs[1]


def test_nets_take_most_of_their_epochs_unless_they_have_stopped_early():
    whole, early = (
        FamilyCosts(Net(), TASK, [make_probe(n_iterations=n)]) for n in (128, 16)
    )
    for max_epochs in (128, 32):
        n_epochs = whole.n_rounds({"max_epochs": max_epochs}, 8000)
        assert 0.7 * max_epochs < n_epochs < max_epochs
    assert early.n_rounds({"max_epochs": 128}, 8000) < 45


def test_a_net_that_cannot_stop_early_takes_all_its_epochs():
    class Steady(Net):
        def may_stop_early(self, task):
            return False

    costs = FamilyCosts(Steady(), TASK, [make_probe(n_iterations=16)])
    assert costs.n_rounds({"max_epochs": 128}, 8000) == 128
    few, many = (costs.fold_seconds({"max_epochs": 128}, 8000, d) for d in (-1, 1))
    assert few < many  # the seconds of an epoch remain unsure


@pytest.mark.parametrize(
    ("limit", "expected"), [(-5.0, -5.0), (0.0, -0.3989), (5.0, 0.0)]
)
def test_the_lesser_of_a_limit_and_an_unsure_value(limit, expected):
    assert _mean_below(limit, 0.0, 1.0) == pytest.approx(expected, abs=1e-4)
    drawn = np.random.default_rng(0).normal(0.0, 1.0, 100_000)
    found = np.minimum(drawn, limit).mean()
    assert _mean_below(limit, 0.0, 1.0) == pytest.approx(found, abs=0.01)


def test_families_share_what_loading_their_library_takes():
    names = ("first", "second", "unprobed", "other")
    families = [CostlyFamily(name) for name in names]
    for family, library in zip(families, ("a", "a", "a", "b"), strict=True):
        family.requires = (library,)
    probes = [
        make_probe("first", import_seconds=2.0, import_bytes=50.0 * MEGA),
        make_probe("second", import_seconds=0.0, import_bytes=0.0),
    ]
    costs = fit_costs(families, TASK, make_probes(*probes))
    for name in names[:3]:
        assert costs[name].import_seconds == 2.0
        assert costs[name].import_bytes == 50.0 * MEGA
    assert costs["other"].import_bytes == CostlyFamily.start_bytes


@pytest.mark.parametrize("name", ["cost", "memory", "portfolio", "shared_cost"])
def test_a_broken_statement_is_as_good_as_none(name):
    class Broken(StubFamily):
        pass

    def fail(*args):
        raise ValueError("broken")

    setattr(Broken, name, fail)
    costs = FamilyCosts(Broken(), TASK, [])
    assert costs.fit_seconds({}, 1000) > 0
    assert costs.bytes_of({}, 1000) > 0
    assert costs.shared_seconds({}, 1000) == 0


SMALL_STEPS, LARGE_STEPS = 0.5, 5000.0  # seconds for 1,000 rows


@pytest.mark.parametrize(
    ("seconds", "pays"), [(SMALL_STEPS, False), (LARGE_STEPS, True)]
)
def test_a_gpu_pays_if_a_step_takes_longer_than_its_launch(seconds, pays):
    family = Net()
    family.seconds_per_1000 = seconds
    costs = FamilyCosts(family, TASK, [])
    assert (costs.gpu_factor({"max_epochs": 128}, 10_000) > 2) == pays


def test_a_gpu_makes_no_difference_to_what_is_no_net():
    assert FamilyCosts(CostlyFamily(), TASK, []).gpu_factor({}, 10_000) == 1


def test_what_was_measured_on_both_counts():
    probe = make_probe(fit_seconds=0.1, cpu_seconds=2.0)
    assert FamilyCosts(Net(), TASK, [probe]).gpu_factor({}, 10_000) == pytest.approx(20)
