"""The rows of all folds side by side."""

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from automodel.nets.packed._batches import FoldBatches, initial_rows, tensors_of
from automodel.nets.packed._rows import FoldRows


def make_folds(counts=(10, 7, 3)):
    rng = np.random.default_rng(0)
    return [
        (
            rng.normal(size=(n, 4)).astype(np.float32),
            rng.integers(0, 3, (n, 2)),
            np.arange(n) + 100 * fold,
            rng.uniform(1, 3, n),
        )
        for fold, n in enumerate(counts)
    ]


def batches(counts=(10, 7, 3), batch_size=4, seed=0):
    rows = FoldRows.padded(make_folds(counts))
    generator = torch.Generator().manual_seed(seed)
    dataset = TensorDataset(*tensors_of(rows, "cpu"))
    return FoldBatches(dataset, batch_size, generator, rows.counts)


def test_shorter_folds_are_padded_with_rows_of_no_weight():
    folds = make_folds()
    rows = FoldRows.padded(folds)
    assert rows.counts == (10, 7, 3)
    assert rows.dense.shape == (3, 10, 4)
    for i, (dense, codes, target, _) in enumerate(folds):
        n = len(dense)
        assert np.array_equal(rows.dense[i, :n], dense)
        assert np.array_equal(rows.codes[i, :n], codes)
        assert np.array_equal(rows.target[i, :n], target)
        assert not rows.weight[i, n:].any()
        assert rows.weight[i, :n].mean() == pytest.approx(1)


def test_weights_of_zero_stay_zero():
    folds = [(*fold[:3], np.zeros(len(fold[3]))) for fold in make_folds()]
    assert not FoldRows.padded(folds).weight.any()


def test_an_epoch_has_all_rows_of_each_fold_and_no_padding():
    loader = batches()
    seen = torch.cat([target for _, (target, _) in loader], 1)
    for fold, n in enumerate((10, 7, 3)):
        numbers, counts = np.unique(seen[fold], return_counts=True)
        assert numbers.tolist() == list(range(100 * fold, 100 * fold + n))
        assert counts.max() - counts.min() <= 1
    assert len(list(loader)) == len(loader) == 3


def test_batches_are_of_one_size_that_is_at_most_the_batch_size():
    sizes = {X["dense"].shape[1] for X, _ in batches(batch_size=4)}
    assert sizes == {4}
    assert {X["dense"].shape[1] for X, _ in batches(batch_size=9)} == {5}


def test_rows_are_shuffled_anew_in_each_epoch_and_repeat_with_the_seed():
    loader, twin = batches(), batches()
    first = [target for _, (target, _) in loader]
    second = [target for _, (target, _) in loader]
    assert not torch.equal(torch.cat(first, 1), torch.cat(second, 1))
    assert torch.equal(
        torch.cat(first, 1), torch.cat([target for _, (target, _) in twin], 1)
    )


def test_the_first_rows_are_of_the_shortest_length():
    rows = FoldRows.padded(make_folds())
    dense, codes = initial_rows(
        TensorDataset(*tensors_of(rows, "cpu")), rows.counts, torch.Generator()
    )
    assert dense.shape == (3, 3, 4)
    assert codes.shape == (3, 3, 2)
