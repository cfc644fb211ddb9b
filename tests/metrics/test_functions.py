"""Scores are recognized where MLflow has replaced the functions of scikit-learn."""

import functools
import subprocess
import sys

import pytest
from sklearn import metrics

from automodel.metrics.functions import as_defined, r2_score
from automodel.metrics.objectives import is_own_loss
from automodel.metrics.scorers import known_name, parts_of

FACTS = """
from sklearn.metrics import get_scorer, get_scorer_names
from automodel.metrics.confusion import needs_threshold
from automodel.metrics.fast_scores import fast_score_of_values
from automodel.metrics.objectives import is_own_loss, objective_of
for name in get_scorer_names():
    scorer = get_scorer(name)
    has_fast = fast_score_of_values(scorer) is not None
    facts = needs_threshold(scorer), is_own_loss(scorer), objective_of(scorer)
    print(name, has_fast, *facts)
"""


@pytest.fixture
def replaced(monkeypatch):
    @functools.wraps(metrics.r2_score)
    def logged(*args, **kwargs):
        return r2_score(*args, **kwargs)

    monkeypatch.setattr(metrics, "r2_score", logged)
    return logged


def test_a_function_in_the_place_of_another_is_that_one(replaced):
    assert as_defined(replaced) is r2_score


def test_a_function_of_the_user_is_left_alone():
    @functools.wraps(r2_score)
    def own(y_true, y_pred):
        return 0.0

    assert as_defined(own) is own
    assert known_name(metrics.make_scorer(own)) is None


def test_a_scorer_of_a_replaced_function_is_known(replaced):
    scorer = metrics.make_scorer(metrics.r2_score)
    assert parts_of(scorer) == parts_of(metrics.get_scorer("r2"))
    assert is_own_loss(scorer) == is_own_loss(metrics.get_scorer("r2"))


def test_scores_are_the_same_with_autologging():
    pytest.importorskip("mlflow")
    switched_on = "import mlflow\nmlflow.sklearn.autolog(silent=True)\n"
    plain, logged = (
        subprocess.run(
            [sys.executable, "-c", start + FACTS],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for start in ("", switched_on)
    )
    assert "neg_mean_absolute_error True True True Objective" in plain
    assert plain == logged
