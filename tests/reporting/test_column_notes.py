"""Notes about columns of tables."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from automodel.preprocessing.reader import TableReader
from automodel.reporting.column_notes import column_notes, rows_to_judge
from automodel.reporting.target_notes import TargetValues

N = 600
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=N)
CLASSES = RNG.choice(["no", "yes", "maybe"], N)


def notes_of(X, y=VALUES, is_classification=False):
    target = TargetValues.of(y, is_classification=is_classification)
    return column_notes(X, target, TableReader().fit(X))


def noise(n_columns=3, seed=1):
    rng = np.random.default_rng(seed)
    names = [f"n{i}" for i in range(n_columns)]
    return pd.DataFrame(rng.normal(size=(N, n_columns)), columns=names)


def test_independent_columns_are_fine():
    assert notes_of(noise(200)) == []
    assert notes_of(noise(200), CLASSES, is_classification=True) == []


@pytest.mark.parametrize(
    "leak",
    [
        np.exp(3 * VALUES),
        pd.Series(VALUES).rank().astype(str),
        pd.Timestamp("2024-01-01") + pd.to_timedelta(VALUES, unit="D"),
    ],
    ids=["numbers", "strings", "dates"],
)
def test_a_column_that_predicts_the_values_alone_is_a_leak(leak):
    (note,) = notes_of(noise().assign(leak=leak))
    assert (note.kind, note.columns, note.severity) == ("leak", ("leak",), "high")
    assert note.text.startswith("leak alone predicts more than 99 % of the variance")


def test_a_column_that_predicts_the_classes_alone_is_a_leak():
    leak = pd.Series(CLASSES).map({"no": "n", "yes": "y", "maybe": None})
    (note,) = notes_of(noise().assign(leak=leak), CLASSES, is_classification=True)
    assert (note.kind, note.columns) == ("leak", ("leak",))


def test_a_column_that_predicts_many_classes_is_a_leak():
    y = np.arange(N) % 50
    y = np.random.default_rng(5).permutation(y)
    X = noise().assign(leak=y * 2.5)
    (note,) = notes_of(X, y, is_classification=True)
    assert note.columns == ("leak",)


def test_a_column_that_predicts_one_of_several_targets_is_a_leak():
    y = np.column_stack([RNG.normal(size=N), VALUES])
    (note,) = notes_of(noise().assign(leak=VALUES), y)
    assert note.columns == ("leak",)


def test_a_good_predictor_is_no_leak():
    assert notes_of(noise().assign(good=VALUES + 0.4 * RNG.normal(size=N))) == []


def test_an_identifier_that_repeats_is_no_leak():
    X = noise().assign(person=RNG.integers(0, N // 3, N).astype(str))
    assert notes_of(X) == []


@pytest.mark.parametrize("is_category", [False, True])
def test_a_column_that_changes_over_the_rows_drifts(is_category):
    drift = np.arange(N) / N + RNG.normal(size=N) * 0.4
    drift = np.where(drift > 0.5, "new", "old") if is_category else drift
    (note,) = notes_of(noise().assign(drift=drift))
    assert (note.kind, note.columns, note.severity) == ("drift", ("drift",), "medium")


def test_drift_is_less_severe_if_the_rows_are_sorted_by_the_target():
    y = np.sort(VALUES)
    notes = notes_of(noise().assign(good=y + RNG.normal(size=N)), y)
    assert [(n.columns, n.severity) for n in notes] == [((), "low"), (("good",), "low")]


@pytest.mark.parametrize("values", [np.arange(N), -np.arange(N) // 5])
def test_a_column_by_which_the_rows_are_sorted_is_noted(values):
    (note,) = notes_of(noise().assign(time=values))
    assert (note.kind, note.columns) == ("order", ("time",))
    assert "TimeSeriesSplit" in note.text


def test_columns_that_are_mostly_missing_are_noted_with_their_shares():
    mostly = np.where(np.arange(N) % 5 == 0, VALUES, np.nan)
    (note,) = notes_of(noise().assign(rarely=mostly), RNG.normal(size=N))
    assert note.kind == "missing"
    assert "rarely (80 %)" in note.text


def test_sparse_columns_are_judged_like_dense_ones():
    X = (RNG.random((N, 30)) < 0.2).astype(float)
    X[:, 7] = VALUES > 0
    y = (VALUES > 0).astype(int)
    (note,) = notes_of(csr_matrix(X), y, is_classification=True)
    assert (note.kind, note.columns) == ("leak", ("x7",))


def test_few_rows_are_not_judged():
    X = noise().assign(leak=VALUES)[:30]
    assert notes_of(X, VALUES[:30]) == []


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "n_judged"),
    [(100, 10, 100), (100_000, 200, 20_000), (100_000, 3000, 2000)],
)
def test_many_rows_and_columns_are_sampled_in_order(n_rows, n_columns, n_judged):
    rows = rows_to_judge(n_rows, n_columns)
    assert len(rows) == n_judged
    assert (np.diff(rows) > 0).all()
