"""Ensembles are judged on rows that had no part in choosing them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold

from automodel.clock import NO_DEADLINE, Deadline
from automodel.ensemble import judging
from automodel.ensemble.judging import judged
from automodel.ensemble.selection import (
    blend_of,
    fit_blend,
    restricted,
    select_weights,
)
from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.evaluation.folds import Folds
from automodel.families import all_families
from automodel.metrics.metric import Metric
from tests.conftest import FakeClock
from tests.ensemble.makers import (
    class_folds,
    directions,
    make_evaluations,
    make_folds,
    mixture,
)
from tests.makers import make_metric


@pytest.fixture
def folds():
    return make_folds(np.random.default_rng(0).normal(size=400))


def test_the_expected_score_does_not_flatter_models_of_noise():
    folds = make_folds(np.random.default_rng(4).normal(size=40))
    rng = np.random.default_rng(5)
    oofs = rng.normal(size=(60, 40))
    evaluations = make_evaluations(folds, oofs - folds.y)
    weights = select_weights(evaluations, folds)
    naive = folds.score(mixture(evaluations, weights))
    honest = judged(evaluations, folds).score
    assert honest < naive


def test_models_of_noise_in_groups_do_not_flatter():
    rng, groups = np.random.default_rng(4), np.repeat(np.arange(10), 40)
    y = rng.normal(size=10)[groups]
    splits = list(GroupKFold(5).split(y, y, groups))
    folds = replace(make_folds(y), splits=splits, groups=groups)
    noise = rng.normal(size=(60, 10))[:, groups]  # knows nothing, alike in a group
    evaluations = make_evaluations(folds, noise - y)
    weights = select_weights(evaluations, folds)
    assert folds.score(mixture(evaluations, weights)) > -0.8 * y.std()
    assert judged(evaluations, folds)[1] < -y.std()


def test_the_shortlist_is_made_by_the_rows_that_choose():
    rng = np.random.default_rng(0)
    y = np.repeat([0.0, 1.0], 50)
    folds = make_folds(rng.permutation(y))
    noise = rng.normal(size=(100, 100))
    evaluations = make_evaluations(folds, noise - folds.y)
    best = sorted(evaluations, key=lambda e: -e.score)[:12]
    scores = [
        [judged(chosen, folds, random_state=seed)[1] for seed in range(5)]
        for chosen in (best, evaluations)
    ]
    assert np.mean(scores[1]) < np.mean(scores[0])


@pytest.mark.parametrize("seed", range(4))
def test_rows_too_few_to_be_cut_into_parts_have_no_expected_score(seed):
    folds = replace(make_folds(np.arange(9.0)), sample_weight=np.ones(9))
    evaluations = make_evaluations(folds, np.ones((2, 9)))
    for evaluation in evaluations:
        evaluation.oof[1:] = np.nan
    is_worthwhile, score = judged(evaluations, folds, random_state=seed)[:2]
    assert not is_worthwhile
    assert np.isnan(score)


def test_a_stack_that_helps_is_found_worthwhile(folds):
    rng = np.random.default_rng(1)
    shared = rng.normal(size=400)
    errors = [shared + 0.2 * rng.normal(size=400) for _ in range(2)]
    evaluations = make_evaluations(folds, [*errors, 3 * shared])
    weights = np.array([0.5, 0.5, 0.0])
    blend = blend_of(evaluations, weights, np.arange(400), folds)
    assert blend.stacking_coefficients[2] < -0.2  # what all share is taken off
    plain = folds.score(mixture(evaluations, weights))
    assert folds.score(blend.predict([e.oof for e in evaluations])) > plain
    assert judged(evaluations, folds)[0]


def test_a_stack_is_not_made_where_it_would_be_noise():
    folds = class_folds(rows=300)
    rng = np.random.default_rng(1)
    evaluations = []
    for _ in range(12):
        positive = np.clip(0.5 + 0.1 * rng.normal(size=300), 0.01, 0.99)
        oof = np.column_stack([1 - positive, positive]).astype(np.float32)
        candidate = Candidate(all_families()["linear"], {})
        evaluations.append(Evaluation(candidate, "complete", folds.score(oof), oof=oof))
    assert not judged(evaluations, folds)[0]


def test_a_single_split_shows_too_little_for_a_stack(folds):
    rng = np.random.default_rng(1)
    shared = rng.normal(size=400)
    errors = [shared + 0.2 * rng.normal(size=400) for _ in range(2)]
    evaluations = make_evaluations(folds, [*errors, 3 * shared])
    assert judged(evaluations, folds)[0]
    once = replace(folds, splits=folds.splits[:1])
    weights = np.array([0.5, 0.5, 0.0])
    assert blend_of(evaluations, weights, np.arange(400), once).stack is None
    assert not judged(evaluations, once)[0]


def test_the_stack_of_another_score_than_squares_has_to_improve_it(folds):
    rng = np.random.default_rng(0)
    outliers = np.where(rng.random(400) < 0.05, 50.0, 0.0)
    errors = [rng.normal(size=400) + outliers, rng.normal(size=400) + 10.0]
    evaluations = make_evaluations(folds, errors)
    metric = make_metric("neg_median_absolute_error", folds.task)
    assert judged(evaluations, folds)[0]
    assert not judged(evaluations, replace(folds, metric=metric))[0]


def test_one_model_alone_is_calibrated_as_it_is_judged():
    folds = class_folds(rows=300)
    positive = np.where(folds.y == 1, 0.6, 0.4)
    positive[::7] = 1 - positive[::7]  # right six times of seven, and says six of ten
    oof = np.column_stack([1 - positive, positive]).astype(np.float32)
    candidate = Candidate(all_families()["linear"], {})
    only = [Evaluation(candidate, "complete", folds.score(oof), oof=oof)]
    known, part = restricted(only, folds, np.arange(300))
    blend = fit_blend(known, part)
    score = part.score(blend.predict([oof]))
    assert score > only[0].score + 0.1
    assert judged(only, folds)[1] == pytest.approx(score, abs=0.03)


def folds_of_labels():
    """Return folds that are scored by labels, and one model of their rows."""
    folds = class_folds(rows=300)
    folds = replace(folds, metric=make_metric("f1", folds.task, np.arange(2)))
    rng = np.random.default_rng(1)
    positive = np.clip(0.3 * folds.y + 0.3 * rng.random(300), 0.01, 0.99)
    oof = np.column_stack([1 - positive, positive]).astype(np.float32)
    candidate = Candidate(all_families()["linear"], {})
    return folds, [Evaluation(candidate, "complete", folds.score(oof), oof=oof)]


def test_each_part_becomes_labels_as_the_other_rows_choose(monkeypatch):
    folds, evaluations = folds_of_labels()
    asked = []

    def choose(self, y_true, prediction, sample_weight=None, **options):
        assert len(prediction) == len(y_true)
        asked.append(y_true)
        return np.array([1.0, 0.0]) if len(asked) == 1 else np.array([0.0, 1.0])

    monkeypatch.setattr(Metric, "choose_decision", choose)
    score = judged(evaluations, folds).score
    assert len(asked) == 2  # a part is a whole validation fold, and there are two
    first = folds.first_folds() == 0
    np.testing.assert_array_equal(asked[0], folds.y[~first])
    np.testing.assert_array_equal(asked[1], folds.y[first])
    answers = np.where(first, 0, 1)
    assert score == pytest.approx(f1_score(folds.y, answers))


def test_a_score_of_labels_is_judged_at_the_threshold_that_was_chosen():
    folds, evaluations = folds_of_labels()
    score = judged(evaluations, folds).score
    assert score > f1_score(folds.y, evaluations[0].oof[:, 1] > 0.5) + 0.1
    assert score > 0.9


def test_no_decision_is_chosen_where_labels_are_not_scored(monkeypatch):
    monkeypatch.delattr(Metric, "choose_decision")
    folds = class_folds(rows=300)
    _, evaluations = folds_of_labels()
    assert math.isfinite(judged(evaluations, folds)[1])


def test_a_stack_that_the_deadline_has_prevented_is_not_judged(folds):
    rng = np.random.default_rng(1)
    shared = rng.normal(size=400)
    errors = [shared + 0.2 * rng.normal(size=400) for _ in range(2)]
    evaluations = make_evaluations(folds, [*errors, 3 * shared])
    stacked, better = judged(evaluations, folds)[:2]
    plain, worse = judged(evaluations, folds, may_stack=False)[:2]
    assert stacked
    assert not plain
    assert worse < better


def test_as_many_models_are_judged_as_there_is_time_to_score(folds, monkeypatch):
    clock, score, fit = FakeClock(), Folds.score, judging.fit_combiner
    evaluations = make_evaluations(
        folds, np.random.default_rng(0).normal(size=(9, 400))
    )
    n_judged = []

    def slow_score(own, oof):
        clock.wait(1.0)
        return score(own, oof)

    def counting_fit(models, *arguments, **options):
        n_judged.append(len(models))
        return fit(models, *arguments, **options)

    monkeypatch.setattr(Folds, "score", slow_score)
    monkeypatch.setattr(judging, "fit_combiner", counting_fit)
    counts = []
    for seconds in (30.0, 1e9):
        verdict = judged(evaluations, folds, deadline=Deadline.after(seconds, clock))
        assert math.isfinite(verdict.score)
        counts.append(set(n_judged))
        n_judged.clear()
    (few,), (all_of_them,) = counts
    assert 1 < few < all_of_them == 9


def test_there_is_no_expected_score_after_the_deadline(folds):
    evaluations = make_evaluations(folds, np.ones((2, 400)))
    is_worthwhile, score = judged(evaluations, folds, deadline=Deadline.after(0.0))[:2]
    assert not is_worthwhile
    assert math.isnan(score)


def signals(folds, seed=1, n_models=4):
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(n_models, len(folds.y)))
    return make_evaluations(folds, 0.5 * errors)


def test_the_predictions_that_are_scored_are_returned(folds):
    verdict = judged(signals(folds), folds)
    assert verdict.rows.tolist() == list(range(400))
    assert folds.score(verdict.prediction) == verdict.score
    assert verdict.judged.score() == verdict.score
    low, high = verdict.judged.interval(NO_DEADLINE, 0)
    assert low < verdict.score < high


def test_each_part_is_predicted_by_what_the_others_choose(folds):
    """One model is right in the first fold only, and another in the second."""
    first = folds.first_folds() == 0
    errors = np.random.default_rng(0).normal(size=400)
    evaluations = make_evaluations(
        folds, [np.where(first, 0.1 * errors, errors), np.where(first, errors, 0.0)]
    )
    verdict = judged(evaluations, folds, size=1)
    wrong = np.where(first, evaluations[1].oof[:, 0], evaluations[0].oof[:, 0])
    np.testing.assert_allclose(verdict.prediction[:, 0], wrong, rtol=1e-6)


@pytest.mark.parametrize("has_groups", [False, True])
def test_rows_beyond_those_that_are_judged_are_predicted_too(
    folds, monkeypatch, has_groups
):
    evaluations = signals(folds)
    if has_groups:  # of pairs of rows of the same fold
        folds = replace(folds, groups=np.arange(400) // 4 * 2 + np.arange(400) % 2)
    for evaluation in evaluations:
        evaluation.oof[:10] = np.nan  # which no fold validates
    monkeypatch.setattr("automodel.ensemble.judging.HONEST_ROWS", 100)
    verdict = judged(evaluations, folds)
    assert verdict.rows.tolist() == list(range(10, 400))
    scored = verdict.judged
    assert len(scored.y) == 100
    assert scored.score() == verdict.score
    chosen = np.isin(folds.y[10:], scored.y)
    honest = folds.metric.score(folds.y[10:][chosen], verdict.prediction[chosen])
    assert honest == pytest.approx(verdict.score, abs=1e-12)
    everything = folds.metric.score(folds.y[10:], verdict.prediction)
    assert everything == pytest.approx(verdict.score, abs=0.1)


def test_rows_beyond_those_of_a_holdout_have_no_predictions(folds, monkeypatch):
    monkeypatch.setattr("automodel.ensemble.judging.HONEST_ROWS", 100)
    folds = replace(folds, splits=[(np.arange(0), np.arange(400))])
    verdict = judged(signals(folds), folds)
    assert len(verdict.rows) == len(verdict.prediction) == 100


def test_the_answers_that_are_scored_have_an_interval():
    folds, evaluations = folds_of_labels()
    verdict = judged(evaluations, folds)
    low, high = verdict.judged.interval(NO_DEADLINE, 0)
    assert low < verdict.score < high <= 1
    assert verdict.prediction.shape == (300, 2)  # and not the answers


def test_an_interval_is_of_rows_with_their_weights(folds):
    weight = np.where(np.arange(400) < 200, 1.0, 1e-6)
    plain = judged(signals(folds), folds).judged.interval(NO_DEADLINE, 0)
    weighted = replace(folds, sample_weight=weight)
    found = judged(signals(weighted), weighted).judged.interval(NO_DEADLINE, 0)
    assert found[1] - found[0] > 1.2 * (plain[1] - plain[0])


def test_a_combination_has_to_beat_the_best_model_on_rows_that_did_not_choose():
    folds, evaluations = directions(200, [30.0, -20.0, 90.0])
    is_better, score = judged(evaluations, folds, may_stack=False)[:2]
    assert is_better
    assert score > max(evaluation.score for evaluation in evaluations)
    noise = np.random.default_rng(3).normal(0, 60, (12, 20))
    folds, evaluations = directions(20, [np.zeros(20), *noise])
    is_better, score = judged(evaluations, folds)[:2]
    assert not is_better
    assert score == pytest.approx(evaluations[0].score, abs=1e-6)
