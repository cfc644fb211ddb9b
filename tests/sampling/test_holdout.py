"""Rows that are held out."""

import numpy as np
import pytest

from automodel.sampling.holdout import hold_out


def counts(labels, rows):
    return np.bincount(labels[rows], minlength=labels.max() + 1).tolist()


def test_classes_are_spread_evenly():
    labels = np.repeat([0, 1], [80, 20])
    stay, out = hold_out(100, 0.2, 0, labels=labels)
    assert (counts(labels, stay), counts(labels, out)) == ([64, 16], [16, 4])
    assert sorted([*stay, *out]) == list(range(100))


def test_a_class_of_one_row_does_not_undo_the_spread_of_the_others():
    labels = np.concatenate([np.repeat([0, 1], [80, 20]), [2]])
    for seed in range(5):
        _, out = hold_out(101, 0.2, seed, labels=labels)
        assert counts(labels, out)[0] in (16, 17)


@pytest.mark.parametrize(
    "labels", [np.arange(30), np.arange(30) // 2, np.zeros(30, int)]
)
def test_more_classes_than_rows_held_out_are_no_error(labels):
    stay, out = hold_out(30, 0.1, 0, labels=labels)
    assert (len(stay), len(out)) == (27, 3)


@pytest.mark.parametrize("labels", [None, np.arange(90) % 2])
def test_groups_are_kept_whole(labels):
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(15), 6))
    stay, out = hold_out(90, 0.2, 0, labels=labels, groups=groups)
    assert not set(groups[stay]) & set(groups[out])
    assert len(out) == 18


def test_a_single_group_is_no_group():
    stay, out = hold_out(20, 0.2, 0, groups=np.zeros(20, int))
    assert (len(stay), len(out)) == (16, 4)
