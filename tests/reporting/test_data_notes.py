"""All notes about the data of an estimator."""

import numpy as np
import pytest
from scipy.sparse import random as random_matrix

from automodel import AutoClassifier, AutoTextRegressor
from automodel.preprocessing.image.images import Images
from automodel.preprocessing.text.texts import Texts
from automodel.reporting.data_notes import data_notes, rows_notes, table_notes
from tests.conftest import CHEAP, make_frame, make_signal


@pytest.fixture
def frame():
    return make_frame(150)


def test_the_notes_of_a_search_are_those_of_its_table(frame):
    y = np.where(make_signal(frame) > 0, "high", "low")
    frame = frame.assign(leak=y, same=1)
    search = AutoClassifier(**CHEAP).fit(frame, y)
    notes = data_notes(search, frame, y)
    assert [(n.kind, n.columns, n.severity) for n in notes] == [
        ("leak", ("leak",), "high"),
        ("constant", ("same",), "low"),
    ]
    assert notes == table_notes(frame, y, is_classification=True)


def test_the_order_of_the_notes_is_that_of_their_severity(frame):
    y = np.append(make_signal(frame)[:-1], 1e6)
    frame = frame.assign(same=1, leak=y)
    notes = table_notes(frame, y, is_classification=False)
    assert [n.severity for n in notes] == ["high", "medium", "low"]


def test_a_list_of_rows_is_a_table():
    notes = table_notes(
        [[1, "a"], [2, "b"], [1, "a"]], [1, 2, 1], is_classification=True
    )
    assert {n.kind for n in notes} == {"rare classes", "duplicate rows"}


def test_a_column_of_a_frame_is_named_as_it_is(frame):
    name = "<script>alert(1)</script>"
    (note,) = table_notes(
        frame.assign(**{name: 1}), make_signal(frame), is_classification=False
    )
    assert note.columns == (name,)
    assert name in note.text


def test_thousands_of_sparse_columns_have_notes():
    X = random_matrix(200, 2000, density=0.01, format="csr", random_state=0)
    notes = table_notes(X, np.arange(200) % 2, is_classification=True)
    assert "constant" in {n.kind for n in notes}


def test_texts_have_notes_about_copies_and_empty_ones():
    texts = ["good film", "bad film", "", "Good film ", "so bad", "so good"] * 2
    y = np.arange(12.0)
    search = AutoTextRegressor(
        weights=None, families=["text_tfidf"], n_trials=1, time_budget=None, cv=2
    ).fit(texts, y)
    kinds = [n.kind for n in data_notes(search, texts, y)]
    assert sorted(kinds) == ["duplicate rows", "empty"]


def test_texts_that_are_equal_and_differ_in_y_are_counted():
    texts = Texts(np.array(["a b", "c", "A B", "d"] * 6, dtype=object))
    y = np.arange(24) % 4
    notes = rows_notes(texts, y, is_classification=True)
    (note,) = (n for n in notes if n.kind == "duplicate rows")
    assert "21 of 24 texts" in note.text
    assert "In 6 of them, y is different" in note.text


def test_images_have_notes_about_copies():
    stack = np.random.default_rng(0).integers(0, 255, (20, 8, 8), dtype=np.uint8)
    stack[5] = stack[2]
    notes = rows_notes(Images(stack), np.arange(20) % 2, is_classification=True)
    assert [n.text for n in notes] == [
        "1 of 20 images (5 %) repeat an earlier one. In "
        "1 of them, y is different, which no model can "
        "learn."
    ]
