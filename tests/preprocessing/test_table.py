"""A table, and what it tells of its columns."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.table_facts import TEXT_COLUMNS, TableFacts
from automodel.task import Task

TASK = Task("regression", 60, n_outputs=1)


def test_a_reader_tells_the_facts_of_a_table(frame):
    reader = TableReader()
    table = reader.fit_transform(frame)
    assert reader.facts(table) == TableFacts(
        n_features=4,
        n_numeric=3,
        n_categorical=1,
        max_cardinality=3,
    )


def test_a_sparse_matrix_is_told_apart():
    matrix = csr_matrix(np.eye(6))
    reader = TableReader()
    assert reader.facts(reader.fit_transform(matrix)) == TableFacts(
        n_features=6, is_sparse=True
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
