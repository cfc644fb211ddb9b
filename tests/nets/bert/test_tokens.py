"""Texts become tokens, whatever they consist of."""

import numpy as np
import pytest

from automodel.nets.bert._tokens import learned_tokenizer, n_tokens_of, tokens_of

TEXTS = ["Good food, good service", "the food was bad", "bad!"]


@pytest.fixture(scope="module")
def tokenizer():
    return learned_tokenizer(TEXTS)


def row(tokens, i):
    return tokens.ids[tokens.starts[i] : tokens.starts[i + 1]].tolist()


def test_each_text_has_its_tokens(tokenizer):
    tokens = tokens_of(TEXTS, tokenizer, 64)
    assert len(tokens) == 3
    for i, text in enumerate(TEXTS):
        assert row(tokens, i) == row(tokens_of([text], tokenizer, 64), 0)
    first, last = tokens.ids[tokens.starts[:-1]], tokens.ids[tokens.starts[1:] - 1]
    assert len(set(first)) == len(set(last)) == 1  # the marks


def test_frequent_words_are_tokens_and_others_are_spelled(tokenizer):
    tokens = tokens_of(["good", "was", "zzz"], tokenizer, 64)
    assert np.diff(tokens.starts).tolist() == [3, 5, 3]
    assert tokens.ids.max() < n_tokens_of(tokenizer)


def test_long_texts_are_cut(tokenizer):
    tokens = tokens_of(["good " * 100, "x" * 10**6], tokenizer, 16)
    assert np.diff(tokens.starts).max() == 16


@pytest.mark.parametrize(
    "text", ["", "   ", "\0", "\ud800", "👍🏽", "שלום", "今日は", "\n\t", "a\u0301"]
)
def test_any_text_has_a_token(tokenizer, text):
    assert len(row(tokens_of([text], tokenizer, 16), 0)) >= 1


def test_the_same_texts_give_the_same_vocabulary():
    assert learned_tokenizer(TEXTS) == learned_tokenizer(list(TEXTS))


def test_texts_without_words_have_a_vocabulary():
    tokens = tokens_of(["", "good"], learned_tokenizer(["", ""]), 16)
    assert len(tokens) == 2
