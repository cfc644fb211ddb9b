"""Several columns of numbers: what is learned, predicted and given back."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.metrics import (
    get_scorer,
    make_scorer,
    mean_pinball_loss,
    r2_score,
    root_mean_squared_error,
)

from automodel.exceptions import FitWarning
from automodel.metrics.metric import Metric
from automodel.metrics.objectives import objective_of
from automodel.targets.several_values import (
    ValuesTarget,
    scaled_root_mean_squared_error,
)

RNG = np.random.default_rng(0)
Y = RNG.normal(size=(60, 3)) * [1.0, 1e6, 1e-3] + [0.0, 3e6, 7.0]
TARGET = ValuesTarget.of(Y)


@pytest.mark.parametrize(
    "given",
    [
        Y.tolist(),
        list(Y),
        Y.astype(object),
        sparse.csr_matrix(Y),
        pd.DataFrame(Y),
        pd.DataFrame(Y).astype("Float64"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_values_may_come_in_any_container(given):
    values = ValuesTarget.check(given)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, Y)


@pytest.mark.parametrize(
    "value", [np.nan, np.inf, None, "12", pd.NA, Decimal("NaN"), Decimal("Infinity")]
)
def test_a_cell_that_is_no_number_is_named(value):
    y = pd.DataFrame(Y, columns=["a", "b", "c"]).astype(object)
    y.loc[2, "b"] = value
    with pytest.raises(ValueError, match="Row 2 of column 'b' of y is"):
        ValuesTarget.check(y)
    with pytest.raises(ValueError, match="Row 2 of column 1 of y is"):
        ValuesTarget.check(y.to_numpy())


def test_every_column_is_learned_in_units_of_its_deviation():
    encoded = TARGET.encode(Y)
    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(encoded.std(axis=0), 1)
    np.testing.assert_allclose(TARGET.restore(encoded), Y)
    np.testing.assert_allclose(TARGET.decode(TARGET.truth(encoded)), Y)


def test_rows_of_weight_zero_do_not_set_the_units():
    far = np.vstack([Y, [[1e9, 1e9, 1e9]]])
    target = ValuesTarget.of(far, np.append(np.ones(len(Y)), 0.0))
    np.testing.assert_array_equal(target.deviations, TARGET.deviations)


def test_a_constant_column_is_named_and_predicted():
    y = np.column_stack([Y[:, 0], np.full(len(Y), 0.1)])
    with pytest.warns(FitWarning, match=r"constant: \[1\]"):
        target = ValuesTarget.of(y)
    np.testing.assert_array_equal(target.encode(y)[:, 1], 0)
    np.testing.assert_array_equal(target.restore(target.encode(y))[:, 1], 0.1)


def test_the_default_score_is_in_units_of_deviations():
    prediction = Y + [0.5, 1e5, 2e-3]
    metric = Metric.from_scoring(None, TARGET, Y)
    y, encoded = TARGET.encode(Y), TARGET.encode(prediction)
    expected = np.mean(np.array([0.5, 1e5, 2e-3]) / Y.std(axis=0))
    assert metric.score(y, encoded) == pytest.approx(-expected)
    assert metric.name == "scaled_root_mean_squared_error"
    assert metric.is_own_loss
    of_scorer = metric._pooled(y, encoded, None)
    assert of_scorer == pytest.approx(-expected)
    loss = scaled_root_mean_squared_error(Y, prediction, deviations=Y.std(axis=0))
    assert loss == pytest.approx(expected)


PINBALL = make_scorer(mean_pinball_loss, alpha=0.1, greater_is_better=False)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "scoring",
    [
        "neg_root_mean_squared_error",
        "neg_mean_squared_error",
        "neg_mean_absolute_error",
        "neg_mean_squared_log_error",
        "neg_root_mean_squared_log_error",
        PINBALL,
        "r2",
        "neg_mean_absolute_percentage_error",
        "neg_median_absolute_error",
    ],
)
def test_scores_are_those_of_scikit_learn_in_the_units_of_the_user(scoring, weighted):
    rng = np.random.default_rng(1)
    y = np.abs(Y) + 1.0
    prediction = np.abs(y * rng.uniform(0.5, 1.5, y.shape))
    weight = rng.uniform(0.5, 2, len(y)) if weighted else None
    metric = Metric.from_scoring(scoring, ValuesTarget.of(y), y)
    target = metric.target
    scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
    options = scorer._kwargs
    loss = scorer._score_func(y, prediction, sample_weight=weight, **options)
    score = metric.score(target.encode(y), target.encode(prediction), weight)
    assert score == pytest.approx(scorer._sign * loss)


def test_losses_follow_the_score():
    y, prediction = RNG.normal(size=(2, 20, 3))
    absolute = TARGET.learning(objective_of(get_scorer("neg_mean_absolute_error")))
    of_squares = ((y - prediction) ** 2).mean(axis=1)
    of_absolutes = 0.5 * np.abs(y - prediction).mean(axis=1)
    np.testing.assert_allclose(TARGET.losses(y, prediction), of_squares)
    np.testing.assert_allclose(absolute.losses(y, prediction), of_absolutes)
    np.testing.assert_allclose(TARGET.errors(y, prediction), of_squares)
    first, one = TARGET.column(0), slice(0, 1)
    np.testing.assert_allclose(
        first.errors(y[:, one], prediction[:, one]), (y - prediction)[:, 0]
    )


@pytest.mark.parametrize(
    "scoring",
    [None, "neg_root_mean_squared_error", "neg_mean_absolute_error", "r2", PINBALL],
)
def test_a_mean_over_columns_is_known_as_one(scoring):
    rng = np.random.default_rng(0)
    y, prediction = TARGET.encode(Y), rng.normal(size=Y.shape)
    weight = rng.uniform(0.5, 2, len(Y))
    metric = Metric.from_scoring(scoring, TARGET, Y)
    each = [
        metric.of_column(i).score(y[:, [i]], prediction[:, [i]], weight)
        for i in range(3)
    ]
    assert np.mean(each) == pytest.approx(metric.score(y, prediction, weight))


@pytest.mark.parametrize(
    "scoring",
    [
        "neg_median_absolute_error",
        "explained_variance",
        make_scorer(r2_score, multioutput="variance_weighted"),
    ],
)
def test_other_scores_are_of_all_columns_together(scoring):
    assert Metric.from_scoring(scoring, TARGET, Y).of_column(0) is None


def test_only_a_score_of_columns_alike_is_the_loss_that_is_learned():
    alike = [None, "r2"]
    others = ["neg_mean_squared_error", "neg_mean_absolute_error"]
    assert all(Metric.from_scoring(s, TARGET, Y).is_own_loss for s in alike)
    assert not any(Metric.from_scoring(s, TARGET, Y).is_own_loss for s in others)


def test_another_unit_of_the_default_score_counts():
    own = np.array([1.0, 2.0, 3.0])
    scorer = make_scorer(
        scaled_root_mean_squared_error, deviations=own, greater_is_better=False
    )
    prediction = Y + own
    metric = Metric.from_scoring(scorer, TARGET, Y)
    score = metric.score(TARGET.encode(Y), TARGET.encode(prediction))
    assert score == pytest.approx(-1.0)


def test_counts_are_whole_numbers_again():
    counts = np.random.default_rng(0).poisson([3.0, 1e5], size=(500, 2))
    target = ValuesTarget.of(counts.astype(float))
    np.testing.assert_array_equal(target.restore(target.encode(counts)), counts)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_units_of_any_size_are_learned(size):
    target = ValuesTarget.of(Y[:, :2] * size)
    np.testing.assert_allclose(target.encode(Y[:, :2] * size).std(axis=0), 1)
    restored = target.restore(target.encode(Y[:, :2] * size))
    np.testing.assert_allclose(restored, Y[:, :2] * size)


@pytest.mark.parametrize(
    "scoring", ["neg_mean_poisson_deviance", "neg_mean_gamma_deviance"]
)
def test_scores_of_one_column_are_refused_with_others(scoring):
    with pytest.raises(ValueError, match="MultiOutputRegressor"):
        Metric.from_scoring(scoring, TARGET, Y)


def test_logarithms_are_learned_within_limits_of_each_column():
    y = np.exp(RNG.normal(size=(50, 2))) * [1.0, 1000.0]
    metric = Metric.from_scoring("neg_mean_squared_log_error", ValuesTarget.of(y), y)
    target = metric.target
    np.testing.assert_allclose(target.encode(y).std(axis=0), 1)
    np.testing.assert_allclose(target.restore(target.encode(y)), y)
    model = LinearRegression().fit(y, target.encode(y))
    predicted = target.decode(target.predict(model, 1e9 * y, None))
    assert np.isfinite(predicted).all()
    assert (predicted[:, 0].max() > 1.0) and (predicted.min() >= -1.0)
    with pytest.raises(ValueError, match="Column 0 of y: .*needs values above -1"):
        Metric.from_scoring("neg_mean_squared_log_error", ValuesTarget.of(-y), -y - 5)


def test_the_baseline_is_best_by_the_loss():
    y = TARGET.encode(Y)
    model = TARGET.baseline().fit(y, y)
    np.testing.assert_allclose(TARGET.predict(model, y, None), 0, atol=1e-9)
    median = TARGET.learning(objective_of(get_scorer("neg_mean_absolute_error")))
    model = median.baseline().fit(y, y)
    np.testing.assert_allclose(median.predict(model, y[:1], None)[0], np.median(y, 0))
    assert TARGET.constant(y) is None
    only = TARGET.constant(y[[0, 0]]).fit(y[[0, 0]], y[[0, 0]])
    np.testing.assert_array_equal(TARGET.predict(only, y, None), y[[0] * len(y)])


def test_the_best_model_answers_in_units():
    X = RNG.normal(size=(60, 3))
    model = LinearRegression().fit(X, TARGET.encode(X * [1.0, 1e6, 1e-3]))
    decoded = TARGET.decoded(model, None)
    np.testing.assert_allclose(decoded.predict(X), X * [1.0, 1e6, 1e-3], atol=1e-5)
    again = decoded.fit(X, X)
    assert root_mean_squared_error(X, again.predict(X)) < 1e-6


def test_bounds_of_new_values_are_within_the_domain():
    counts = np.random.default_rng(0).poisson(3.0, size=(50, 2)).astype(float)
    target = Metric.from_scoring(
        "neg_mean_squared_log_error", ValuesTarget.of(counts), counts
    ).target
    bounds = target.bounds(np.array([[-9.0, np.inf], [0.0, -9.0]]))
    assert bounds[0].tolist() == [pytest.approx(0.0, abs=1e-9), np.inf]
    assert bounds[1, 1] == pytest.approx(0.0, abs=1e-9)
    plain = TARGET.bounds(np.full((1, 3), -1.0))
    np.testing.assert_allclose(plain[0], TARGET.means - TARGET.deviations)
