"""Texts come from any container, and anything else is refused by name."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from automodel.preprocessing.text.strings import as_strings

TEXTS = ["good dog", "schlecht", "", None, "🙂 שלום", "null\0char"]


def forms():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"text": TEXTS, "other": 0})[["text"]]
    return {
        "list": TEXTS,
        "tuple": tuple(TEXTS),
        "array": np.array(TEXTS, dtype=object),
        "Series": pd.Series(TEXTS),
        "string Series": pd.Series(TEXTS, dtype="string"),
        "Arrow Series": pd.Series(TEXTS, dtype="string[pyarrow]"),
        "category": pd.Series(TEXTS, dtype="category"),
        "odd index": pd.Series(TEXTS, index=range(10, 16)),
        "frame": frame,
        "polars": pl.Series(TEXTS),
        "polars frame": pl.DataFrame({"text": TEXTS}),
        "Arrow": pa.array(TEXTS),
        "chunks": pa.chunked_array([TEXTS[:2], TEXTS[2:]]),
        "Arrow table": pa.table({"text": TEXTS}),
        "NaN": [np.nan if text is None else text for text in TEXTS],
        "NA": [pd.NA if text is None else text for text in TEXTS],
        "NaT": [pd.NaT if text is None else text for text in TEXTS],
        "NaT of numpy": [np.datetime64("NaT") if t is None else t for t in TEXTS],
        "Decimal": [Decimal("nan") if text is None else text for text in TEXTS],
        "masked": np.ma.array(
            ["hidden" if text is None else text for text in TEXTS],
            mask=[text is None for text in TEXTS],
        ),
        "masked objects": [np.ma.masked if t is None else t for t in TEXTS],
        "numpy strings": [None if text is None else np.str_(text) for text in TEXTS],
    }


@pytest.mark.parametrize("form", forms())
def test_all_containers_give_the_same_strings(form):
    strings = as_strings(forms()[form])
    assert strings.dtype == object
    assert strings.shape == (len(TEXTS),)
    assert strings.tolist() == TEXTS
    assert {type(text) for text in strings} == {str, type(None)}


@pytest.mark.parametrize("dtype", ["U", object])
def test_an_array_of_strings_of_any_type(dtype):
    assert as_strings(np.array(["a", "bcd"], dtype=dtype)).tolist() == ["a", "bcd"]


def test_lone_surrogates_are_replaced_and_pairs_are_joined():
    strings = as_strings(["a\ud800b", "\ud83d\ude42", "ü"])
    assert strings.tolist() == ["a\ufffdb", "🙂", "ü"]


def test_a_text_of_a_megabyte_is_kept():
    text = "long " * 200_000
    assert as_strings([text])[0] == text


REFUSED = {
    "matrix": (np.eye(3), "2 dimensions.* AutoClassifier or AutoRegressor"),
    "column": (np.array([["a"], ["b"]]), r"2 dimensions.* X\.ravel\(\)"),
    "numbers": ([1.5, 2.5], "Row 0 of X is the number 1.5.* AutoClassifier"),
    "ints": (np.arange(3), "Row 0 of X is the number 0.* AutoClassifier"),
    "Series of numbers": (pd.Series([1, 2]), "number 1.* AutoClassifier"),
    "decimal": ([Decimal(1)], "number Decimal.* AutoClassifier"),
    "frame": (
        pd.DataFrame({"a": ["x"], "b": ["y"]}),
        r"2 columns \('a', 'b'\).* X\['a'\].* AutoClassifier",
    ),
    "no columns": (pd.DataFrame(index=[0, 1]), "without columns.* AutoClassifier"),
    "sparse": (csr_matrix(np.eye(2)), "2 dimensions.* AutoClassifier"),
    "lists": ([["a", "b"], ["c"]], "Row 0 of X is of type 'list'.* AutoClassifier"),
    "one text": ("a text", "single text"),
    "bytes": (["a", b"b"], "Row 1 of X is of type 'bytes'.*decode"),
    "objects": (
        ["a", object()],
        "Row 1 of X is of type 'object'.* argument must be a string",
    ),
    "dicts": ([{"a": 1}], "Row 0 of X is of type 'dict'"),
    "dict": ({"a": "b"}, "object of type 'dict'"),
    "set": ({"a", "b"}, "object of type 'set'"),
    "generator": ((text for text in "ab"), "object of type 'generator'"),
    "nothing": (None, "object of type 'NoneType'"),
    "dates": (pd.Series(pd.to_datetime(["2020-01-01"])), "of type 'Timestamp'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_anything_else_is_refused_by_name(case):
    X, match = REFUSED[case]
    with pytest.raises((TypeError, ValueError), match=match):
        as_strings(X)
