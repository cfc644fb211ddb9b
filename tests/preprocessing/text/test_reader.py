import warnings

import numpy as np
import pytest
from sklearn.base import clone

from automodel.exceptions import FitWarning
from automodel.preprocessing.text.reader import TextReader, read_texts


def test_missing_texts_are_empty_and_noted_once_for_fit():
    reader = TextReader()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        texts = reader.fit_transform(["a", None, np.nan])
    assert list(texts) == ["a", "", ""]
    assert reader.notes_ == ["2 of 3 texts are missing and count as empty texts."]


def test_missing_texts_of_new_rows_are_warned_of_once():
    reader = TextReader().fit(["a"])
    assert reader.notes_ == []
    with pytest.warns(FitWarning, match="1 of 2 texts") as caught:
        assert list(reader.transform(["b", None])) == ["b", ""]
    assert len(caught) == 1


def test_the_facts():
    reader = TextReader()
    facts = reader.facts(reader.fit_transform(["abcd", "", "abcd", "ab"]))
    assert facts.mean_chars == 2.5
    assert (facts.max_chars, facts.n_distinct, facts.empty_share) == (4, 3, 0.25)
    assert facts.weights == ()
    assert facts.width > 0


@pytest.mark.parametrize(
    ("texts", "share"),
    [
        (["这是一部非常好看的电影，我还想再看一遍", "a good film"], 0.5),
        (["หนังเรื่องนี้สนุกมาก"], 1.0),
        (["", "Donaudampfschiff ist ein langes Wort"], 0.0),
    ],
)
def test_texts_without_blanks_are_recognized(texts, share):
    reader = TextReader()
    assert reader.facts(reader.fit_transform(texts)).unspaced_share == share


def test_it_can_be_cloned():
    assert clone(TextReader("folder")).weights == "folder"


def test_texts_that_were_read_are_not_read_again():
    texts = read_texts(["a", None])
    assert list(texts) == ["a", ""]
    assert read_texts(texts) is texts
