"""Which models an ensemble is made of, and with what weights."""

from dataclasses import replace

import numpy as np
import pytest

from automodel.clock import Deadline
from automodel.ensemble import selection
from automodel.ensemble.judging import judged
from automodel.ensemble.selection import (
    LEAST_WEIGHT,
    blend_of,
    fit_blend,
    max_candidates,
    select_weights,
    shortlist,
)
from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.families import all_families
from automodel.metrics.metric import Metric
from tests.conftest import FakeClock, StubFamily, make_task
from tests.ensemble.makers import (
    class_folds,
    make_evaluations,
    make_folds,
    mixture,
)
from tests.makers import make_metric


@pytest.fixture
def folds():
    return make_folds(np.random.default_rng(0).normal(size=400))


@pytest.mark.parametrize(
    "rows, models", [(10, 12), (100, 12), (500, 24), (2500, 40), (10**6, 40)]
)
def test_more_rows_allow_for_more_candidates(rows, models):
    assert max_candidates(rows) == models


def test_the_best_of_each_family_come_before_the_second_best_of_any():
    scores = [("a", 0.9), ("a", 0.8), ("a", 0.7), ("b", 0.1), ("c", 0.2), ("b", 0.0)]
    evaluations = [
        Evaluation(Candidate(StubFamily(family), {}), "complete", score)
        for family, score in scores
    ]
    assert shortlist(evaluations, 1) == [0]
    assert shortlist(evaluations, 3) == [0, 4, 3]
    assert shortlist(evaluations, 4) == [0, 1, 4, 3]
    assert shortlist(evaluations, 9) == [0, 1, 2, 4, 3, 5]


def test_a_family_of_many_good_trials_does_not_shut_out_what_complements_it(folds):
    noise = np.random.default_rng(1).normal(size=400)
    many = [noise * (1 + step / 1000) for step in range(60)]
    names = ["lightgbm"] * len(many) + ["linear"]
    evaluations = make_evaluations(folds, [*many, -2 * noise], names)
    weights = select_weights(evaluations, folds)
    assert weights[-1] == pytest.approx(1 / 3, abs=0.03)


def test_models_whose_errors_cancel_are_combined(folds):
    noise = np.random.default_rng(1).normal(size=400)
    evaluations = make_evaluations(folds, [noise, -noise, 3 * noise])
    weights = select_weights(evaluations, folds)
    assert weights.sum() == pytest.approx(1)
    assert weights[:2] == pytest.approx([0.5, 0.5], abs=0.05)
    score = folds.score(mixture(evaluations, weights))
    assert score > max(e.score for e in evaluations)


def test_the_ensemble_is_never_worse_than_its_best_member(folds):
    rng = np.random.default_rng(2)
    errors = rng.normal(size=(8, 400)) * np.linspace(0.5, 2, 8)[:, None]
    evaluations = make_evaluations(folds, errors)
    weights = select_weights(evaluations, folds, n_bags=1)
    best = max(e.score for e in evaluations)
    assert folds.score(mixture(evaluations, weights)) >= best


def test_size_one_chooses_the_best_single_model(folds):
    noise = np.random.default_rng(1).normal(size=400)
    evaluations = make_evaluations(folds, [2 * noise, noise, -noise * 3])
    weights = select_weights(evaluations, folds, size=1)
    assert weights.tolist() == [0, 1, 0]


def test_a_slow_score_is_not_taken_much_more_once_the_deadline_has_passed(
    folds, monkeypatch
):
    """Not to calibrate models, nor to compare them: the best alone remains."""
    rng = np.random.default_rng(0)
    y = (folds.y > 0).astype(int)
    task = make_task("binary", len(y), 1, n_classes=2)
    metric = make_metric("neg_log_loss", task, np.arange(2))
    folds = replace(folds, y=y, task=task, metric=metric)
    evaluations = []
    for noise in rng.uniform(1, 2, 12):
        second = np.clip(0.5 + 0.2 * (y - 0.5) + 0.1 * rng.normal(0, noise), 0.01, 0.99)
        oof = np.column_stack([1 - second, second]).astype(np.float32)
        candidate = Candidate(all_families()["linear"], {})
        score = folds.score(oof)
        evaluations.append(Evaluation(candidate, "complete", score, oof=oof))
    calls = []
    real = Metric.score_decisive

    def counted(self, *data):
        calls.append(data)
        return real(self, *data)

    monkeypatch.setattr(Metric, "score_decisive", counted)
    blend = fit_blend(evaluations, folds, deadline=Deadline.after(0.0))
    assert len(calls) <= 1
    assert np.argmax(blend.weights) == np.argmax([e.score for e in evaluations])


