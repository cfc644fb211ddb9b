"""The protocol of averaged targets holds for one that the package does not know."""

import pickle

import numpy as np
import pytest

from automodel.ensemble.blend import Blend
from tests.modality.labels import (
    AutoLabels,
    LabelLoss,
    LabelsTarget,
    LinearLabels,
    Logistic,
    TreesOfLabels,
    log_losses,
    make_labels,
    mean_log_loss,
)

X, Y, GROUPS = make_labels()
NEW_X, NEW_Y, _ = make_labels(seed=1)
WEIGHT = np.random.default_rng(2).integers(1, 4, size=len(X))
DATA = {"sample_weight": WEIGHT, "groups": GROUPS}


def search(**params):
    defaults = {
        "families": [LinearLabels(), TreesOfLabels()],
        "n_trials": 6,
        "cv": 3,
        "time_budget": None,
        "random_state": 0,
    }
    return AutoLabels(**(defaults | params))


@pytest.fixture(scope="module")
def fitted():
    return search().fit(X, Y, **DATA)


def test_it_learns_all_labels_at_once(fitted):
    proba = fitted.predict_proba(NEW_X)
    assert proba.shape == NEW_Y.shape
    shares = np.tile(Y.mean(axis=0), (len(NEW_Y), 1))
    assert mean_log_loss(NEW_Y, proba) < 0.85 * mean_log_loss(NEW_Y, shares)
    assert (fitted.predict(NEW_X) == NEW_Y).mean(axis=0).min() > 0.6
    assert fitted.task_.kind == "multilabel"
    assert fitted.task_.is_weighted
    assert not len(fitted.failures_)
    assert len(fitted.leaderboard_) == 6


def test_its_models_are_blended_calibrated_stacked_and_judged(fitted):
    combiner = fitted.ensemble_.combiner
    assert isinstance(combiner, Blend)
    assert isinstance(combiner.link, Logistic)
    assert np.count_nonzero(combiner.weights) > 1
    assert (combiner.temperatures != 1.0).any()
    assert combiner.temperature != 1.0
    assert combiner.is_stacked
    assert combiner.stacking_coefficients.any()
    assert fitted.expected_score_ == pytest.approx(fitted.best_score_, rel=0.1)
    assert fitted.expected_score_ != fitted.best_score_


def test_rows_of_one_group_do_not_tell_each_others_labels():
    """Each group has labels of its own, and its number is all that X knows."""
    numbers = np.repeat(np.arange(30), 5)
    labels = np.random.default_rng(0).integers(2, size=(30, 3))[numbers]
    which = np.eye(30)[numbers]
    linear = search(families=[LinearLabels()], n_trials=1)
    apart = linear.fit(which, labels).best_score_
    together = linear.fit(which, labels, groups=numbers).best_score_
    assert together < -1.9 < -1.4 < apart


def test_weights_count_in_what_is_learned():
    heavy = np.where(Y[:, 0] == 1, 20.0, 1.0)
    linear = search(families=[LinearLabels()], n_trials=1)
    plain = linear.fit(X, Y).predict_proba(NEW_X).mean(axis=0)
    weighted = linear.fit(X, Y, sample_weight=heavy).predict_proba(NEW_X).mean(axis=0)
    assert weighted[0] > plain[0] + 0.15


def test_a_search_of_labels_goes_on_from_a_storage(tmp_path):
    search(n_trials=2, storage=tmp_path).fit(X, Y, **DATA)
    resumed = search(storage=tmp_path).fit(X, Y, **DATA)
    whole = search(storage=tmp_path / "other").fit(X, Y, **DATA)
    assert len(resumed.leaderboard_) == 6
    np.testing.assert_array_equal(
        resumed.predict_proba(NEW_X), whole.predict_proba(NEW_X)
    )
    with pytest.raises(ValueError, match="another y"):
        search(storage=tmp_path).fit(X, 1 - Y, **DATA)


def test_replay_and_pickle_keep_the_predictions(fitted):
    expected = fitted.predict_proba(NEW_X)
    again = fitted.replay(X, Y, **DATA)
    np.testing.assert_array_equal(again.predict_proba(NEW_X), expected)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict_proba(NEW_X), expected)
    with pytest.raises(
        ValueError, match="outputs: 2, and the ensemble was made for .* with 3"
    ):
        fitted.replay(X, Y[:, :2], **DATA)


def test_the_best_single_model_answers_with_labels(fitted):
    answers = fitted.best_estimator_.predict(NEW_X)
    assert set(np.unique(answers)) == {0, 1}
    assert (answers == NEW_Y).mean() > 0.65


def test_the_derivatives_written_here_are_right():
    """Else the tests above would hold for a target that is wrong."""
    rng = np.random.default_rng(0)
    y, base = rng.integers(2, size=(40, 3)), rng.normal(size=(40, 3))
    columns, weight = rng.normal(size=(2, 40, 3)), rng.uniform(1, 2, 40)
    gradient, curvature = LabelLoss(y, weight).derivatives(base, columns)
    alone = LabelLoss(y, weight).derivatives_alone(base, columns)
    link, h = Logistic(), 1e-4

    def loss(at):
        return weight @ log_losses(y, link.inverse(at))

    for i, column in enumerate(columns):
        up, here, down = (loss(base + step * column) for step in (h, 0, -h))
        assert gradient[i] == pytest.approx((up - down) / (2 * h), rel=1e-4)
        assert curvature[i, i] == pytest.approx((up - 2 * here + down) / h**2, rel=1e-3)
    np.testing.assert_allclose(alone, [gradient, np.diag(curvature)])
    slope, bend = link.temperature_derivatives(y, base, 1.5)
    up, down = (log_losses(y, link.inverse((1.5 + d) * base)) for d in (h, -h))
    np.testing.assert_allclose(slope, (up - down) / (2 * h), rtol=1e-3, atol=1e-6)
    assert (bend > 0).all()
    target = LabelsTarget(3)
    np.testing.assert_allclose(link.forward(link.inverse(base)), base, rtol=1e-6)
    assert target.for_encoders(y).shape == (40,)
