"""One score is one score, however it was written."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.metrics import (
    brier_score_loss,
    f1_score,
    get_scorer,
    get_scorer_names,
    hinge_loss,
    log_loss,
    make_scorer,
    mean_pinball_loss,
    roc_auc_score,
)

from automodel.metrics.scorers import name_of, parts_of
from tests.conftest import make_task
from tests.makers import make_metric

TASKS = {
    "binary": make_task("binary", 60, 3, 2),
    "multiclass": make_task("multiclass", 60, 3, 3),
    "regression": make_task("regression", 60, 3),
}


def made_again(name):
    """Return `make_scorer` of the function of a named scorer, as a user writes it."""
    scorer = get_scorer(name)
    return make_scorer(
        scorer._score_func,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        **scorer._kwargs,
    )


@pytest.mark.parametrize("name", get_scorer_names())
def test_names_objects_and_functions_have_one_name(name):
    assert name_of(get_scorer(name)) == name
    assert name_of(made_again(name)) == name


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("name", get_scorer_names())
def test_names_objects_and_functions_are_scored_and_learned_alike(name, kind):
    if (kind, name) == ("multiclass", "roc_auc"):
        pytest.skip("of two classes")
    task = TASKS[kind]
    classes = np.arange(task.n_classes) if task.is_classification else None
    metrics = [
        make_metric(scoring, task, classes)
        for scoring in (name, get_scorer(name), made_again(name))
    ]
    for metric in metrics[1:]:
        assert metric.target.objective == metrics[0].target.objective
        assert metric.is_own_loss == metrics[0].is_own_loss
        assert metric.needs_threshold == metrics[0].needs_threshold
        assert (metric.formula is None) == (metrics[0].formula is None)
        assert (metric._fast is None) == (metrics[0]._fast is None)


SAME = [
    (make_scorer(f1_score), "f1"),
    (make_scorer(f1_score, average="binary", pos_label=1), "f1"),
    (make_scorer(f1_score, average="macro"), "f1_macro"),
    (
        make_scorer(log_loss, greater_is_better=False, response_method="predict_proba"),
        "neg_log_loss",
    ),
    (make_scorer(roc_auc_score, response_method="predict_proba"), "roc_auc"),
    (
        make_scorer(
            brier_score_loss, greater_is_better=False, response_method="predict_proba"
        ),
        "neg_brier_score",
    ),
]


@pytest.mark.parametrize("scorer, name", SAME, ids=[name for _, name in SAME])
def test_options_that_are_the_defaults_do_not_matter(scorer, name):
    assert name_of(scorer) == name


OTHER = [
    make_scorer(f1_score, pos_label="yes"),
    make_scorer(f1_score, greater_is_better=False),
    make_scorer(mean_pinball_loss, alpha=0.1, greater_is_better=False),
]


@pytest.mark.parametrize("scorer", OTHER, ids=str)
def test_other_scores_have_the_name_of_their_function(scorer):
    assert name_of(scorer) == scorer._score_func.__name__


def test_any_callable_will_do():
    assert name_of(test_any_callable_will_do) == "test_any_callable_will_do"
    assert parts_of(test_any_callable_will_do) is None


def accuracy(estimator, X, y):
    return -7.0


def test_a_function_of_the_user_is_not_taken_for_a_score_of_its_name():
    y, proba = np.array([0, 1]), np.eye(2)
    metric = make_metric(accuracy, TASKS["binary"], np.arange(2))
    assert metric.name == "accuracy"
    assert metric.score(y, proba) == -7.0
    own = make_scorer(lambda y, p: -5.0)
    own._score_func.__name__ = "neg_log_loss"
    assert make_metric(own, TASKS["binary"], np.arange(2)).score(y, proba) == -5


def test_a_score_of_decisions_is_not_given_probabilities():
    scorer = make_scorer(
        hinge_loss, response_method="decision_function", greater_is_better=False
    )
    metric = make_metric(scorer, TASKS["multiclass"], np.arange(3))
    with pytest.raises(ValueError, match="decision_function"):
        metric.check(np.array([0, 1, 2]))


@dataclass
class Cost:
    """A metric that cannot be hashed."""

    def __call__(self, y, prediction):
        return 0.5


def test_any_object_that_can_be_called_is_a_metric():
    metric = make_metric(make_scorer(Cost()), TASKS["regression"])
    assert metric.score(np.arange(3.0), np.arange(3.0)) == 0.5
    assert metric.target.objective.loss == "squared_error"
