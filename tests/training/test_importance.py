"""The score of out-of-fold rows, with and without permuted columns."""

from types import SimpleNamespace

import numpy as np
import pytest

from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.folds import Folds
from automodel.metrics.metric import Metric
from automodel.targets.classes import ClassTarget
from automodel.targets.values import ValueTarget
from automodel.training.importance import (
    LEAST_ROWS,
    MOST_ROWS,
    Judge,
    permute_columns,
)
from tests.conftest import FakeClock, make_task

N = 200


class Rows(np.ndarray):
    """Rows that are an array."""

    def take(self, rows):
        return self[rows]


class Columns:
    """The columns of an array, of which some are not read."""

    def __init__(self, n_columns, unread=()):
        self.is_read = ~np.isin(np.arange(n_columns), unread)
        self.permuted_columns = []

    def __len__(self):
        return len(self.is_read)

    def permuted(self, rows, column, order):
        self.permuted_columns.append(column)
        new = rows.copy()
        new[:, column] = rows[order, column]
        return None if np.array_equal(new, rows) else new

    def association(self, rows, values, seed=0):
        return np.arange(len(self), dtype=float)  # the last is the first


class Models:
    """Models of folds, which know the column 0, and their validation rows only."""

    members = (SimpleNamespace(number=7, weight=1.0),)
    train_share = 1.0

    def __init__(self, splits, clock=None, seconds=0.0):
        self.models = dict(enumerate(splits))
        self.clock, self.seconds = clock, seconds

    def heaviest(self, n_members):
        few = Models(self.models.values(), self.clock, self.seconds)
        few.members = self.members[:n_members]
        few.seconds *= n_members / len(self.members)
        return few

    def predict(self, fold, rows, deadline):
        deadline.check()
        if self.clock is not None:
            self.clock.wait(self.seconds * len(rows))
        valid = self.models[fold][1]
        assert np.isin(rows[:, -1].astype(int), valid).all()
        return np.asarray(rows[:, [0]])


def folds_of(splits, n_rows=N, weight=None, y=None):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 4))
    X[:, -1] = np.arange(n_rows)  # the position of the row
    y = X[:, 0] if y is None else y
    target = ValueTarget.of(y)
    metric = Metric.from_scoring("neg_mean_absolute_error", target, y)
    task = make_task("regression", n_rows, 4)
    rows = X.view(Rows)
    return Folds(rows, target.encode(y), weight, splits, task, metric)


