import numpy as np
import pytest
from sklearn.model_selection import (
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)

from automodel.evaluation.splits import (
    HOLDOUT_FROM,
    N_BLOCKS,
    kept_together,
    without_unknown_rows,
)
from automodel.evaluation.splits import make_splits as make_splits_of_target
from automodel.exceptions import FitWarning
from automodel.targets.classes import ClassTarget
from automodel.targets.detection import BoxTarget
from automodel.task import Task
from tests.conftest import make_task
from tests.makers import make_splits


def task_of(y, n_features=5, time_budget=None, kind="binary"):
    n_classes = len(np.unique(y)) if kind != "regression" else 0
    return make_task(kind, len(y), n_features, n_classes, time_budget=time_budget)


def known_rows_of(splits, y):
    return without_unknown_rows(splits, ClassTarget(np.unique(y)), y)


def classes(n_rows):
    return np.arange(n_rows) % 2


@pytest.mark.parametrize(
    "n_rows, n_splits", [(100, 10), (500, 10), (501, 5), (HOLDOUT_FROM + 1, 1)]
)
def test_the_size_of_the_data_decides(n_rows, n_splits):
    y = classes(n_rows)
    assert len(make_splits(None, task_of(y), y, None, 0)) == n_splits


def test_a_short_budget_for_many_cells_means_a_holdout():
    y = classes(20_000)
    task = task_of(y, n_features=50, time_budget=10.0)
    [(train, valid)] = make_splits(None, task, y, None, 0)
    assert len(valid) == 4000
    assert not np.intersect1d(train, valid).size
    task = task_of(y, n_features=50, time_budget=600.0)
    assert len(make_splits(None, task, y, None, 0)) == 5


def test_sorted_classes_are_shuffled_and_stratified():
    y = np.repeat([0, 1], 300)
    for _, valid in make_splits(5, task_of(y), y, None, 0):
        assert y[valid].mean() == pytest.approx(0.5)


@pytest.mark.parametrize("kind", ["binary", "regression"])
@pytest.mark.parametrize("cv", [None, 3])
def test_no_group_is_in_two_folds(kind, cv):
    y = classes(90)
    groups = np.repeat(np.arange(15), 6)
    splits = make_splits(cv, task_of(y, kind=kind), y, groups, 0)
    assert len(splits) >= 3
    for train, valid in splits:
        assert not np.intersect1d(groups[train], groups[valid]).size


