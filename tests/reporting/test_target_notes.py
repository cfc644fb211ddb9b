"""Notes about targets."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from automodel.reporting.target_notes import TargetValues, target_notes


def notes_of(y, *, is_classification):
    target = TargetValues.of(y, is_classification=is_classification)
    return target_notes(target)


def test_rare_classes_are_named_with_their_rows():
    y = ["a"] * 50 + ["b"] * 3 + ["c"] * 40 + ["d"]
    (note,) = notes_of(y, is_classification=True)
    assert (note.kind, note.severity) == ("rare classes", "medium")
    assert "2 of 4 classes have fewer than 10 rows: d (1) and b (3)." in note.text


def test_hundreds_of_rare_classes_are_one_note():
    (note,) = notes_of(np.arange(1000) % 500, is_classification=True)
    assert "500 of 500 classes" in note.text
    assert "and 495 others" in note.text


def test_a_class_of_nearly_all_rows_is_noted():
    (note,) = notes_of([True] * 980 + [False] * 20, is_classification=True)
    assert note.kind == "imbalance"
    assert "98 % of the rows have the class True" in note.text


@pytest.mark.parametrize("y", [np.arange(60) % 3, list("abc") * 20])
def test_classes_of_equal_size_are_fine(y):
    assert notes_of(y, is_classification=True) == []


def test_extreme_values_are_named():
    y = np.append(np.random.default_rng(0).normal(size=200), [500.0, -80.0])
    (note,) = notes_of(y, is_classification=False)
    assert (note.kind, note.severity) == ("extreme target", "medium")
    assert "y has 2 values" in note.text
    assert "such as 500 and -80" in note.text


def test_normal_values_are_fine():
    assert (
        notes_of(np.random.default_rng(0).normal(size=5000), is_classification=0) == []
    )


def test_the_columns_of_several_targets_are_told_apart():
    rng = np.random.default_rng(0)
    y = pd.DataFrame({"price": rng.normal(size=50), "rooms": np.arange(50) % 3})
    (note,) = notes_of(y, is_classification=False)
    assert note.text.startswith("The column rooms of y has only 3 distinct values")


def test_labels_are_numbers_in_columns():
    y = csr_matrix(np.eye(3)[np.arange(30) % 3])
    target = TargetValues.of(y, is_classification=True)
    assert target.codes is None
    assert target.values.shape == (30, 3)


def test_some_rows_of_a_target_are_taken():
    target = TargetValues.of(list("abca"), is_classification=True).take(
        np.array([3, 1])
    )
    assert target.codes.tolist() == [0, 1]
    assert target.values.toarray().tolist() == [[1, 0, 0], [0, 1, 0]]
