from types import SimpleNamespace

import pytest

from automodel.ensemble.blend import Member
from automodel.reporting.trials import TrialFacts, lanes, trials_of
from tests.fake_search import FakeSearch


def plain(number, **changes):
    """Return a trial as a fitted estimator keeps it; some facts may be missing."""
    said = {"number": number, "family": "knn", "status": "complete", "error": ""}
    return {
        "values": [0.5],
        "user_attrs": {**said, "seconds": 1.0, "fold_scores": [], "worker": 1},
        "datetime_start": f"2026-01-01T10:00:0{number}",
        "datetime_complete": f"2026-01-01T10:00:0{number + 1}",
        "intermediate_values": {},
        **changes,
    }


def search(trials, **attributes):
    members = [Member(1, "knn", {}, 0.75, 0.5, [])]
    own = {"ensemble_": SimpleNamespace(members=members), "_trials": {"knn": trials}}
    return SimpleNamespace(**own, **attributes)


def test_times_count_from_the_beginning_of_the_fit():
    known = {"began": "2026-01-01T09:59:58.500"}
    trials = trials_of(search([plain(2), plain(1)], _provenance=known))
    assert [(t.number, t.start, t.end) for t in trials] == [
        (1, 2.5, 3.5),
        (2, 3.5, 4.5),
    ]
    assert [trial.weight for trial in trials] == [0.75, 0.0]


def test_trials_of_older_estimators_count_from_the_first():
    old = plain(1)
    del old["user_attrs"]["worker"]
    (trial,) = trials_of(search([old]))
    assert (trial.start, trial.end, trial.worker) == (0.0, 1.0, None)


def test_a_trial_whose_times_are_unknown_is_a_trial():
    bare = plain(1, datetime_start=None, datetime_complete=None)
    (trial,) = trials_of(search([bare]))
    assert not trial.ran_here


def test_trials_of_an_earlier_fit_did_not_run_here():
    known = {"began": "2026-01-01T10:00:05"}
    trials = trials_of(search([plain(1), plain(6)], _provenance=known))
    assert [trial.ran_here for trial in trials] == [False, True]


def test_a_curve_holds_the_reports_of_the_first_fold():
    reports = {0: 0.1, 3: 0.4, 15: 0.5, 16: 0.2, 31: 0.45}
    (trial,) = trials_of(search([plain(1, intermediate_values=reports)]))
    assert trial.curve == ((1, 0.1), (8, 0.4))


def test_an_estimator_without_trials_has_none():
    assert trials_of(FakeSearch().fit(None, None)) == []


def trial(start, end, worker):
    return TrialFacts(0, "knn", "complete", start=start, end=end, worker=worker)


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        (
            [(1, 2, 1), (0, 5, 2), (0, 1, 0)],
            ["worker 1", "worker 2", "main process"],
        ),
        ([(2, 3, 1), (0, 4, 1)], ["worker 1 (2)", "worker 1"]),  # of two processes
        (
            [(0, 2, None), (1, 3, None), (2, 4, None)],
            ["slot 1", "slot 2", "slot 1"],
        ),
    ],
)
def test_no_two_trials_of_a_lane_run_at_a_time(trials, expected):
    assert lanes([trial(*own) for own in trials]) == expected