def test_selection_at_a_passed_deadline_still_gives_weights(folds):
    noise = np.random.default_rng(1).normal(size=400)
    evaluations = make_evaluations(folds, [noise, -noise])
    weights = select_weights(evaluations, folds, deadline=Deadline.after(0.0))
    assert weights.sum() == pytest.approx(1)


def test_a_selection_that_the_deadline_cuts_leaves_time_for_the_stack(folds):
    """The clock ticks when it is read: no machine is too slow."""
    clock = FakeClock(step=0.01)
    noise = np.random.default_rng(1).normal(size=(4, 400))
    evaluations = make_evaluations(folds, list(noise))
    cut = fit_blend(evaluations, folds, deadline=Deadline(1.0, clock))
    assert clock.moment < 1.2  # of the many that all steps would take
    assert cut.stack is not None


def test_a_model_that_few_rows_speak_for_gets_little_weight(folds):
    rng = np.random.default_rng(3)
    steady = rng.normal(size=400)
    lucky = steady + rng.normal(size=400)
    lucky[:2] = 0.0
    steady[:2] = 40.0  # two rows decide which of the two is better on all rows
    evaluations = make_evaluations(folds, [lucky, steady])
    alone = select_weights(evaluations, folds, n_bags=1)
    bagged = select_weights(evaluations, folds)
    assert bagged[1] > alone[1]


def test_members_of_hardly_any_weight_are_left_out(folds):
    errors = np.random.default_rng(3).normal(size=(16, 400))
    weights = select_weights(make_evaluations(folds, errors), folds)
    assert weights.sum() == pytest.approx(1)
    assert ((weights == 0) | (weights >= LEAST_WEIGHT)).all()


def test_selection_repeats(folds):
    errors = np.random.default_rng(3).normal(size=(12, 400))
    evaluations = make_evaluations(folds, errors)
    first = select_weights(evaluations, folds, random_state=1)
    assert (first == select_weights(evaluations, folds, random_state=1)).all()


def test_rows_that_no_fold_validates_stay_out(folds):
    noise = np.random.default_rng(1).normal(size=400)
    evaluations = make_evaluations(folds, [noise, -noise])
    for evaluation in evaluations:
        evaluation.oof[:100] = np.nan
    weights = select_weights(evaluations, folds)
    assert np.isfinite(folds.score(mixture(evaluations, weights)))
    assert np.isfinite(judged(evaluations, folds)[1])


def test_a_class_without_any_prediction_is_left_out(monkeypatch):
    monkeypatch.setattr(selection, "SELECTION_ROWS", 50)
    folds = class_folds(rows=300, n_classes=3)
    folds.y[:] = np.where(folds.y == 2, 0, folds.y)
    folds.y[[0, 7]] = 2
    rng = np.random.default_rng(1)
    evaluations = []
    for _ in range(2):
        oof = rng.dirichlet(np.ones(3), size=300).astype(np.float32)
        oof[[0, 7]] = np.nan
        candidate = Candidate(all_families()["linear"], {})
        evaluations.append(Evaluation(candidate, "complete", folds.score(oof), oof=oof))
    assert select_weights(evaluations, folds).sum() == pytest.approx(1)
    assert np.isfinite(judged(evaluations, folds)[1])


def test_a_class_that_was_not_drawn_has_its_rows(monkeypatch):
    monkeypatch.setattr(selection, "SELECTION_ROWS", 50)
    folds = class_folds(rows=300, n_classes=3)
    folds.y[:] = np.where(folds.y == 2, 0, folds.y)
    folds.y[:2] = 2
    oof = np.full((300, 3), 1 / 3, dtype=np.float32)
    evaluation = Evaluation(
        Candidate(all_families()["linear"], {}), "complete", oof=oof
    )
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = selection.selection_rows([evaluation], folds, rng)
        assert set(folds.y[rows]) == {0, 1, 2}


def test_a_stack_that_few_groups_speak_for_is_small(folds):
    rng, groups = np.random.default_rng(1), np.repeat(np.arange(8), 50)
    shared = rng.normal(size=8)[groups]
    errors = [shared + 0.2 * rng.normal(size=400) for _ in range(2)]
    evaluations = make_evaluations(folds, [*errors, 3 * shared])
    weights, rows = np.array([0.5, 0.5, 0.0]), np.arange(400)
    alone = blend_of(evaluations, weights, rows, folds).stacking_coefficients[2]
    grouped = replace(folds, groups=groups)
    together = blend_of(evaluations, weights, rows, grouped).stacking_coefficients[2]
    assert alone < together < 0


def test_one_model_alone_has_no_stack(folds):
    evaluations = make_evaluations(folds, np.ones((2, 400)))
    blend = blend_of(evaluations, np.array([0.0, 1.0]), np.arange(400), folds)
    assert blend.stack is None
    assert blend.temperature == 1.0
