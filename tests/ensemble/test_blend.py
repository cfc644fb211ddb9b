"""How the predictions of members become one."""

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LinearRegression

from automodel.ensemble.blend import Blend, ColumnsBlend, FittedEnsemble, Member
from automodel.ensemble.stacking import Stack
from automodel.evaluation.fitted_model import DeferredModel, FittedModel
from automodel.targets.link import Softmax
from automodel.targets.values import ValueTarget
from tests.ensemble.makers import make_table

HALVES = Blend.mean([0.5, 0.5])
PREDICTIONS = np.random.default_rng(0).dirichlet(np.ones(3), size=(4, 5))


def make_blend(link=None):
    """Return a blend of four models, one of which has no say."""
    link = link or Softmax()
    stack = Stack(np.array([0.0, 0.2, 0.0, -0.3]), 0.1, link)
    weights, temperatures = np.array([0.6, 0.4, 0.0, 0.0]), np.array([0.5, 2, 0.7, 1.5])
    return Blend(weights, temperatures, 0.8, stack, link)


def test_a_blend_is_the_mean_of_calibrated_models_calibrated_and_stacked():
    blend, link = make_blend(), Softmax()
    first = link.sharpened(PREDICTIONS[0], 0.5)
    second = link.sharpened(PREDICTIONS[1], 2.0)
    fourth = link.sharpened(PREDICTIONS[3], 1.5)
    mixed = link.sharpened(0.6 * first + 0.4 * second, 0.8)
    np.testing.assert_allclose(blend.unstacked().predict(PREDICTIONS), mixed)
    change = 0.1 * np.log(mixed) + 0.2 * np.log(second / mixed)
    change += -0.3 * np.log(fourth / mixed)
    expected = link.moved(np.log(mixed), change)
    np.testing.assert_allclose(blend.predict(PREDICTIONS), expected)


def test_a_blend_without_its_stack_is_still_the_mean():
    blend = make_blend()
    assert blend.is_stacked
    assert not blend.unstacked().is_stacked
    assert not blend.unstacked().stacking_coefficients.any()
    assert blend.is_stacked  # it is a copy that has none
    np.testing.assert_array_equal(blend.importances, [0.6, 0.4, 0.0, 0.3])
    assert blend.is_subtracted.tolist() == [False, False, False, True]


def test_the_spread_is_the_deviation_of_the_members_from_their_mean():
    blend, link = make_blend(), Softmax()
    first = link.sharpened(PREDICTIONS[0], 0.5)
    second = link.sharpened(PREDICTIONS[1], 2.0)
    expected = np.sqrt(0.6 * 0.4) * np.abs(first - second)
    np.testing.assert_allclose(blend.spread([*PREDICTIONS[:2], None, None]), expected)
    np.testing.assert_array_equal(Blend.mean([1.0]).spread(PREDICTIONS[:1]), 0.0)


def test_each_column_has_a_spread_of_its_own():
    blend = ColumnsBlend([HALVES, Blend.mean([1.0, 0.0])])
    predictions = np.array([[[1.0, 5.0]], [[3.0, 7.0]]])
    np.testing.assert_allclose(blend.spread(predictions), [[1.0, 0.0]])


def test_a_model_without_a_say_is_not_looked_at():
    expected = make_blend().predict(PREDICTIONS)
    parts = [PREDICTIONS[0], PREDICTIONS[1], None, PREDICTIONS[3]]
    np.testing.assert_array_equal(make_blend().predict(parts), expected)


def test_some_of_the_models_are_taken_in_another_order():
    blend, order = make_blend(), np.array([3, 1, 0])
    taken = blend.take(order)
    np.testing.assert_allclose(
        taken.predict(PREDICTIONS[order]), blend.predict(PREDICTIONS)
    )
    np.testing.assert_array_equal(taken.weights, [0.0, 0.4, 0.6])
    assert not blend.unstacked().take(order).is_stacked


@pytest.mark.parametrize("is_stacked", [True, False])
def test_a_blend_of_some_models_is_one_of_more_models(is_stacked):
    blend = make_blend() if is_stacked else make_blend().unstacked()
    positions = [5, 0, 2, 3]
    more = blend.among(positions, 6)
    assert len(more.weights) == 6
    everyone = [None] * 6
    for position, prediction in zip(positions, PREDICTIONS, strict=True):
        everyone[position] = prediction
    np.testing.assert_allclose(more.predict(everyone), blend.predict(PREDICTIONS))
    np.testing.assert_allclose(more.temperatures, [2, 1, 0.7, 1.5, 1, 0.5])
    assert more.is_stacked == is_stacked


