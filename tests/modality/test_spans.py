"""Predictions need not be arrays: here each row has a variable number of spans."""

import pickle

import numpy as np
import pytest

from tests.modality.spans import (
    AutoSpans,
    DetectorOfSpans,
    Spans,
    SpansTarget,
    UnionByVotes,
    make_spans,
    mean_overlap,
)

pytestmark = pytest.mark.filterwarnings("error::automodel.exceptions.FitWarning")

X, Y = make_spans()
NEW_X, NEW_Y = make_spans(seed=1)


def search(**params):
    defaults = {
        "families": [DetectorOfSpans()],
        "n_trials": 6,
        "cv": 3,
        "time_budget": None,
        "random_state": 1,
    }
    return AutoSpans(**(defaults | params))


def same(one, other):
    return all(map(np.array_equal, one, other)) and len(one) == len(other)


@pytest.fixture(scope="module")
def fitted():
    return search().fit(X, Y)


def test_it_fits_and_predicts_spans(fitted):
    answers = fitted.predict(NEW_X)
    assert len(answers) == len(NEW_X)
    assert len({len(spans) for spans in answers}) > 2
    nothing = mean_overlap(NEW_Y, [[]] * len(NEW_Y))
    assert mean_overlap(NEW_Y, answers) > nothing + 0.3
    assert fitted.best_score_ > nothing + 0.3
    assert fitted.expected_score_ == pytest.approx(fitted.best_score_, abs=0.1)
    assert not len(fitted.failures_)


def test_several_models_vote(fitted):
    combiner = fitted.ensemble_.combiner
    assert isinstance(combiner, UnionByVotes)
    assert np.count_nonzero(combiner.weights) > 1
    assert fitted.best_score_ > fitted.leaderboard_["score"].max()


def test_a_fitted_search_of_spans_replays_and_pickles(fitted):
    expected = fitted.predict(NEW_X)
    assert same(fitted.replay(X, Y).predict(NEW_X), expected)
    assert same(pickle.loads(pickle.dumps(fitted)).predict(NEW_X), expected)


def test_many_rows_of_spans_are_predicted_in_parts(fitted, monkeypatch):
    expected = fitted.predict(NEW_X)
    monkeypatch.setattr("automodel.ensemble.blend.ENCODED_ROWS", 7)
    assert same(fitted.predict(NEW_X), expected)


def test_the_best_single_model_answers_with_spans(fitted):
    assert mean_overlap(NEW_Y, fitted.best_estimator_.predict(NEW_X)) > 0.4


def test_spans_are_kept_in_a_storage(tmp_path):
    search(n_trials=3, storage=tmp_path).fit(X, Y)
    resumed = search(storage=tmp_path).fit(X, Y)
    whole = search(storage=tmp_path / "other").fit(X, Y)
    assert len(resumed.leaderboard_) == 6
    assert same(resumed.predict(NEW_X), whole.predict(NEW_X))
    with pytest.raises(ValueError, match="another y"):
        search(storage=tmp_path).fit(X, Y[::-1])


def test_a_search_that_only_resumes_has_the_spans_of_the_first(tmp_path):
    first = search(storage=tmp_path).fit(X, Y)
    again = search(storage=tmp_path).fit(X, Y)
    assert len(again.leaderboard_) == 6
    assert again.best_score_ == first.best_score_
    assert same(again.predict(NEW_X), first.predict(NEW_X))


@pytest.mark.slow
def test_workers_hand_spans_over(fitted):
    parallel = search(n_jobs=2).fit(X, Y)
    assert same(parallel.predict(NEW_X), fitted.predict(NEW_X))


def test_rows_of_several_parts_have_what_half_of_them_found():
    target = SpansTarget()
    parts = [
        (np.array([0, 2]), Spans.of([[(0, 4)], []])),
        (np.array([0]), Spans.of([[(2, 6), (8, 9)]])),
    ]
    pooled = target.pooled(3, parts)
    np.testing.assert_array_equal(target.is_predicted(pooled), [True, False, True])
    np.testing.assert_array_equal(pooled.row(0), [(0, 6), (8, 9)])
    assert len(pooled.row(2)) == 0
    assert len(pooled[pooled.known]) == 2