def test_splits_repeat_with_their_seed_and_change_with_it():
    y = classes(60)
    first, again, other = (make_splits(3, task_of(y), y, None, s) for s in (0, 0, 1))
    assert all((a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
    assert any((a[1] != b[1]).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    "cv",
    [
        KFold(3),
        TimeSeriesSplit(3),
        ShuffleSplit(3, test_size=0.2, random_state=0),
    ],
)
def test_splitters_of_scikit_learn_are_taken(cv):
    y = np.arange(30.0)
    splits = make_splits(cv, task_of(y, kind="regression"), y, None, 0)
    expected = list(cv.split(y.reshape(-1, 1), y))
    assert len(splits) == 3
    for (train, valid), (train_expected, valid_expected) in zip(
        splits, expected, strict=True
    ):
        assert (train == train_expected).all()
        assert (valid == valid_expected).all()


def test_an_iterable_of_masks_or_row_numbers_is_taken():
    y = classes(10)
    mask = np.arange(10) < 7
    splits = make_splits([(mask, ~mask), ([0, 1], [2])], task_of(y), y, None, 0)
    assert splits[0][0].tolist() == list(range(7))
    assert splits[1][1].tolist() == [2]


@pytest.mark.parametrize(
    "cv, message",
    [
        ([], "gives no split"),
        ([([0, 1], [])], "empty part"),
        ([([0, 1], [10])], "row numbers"),
        ([3], "pairs of row numbers"),
    ],
)
def test_splits_that_no_search_can_use_are_refused(cv, message):
    y = classes(10)
    with pytest.raises(ValueError, match=message):
        make_splits(cv, task_of(y), y, None, 0)


def test_fewer_rows_than_folds_warn_and_use_fewer():
    y = np.array([0, 1, 0, 1, 0, 1])
    with pytest.warns(FitWarning, match="3 folds are used"):
        assert len(make_splits(5, task_of(y), y, None, 0)) == 3


def test_one_group_is_refused():
    y = classes(10)
    with pytest.raises(ValueError, match="groups allow only 1"):
        make_splits(None, task_of(y), y, np.zeros(10), 0)


def test_one_row_is_refused():
    with pytest.raises(ValueError, match="n_samples=1"):
        make_splits(None, task_of(np.ones(1), kind="regression"), np.ones(1), None, 0)


def test_more_classes_than_rows_to_validate_are_split_without_strata():
    y = np.repeat(np.arange(1000), 3)
    task = task_of(y, n_features=50, time_budget=10.0, kind="multiclass")
    splits = make_splits(None, task, y, None, 0)
    ((train, valid),) = known_rows_of(splits, y)
    assert len(valid) < 1000
    assert np.isin(y[valid], y[train]).all()


def test_groups_allow_no_more_folds_than_the_largest_class_has_rows():
    y = np.repeat(np.arange(100), 3)
    task = task_of(y, kind="multiclass")
    with pytest.warns(FitWarning, match="rows of the largest class.*3 folds are used"):
        splits = make_splits(5, task, y, np.arange(300), 0)
    assert len(splits) == 3


def test_rows_of_a_class_that_cannot_be_learned_are_not_validated():
    y = np.array([0, 1] * 20 + [2])
    splits = make_splits(5, task_of(y, kind="multiclass"), y, None, 0)
    validated = np.concatenate([v for _, v in known_rows_of(splits, y)])
    assert sorted(validated) == list(range(40))


def test_splits_that_train_on_one_class_are_left_out():
    y = np.array([0] * 12 + [0, 1] * 24)
    splits = list(TimeSeriesSplit(5).split(y))
    with pytest.warns(FitWarning, match="1 of 5 splits are left out"):
        kept = known_rows_of(splits, y)
    assert len(kept) == 4
    only = splits[:1]
    assert known_rows_of(only, y) == only  # nothing else is left


def test_a_holdout_of_a_class_of_one_row_spreads_the_others():
    y = np.concatenate([np.repeat([0, 1], [2400, 600]), [2]])
    task = task_of(y, n_features=50, time_budget=10.0, kind="multiclass")
    ((_, valid),) = make_splits(None, task, y, None, 0)
    assert np.bincount(y[valid])[:2] == pytest.approx([480, 120], abs=1)


def test_a_holdout_of_groups_spreads_the_classes():
    groups = np.arange(3000) // 10
    y = (groups % 10 == 0).astype(int)
    task = task_of(y, n_features=50, time_budget=10.0)
    ((train, valid),) = make_splits(None, task, y, groups, 0)
    assert not set(groups[train]) & set(groups[valid])
    assert y[valid].mean() == pytest.approx(0.1, abs=0.01)


def test_a_holdout_of_a_single_group_is_refused():
    y = np.arange(3000) % 2
    task = task_of(y, n_features=50, time_budget=10.0)
    with pytest.raises(ValueError, match="groups allow only 1 fold"):
        make_splits(None, task, y, np.zeros(3000), 0)


def test_a_single_split_does_not_go_by_time():
    assert kept_together(None, [(np.arange(150), np.arange(150, 200))], 200) is None


def test_rows_are_kept_together_by_group_or_by_time():
    rows = np.arange(200)
    folds, times = KFold(4).split(rows), TimeSeriesSplit(4).split(rows)
    names = np.repeat(["b", "a"], 100)
    assert kept_together(names, list(folds), 200).tolist() == [1] * 100 + [0] * 100
    assert kept_together(None, list(KFold(4).split(rows)), 200) is None
    blocks = kept_together(None, list(times), 200)
    assert np.bincount(blocks).tolist() == [200 // N_BLOCKS] * N_BLOCKS
    assert (np.diff(blocks) >= 0).all()


def make_labels(n_rows, n_rare):
    rng = np.random.default_rng(0)
    y = (rng.random((n_rows, 3)) < [0.0, 0.4, 0.9]).astype(int)
    y[rng.permutation(n_rows)[:n_rare], 0] = 1
    return y, make_task("multilabel", n_rows, 5, n_outputs=3)


def test_folds_spread_the_rarest_labels():
    y, task = make_labels(600, n_rare=10)
    splits = make_splits(None, task, y, None, 0)
    assert len(splits) == 5
    for _, valid in splits:
        assert y[valid, 0].sum() == 2
        np.testing.assert_allclose(y[valid].mean(axis=0), y.mean(axis=0), atol=0.05)


def test_folds_of_groups_spread_the_rarest_labels():
    y, task = make_labels(600, n_rare=60)
    groups = np.arange(600) // 3
    for train, valid in make_splits(5, task, y, groups, 0):
        assert not np.intersect1d(groups[train], groups[valid]).size
        assert 9 <= y[valid, 0].sum() <= 15


def test_a_holdout_spreads_the_rarest_labels():
    y, task = make_labels(HOLDOUT_FROM + 1, n_rare=50)
    [(_, valid)] = make_splits(None, task, y, None, 0)
    assert y[valid, 0].sum() == pytest.approx(10, abs=1)


def test_labels_have_as_many_folds_as_are_asked_for():
    rng = np.random.default_rng(0)
    y = (rng.random((300, 15)) < 0.5).astype(int)
    task = make_task("multilabel", 300, 5, n_outputs=15)
    assert len(make_splits(30, task, y, None, 0)) == 30


class IndicatorSplitter:
    """Splits a multilabel indicator, as splitters of other packages do."""

    def split(self, X, y, groups=None):
        assert y.ndim == 2
        rows = np.argsort(y.sum(axis=1), kind="stable")
        yield rows[::2], rows[1::2]


def test_a_splitter_gets_the_indicator_if_it_takes_one():
    y, task = make_labels(100, n_rare=10)
    [(train, valid)] = make_splits(IndicatorSplitter(), task, y, None, 0)
    assert abs(int(y[train].sum()) - int(y[valid].sum())) <= 3
    for _, valid in make_splits(StratifiedKFold(5), task, y, None, 0):
        assert y[valid, 0].sum() == 2


@pytest.mark.parametrize(
    "n_rows, sizes",
    [(20, [4] * 5), (40, [20]), (100, [30]), (400, [80])],
)
def test_few_images_with_boxes_are_held_out_once_if_a_family_is_slow(n_rows, sizes):
    labels = np.arange(n_rows) % 3
    y = [{"boxes": [[0, 0, 9, 9]], "labels": [label]} for label in labels]
    target = BoxTarget.of(y)
    task = Task.of_target(target, n_rows, is_slow=True)
    splits = make_splits_of_target(None, task, target, target.encode(y), None, 0)
    assert [len(valid) for _, valid in splits] == pytest.approx(sizes, abs=1)
    for _, valid in splits:
        assert np.bincount(labels[valid]).min() >= len(valid) // 3 - 1


def test_folds_of_images_with_boxes_are_drawn_once():
    y = [{"boxes": [[0, 0, 9, 9]], "labels": [1]}] * 100
    target = BoxTarget.of(y)
    task = Task.of_target(target, 100)
    splits = make_splits_of_target(None, task, target, target.encode(y), None, 0)
    assert len(splits) == 5
