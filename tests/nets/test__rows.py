"""The rows that a net is fitted on, and those that it stops on."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from automodel.nets._rows import drop_weightless, split_rows

CLASSES = np.arange(200) % 3
VALUES = np.random.default_rng(0).normal(size=200).astype(np.float32)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("target", [CLASSES, VALUES], ids=["classes", "values"])
def test_the_split_is_the_usual_one(target, seed):
    labels = target if target is CLASSES else None
    expected = train_test_split(
        np.arange(200), test_size=0.15, random_state=seed, stratify=labels
    )
    for part, rows in zip(split_rows(target, 0.15, seed), expected, strict=True):
        np.testing.assert_array_equal(part, np.sort(rows))


def test_few_rows_are_not_split():
    fit_on, stop_on = split_rows(CLASSES[:49], 0.15, 0)
    assert (len(fit_on), stop_on) == (49, None)


def test_a_class_of_one_row_does_not_part_the_others_unevenly():
    target = np.where(np.arange(200) < 20, 1, 0)
    target[-1] = 2
    for seed in range(10):
        _, stop_on = split_rows(target, 0.15, seed)
        assert np.bincount(target[stop_on], minlength=2)[1] == 3


@pytest.mark.parametrize("target", [CLASSES, VALUES], ids=["classes", "values"])
def test_groups_are_kept_whole(target):
    groups = np.arange(200) // 5 % 20
    fit_on, stop_on = split_rows(target, 0.15, 0, groups)
    assert not set(groups[fit_on]) & set(groups[stop_on])
    assert sorted([*fit_on, *stop_on]) == list(range(200))
    assert 20 <= len(stop_on) <= 40


def test_a_group_of_most_rows_is_never_held_out():
    groups = np.arange(200) >= 190
    for seed in range(6):
        fit_on, stop_on = split_rows(VALUES, 0.15, seed, groups)
        assert (len(fit_on), len(stop_on)) == (190, 10)


def test_rows_of_one_group_are_drawn_one_by_one():
    one = split_rows(VALUES, 0.15, 0, np.zeros(200))
    for part, rows in zip(one, split_rows(VALUES, 0.15, 0), strict=True):
        np.testing.assert_array_equal(part, rows)


def test_rows_without_weight_leave_with_their_groups():
    X, y, groups = np.arange(4)[:, None], np.arange(4), np.array(list("abcd"))
    weight = np.array([1.0, 0, 2, 0])
    kept = drop_weightless(X, y, weight, groups)
    assert [part.tolist() for part in kept] == [[[0], [2]], [0, 2], [1, 2], ["a", "c"]]
    assert drop_weightless(X, y, weight)[3] is None
