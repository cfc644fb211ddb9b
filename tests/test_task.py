"""Task tells what is to be learned, and the facts of the rows where they are known."""

import copy
import pickle
from dataclasses import replace

import pytest

from automodel.preprocessing.table_facts import TableFacts
from automodel.task import FORMER_FACTS, Task
from tests.conftest import make_task

FACTS = TableFacts(
    9,
    n_numeric=4,
    n_categorical=3,
    n_text=2,
    max_cardinality=8,
    is_sparse=False,
)


class Short:
    """Facts of a modality of its own."""

    width = 7


@pytest.mark.parametrize(
    ("kind", "n_classes", "cost"),
    [("binary", 2, 700), ("multiclass", 3, 2100), ("regression", 0, 700)],
)
def test_the_cost_is_rows_by_columns_by_outputs(kind, n_classes, cost):
    task = Task(
        kind, 100, n_outputs=max(n_classes, 1), n_classes=n_classes, facts=Short()
    )
    assert task.cost == cost


def test_rows_of_which_nothing_is_known_count_as_one_column():
    assert Task("regression", 100, n_outputs=1).cost == 100
    assert make_task("regression", 100, 0).cost == 100


@pytest.mark.parametrize("name", FORMER_FACTS)
def test_facts_of_tables_are_found_under_their_former_names(name):
    task = replace(make_task("binary", 100, 9, 2), facts=FACTS)
    with pytest.warns(FutureWarning, match=rf"Task\.facts\.{name}") as caught:
        value = getattr(task, name)
    assert value == getattr(FACTS, name)
    assert caught[0].filename == __file__


def test_a_former_name_is_zero_where_nothing_is_known():
    with pytest.warns(FutureWarning):
        assert Task("regression", 100, n_outputs=1).n_text == 0


def test_other_names_are_no_attributes():
    with pytest.raises(AttributeError, match="'Task' object has no attribute 'rows'"):
        make_task("binary", 100, 9, 2).rows  # noqa: B018


def test_a_task_can_be_copied_and_pickled():
    task = make_task("binary", 100, 9, 2, n_text=2)
    assert copy.deepcopy(task) == pickle.loads(pickle.dumps(task)) == task