def halves(n_rows=N):
    rows = np.arange(n_rows)
    return [(rows[n_rows // 2 :], rows[: n_rows // 2]), (rows[:9], rows[n_rows // 2 :])]


def measured(folds, columns=None, clock=None, seconds=0.0, deadline=None, **options):
    columns = Columns(4, unread=(2, 3)) if columns is None else columns
    models = Models(folds.splits, clock, seconds)
    models.members = options.pop("members", models.members)
    deadline = NO_DEADLINE if deadline is None else deadline
    return permute_columns(models, folds, columns, deadline=deadline, **options)


def test_only_the_column_that_is_used_is_important():
    found = measured(folds_of(halves()))
    assert (found.importances[0] > 0.5).all()
    assert (found.importances[1:] == 0).all()
    assert found.importances.shape == (4, 5)
    assert (found.n_rows, found.members, found.notes) == (N, [7], [])


def test_each_row_is_predicted_by_a_model_that_validates_it():
    rows = np.arange(N)
    single = [(np.delete(rows, i), rows[[i]]) for i in range(20)]
    found = measured(folds_of(single))
    assert found.n_rows == 20
    assert (found.importances[0] > 0.3).all()  # also in folds of one row


def test_rows_of_weight_zero_do_not_count():
    weight = np.zeros(N)
    weight[:10] = 1
    y = np.zeros(N)  # which the models do not predict
    y[:10] = folds_of(halves()).y[:10]
    counted = measured(folds_of(halves(), weight=weight, y=y), n_repeats=1)
    assert counted.importances[0, 0] > 0.3


def test_other_seeds_draw_other_permutations():
    first, second, other = (
        measured(folds_of(halves()), seed=seed).importances for seed in (0, 0, 1)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_many_rows_are_sampled():
    n_rows = MOST_ROWS + 1000
    found = measured(folds_of(halves(n_rows), n_rows), n_repeats=1)
    assert found.n_rows == MOST_ROWS


def test_a_sample_has_a_row_of_each_class():
    y = np.zeros(N, dtype=int)
    y[[3, 150]] = 1, 2
    target = ClassTarget.of(np.array([0, 0, 1, 1, 2, 2]))
    metric = Metric.from_scoring("accuracy", target)
    task = make_task("multiclass", N, 4, 3)
    folds = Folds(folds_of(halves()).rows, y, None, halves(), task, metric)
    judge = Judge.of_some_rows(Models(folds.splits), folds, None, 10, seed=0)
    assert set(y[judge.rows]) == {0, 1, 2}
    assert len(judge.rows) <= 12


def test_labels_follow_the_decision_of_the_estimator():
    y = np.arange(N) % 2
    target = ClassTarget.of(y)
    metric = Metric.from_scoring("f1", target)
    task = make_task("binary", N, 4, 2)
    folds = Folds(folds_of(halves()).rows, y, None, halves(), task, metric)
    proba = np.tile([0.8, 0.2], (N, 1))
    rows = np.arange(N)
    scores = [
        Judge(Models(folds.splits), folds, np.array(weights), rows).score(proba)
        for weights in ([0.5, 0.5], [0.1, 0.9])
    ]
    assert scores == pytest.approx([0.0, 2 / 3])


def test_time_that_is_short_is_for_the_columns_that_come_first():
    clock = FakeClock()
    columns = Columns(4, unread=(3,))
    found = measured(
        folds_of(halves()), columns, clock, 0.005, Deadline(4.0, clock), n_repeats=2
    )
    # Each prediction takes a second: one of all rows, and three permutations at most.
    assert columns.permuted_columns == [2, 1]
    assert np.isnan(found.importances[0]).all()
    assert np.isnan(found.importances[1:3, 1]).all()
    assert clock.now() <= 4.0
    assert found.notes == [
        "Time was up: 1 of 4 columns were not permuted, and 2 were permuted less often "
        "than the others."
    ]


def test_later_repeats_begin_with_the_important_columns():
    columns = Columns(4, unread=(3,))
    measured(folds_of(halves()), columns, n_repeats=2)
    assert columns.permuted_columns == [2, 1, 0, 0, 2, 1]


def test_fewer_rows_are_predicted_if_time_is_short():
    n_rows, clock = 3000, FakeClock()
    folds = folds_of(halves(n_rows), n_rows)
    columns = Columns(4, unread=(3,))
    found = measured(folds, columns, clock, 1e-3, Deadline(20.0, clock), n_repeats=5)
    assert 1000 < found.n_rows < 1200  # 15 permutations, with a thousandth a row
    assert not np.isnan(found.importances).any()


def test_fewer_members_predict_if_there_is_no_time_for_each_column():
    n_rows, clock = 3000, FakeClock()
    members = [SimpleNamespace(number=i, weight=0.25) for i in range(4)]
    found = measured(
        folds_of(halves(n_rows), n_rows),
        Columns(4, unread=(3,)),
        clock,
        1e-3,
        Deadline(1.6, clock),  # of which the probe takes 0.6
        members=members,
    )
    assert found.members == [0, 1]  # all of them would take 1.5 seconds
    assert found.n_rows == LEAST_ROWS
    assert "50 % of the weight" in found.notes[0]
    assert clock.now() <= 1.6


def test_time_that_is_over_before_the_first_prediction_leaves_nothing():
    clock = FakeClock()
    found = measured(folds_of(halves()), None, clock, 1.0, Deadline(-1.0, clock))
    assert np.isnan(found.importances[:2]).all()
    assert (found.importances[2:] == 0).all()
    assert "2 of 4 columns were not permuted" in found.notes[0]


def test_rows_without_a_score_have_no_importance():
    y = np.zeros(N, dtype=int)
    target = ClassTarget.of(np.array([0, 0, 1, 1]))
    metric = Metric.from_scoring("roc_auc", target)
    task = make_task("binary", N, 4, 2)
    folds = Folds(folds_of(halves()).rows, y, None, halves(), task, metric)
    found = measured(folds)
    assert np.isnan(found.importances[:2]).all()
    assert found.notes == ["The rows that can be predicted have no score 'roc_auc'."]
