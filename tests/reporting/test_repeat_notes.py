"""Notes about what is there twice, or the same everywhere."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_matrix

from automodel.preprocessing.reader import TableReader
from automodel.reporting.repeat_notes import (
    empty_texts,
    repeated_columns,
    repeated_rows,
)
from automodel.reporting.target_notes import TargetValues

N = 40
FRAME = pd.DataFrame(
    {
        "a": np.random.default_rng(0).normal(size=N),
        "c": list("xyz-") * (N // 4),
        "same": 3,
        "nothing": np.nan,
        "id": [f"id{i}" for i in range(N)],
    }
).assign(b=lambda frame: frame["a"], d=lambda frame: frame["c"])


def target_of(y):
    return TargetValues.of(y, is_classification=False)


def test_columns_that_add_nothing_are_noted_with_the_reason():
    notes = repeated_columns(FRAME, TableReader().fit(FRAME))
    assert {note.kind: note.columns for note in notes} == {
        "constant": ("same",),
        "all missing": ("nothing",),
        "id-like": ("id",),
        "duplicate columns": ("b", "d"),
    }
    assert notes[0].text == (
        "One column has the same value in all rows, and adds nothing to a model: same."
    )
    assert notes[-1].text == (
        "2 columns are copies of others, and add nothing to a model: b (of a) and d "
        "(of c)."
    )


def test_columns_of_a_sparse_matrix_are_noted():
    X = np.random.default_rng(0).binomial(1, 0.3, (30, 5)).astype(float)
    X[:, 1], X[:, 3], X[:, 4] = 0.0, X[:, 2], 1.0
    X = csr_matrix(X)
    constant, copies = repeated_columns(X, TableReader().fit(X))
    assert constant.columns == ("x1", "x4")
    assert "x3 (of x2)" in copies.text


def test_different_columns_are_fine():
    X = FRAME[["a", "c"]]
    assert repeated_columns(X, TableReader().fit(X)) == []


CONTAINERS = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "array": lambda frame: frame.to_numpy(dtype=object),
    "sparse": lambda frame: csr_matrix(
        frame.assign(c=frame["c"].map({"x": 1.0, "y": 2.0, "z": 0.0, "-": 3.0}))
    ),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_repeated_rows_are_counted(container):
    frame = pd.concat([FRAME[["a", "c"]], FRAME.loc[3:5, ["a", "c"]]])
    X = CONTAINERS[container](frame)
    (note,) = repeated_rows(X, target_of(np.r_[np.arange(N), 3, 4, -1]))
    assert note.kind == "duplicate rows"
    assert note.text.startswith("3 of 43 rows (7 %) repeat an earlier one.")
    assert "In 1 of them, y is different" in note.text


@pytest.mark.parametrize("container", CONTAINERS)
def test_rows_that_differ_in_one_value_are_fine(container):
    frame = pd.DataFrame({"a": np.arange(8) // 4 * 1.0, "c": list("xyz-") * 2})
    assert repeated_rows(CONTAINERS[container](frame), target_of(np.arange(8))) == []


def test_missing_values_are_equal_and_so_are_both_zeros():
    X = np.array([[np.nan, 0.0], [np.nan, -0.0], [1.0, 0.0]])
    (note,) = repeated_rows(X, target_of([1, 1, 2]))
    assert note.text.startswith("1 of 3 rows")


def test_permuted_values_make_no_equal_rows():
    X = np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 0.0], [0.0, 3.0]])
    assert repeated_rows(X, target_of(np.arange(4))) == []


def test_empty_texts_are_counted():
    (note,) = empty_texts(["good", " ", "", "bad"])
    assert note.text == "2 texts (50 %) are empty or missing."
    assert empty_texts(["good"]) == []
