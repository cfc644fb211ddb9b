"""Each fold is scored at the rounds that the other folds have chosen."""

import copy

import numpy as np
import pytest

from automodel.evaluation.evaluate import Candidate, evaluate, fit_candidate
from tests.conftest import StubFamily
from tests.evaluation.test_joined_folds import Y, make_folds

THIRDS = [
    (np.flatnonzero(np.arange(60) % 3 != i), np.flatnonzero(np.arange(60) % 3 == i))
    for i in range(3)
]


class RoundsFamily(StubFamily):
    """Finds given rounds the best, and is as good as it has rounds."""

    chooses_rounds = True

    def __init__(self, best, most=None):
        super().__init__("rounds")
        self.best, self.most = iter(best), most

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        model = super().fit(
            estimator, X, y, sample_weight=sample_weight, monitor=monitor
        )
        model.n_rounds_ = 100
        if monitor.has_validation:
            monitor.steps_used = next(self.best)
            monitor.steps_trained = self.most
        else:
            monitor.steps_used = monitor.n_iterations
        return model

    def cut(self, estimator, n_iterations):
        shorter = copy.copy(estimator)
        shorter.n_rounds_ = n_iterations
        shorter.quality = np.mean(n_iterations) / 100
        return shorter


def run(best, splits, **options):
    candidate = Candidate(RoundsFamily(best), {"quality": 1.0})
    result = evaluate(candidate, make_folds(splits), **options)
    assert result.status == "complete", result.error
    return result


def test_rounds_are_the_mean_of_the_other_folds():
    result = run([10, 20, 60], THIRDS)
    assert result.n_iterations == [40, 35, 15]
    assert [model.estimator.n_rounds_ for model in result.models] == [40, 35, 15]
    assert [model.n_iterations for model in result.models] == [40, 35, 15]


def test_rounds_of_columns_are_the_means_of_the_other_folds():
    family = RoundsFamily([[10, 1], [20, 3], [60, 2]], most=[100, 2])
    result = evaluate(Candidate(family, {"quality": 1.0}), make_folds(THIRDS))
    assert result.status == "complete", result.error
    assert result.n_iterations == [[40, 2], [35, 2], [15, 2]]
    assert [m.estimator.n_rounds_ for m in result.models] == result.n_iterations


def test_a_column_of_one_value_in_a_fold_does_not_choose_the_rounds_of_others():
    family = RoundsFamily([[10, 0], [20, 4], [60, 8]], most=[100, 10])
    result = evaluate(Candidate(family, {"quality": 1.0}), make_folds(THIRDS))
    assert result.n_iterations == [[40, 6], [35, 8], [15, 4]]


def test_predictions_are_those_of_the_rounds_used():
    result, folds = run([10, 20, 60], THIRDS), make_folds(THIRDS)
    for model, (_, valid) in zip(result.models, THIRDS, strict=True):
        again = model.predict(folds.rows.take(valid))
        np.testing.assert_allclose(result.oof[valid], again, rtol=1e-6)
    scores = [
        folds.metric.score(Y[valid], result.oof[valid].astype(float))
        for _, valid in THIRDS
    ]
    assert result.fold_scores == pytest.approx(scores, rel=1e-6)


def test_folds_that_share_validation_rows_do_not_decide_for_each_other():
    twice = [*THIRDS, *(pair for pair in THIRDS[::-1])]
    result = run([10, 20, 60, 30, 40, 80], twice)
    assert result.n_iterations[0] == round(np.mean([20, 60, 30, 40]))


def test_of_many_folds_those_before_decide(monkeypatch):
    monkeypatch.setattr("automodel.evaluation.evaluate.MOST_WAITING", 2)
    assert run([10, 20, 60], THIRDS).n_iterations == [10, 10, 15]


def test_a_single_fold_keeps_its_own_rounds():
    assert run([10], THIRDS[:1]).n_iterations == [10]


def test_reports_at_the_end_of_a_fold_are_of_its_own_rounds():
    seen = []
    result = run(
        [10, 20, 60], THIRDS, should_prune=lambda reports: seen.append(dict(reports))
    )
    assert len(seen) == 2
    assert len(result.fold_scores) == 3


def test_a_refit_is_not_cut():
    family = RoundsFamily([])
    model = fit_candidate(Candidate(family, {}), make_folds(THIRDS), n_iterations=25)
    assert model.estimator.n_rounds_ == 100
    assert model.n_trained == 25
