"""One model for each column of a target of several columns."""

import math
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import get_tags

from automodel.clock import Deadline
from automodel.exceptions import DeadlineReached, TrialPruned
from automodel.families._columns import (
    FIRST_SLOT,
    ColumnMonitor,
    ColumnsClassifier,
    ColumnsRegressor,
    VaryingColumns,
    by_column,
    one_per_column,
    without_constants,
)
from automodel.families.catboost import MOST_APART, CatBoost
from automodel.families.hist_gradient_boosting import HistGradientBoosting
from automodel.families.linear import Linear
from automodel.monitor import SLOTS_PER_FOLD, Monitor
from automodel.targets.objective import Objective
from tests.conftest import FakeClock, make_task

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
VALUES = np.column_stack([X[:, 0], 3 * X[:, 1] - 1, X[:, 2] ** 2])
LABELS = (VALUES > 0.5).astype(np.int64)
LABELS_TASK = make_task("multilabel", *X.shape, n_outputs=3)
MANY_LABELS_TASK = make_task("multilabel", *X.shape, n_outputs=MOST_APART + 1)
VALUES_TASK = make_task("multioutput", *X.shape, n_outputs=3)
END_OF_FOLD = SLOTS_PER_FOLD - 1


class Steps:
    """A family whose columns have a best round each; it notes its monitors."""

    def __init__(self, best=(3, 5, 7), seconds=0.0):
        self.best, self.seconds = list(best), seconds
        self.seen, self.weights = [], []

    @by_column
    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        self.seen.append(monitor)
        self.weights.append(sample_weight)
        best = self.best[len(self.seen) - 1]
        for step in range(1, 11):
            monitor.report(step, -abs(step - best) - best)
        monitor.steps_used, monitor.steps_trained = best, 10
        list(monitor.planned([best, 1]))
        if self.seconds:
            monitor.clock.wait(self.seconds)
        return estimator.fit(X, y)


def with_constants(y):
    y = y.copy()
    y[:, 1] = 1
    return y


def fit(family=None, y=VALUES, monitor=None, **options):
    family = Steps() if family is None else family
    monitor = Monitor() if monitor is None else monitor
    estimator = one_per_column(Ridge(), VALUES_TASK)
    return family.fit(estimator, X, y, monitor=monitor, **options), family, monitor


@pytest.mark.parametrize(
    ("task", "kind"),
    [(LABELS_TASK, ColumnsClassifier), (VALUES_TASK, ColumnsRegressor)],
)
def test_a_target_of_several_columns_gets_an_estimator_of_columns(task, kind):
    assert type(one_per_column(LogisticRegression(), task)) is kind


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression", "angle"])
def test_other_targets_get_the_estimator_itself(kind):
    ridge = Ridge()
    assert one_per_column(ridge, make_task(kind, 100, 3, n_outputs=2)) is ridge


def test_each_column_is_as_if_learned_alone():
    values = ColumnsRegressor(Ridge()).fit(X, VALUES).predict(X)
    labels = ColumnsClassifier(LogisticRegression()).fit(X, LABELS).predict_proba(X)
    for column in range(3):
        alone = Ridge().fit(X, VALUES[:, column])
        np.testing.assert_array_equal(values[:, column], alone.predict(X))
        alone = LogisticRegression().fit(X, LABELS[:, column])
        np.testing.assert_array_equal(labels[:, column], alone.predict_proba(X)[:, 1])


def test_labels_are_those_that_are_more_probable_than_not():
    model = ColumnsClassifier(LogisticRegression()).fit(X, LABELS)
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X) > 0.5)


@pytest.mark.parametrize("value", [0, 1])
def test_a_column_of_one_value_is_predicted_as_it_is(value):
    labels, values = LABELS.copy(), VALUES.copy()
    labels[:, 1], values[:, 1] = value, value
    proba = ColumnsClassifier(LogisticRegression()).fit(X, labels).predict_proba(X)
    assert (proba[:, 1] == value).all()
    answer = ColumnsRegressor(Ridge()).fit(X, values).predict(X)
    assert (answer[:, 1] == value).all()


def test_the_parameters_of_the_estimator_are_its_own():
    columns = ColumnsRegressor(Ridge()).set_params(alpha=7.0)
    assert columns.get_params()["alpha"] == columns.estimator.alpha == 7.0
    copy = clone(columns)
    assert copy.get_params()["alpha"] == 7.0
    assert copy.estimator is not columns.estimator
    with pytest.raises(ValueError, match="Invalid parameter 'beta'"):
        columns.set_params(beta=1)


def test_tags_are_those_of_the_estimator_with_several_columns():
    boosting = HistGradientBoosting().estimator(VALUES_TASK, 0)
    tags = get_tags(boosting)
    assert tags.input_tags.allow_nan
    assert tags.target_tags.multi_output
    tags = get_tags(one_per_column(LogisticRegression(), LABELS_TASK))
    assert not tags.input_tags.allow_nan
    assert tags.classifier_tags.multi_label


