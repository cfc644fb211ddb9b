from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss

from automodel import AutoClassifier
from automodel.ensemble import calibration
from automodel.ensemble.selection import temperature_of
from automodel.evaluation.folds import Folds
from automodel.targets.classes import ClassTarget
from automodel.targets.link import Softmax
from tests.conftest import make_task
from tests.makers import make_metric


def sharpened(proba, temperature):
    return Softmax().sharpened(proba, temperature)


def best_temperature(y, proba, *facts):
    target = ClassTarget(np.arange(proba.shape[1]))
    return calibration.best_temperature(target, y, proba, *facts)


def draw(n_rows, temperature, n_classes=4, seed=0):
    """Return probabilities that are too modest (below 1) or too sure, and classes."""
    rng = np.random.default_rng(seed)
    said = np.exp(1.5 * rng.normal(size=(n_rows, n_classes)))
    said /= said.sum(axis=1, keepdims=True)
    true = sharpened(said, temperature)
    y = (true.cumsum(axis=1) < rng.random((n_rows, 1))).sum(axis=1)
    return y, said


@pytest.mark.parametrize("temperature", [0.5, 0.8, 1.0, 2.0])
def test_the_temperature_of_the_truth_is_found(temperature):
    y, said = draw(50_000, temperature)
    assert best_temperature(y, said) == pytest.approx(temperature, rel=0.03)


@pytest.mark.parametrize("n_rows, nearer", [(20, 0.5), (100, 0.3), (2000, 0.06)])
def test_few_rows_leave_probabilities_that_are_right_nearly_as_they_are(n_rows, nearer):
    logs = [
        np.log(best_temperature(*draw(n_rows, 1.0, seed=seed))) for seed in range(20)
    ]
    assert np.median(np.abs(logs)) < nearer


def test_it_lowers_the_log_loss_of_other_rows():
    y, said = draw(2000, 0.6)
    temperature = best_temperature(y[:1000], said[:1000])
    after = log_loss(y[1000:], sharpened(said[1000:], temperature))
    assert after < 0.97 * log_loss(y[1000:], said[1000:])


def test_rows_without_an_error_do_not_make_it_endlessly_sure():
    y = np.arange(150) % 3
    said = 0.7 * np.eye(3)[y] + 0.1
    assert 0.1 < best_temperature(y, said) < 1.0
    assert 0.1 < best_temperature(y, np.eye(3)[y]) <= 1.0


def test_a_weight_counts_as_that_many_rows():
    y, said = draw(300, 0.6)
    twice = np.r_[np.arange(300), np.arange(100)]
    weight = np.r_[np.full(100, 2.0), np.ones(200)]
    by_rows = best_temperature(y[twice], said[twice])
    assert best_temperature(y, said, weight) == pytest.approx(by_rows, rel=1e-9)


def test_rows_that_were_not_validated_are_left_out():
    y, said = draw(300, 0.6)
    known = best_temperature(y[:200], said[:200])
    said[200:] = np.nan
    assert best_temperature(y, said) == pytest.approx(known)


def test_of_very_many_rows_some_are_enough():
    y, said = draw(400_000, 0.7)
    assert best_temperature(y, said) == pytest.approx(0.7, rel=0.04)
    few = np.linspace(0, len(y) - 1, 12_500).astype(int)
    assert best_temperature(y, said) == best_temperature(y[few], said[few])


def test_nothing_known_changes_nothing():
    said = np.full((3, 2), np.nan)
    assert best_temperature(np.zeros(3, dtype=int), said) == 1.0


def test_sharpening_keeps_the_order_and_the_sum():
    _, said = draw(100, 1.0)
    surer = sharpened(said, 0.5)
    assert surer.sum(axis=1) == pytest.approx(1)
    assert (np.argsort(surer, axis=1) == np.argsort(said, axis=1)).all()
    assert (surer.max(axis=1) > said.max(axis=1)).all()
    assert sharpened(said, 1.0) is said


def test_an_ensemble_that_is_too_modest_is_made_surer():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    both = (X[:, 2] > 0) & (X[:, 3] > 0)  # for the trees, the rest for the other
    y = np.digitize(X[:, 0] + X[:, 1] + 2 * both, [-0.8, 0.8, 2])
    settings = {"families": ["linear", "extra_trees"], "n_trials": 4}
    search = AutoClassifier(time_budget=None, random_state=0, **settings).fit(X, y)
    assert sum(member.weight > 0 for member in search.ensemble_.members) == 2
    blend = replace(search.ensemble_.combiner, stack=None)
    assert blend.temperature < 0.95
    search.ensemble_.combiner = blend
    surer = search.predict_proba(X)
    search.ensemble_.combiner = replace(blend, temperature=1.0)
    assert surer.max(axis=1).mean() > search.predict_proba(X).max(axis=1).mean()


def folds_of(scoring, y):
    classes = np.unique(y)
    kind = "binary" if len(classes) == 2 else "multiclass"
    task = make_task(kind, len(y), 1, n_classes=len(classes))
    metric = make_metric(scoring, task, classes)
    return Folds(None, y, None, [], task, metric)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy", "roc_auc_ovr"])
def test_the_score_of_the_ensemble_never_falls(scoring):
    for seed in range(10):
        y, said = draw(200, 0.7, seed=seed)
        folds, rows = folds_of(scoring, y), np.arange(200)
        temperature = temperature_of(said, rows, folds)
        after = folds.metric.score(y, sharpened(said, temperature))
        assert after >= folds.metric.score(y, said)


def test_a_score_that_the_temperature_lowers_leaves_it_at_one():
    def modesty(estimator, X, y):
        return -estimator.predict_proba(X).max()

    y, said = draw(200, 0.5)
    rows, log_loss = np.arange(200), folds_of("neg_log_loss", y)
    assert temperature_of(said, rows, log_loss) < 1
    assert temperature_of(said, rows, folds_of(modesty, y)) == 1
