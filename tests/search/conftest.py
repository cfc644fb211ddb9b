"""What tests of the search share."""

import numpy as np
import pytest
from sklearn.datasets import make_classification

from automodel.evaluation.folds import Folds
from automodel.preprocessing.reader import TableReader
from tests.conftest import make_task
from tests.makers import make_metric, make_splits


@pytest.fixture(scope="module")
def folds():
    """Return a small table with two folds."""
    X, y = make_classification(40, random_state=0)
    task = make_task("binary", *X.shape, 2)
    table = TableReader().fit_transform(X)
    metric = make_metric(None, task, np.array([0, 1]))
    return Folds(table, y, None, make_splits(2, task, y, None, 0), task, metric)
