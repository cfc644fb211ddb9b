"""Two phases of steps are planned inside of the time that there is."""

import pytest

from automodel.nets.detection._phases import FULL_STEP, PhasePlanner

N_BATCHES = 20


class Run:
    """A training on a clock of its own, whose steps take given seconds."""

    def __init__(self, seconds=None, frozen=1.0, full=FULL_STEP, epochs=(3, 3), **more):
        self.left = seconds
        counts = (n * N_BATCHES for n in epochs)
        read = None if seconds is None else lambda: self.left
        self.planner = PhasePlanner(*counts, N_BATCHES, read, **more)
        self.rates = {True: [], False: []}
        self.overshoot = 0.0
        while (progress := self.planner.advance()) < 1:
            is_frozen = self.planner.is_frozen
            self.rates[is_frozen].append(progress)
            if self.left is not None:
                self.left -= frozen if is_frozen else full

    @property
    def counts(self):
        return len(self.rates[True]), len(self.rates[False])


def test_without_a_limit_all_steps_are_taken():
    run = Run()
    assert run.counts == (60, 60)
    assert run.planner.step_plan == []
    for rates in run.rates.values():
        assert rates[0] == pytest.approx(0.5 / 60)
        assert rates[-1] == pytest.approx(59.5 / 60)
    assert run.planner.progress == 1.0


def test_with_time_enough_all_steps_are_taken():
    assert Run(1000.0).counts == (60, 60)


def test_where_time_is_short_the_second_phase_is_shortened():
    run = Run(160.0)
    n_frozen, n_full = run.counts
    assert n_frozen == 60
    assert 10 <= n_full < 60
    assert run.left >= 0
    assert run.rates[False][-1] > 0.9  # its schedule ends
    assert run.left < 0.15 * 160


def test_a_second_phase_that_would_be_very_short_is_left_out():
    run = Run(70.0)
    assert run.counts[1] == 0
    assert 50 <= run.counts[0] <= 60
    assert run.left >= 0


def test_in_very_little_time_the_first_phase_has_a_whole_schedule():
    run = Run(15.0)
    assert run.counts[1] == 0
    assert 8 <= run.counts[0] <= 15
    assert run.left >= 0
    assert run.rates[True][-1] > 0.8


@pytest.mark.parametrize("seconds", [0.5, 3.0, 20.0, 90.0, 150.0, 200.0])
@pytest.mark.parametrize("full", [2.0, 5.0, 9.0])
@pytest.mark.parametrize("epochs", [(3, 3), (0, 3), (3, 0), (1, 6)])
def test_no_training_outlasts_its_time(seconds, full, epochs):
    run = Run(seconds, full=full, epochs=epochs)
    # The length of the first steps of a phase can only be estimated.
    assert run.left >= -max(full, 1.0)
    if seconds > 20:
        assert run.left >= -full / 2


def test_predictions_after_the_training_have_time():
    run = Run(200.0, n_after=40.0)
    assert run.left >= 40.0
    assert sum(run.counts) > 40


def test_without_a_first_phase_all_steps_are_of_the_second():
    run = Run(None, epochs=(0, 2))
    assert run.counts == (0, 40)
    assert run.rates[False][0] == pytest.approx(0.5 / 40)


@pytest.mark.parametrize("seconds", [15.0, 70.0, 160.0, 210.0])
def test_a_training_that_time_has_cut_is_repeated_without_it(seconds):
    run = Run(seconds)
    again = Run(None, step_plan=run.planner.step_plan)
    assert again.counts == run.counts
    assert again.rates == run.rates


def test_reports_are_no_part_of_a_step():
    left = [100.0]
    planner = PhasePlanner(0, 90, 9, lambda: left[0])
    while planner.advance() < 1:
        left[0] -= 1.0
        if planner.taken % 10 == 0:
            planner.note()
            left[0] -= 8.0
            planner.note()
    assert 0 <= left[0] < 8 + 5
    assert planner.taken >= 48


def test_stopping_ends_the_training():
    planner = PhasePlanner(10, 10, 5)
    for _ in range(12):
        planner.advance()
    planner.stop()
    assert planner.advance() == 1.0
    again = PhasePlanner(10, 10, 5, step_plan=planner.step_plan)
    while again.advance() < 1:
        pass
    assert again.taken == 12


def test_progress_counts_the_time_of_steps():
    planner = PhasePlanner(10, 10, 5)
    for _ in range(10):
        planner.advance()
    assert planner.progress == pytest.approx(1 / (1 + FULL_STEP))
