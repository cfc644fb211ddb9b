"""Batches of texts of similar length."""

import numpy as np
import pytest
import torch

from automodel.nets.bert._batches import MOST_TOKENS, TokenBatches, TokenDataset
from automodel.nets.bert._tokens import Tokens


def make_dataset(n_texts=100, longest=40, weight=None):
    lengths = np.random.default_rng(0).integers(1, longest + 1, n_texts)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.repeat(np.arange(1, n_texts + 1), lengths).astype(np.int32)
    return TokenDataset(Tokens(ids, starts), torch.arange(n_texts), weight)


def test_a_batch_is_padded_to_its_longest_text():
    dataset = make_dataset()
    rows = torch.tensor([3, 0, 7])
    inputs = dataset.inputs(rows)
    lengths = dataset.lengths[rows]
    assert inputs["ids"].shape == inputs["mask"].shape == (3, int(lengths.max()))
    torch.testing.assert_close(inputs["mask"].sum(1), lengths)
    for row, ids, mask in zip(rows, inputs["ids"], inputs["mask"], strict=True):
        assert set(ids[mask].tolist()) == {int(row) + 1}
        assert not ids[~mask].any()


@pytest.mark.parametrize("n_parts", [1, 3, 100])
def test_the_parts_of_a_pass_hold_each_text_once(n_parts):
    batches = TokenBatches(make_dataset(), 8, torch.Generator(), n_parts)
    parts = [list(batches) for _ in range(batches.n_parts)]
    targets = torch.cat([target for part in parts for _, target in part])
    assert sorted(targets.tolist()) == list(range(100))
    assert sum(map(len, parts)) == batches.n_batches == 13
    assert {len(target) for part in parts for _, target in part} <= {7, 8}
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_each_pass_has_another_order():
    batches = TokenBatches(make_dataset(), 8, torch.Generator().manual_seed(0))
    first, second = (torch.cat([y for _, y in batches]) for _ in range(2))
    assert not torch.equal(first, second)
    again = TokenBatches(make_dataset(), 8, torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.cat([y for _, y in again]), first)


def test_texts_of_a_batch_are_of_similar_length():
    batches = TokenBatches(make_dataset(2000), 20, torch.Generator().manual_seed(0))
    padded = sum(X["mask"].numel() for X, _ in batches)
    assert padded < 1.1 * make_dataset(2000).lengths.sum()


def test_weights_go_with_their_texts():
    weight = torch.arange(100.0)
    for X, target in TokenBatches(make_dataset(weight=weight), 8, torch.Generator()):
        torch.testing.assert_close(X["weight"], target.float())


def test_batches_to_predict_hold_each_text_once_and_few_tokens():
    dataset = make_dataset(3000, 500)
    batches = list(dataset.batches_by_length())
    assert sorted(torch.cat(batches).tolist()) == list(range(3000))
    sizes = [len(rows) * int(dataset.lengths[rows].max()) for rows in batches]
    assert max(sizes) <= MOST_TOKENS
    assert sum(sizes) < 1.1 * dataset.lengths.sum()


def test_a_part_of_the_texts_can_be_taken():
    dataset = make_dataset(weight=torch.arange(100.0)).take(np.array([5, 2]))
    assert dataset.y.tolist() == [5, 2]
    assert dataset.weight.tolist() == [5.0, 2.0]
    assert dataset.inputs(torch.tensor([1]))["ids"].unique().tolist() == [3]
