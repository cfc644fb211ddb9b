"""What combines models: a blend, or what the target has in place of it."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from automodel.clock import NO_DEADLINE, Deadline
from automodel.ensemble.blend import Blend, ColumnsBlend
from automodel.ensemble.combine import (
    MOST_COLUMNS,
    fit_combiner,
    plain_combiner,
    simplified,
)
from automodel.ensemble.selection import fit_blend
from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.evaluation.folds import Folds
from automodel.metrics.metric import Metric
from automodel.targets.classes import ClassTarget
from automodel.targets.link import Softmax
from automodel.targets.several_values import ValuesTarget
from tests.conftest import FakeClock, StubFamily, make_task
from tests.ensemble.makers import (
    directions,
    make_evaluations,
    make_folds,
    make_table,
)
from tests.modality.signals import AngleTarget, MeanDirection


def test_predictions_that_have_a_mean_are_blended_and_no_more():
    blend = plain_combiner(ClassTarget(["a", "b"]), np.array([0.25, 0.75]))
    assert isinstance(blend, Blend)
    assert isinstance(blend.link, Softmax)
    assert not blend.is_stacked
    assert blend.temperature == 1.0
    sure, unsure = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    np.testing.assert_allclose(blend.predict([sure, unsure]), [[0.625, 0.375]])


def folds_of_columns(n_rows=200, n_columns=2):
    y = np.random.default_rng(0).normal(size=(n_rows, n_columns))
    target = ValuesTarget.of(y)
    task = make_task("multioutput", n_rows, 1, n_outputs=n_columns)
    halves = np.arange(n_rows)[::2], np.arange(n_rows)[1::2]
    metric = Metric.from_scoring(None, target, y)
    rows = make_table(np.zeros(n_rows))
    y = target.encode(y)
    return Folds(rows, y, None, [halves, halves[::-1]], task, metric)


def evaluations_of(folds, errors):
    candidate = Candidate(StubFamily("linear"), {})
    oofs = [(folds.y + error).astype(np.float32) for error in errors]
    return [
        Evaluation(candidate, "complete", folds.score(oof), oof=oof) for oof in oofs
    ]


def evaluations_of_one_column_each(folds):
    """Return two models, each of which is good at one column and bad at the other."""
    errors = np.random.default_rng(1).normal(size=(2, *folds.y.shape))
    return evaluations_of(folds, errors * np.array([[[0.1, 1.0]], [[1.0, 0.1]]]))


def test_each_column_of_many_rows_is_blended_of_its_own_models():
    folds = folds_of_columns(5000)
    evaluations = evaluations_of_one_column_each(folds)
    combiner = fit_combiner(evaluations, folds)
    assert isinstance(combiner, ColumnsBlend)
    first, second = (blend.weights for blend in combiner.blends)
    np.testing.assert_array_equal(np.round(first), [1, 0])
    np.testing.assert_array_equal(np.round(second), [0, 1])
    predicted = combiner.predict([e.oof for e in evaluations])
    assert folds.score(predicted) > max(e.score for e in evaluations) / 4
    np.testing.assert_allclose(combiner.weights, 0.5, atol=0.1)
    swapped = combiner.take(np.array([1, 0]))
    np.testing.assert_allclose(
        swapped.predict([e.oof for e in evaluations[::-1]]), predicted
    )
    assert not combiner.unstacked().is_stacked


def test_columns_of_few_rows_keep_near_to_the_weights_of_all():
    few, many = (folds_of_columns(n_rows) for n_rows in (100, 1500))
    first, second = (
        fit_combiner(evaluations_of_one_column_each(folds), folds).blends[0].weights
        for folds in (few, many)
    )
    assert 0.5 < first[0] < second[0] < 1


def test_very_many_columns_share_their_models():
    folds = folds_of_columns(n_columns=MOST_COLUMNS + 1)
    errors = np.random.default_rng(1).normal(size=(2, *folds.y.shape))
    assert isinstance(fit_combiner(evaluations_of(folds, errors), folds), Blend)


def test_other_predictions_are_combined_as_their_target_says():
    combiner = plain_combiner(AngleTarget(), np.array([0.25, 0.75]))
    assert isinstance(combiner, MeanDirection)
    np.testing.assert_array_equal(combiner.weights, [0.25, 0.75])


def test_a_blend_is_fitted_where_predictions_have_a_mean():
    rng = np.random.default_rng(0)
    folds = make_folds(rng.normal(size=200))
    evaluations = make_evaluations(folds, rng.normal(size=(4, 200)))
    options = {"size": 5, "n_bags": 2, "random_state": 3}
    found = fit_combiner(evaluations, folds, **options)
    expected = fit_blend(evaluations, folds, **options)
    np.testing.assert_array_equal(found.weights, expected.weights)
    np.testing.assert_array_equal(
        found.stacking_coefficients, expected.stacking_coefficients
    )


class Weights:
    """A combiner whose prediction is the weights, so that a test can score these."""

    def __init__(self, weights):
        self.weights = weights

    def predict(self, predictions):
        return tuple(self.weights.round(3).tolist())


class Scores(dict):
    """What the weights score, and which were asked for."""

    def __init__(self, scores, rest=0.0):
        super().__init__(scores)
        self.rest, self.asked = rest, []

    def __call__(self, weights):
        self.asked.append(weights)
        if isinstance(value := self.get(weights, self.rest), Exception):
            raise value
        return value


def weights_of(scores, *, n_models=3, size=25, most=None, deadline=NO_DEADLINE):
    """Return the weights that the greedy selection chooses; models come best first."""
    evaluations = [
        Evaluation(Candidate(StubFamily(), {}), "complete", -float(i), oof=i)
        for i in range(n_models)
    ]
    folds = SimpleNamespace(
        target=SimpleNamespace(combiner=Weights, is_averaged=False, most_combined=most),
        y=range(500),
        score=scores,
    )
    combiner = fit_combiner(evaluations, folds, size=size, deadline=deadline)
    return combiner.weights.round(3).tolist()


ALONE, HALVES = (1.0, 0.0, 0.0), (0.5, 0.0, 0.5)


def test_models_are_added_while_the_score_rises():
    rising = {ALONE: 1.0, HALVES: 2.0, (0.333, 0.333, 0.333): 3.0}
    assert weights_of(Scores(rising)) == [0.333, 0.333, 0.333]


def test_the_best_mixture_on_the_way_is_kept():
    """One that is worse does not end the selection: two votes may be a majority."""
    late = {ALONE: 1.0, HALVES: 0.9, (0.667, 0.0, 0.333): 3.0}
    assert weights_of(Scores(late)) == pytest.approx([0.667, 0.0, 0.333], abs=1e-3)
    never = {ALONE: 1.0, HALVES: 0.9}
    assert weights_of(Scores(never)) == list(ALONE)


@pytest.mark.parametrize(
    "size, weights", [(1, ALONE), (2, HALVES), (3, (0.667, 0, 1 / 3))]
)
def test_no_more_models_are_added_than_the_size(size, weights):
    rising = {ALONE: 1.0, HALVES: 2.0, (0.667, 0.0, 0.333): 3.0, (0.75, 0.0, 0.25): 4.0}
    found = weights_of(Scores(rising), size=size)
    assert found == pytest.approx(weights, abs=1e-3)


def test_no_more_models_are_combined_than_the_target_allows():
    thirds = (0.333, 0.333, 0.333)
    scores = Scores({ALONE: 1.0, HALVES: 2.0, thirds: 3.0})
    assert weights_of(scores, most=2) == list(HALVES)
    assert thirds not in scores.asked
    assert weights_of(scores, most=3) == list(thirds)


def test_the_best_model_is_the_simpler_form_of_a_combination():
    folds, evaluations = directions(40, [30.0, -20.0, 90.0])
    combiner = fit_combiner(evaluations, folds)
    assert np.count_nonzero(combiner.weights) > 1
    assert simplified(combiner, evaluations, folds).weights.tolist() == [0, 1, 0]
    alone = MeanDirection(np.array([1.0, 0.0, 0.0]))
    assert simplified(alone, evaluations, folds) is alone


def test_the_simpler_form_of_a_blend_has_no_stack():
    folds = make_folds(np.random.default_rng(0).normal(size=400))
    rng = np.random.default_rng(1)
    shared = rng.normal(size=400)
    errors = [shared + 0.2 * rng.normal(size=400) for _ in range(2)]
    evaluations = make_evaluations(folds, [*errors, 3 * shared])
    blend = fit_combiner(evaluations, folds)
    assert blend.is_stacked
    plain = simplified(blend, evaluations, folds)
    assert not plain.is_stacked
    np.testing.assert_array_equal(plain.weights, blend.weights)


def test_ties_go_to_a_model_that_is_in_already():
    more, again = (0.333, 0.333, 0.333), (0.333, 0.0, 0.667)
    tied = {ALONE: 1.0, HALVES: 2.0, more: 3.0, again: 3.0}
    assert weights_of(Scores(tied)) == list(again)
    assert weights_of(Scores(tied | {more: 3.1})) == list(more)


@pytest.mark.parametrize("nothing", [math.nan, math.inf, ValueError("no score")])
def test_weights_without_a_score_are_not_chosen(nothing):
    scores = {ALONE: 1.0, (0.5, 0.5, 0.0): nothing, HALVES: 2.0}
    assert weights_of(Scores(scores)) == list(HALVES)
    assert weights_of(Scores(scores, rest=nothing)) == list(HALVES)
    assert weights_of(Scores({}, rest=nothing)) == list(ALONE)


def test_the_best_model_alone_is_left_after_the_deadline():
    scores = Scores({ALONE: 1.0, HALVES: 2.0})
    assert weights_of(scores, deadline=Deadline.after(0.0)) == list(ALONE)
    assert scores.asked == [ALONE]


def test_a_step_that_the_deadline_cuts_does_not_count():
    """A model that was not compared might have been the better one."""
    scores = {ALONE: 1.0, (0.5, 0.5, 0.0): 2.0, HALVES: 3.0}
    clock = FakeClock(step=1.0)
    # The two other single models are compared before, with a look at the clock each.
    cut, whole = Deadline(3.5, clock), Deadline(4.5, FakeClock(step=1.0))
    assert weights_of(Scores(scores), deadline=cut) == list(ALONE)
    assert weights_of(Scores(scores), deadline=whole) == list(HALVES)


def test_models_that_are_not_on_the_shortlist_have_no_weight():
    """Few rows tell few models apart; here it is the twelve best of sixteen."""
    rng = np.random.default_rng(0)
    angles = rng.uniform(0, 360, 60)
    target = AngleTarget()
    folds = SimpleNamespace(
        target=target,
        y=target.encode(angles),
        score=lambda prediction: -np.abs(prediction - target.encode(angles)).mean(),
    )
    evaluations = []
    for _ in range(16):
        oof = target.encode(angles + rng.normal(0, 20, 60))
        candidate = Candidate(StubFamily(), {})
        evaluations.append(Evaluation(candidate, "complete", folds.score(oof), oof=oof))
    weights = fit_combiner(evaluations, folds).weights
    ranked = np.argsort([-e.score for e in evaluations])
    assert weights.shape == (16,)
    assert weights.sum() == pytest.approx(1)
    assert np.count_nonzero(weights) > 2
    assert not weights[ranked[12:]].any()
