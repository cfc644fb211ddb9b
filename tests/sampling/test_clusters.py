"""Rows that belong together."""

import numpy as np
import pytest

from automodel.sampling.clusters import (
    bootstrap,
    design_effect,
    honest_parts,
    variance_of_mean,
)


def test_a_bootstrap_takes_groups_whole():
    groups = np.random.default_rng(1).permutation(np.repeat(np.arange(20), 5))
    rng = np.random.default_rng(0)
    drawn = bootstrap(rng, 100, 100, groups)
    counts = np.bincount(drawn, minlength=100)
    assert len(drawn) == 100
    for group in range(20):
        assert len(set(counts[groups == group])) == 1


def test_a_smaller_bootstrap_is_still_of_many_groups():
    assert len(bootstrap(np.random.default_rng(0), 100, 30, None)) == 30
    groups = np.repeat(np.arange(5), 20)
    drawn = bootstrap(np.random.default_rng(0), 100, 30, groups)
    assert len(drawn) == 30
    assert len(np.unique(groups[drawn])) > 2


def test_rows_that_repeat_make_a_mean_no_surer():
    values = np.random.default_rng(0).normal(size=50)
    alone = variance_of_mean(values, np.ones(50), None)
    groups = np.repeat(np.arange(50), 8)
    repeated = variance_of_mean(np.repeat(values, 8), np.ones(400), groups)
    assert repeated == pytest.approx(alone * 50 / 49)
    assert variance_of_mean(np.repeat(values, 8), np.ones(400), None) < alone / 7


def test_a_single_group_tells_nothing_of_others():
    values = np.array([-1.0, 0.0, 1.0])
    assert variance_of_mean(values, np.ones(3), np.full(3, 7)) == np.inf


def test_parts_of_a_single_fold_and_group_are_of_rows():
    part_of = honest_parts(np.zeros(40, dtype=int), np.zeros(40, dtype=int), 4, 0)
    assert np.bincount(part_of).tolist() == [10, 10, 10, 10]


def test_the_design_effect_is_how_many_rows_are_as_one():
    values = np.random.default_rng(0).normal(size=50)
    values -= values.mean()
    groups = np.repeat(np.arange(50), 8)
    alike = design_effect(np.repeat(values, 8), np.ones(400), groups)
    assert alike == pytest.approx(8 * 50 / 49)
    mixed = np.random.default_rng(1).normal(size=400)
    assert design_effect(mixed - mixed.mean(), np.ones(400), groups) < 1.5
    assert design_effect(mixed, np.ones(400), None) == 1.0
    assert design_effect(np.zeros(400), np.ones(400), groups) == 1.0


def test_parts_are_whole_folds():
    folds = np.random.default_rng(0).permutation(np.repeat(np.arange(12), 10))
    part_of = honest_parts(folds, None, 5, 0)
    assert len(np.unique(part_of)) == 5
    for fold in range(12):
        assert len(set(part_of[folds == fold])) == 1
    assert np.bincount(part_of).min() >= 20


def test_parts_of_a_single_fold_keep_groups_whole():
    groups = np.repeat(np.arange(8), 5)
    part_of = honest_parts(np.zeros(40, dtype=int), groups, 4, 0)
    assert np.bincount(part_of).tolist() == [10, 10, 10, 10]
    for group in range(8):
        assert len(set(part_of[groups == group])) == 1


def test_parts_of_a_single_fold_are_of_rows():
    part_of = honest_parts(np.zeros(40, dtype=int), None, 4, 0)
    assert np.bincount(part_of).tolist() == [10, 10, 10, 10]


def test_a_group_that_folds_have_parted_is_in_one_part():
    folds, groups = np.arange(60) % 3, np.arange(60) // 6
    part_of = honest_parts(folds, groups, 5, 0)
    for group in range(10):
        assert len(set(part_of[groups == group])) == 1
