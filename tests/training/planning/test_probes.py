"""Probes in processes that are ended."""

import math
import time

import pytest

from automodel.training.planning.probe import some_rows
from automodel.training.planning.probes import (
    _Queue,
    probe_families,
    probe_processes,
)
from tests.conftest import StubFamily
from tests.training.planning.makers import MEGA, make_folds

LONG = 300.0  # seconds, for a machine that is busy


def probed(tmp_path, *families, seconds=LONG, folds=None, memory_limit=None):
    folds = make_folds() if folds is None else folds
    with probe_processes(memory_limit) as pool:
        return probe_families(families, folds, tmp_path, seconds, pool)


def test_settings_are_probed_on_more_and_more_rows(tmp_path):
    family = StubFamily(trials=[(1.0, "sleep")], seconds=0.2)
    probes = probed(tmp_path, family, folds=make_folds(3000))
    assert [probe.n_rows for probe in probes.of_trials] == [400, 2400]
    for probe in probes.of_trials:
        assert probe.params == {"quality": 1.0, "mode": "sleep"}
        assert probe.fit_seconds >= 0.2
        assert math.isfinite(probe.score)
        assert probe.n_bytes >= 0
        assert probe.model_bytes > 100
        assert not probe.error
    assert probes.start_bytes > 50 * MEGA
    assert 0 < probes.start_seconds < probes.seconds


class SlowSteps(StubFamily):
    """A stub of 1,000 steps, whose seconds it states: each is a thousandth of one."""

    iteration_param = "n_steps"

    def cost(self, params, task):
        return 0.001 * params.get("n_steps", 1000)

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        steps = 0
        while steps < 1000 and not monitor.expired:
            time.sleep(0.001)
            steps += 1
        monitor.steps_used = steps
        return super().fit(
            estimator, X, y, sample_weight=sample_weight, monitor=monitor
        )


def test_a_few_steps_tell_what_each_of_them_takes(tmp_path):
    probes = probed(tmp_path, SlowSteps(), folds=make_folds(10_000))
    assert [probe.n_rows for probe in probes.of_trials] == [400, 8000]
    for probe in probes.of_trials:
        assert probe.is_cut
        assert math.isnan(probe.score)
        assert probe.n_iterations < 1000
        assert probe.fit_seconds / probe.n_iterations >= 0.001


def test_what_fails_in_its_steps_has_its_own_error(tmp_path):
    class Failing(SlowSteps):
        def fit(self, estimator, X, y, *, sample_weight=None, monitor):
            raise ValueError("no steps")

    (probe,) = probed(tmp_path, Failing()).of_trials
    assert probe.error == "ValueError: no steps"


@pytest.mark.parametrize(("seconds", "limit"), [(0.001, 1.0), (2.0, 12.0)])
def test_a_few_steps_fit_into_the_time_of_a_probe(seconds, limit):
    family = SlowSteps()
    family.cost = lambda params, task: seconds * params.get("n_steps", 1000)
    queue = _Queue([family], make_folds(), pool=None, deadline=None)
    assert queue._limits == {"stub": pytest.approx(limit, rel=0.01)}


def test_what_states_no_cost_of_steps_is_not_cut(tmp_path):
    class Whole(SlowSteps):
        def cost(self, params, task):
            return 1.0

        def fit(self, estimator, X, y, *, sample_weight=None, monitor):
            assert not monitor.deadline.exists or monitor.seconds_left > 10
            time.sleep(1.0)
            monitor.steps_cut = 5  # which no limit of the probe has caused
            return StubFamily.fit(
                self, estimator, X, y, sample_weight=sample_weight, monitor=monitor
            )

    for probe in probed(tmp_path, Whole()).of_trials:
        assert not probe.error
        assert not probe.is_cut
        assert probe.fit_seconds >= 1.0


def test_what_fails_or_dies_is_not_tried_again(tmp_path):
    broken = StubFamily("broken", trials=[(1.0, "raise")])
    dying = StubFamily("dying", trials=[(1.0, "exit")])
    probes = probed(tmp_path, broken, dying, StubFamily())
    errors = {p.family: p.error for p in probes.of_trials if p.error}
    assert errors["broken"] == "ValueError: the stub was told to fail"
    assert "exit code 3" in errors["dying"]
    assert [p.n_rows for p in probes.of_trials if not p.error] == [400, 800]


def test_a_family_that_suggests_nothing_has_failed(tmp_path):
    class Broken(StubFamily):
        def search_space(self, trial, task):
            raise ValueError("no space")

    (probe,) = probed(tmp_path, Broken("broken")).of_trials
    assert "no space" in probe.error


def test_what_exceeds_the_memory_limit_has_failed(tmp_path):
    eating = StubFamily("eating", trials=[(1.0, "eat")])
    probes = probed(tmp_path, eating, memory_limit=1500 * MEGA)
    (probe,) = probes.of_trials
    assert probe.error.startswith("MemoryError")


def test_what_hangs_is_ended(tmp_path):
    hanging = StubFamily("hanging", trials=[(1.0, "hang")])
    probes = probed(tmp_path, hanging, seconds=4.0)
    assert probes.of_trials == []
    assert probes.seconds < LONG


@pytest.mark.parametrize(("all_splits", "n_splits"), [(False, 1), (True, 5)])
def test_some_rows_have_the_splits_of_all(all_splits, n_splits):
    folds = some_rows(make_folds(3000), 400, all_splits)
    assert len(folds) == n_splits
    for train, valid in folds.splits:
        assert len(train) == pytest.approx(400, rel=0.2)
        assert len(valid) >= 50
        assert not set(train) & set(valid)
    assert len(folds.rows) == len(folds.y) < 600
