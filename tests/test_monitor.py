import time

import pytest

from automodel.exceptions import DeadlineReached, TrialPruned
from automodel.monitor import SLOTS_PER_FOLD, Monitor


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
    monitor = Monitor(time.monotonic() - 1)
    assert monitor.expired
    with pytest.raises(DeadlineReached):
        monitor.check_time()
    assert not Monitor(time.monotonic() + 100).expired
    assert not Monitor().expired


def test_reports_of_another_loss_are_left_to_the_ends_of_the_folds():
    reports = {}
    monitor = Monitor(should_prune=lambda _: False, reports=reports, has_own_loss=False)
    monitor.report(1, -3.0)
    assert reports == {}
    monitor.report_fold(-0.5)
    assert list(reports.values()) == [-0.5]