def test_weights_reach_each_column():
    weight = np.where(LABELS[:, 0] == 1, 9.0, 0.1)
    model = ColumnsClassifier(LogisticRegression())
    plain = model.fit(X, LABELS).predict_proba(X).mean(axis=0)
    weighted = model.fit(X, LABELS, weight).predict_proba(X).mean(axis=0)
    assert weighted[0] > plain[0] + 0.1
    given = fit(sample_weight=weight)[1].weights
    assert len(given) == 3
    assert all(one is weight for one in given)


def test_a_family_fits_the_models_of_its_columns():
    model, _, _ = fit()
    again = pickle.loads(pickle.dumps(model))
    expected = ColumnsRegressor(Ridge()).fit(X, VALUES).predict(X)
    np.testing.assert_array_equal(model.predict(X), expected)
    np.testing.assert_array_equal(again.predict(X), expected)


def test_a_family_fits_one_column_as_it_did():
    family, monitor = Steps(), Monitor()
    model = family.fit(Ridge(), X, VALUES[:, 0], monitor=monitor)
    assert type(model) is Ridge
    assert family.seen == [monitor]
    assert monitor.steps_used == 3


def test_steps_and_plans_are_noted_for_each_column():
    _, _, monitor = fit()
    assert monitor.steps_used == [3, 5, 7]
    assert monitor.steps_trained == [10, 10, 10]
    assert monitor.step_plan_used == [[3, 1], [5, 1], [7, 1]]


def test_steps_and_plans_of_columns_are_repeated():
    monitor = Monitor(n_iterations=[4, 5, 6], step_plan=[[1], [2], [3]])
    _, family, monitor = fit(monitor=monitor)
    assert [own.n_iterations for own in family.seen] == [4, 5, 6]
    assert monitor.step_plan_used == [[1], [2], [3]]
    _, family, _ = fit(monitor=Monitor(n_iterations=4))
    assert [own.n_iterations for own in family.seen] == [4, 4, 4]


def test_a_constant_column_is_not_trained_and_has_no_steps():
    y = VALUES.copy()
    y[:, 1] = 2.0
    model, family, monitor = fit(Steps([3, 7]), y)
    assert isinstance(model.estimators_[1], DummyRegressor)
    assert len(family.seen) == 2
    assert monitor.steps_used == [3, 0, 7]


def test_constant_columns_alone_have_no_steps():
    model, _, monitor = fit(y=np.ones((120, 2)))
    assert (model.predict(X) == 1).all()
    assert monitor.steps_used is None
    assert monitor.step_plan_used == []


def test_each_column_sees_its_validation_part():
    weight = np.arange(40.0)
    monitor = Monitor(valid=(X[:40], VALUES[:40], weight))
    _, family, _ = fit(monitor=monitor)
    for column, own in enumerate(family.seen):
        assert own.X_valid is monitor.X_valid
        np.testing.assert_array_equal(own.y_valid, VALUES[:40, column])
        assert own.sample_weight_valid is weight


def test_the_time_left_is_shared_by_the_columns_left():
    clock = FakeClock()
    monitor = Monitor(Deadline.after(30.0, clock))
    _, family, _ = fit(Steps(seconds=4.0), monitor=monitor)
    moments = [own.deadline.moment for own in family.seen]
    assert moments == pytest.approx([10.0, 4 + 26 / 2, 30.0])


def test_columns_that_come_a_little_late_are_trained():
    clock = FakeClock()
    monitor = Monitor(Deadline.after(0.5, clock))
    _, family, _ = fit(Steps(seconds=0.4), monitor=monitor)
    assert [own.deadline.is_over for own in family.seen] == [True] * 3
    family.seen[2].check_time()
    with pytest.raises(DeadlineReached):
        fit(monitor=Monitor(Deadline.after(-1.0)))


def test_columns_that_would_take_long_after_the_deadline_are_not_trained():
    family, y = Steps(seconds=20.0), with_constants(VALUES)[:, [1, 0, 2, 0]]
    monitor = Monitor(Deadline.after(30.0, FakeClock()))
    with pytest.raises(DeadlineReached):
        fit(family, y, monitor)
    assert len(family.seen) == 2


def test_the_mean_of_the_columns_so_far_is_reported():
    family, y = Steps([3, 5, 7, 9, 9]), VALUES[:, [0, 1, 2, 0, 1]]
    _, _, monitor = fit(family, y, Monitor(should_prune=lambda reports: False))
    assert list(monitor.reports.values()) == [-4.0, -5.0, -6.0]


@pytest.mark.parametrize(
    ("n_columns", "reported"),
    [
        (2, [1]),
        (3, [2]),
        (5, [2, 3, 4]),
        (50, [20, 24, 27, 30, 34, 37, 40, 44, 47]),
    ],
)
def test_reports_are_spread_over_the_columns(n_columns, reported):
    seen, family = [], Steps([1] * n_columns)
    monitor = Monitor(should_prune=lambda reports: seen.append(len(family.seen)))
    fit(family, VALUES[:, np.arange(n_columns) % 3], monitor)
    assert seen == reported  # the last column is the end of the fold
    assert FIRST_SLOT <= min(monitor.reports) <= max(monitor.reports) < END_OF_FOLD


