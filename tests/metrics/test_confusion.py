"""Formulas of confusion matrices say what scikit-learn's functions say of labels."""

import numpy as np
import pytest
from sklearn.metrics import (
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    fbeta_score,
    get_scorer,
    jaccard_score,
    make_scorer,
)

from automodel.metrics.confusion import (
    AtBestThreshold,
    AtLikeliest,
    confusions_above,
    formula_of,
    needs_threshold,
)

LABELS = np.array([0, 1])
SCORERS = {
    name: get_scorer(name)
    for name in (
        "f1",
        "f1_macro",
        "f1_weighted",
        "jaccard",
        "jaccard_macro",
        "jaccard_weighted",
        "balanced_accuracy",
        "recall_macro",
        "matthews_corrcoef",
    )
} | {
    "kappa": make_scorer(cohen_kappa_score),
    "f2": make_scorer(fbeta_score, beta=2),
    "f1 of the first": make_scorer(f1_score, pos_label=0),
    "f2 of the first": make_scorer(fbeta_score, beta=2, pos_label=0),
}


def make_answers(n_rows=80):
    rng = np.random.default_rng(0)
    probability = rng.uniform(size=n_rows).round(2)  # some are equal
    y = (rng.uniform(size=n_rows) < probability).astype(int)
    return y, probability, rng.uniform(0.1, 2.0, n_rows)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
def test_a_formula_equals_the_function_at_each_threshold(scorer, is_weighted):
    y, probability, weight = make_answers()
    weight = weight if is_weighted else None
    thresholds, confusions = confusions_above(y, probability, weight)
    ours = formula_of(scorer, LABELS)(confusions)
    theirs = [
        scorer._score_func(
            y, (probability > t).astype(int), sample_weight=weight, **scorer._kwargs
        )
        for t in thresholds
    ]
    assert len(thresholds) == len(np.unique(probability)) + 1
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert AtBestThreshold(formula_of(scorer, LABELS))(
        y, probability, weight
    ) == pytest.approx(max(theirs))


OF_MANY = ["f1_macro", "f1_weighted", "jaccard_macro", "jaccard_weighted"]
OF_MANY += ["balanced_accuracy", "recall_macro", "matthews_corrcoef", "kappa"]


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("name", OF_MANY)
def test_a_formula_equals_the_function_for_many_classes(name, is_weighted):
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(5), 200)
    proba[:, 3] = 0  # never answered
    y = rng.choice([0, 1, 2, 3], 200)  # and one that is never true
    weight = rng.uniform(0.1, 2.0, 200) if is_weighted else None
    scorer = SCORERS[name]
    theirs = scorer._score_func(
        y, proba.argmax(axis=1), sample_weight=weight, **scorer._kwargs
    )
    ours = AtLikeliest(formula_of(scorer, np.arange(5)))(y, proba, weight)
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_the_positive_label_may_be_of_any_type():
    y, probability, _ = make_answers()
    scorer = make_scorer(f1_score, pos_label="yes")
    formula = formula_of(scorer, np.array(["no", "yes"]))
    _, confusions = confusions_above(y, probability)
    assert formula(confusions)[-1] == pytest.approx(f1_score(y, np.ones(len(y))))
    assert formula_of(get_scorer("f1"), np.array(["no", "yes"])) is None


@pytest.mark.parametrize(
    "scorer",
    [
        make_scorer(balanced_accuracy_score, adjusted=True),
        make_scorer(f1_score, average=None),
        make_scorer(f1_score, greater_is_better=False),
        make_scorer(jaccard_score, average="micro"),
        lambda estimator, X, y: 0.5,
    ],
)
def test_what_is_not_known_has_no_formula(scorer):
    assert formula_of(scorer, LABELS) is None


@pytest.mark.parametrize(
    "name, answer",
    {
        "f1": True,
        "recall_macro": True,
        "accuracy": False,
        "precision": False,
        "recall": False,
        "roc_auc": False,
        "neg_log_loss": False,
    }.items(),
)
def test_scores_whose_threshold_is_worth_a_choice(name, answer):
    assert needs_threshold(get_scorer(name)) is answer


def test_one_class_has_no_score():
    best = AtBestThreshold(formula_of(get_scorer("f1"), LABELS))
    assert np.isnan(best(np.ones(5, dtype=int), np.linspace(0, 1, 5)))
