"""A table, and what it tells of its columns."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.table import Strings
from automodel.preprocessing.table_facts import TEXT_COLUMNS, TableFacts
from automodel.task import Task

TASK = Task("regression", 60, n_outputs=1)


def test_a_reader_tells_the_facts_of_a_table(frame):
    reader = TableReader()
    table = reader.fit_transform(frame)
    assert reader.facts(table) == TableFacts(
        n_features=4,
        n_rows=60,
        n_numeric=3,
        n_categorical=1,
        max_cardinality=3,
    )


def test_a_sparse_matrix_is_told_apart():
    matrix = csr_matrix(np.eye(6))
    reader = TableReader()
    assert reader.facts(reader.fit_transform(matrix)) == TableFacts(
        n_features=6, n_rows=6, is_sparse=True
    )


@pytest.mark.parametrize(
    ("facts", "width"),
    [
        (TableFacts(8, n_numeric=3, n_categorical=5), 8),
        (TableFacts(3, n_numeric=1, n_text=2), 1 + 2 * TEXT_COLUMNS),
        (TableFacts(300, is_sparse=True), 0),
    ],
)
def test_a_text_column_counts_as_many(facts, width):
    assert facts.width == width


def test_strings_are_read_one_by_one():
    known = ["", "blue", "naïve", "\ud800", "a\0b"]
    strings = Strings(known)
    assert list(strings) == known
    assert strings[-1] == "a\0b"
    assert len(strings) == 5
    assert "blue" in strings
    assert not Strings([])
    with pytest.raises(IndexError):
        strings[5]


def test_a_table_sends_its_categories_to_workers_as_arrays():
    ids = [f"customer{i}" for i in range(3000)] * 2
    table = TableReader().fit_transform(np.array([ids], dtype=object).T)
    buffers = []
    pickled = pickle.dumps(table, protocol=5, buffer_callback=buffers.append)
    assert b"customer" not in pickled
    assert len(pickled) < 3000
    again = pickle.loads(pickled, buffers=buffers)
    assert list(again.categories[0]) == sorted(set(ids))


def test_a_fingerprint_is_of_the_values_alone(frame):
    table = TableReader().fit_transform(frame)
    other = frame.assign(**{frame.columns[0]: 0.0})
    assert table.fingerprint() == replace(table, names=()).fingerprint()
    assert table.fingerprint() == replace(table, categories=()).fingerprint()
    assert table.fingerprint() != TableReader().fit_transform(other).fingerprint()
