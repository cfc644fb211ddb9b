"""The leaderboard, from the trials that an estimator keeps."""

from types import SimpleNamespace

import numpy as np

from automodel.reporting.leaderboard import COLUMNS, leaderboard


def trial(number, status="complete", value=None, error=""):
    attributes = {
        "number": number,
        "family": "stub",
        "status": status,
        "seconds": 1.5,
        "fold_scores": [],
        "error": error,
    }
    return {"values": None if value is None else [value], "user_attrs": attributes}


def test_complete_trials_come_first_by_score_and_families_left_out_last():
    trials = [
        trial(0, "failed", error="ValueError: bad"),
        trial(1, value=0.5),
        trial(2, "pruned", value=0.9),  # the last report of a pruned trial
        trial(3, value=0.75),
    ]
    member = SimpleNamespace(number=3, weight=1.0, stacking_coefficient=-0.25)
    params = {1: {"C": 1.0}, 3: {"C": 2.0}}
    board = leaderboard(trials, params, [member], {"tabm": "too slow"})
    assert tuple(board.columns) == COLUMNS
    assert board.index.tolist() == [3, 1, 0, 2, -1]
    np.testing.assert_array_equal(board["score"], [0.75, 0.5, *[np.nan] * 3])
    assert board["weight"].tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert board["stacking_coefficient"].tolist() == [-0.25, 0.0, 0.0, 0.0, 0.0]
    assert board["params"].tolist() == [{"C": 2.0}, {"C": 1.0}, {}, {}, {}]
    assert board["status"].tolist()[2:] == ["failed", "pruned", "skipped"]
    assert board["error"].tolist()[2:] == ["ValueError: bad", "", "too slow"]


def test_a_search_without_trials_has_an_empty_leaderboard():
    board = leaderboard([], {}, [], {})
    assert board.shape == (0, len(COLUMNS))
    assert board.index.dtype == np.int64