def test_refits_count_as_much_as_the_models_of_the_folds():
    def shares(*folds):
        models = [FittedModel(None, None, None, fold=fold) for fold in folds]
        return Member(0, "a", {}, 1.0, 0.0, models).shares()

    assert shares(0, 1) == [0.5, 0.5]
    assert shares(-1) == [1.0]
    assert shares(-1, 0, 1) == [0.5, 0.25, 0.25]
    assert shares(-1, -1, 0) == [0.25, 0.25, 0.5]


def test_the_former_name_of_the_combiner_is_warned_of():
    ensemble = halves([])
    with pytest.warns(FutureWarning, match=r"FittedEnsemble\.combiner"):
        assert ensemble.blend is HALVES


def halves(members):
    return FittedEnsemble(members, HALVES, ValueTarget())


class Shift(TransformerMixin, BaseEstimator):
    """Numbers less the mean of the rows it was fitted on."""

    def fit(self, X, y=None, sample_weight=None):
        self.mean_ = X.numeric.mean(axis=0)
        return self

    def transform(self, X):
        return X.numeric - self.mean_


def make_model(values, fold):
    table = make_table(values)
    encoder = Shift()
    X = encoder.fit_transform(table)
    estimator = LinearRegression().fit(X, np.asarray(values, dtype=float))
    return FittedModel(encoder, estimator, ValueTarget(), None, fold)


def test_members_fitted_on_different_rows_do_not_share_encoded_rows():
    kept = make_model([0.0, 1.0, 2.0], fold=0)
    refitted = make_model([5.0, 6.0, 9.0], fold=-1)
    members = [
        Member(0, "a", {}, 0.5, 0.0, [kept]),
        Member(1, "b", {}, 0.5, 0.0, [refitted]),
    ]
    table = make_table([3.0, 4.0])
    expected = (kept.predict(table) + refitted.predict(table)) / 2
    assert halves(members).predict(table) == pytest.approx(expected)
    assert expected == pytest.approx([3.0, 4.0])


def test_many_rows_are_predicted_in_parts(monkeypatch):
    member = Member(0, "a", {}, 1.0, 0.0, [make_model([0.0, 1.0, 2.0], fold=0)])
    own = FittedEnsemble([member], Blend.mean([1.0]), ValueTarget())
    table = make_table(np.arange(7.0))
    expected = own.predict(table)
    monkeypatch.setattr("automodel.ensemble.blend.ENCODED_ROWS", 3)
    np.testing.assert_array_equal(own.predict(table), expected)
    prediction, spread = own.predict_with_spread(table)
    np.testing.assert_array_equal(prediction, expected)
    np.testing.assert_array_equal(spread, np.zeros((7, 1)))


def test_an_encoder_may_limit_the_rows_of_a_part(monkeypatch):
    parts = []

    def watched(self, X):
        parts.append(len(X))
        return X.numeric - self.mean_

    monkeypatch.setattr(Shift, "most_encoded", 4, raising=False)
    monkeypatch.setattr(Shift, "transform", watched)
    member = Member(0, "a", {}, 1.0, 0.0, [make_model([0.0, 1.0, 2.0], fold=0)])
    own = FittedEnsemble([member], Blend.mean([1.0]), ValueTarget())
    parts.clear()
    assert len(own.predict(make_table(np.arange(9.0)))) == 9
    assert parts == [4, 4, 1]


def test_deferred_models_share_their_encoders_once_they_are_loaded():
    models = [make_model([0.0, 1.0, 2.0], fold=0) for _ in range(3)]
    deferred = [DeferredModel(pickle.dumps(model)) for model in models[1:]]
    members = [
        Member(0, "a", {}, 0.5, 0.0, models[:1]),
        Member(1, "b", {}, 0.5, 0.0, deferred),
    ]
    own = pickle.loads(pickle.dumps(halves(members)))
    table = make_table([3.0, 4.0])
    assert own.predict(table) == pytest.approx(models[0].predict(table))
    used = [model for member in own.members for model in member.models]
    assert len({id(model.encoder) for model in used}) == 1


def test_encoders_that_are_alike_are_kept_once():
    values = [0.0, 1.0, 2.0]
    models = [make_model(values, fold) for fold in (0, 0, -1)]
    before = models[1].predict(make_table(values))
    members = [
        Member(0, "a", {}, 0.5, 0.0, models[:1]),
        Member(1, "b", {}, 0.5, 0.0, models[1:]),
    ]
    kept = pickle.loads(pickle.dumps(halves(members)))
    one, two, other = (m.encoder for member in kept.members for m in member.models)
    assert one is two
    assert one is not other
    targets = [model.target for member in kept.members for model in member.models]
    assert all(target is kept.target for target in targets)
    assert kept.members[1].models[0].predict(make_table(values)) == pytest.approx(
        before
    )
