"""No fold validates a row whose equal it has trained on, if there is a choice."""

import warnings

import numpy as np
import pytest
from sklearn.model_selection import KFold

from automodel.evaluation.equal_rows import make_splits_by_distinct_rows
from automodel.evaluation.splits import make_splits
from automodel.exceptions import FitWarning
from automodel.targets.classes import ClassTarget
from automodel.targets.values import ValueTarget
from tests.conftest import make_task

N = 300
Y = np.arange(N) % 3
EQUAL = np.where(np.arange(N) % 4 == 0, np.arange(N) // 16 * 16, np.arange(N))
TASK = make_task("multiclass", N, 5, 3)
TARGET = ClassTarget(np.arange(3))


def split(equal=EQUAL, cv=None, y=Y, target=TARGET, groups=None):
    return make_splits_by_distinct_rows(equal, cv, TASK, target, y, groups, 0)


@pytest.mark.parametrize("cv", [None, 4])
@pytest.mark.parametrize("target", [TARGET, ValueTarget()])
def test_equal_rows_are_in_the_same_part(cv, target):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        splits = split(cv=cv, target=target)
    for train, valid in splits:
        assert not np.intersect1d(EQUAL[train], EQUAL[valid]).size
        assert len(train) + len(valid) == N
    validated = np.concatenate([valid for _, valid in splits])
    assert np.all(np.bincount(validated, minlength=N) == (1 if cv else 2))


def test_rows_that_are_all_distinct_are_split_as_ever():
    usual = make_splits(None, TASK, TARGET, Y, None, 0)
    for own, other in zip(split(np.arange(N)), usual, strict=True):
        np.testing.assert_array_equal(own[0], other[0])
        np.testing.assert_array_equal(own[1], other[1])


@pytest.mark.parametrize(
    "given", [{"cv": KFold(3)}, {"groups": np.arange(N) % 7}], ids=["cv", "groups"]
)
def test_splits_and_groups_of_the_user_stay_with_one_warning(given):
    with pytest.warns(FitWarning, match="equal to training rows.* cv or groups") as own:
        splits = split(**given)
    assert len(own) == 1
    params = {"cv": None, "groups": None} | given
    usual = make_splits(params["cv"], TASK, TARGET, Y, params["groups"], 0)
    for one, other in zip(splits, usual, strict=True):
        np.testing.assert_array_equal(one[1], other[1])


def test_groups_that_keep_equal_rows_together_are_no_reason_to_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split(groups=EQUAL // 16)


def test_two_distinct_rows_of_two_classes_are_split_all_the_same():
    y = np.arange(40) % 2
    with pytest.warns(FitWarning, match="too few rows are distinct"):
        splits = split(equal=y, y=y, target=ClassTarget(np.arange(2)))
    assert len(splits) == 10
