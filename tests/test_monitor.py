import pytest

from automodel.clock import Deadline
from automodel.exceptions import DeadlineReached, TrialPruned
from automodel.monitor import SLOTS_PER_FOLD, Monitor, TrialTime, mean_steps
from tests.conftest import FakeClock


def test_reports_are_due_at_powers_of_two():
    monitor = Monitor(should_prune=lambda reports: False)
    due = []
    for step in range(1, 20):
        if monitor.is_due(step):
            due.append(step)
            monitor.report(step, 0.0)
    assert due == [1, 2, 4, 8, 16]


def test_nothing_is_due_where_no_one_prunes():
    monitor = Monitor()
    assert not monitor.is_due(8)
    monitor.report(8, 1.0)
    assert monitor.reports == {}


def test_reports_of_later_folds_follow_those_of_earlier_ones():
    reports = {}
    for fold in range(2):
        monitor = Monitor(
            should_prune=lambda reports: False, reports=reports, fold=fold
        )
        monitor.report(4, 0.5)
        monitor.report_fold(0.6)
    assert list(reports) == [
        2,
        SLOTS_PER_FOLD - 1,
        SLOTS_PER_FOLD + 2,
        2 * SLOTS_PER_FOLD - 1,
    ]


def test_a_report_that_is_judged_bad_ends_the_trial():
    monitor = Monitor(should_prune=lambda reports: True)
    with pytest.raises(TrialPruned):
        monitor.report(1, 0.0)


def test_a_monitor_expires_at_its_deadline():
    monitor = Monitor(Deadline.after(-1.0))
    assert monitor.expired
    with pytest.raises(DeadlineReached):
        monitor.check_time()
    assert not Monitor(Deadline.after(100.0)).expired
    assert not Monitor().expired


def test_reports_of_another_loss_are_left_to_the_ends_of_the_folds():
    reports = {}
    monitor = Monitor(should_prune=lambda _: False, reports=reports, has_own_loss=False)
    monitor.report(1, -3.0)
    assert reports == {}
    monitor.report_fold(-0.5)
    assert list(reports.values()) == [-0.5]


def test_the_folds_share_the_time_for_training_and_what_one_leaves():
    clock = FakeClock(100.0)
    trial_time = TrialTime(Deadline(117.0, clock), 10.0, 2)
    assert trial_time.start_fold().moment == 105.0
    clock.wait(1.0)
    trial_time.end_fold()
    clock.wait(3.0)  # for encoding, which is left out
    assert trial_time.start_fold().moment == 113.0
    clock.wait(9.0)
    trial_time.end_fold()
    trial_time = TrialTime(Deadline(117.0, clock), 10.0, 1)
    assert trial_time.start_fold().moment == 117.0


def test_a_monitor_has_the_clock_of_its_deadline():
    clock = FakeClock()
    monitor = Monitor(Deadline(5.0, clock))
    clock.wait(2.0)
    assert (monitor.clock, monitor.seconds_left) == (clock, 3.0)


def test_former_names_work_and_warn():
    monitor = Monitor(step_plan=[1, 2])
    with pytest.warns(FutureWarning, match="has moved to Monitor.step_plan,"):
        assert monitor.pace == [1, 2]
    with pytest.warns(FutureWarning, match="has moved to Monitor.planned,"):
        assert list(monitor.paced([3])) == [1, 2]
    with pytest.warns(FutureWarning, match="has moved to Monitor.step_plan_used,"):
        assert monitor.pace_used == [1, 2]
    with pytest.warns(FutureWarning, match="has moved to Monitor.step_plan_used,"):
        monitor.pace_used = [4]
    assert monitor.step_plan_used == [4]


@pytest.mark.parametrize(
    ("steps", "mean"),
    [
        ([10, 20, 60], 30),
        ([[10, 1], [20, 4]], [15, 2]),
        ([[10, 0, 0], [20, 4, 0]], [15, 4, 0]),
    ],
)
def test_the_mean_of_steps_leaves_out_columns_that_were_not_trained(steps, mean):
    assert mean_steps(steps).tolist() == mean


def test_a_family_of_different_models_reports_only_the_ends_of_folds():
    seen = []
    monitor = Monitor(should_prune=lambda reports: seen.append(dict(reports)))
    monitor.report_folds_only()
    assert not monitor.is_due(1)
    monitor.report(1, 0.5)
    monitor.report_fold(0.7)
    assert [list(reports.values()) for reports in seen] == [[0.7]]