def test_a_trial_is_pruned_between_two_columns():
    family = Steps()
    with pytest.raises(TrialPruned):
        fit(family, monitor=Monitor(should_prune=lambda reports: True))
    assert len(family.seen) == 2


def test_a_column_without_a_report_leaves_it_to_the_end_of_the_fold():
    monitor = Monitor(should_prune=lambda reports: True)
    estimator = Linear().estimator(LABELS_TASK, 0)
    Linear().fit(estimator, X, LABELS, monitor=monitor)


def test_reports_that_are_not_numbers_are_left_out():
    own = ColumnMonitor(Monitor(), 0, 1)
    own.report(1, math.nan)
    assert own.best_value == -math.inf
    own.report(2, -0.5)
    assert own.best_value == -0.5


@pytest.mark.parametrize(
    "objective", [Objective("absolute_error"), Objective("quantile", 0.8)]
)
@pytest.mark.parametrize(
    "name", ["linear", "knn", "extra_trees", "random_forest", "catboost", "lightgbm"]
)
def test_quantiles_of_columns_are_learned_one_by_one(name, objective):
    from automodel.families import find_families

    (family,) = find_families([name])
    if family.missing_libraries():
        pytest.skip("not installed")
    task = make_task("multioutput", *X.shape, n_outputs=2, objective=objective)
    one = make_task("regression", *X.shape, objective=objective)
    y = VALUES[:, :2]
    model = family.fit(family.estimator(task, 0), X, y, monitor=Monitor(n_iterations=5))
    for column in range(2):
        alone = family.fit(
            family.estimator(one, 0), X, y[:, column], monitor=Monitor(n_iterations=5)
        )
        np.testing.assert_array_equal(model.predict(X)[:, column], alone.predict(X))


class Trees:
    """A family of trees of several columns, which notes what it is given."""

    @without_constants
    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        self.y, self.y_valid = y, monitor.y_valid
        return estimator.fit(X, y)


def test_columns_that_do_not_vary_are_not_trained():
    family, y = Trees(), with_constants(VALUES)
    monitor = Monitor(valid=(X, VALUES, None))
    model = family.fit(DecisionTreeRegressor(), X, y, monitor=monitor)
    np.testing.assert_array_equal(family.y, VALUES[:, [0, 2]])
    np.testing.assert_array_equal(family.y_valid, VALUES[:, [0, 2]])
    np.testing.assert_array_equal(model.predict(X), y)
    assert not hasattr(clone(model).estimator, "tree_")
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), y)
    assert not hasattr(model, "predict_proba")


@pytest.mark.parametrize("y", [VALUES, VALUES[:, 0], np.ones((120, 2))])
def test_other_targets_are_trained_as_they_are(y):
    family = Trees()
    model = family.fit(DecisionTreeRegressor(), X, y, monitor=Monitor())
    assert type(model) is DecisionTreeRegressor
    assert family.y is y


def test_a_label_that_varies_alone_is_learned():
    pytest.importorskip("catboost")
    y = with_constants(LABELS)
    y[:, 2] = 0
    estimator = CatBoost().estimator(MANY_LABELS_TASK, 0)
    model = CatBoost().fit(estimator, X, y, monitor=Monitor(n_iterations=30))
    assert isinstance(model, VaryingColumns)
    proba = model.predict_proba(X)
    assert np.mean((proba > 0.5) == y) > 0.95
    cut = CatBoost().cut(model, 1)
    assert (cut.estimator.tree_count_, model.estimator.tree_count_) == (1, 30)
    first = cut.predict_proba(X)
    assert np.ptp(first[:, 0]) < np.ptp(proba[:, 0])
    assert np.array_equal(first[:, 1:], proba[:, 1:])


@pytest.mark.parametrize("n_labels", [2, 3])
def test_labels_that_nothing_tells_are_predicted_as_their_shares(n_labels):
    pytest.importorskip("catboost")
    y = with_constants(LABELS)[:, :n_labels]
    estimator = CatBoost().estimator(MANY_LABELS_TASK, 0)
    model = CatBoost().fit(estimator, np.ones_like(X), y, monitor=Monitor())
    expected = np.tile(y.mean(axis=0), (7, 1))
    np.testing.assert_allclose(model.predict_proba(X[:7]), expected)
    plain = CatBoost().fit(estimator, np.ones_like(X), LABELS, monitor=Monitor())
    np.testing.assert_allclose(plain.predict_proba(X[:1])[0], LABELS.mean(axis=0))


def test_rounds_of_columns_are_cut_one_by_one():
    family = HistGradientBoosting()
    labels = LABELS.copy()
    labels[:, 2] = 1
    estimator = family.estimator(LABELS_TASK, 0).set_params(max_iter=12)
    model = family.fit(estimator, X, labels, monitor=Monitor(n_iterations=12))
    cut = family.cut(model, [3, 8, 5])
    assert [m.n_iter_ for m in cut.estimators_[:2]] == [3, 8]
    assert isinstance(cut.estimators_[2], DummyClassifier)
    assert [m.n_iter_ for m in model.estimators_[:2]] == [12, 12]
    assert [m.n_iter_ for m in family.cut(model, 4).estimators_[:2]] == [4, 4]
