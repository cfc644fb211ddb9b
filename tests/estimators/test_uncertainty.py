"""How sure a fitted estimator is, of its score and of each prediction."""

import copy
import math
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss

from automodel import AutoClassifier, AutoRegressor, AutoTextRegressor
from automodel.exceptions import FitWarning
from tests.conftest import CHEAP, StubFamily

TRIALS = [(0.9, "plain"), (0.5, "plain"), (1.0, "plain")]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 3))
NOISE = RNG.normal(size=400)
VALUES = 2.0 + X[:, 0] + NOISE
NEW = RNG.normal(size=(2000, 3))
NEW_VALUES = 2.0 + NEW[:, 0] + RNG.normal(size=2000)
CLASSES = np.array(["a", "b", "c"])


def classes_of(X, rng):
    return CLASSES[np.digitize(X[:, 0] + 1.5 * rng.normal(size=len(X)), [-0.8, 1.0])]


LABELS = classes_of(X, np.random.default_rng(1))
NEW_LABELS = classes_of(NEW, np.random.default_rng(2))


def fitted(kind, y, *, X=X, n_trials=3, **options):
    facts = {name: options.pop(name, None) for name in ("sample_weight", "groups")}
    params = CHEAP | {"families": [StubFamily(trials=TRIALS)], "n_trials": n_trials}
    return kind(**(params | options)).fit(X, y, **facts)


@pytest.fixture(scope="module")
def regressor():
    return fitted(AutoRegressor, VALUES)


@pytest.fixture(scope="module")
def classifier():
    return fitted(AutoClassifier, LABELS, families=["linear"])


def share_inside(intervals, y):
    return np.mean((intervals[..., 0] <= y) & (y <= intervals[..., 1]), axis=0)


# honest predictions


def test_each_row_has_an_honest_prediction(regressor, classifier):
    values, proba = regressor.oof_predictions_, classifier.oof_predictions_
    assert values.shape == (400,)
    assert proba.shape == (400, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    error = -math.sqrt(np.mean((values - VALUES) ** 2))
    assert error == pytest.approx(regressor.expected_score_, rel=1e-6)
    loss = -log_loss(LABELS, proba)
    assert loss == pytest.approx(classifier.expected_score_, rel=1e-6)


def test_rows_that_nobody_validates_are_nan():
    weight = np.ones(400)
    weight[:50] = 0.0
    split = [(np.arange(200), np.arange(200, 400)), (np.arange(200, 400), np.arange(9))]
    one = fitted(AutoRegressor, VALUES, cv=split[:1]).oof_predictions_
    assert np.flatnonzero(np.isfinite(one)).tolist() == list(range(200, 400))
    own = fitted(AutoRegressor, VALUES, sample_weight=weight)
    assert np.flatnonzero(np.isnan(own.oof_predictions_)).tolist() == list(range(50))
    assert np.corrcoef(own.oof_predictions_[50:], X[50:, 0])[0, 1] > 0.9


def test_folds_that_are_repeated_give_one_prediction():
    own = fitted(AutoRegressor, VALUES, cv=None, n_trials=1)  # five folds, twice
    assert np.isfinite(own.oof_predictions_).all()


def test_several_targets_are_in_the_units_of_the_user():
    y = np.column_stack([VALUES, 1e6 * X[:, 1] + 5e6])
    own = fitted(AutoRegressor, y, families=["linear"], n_trials=1)
    assert own.oof_predictions_.shape == (400, 2)
    assert np.corrcoef(own.oof_predictions_[:, 1], y[:, 1])[0, 1] > 0.9
    intervals = own.predict_interval(NEW[:5], confidence_level=0.5)
    assert intervals.shape == (5, 2, 2)
    middle = intervals.mean(axis=2)
    np.testing.assert_allclose(middle, own.predict(NEW[:5]), rtol=1e-6)
    assert own.predict_quantiles(NEW[:5], [0.1, 0.5, 0.9]).shape == (5, 2, 3)


def test_labels_have_probabilities_and_sets():
    y = np.column_stack([X[:, 0] + NOISE > 1, X[:, 1] > 0, np.arange(400) < 3])
    own = fitted(AutoClassifier, y.astype(int), families=["linear"], n_trials=1)
    assert own.oof_predictions_.shape == (400, 3)
    sets = own.predict_set(X)
    assert sets.shape == (400, 3)
    assert sets.dtype == bool
    assert (sets >= own.predict(X).astype(bool)).all()
    assert sets[y[:, 0], 0].mean() > 0.85
    assert sets[:, 2].all()  # three rows tell too little to exclude a label
    assert not sets[:, 1].all()


# the expected score


def test_the_expected_score_is_in_its_interval(regressor, classifier):
    for own in (regressor, classifier):
        low, high = own.expected_score_interval_
        assert isinstance(low, float)
        assert low < own.expected_score_ < high
    low, _ = regressor.expected_score_interval_
    error = 1 / math.sqrt(2 * 400)
    assert regressor.expected_score_ - low == pytest.approx(2 * error, rel=0.25)


def test_rows_of_a_group_make_the_score_less_certain():
    rows = np.repeat(np.arange(50), 8)
    same = {"X": X[rows], "groups": rows}
    grouped = fitted(AutoRegressor, VALUES[rows], **same).expected_score_interval_
    single = fitted(AutoRegressor, VALUES[:50], X=X[:50]).expected_score_interval_
    width = single[1] - single[0]
    assert grouped[1] - grouped[0] == pytest.approx(width, rel=0.4)


@pytest.mark.parametrize("scoring", ["f1_macro", "balanced_accuracy", "roc_auc_ovr"])
def test_scores_of_labels_and_of_scikit_learn_have_an_interval(scoring):
    own = fitted(AutoClassifier, LABELS, scoring=scoring, n_trials=1)
    low, high = own.expected_score_interval_
    assert 0.5 < low < own.expected_score_ < high < 1


# intervals of values


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_contain_new_values_as_often_as_they_say(regressor, level):
    intervals = regressor.predict_interval(NEW, confidence_level=level)
    assert intervals.shape == (2000, 2)
    assert share_inside(intervals, NEW_VALUES) == pytest.approx(level, abs=0.05)
    prediction = regressor.predict(NEW)
    np.testing.assert_allclose(intervals.mean(axis=1), prediction, atol=1e-9)


def test_quantiles_split_new_values(regressor):
    quantiles = regressor.predict_quantiles(NEW, [0.1, 0.5, 0.9])
    shares = (NEW_VALUES[:, None] <= quantiles).mean(axis=0)
    assert shares == pytest.approx([0.1, 0.5, 0.9], abs=0.06)


def test_intervals_are_wider_where_members_disagree(regressor):
    own = copy.copy(regressor)
    honest = own._honest
    spread = np.random.default_rng(0).lognormal(size=honest.spread.shape)
    errors = spread[:, 0] * NOISE
    y = honest.predictions[:, 0] + errors
    own._honest = replace(honest, y=y, spread=spread)
    prediction = own._predict_with_spread(NEW[:2])[0]
    disagreed = np.array([[0.2], [4.0]])
    own._predict_with_spread = lambda X: (prediction, disagreed)
    low, high = own.predict_interval(NEW[:2]).T
    assert (high - low)[1] > 4 * (high - low)[0]


@pytest.mark.parametrize(
    ("scoring", "least"),
    [
        ("neg_mean_poisson_deviance", 0.0),
        ("neg_mean_gamma_deviance", 0.0),
        ("neg_root_mean_squared_log_error", 0.0),
    ],
)
def test_no_bound_is_outside_of_the_domain(scoring, least):
    rng = np.random.default_rng(0)
    y = rng.exponential(np.exp(X[:, 0]))
    own = fitted(AutoRegressor, y, scoring=scoring, families=["linear"], n_trials=1)
    intervals = own.predict_interval(X, confidence_level=0.95)
    quantiles = own.predict_quantiles(X, [0.01, 0.99])
    assert min(intervals.min(), quantiles.min()) >= least
    assert share_inside(intervals, y) > 0.93
    width = intervals[:, 1] - intervals[:, 0]
    assert np.corrcoef(width, own.predict(X))[0, 1] > 0.5


def test_a_model_of_a_quantile_has_intervals_around_the_middle():
    from sklearn.metrics import make_scorer, mean_pinball_loss

    ninth = make_scorer(mean_pinball_loss, alpha=0.9, greater_is_better=False)
    own = fitted(AutoRegressor, VALUES, scoring=ninth, families=["linear"])
    intervals = own.predict_interval(NEW, confidence_level=0.8)
    expected = own.predict_quantiles(NEW, [0.1, 0.9])
    np.testing.assert_allclose(intervals, expected, atol=1e-9)
    assert share_inside(intervals, NEW_VALUES) == pytest.approx(0.8, abs=0.06)


def test_too_few_rows_have_infinite_intervals_and_a_warning():
    own = fitted(AutoRegressor, VALUES[:12], X=X[:12], n_trials=1)
    with pytest.warns(FitWarning, match="12 independent rows .* levels up to 0.923"):
        assert np.isinf(own.predict_interval(NEW[:3], 0.95)).all()
    assert np.isfinite(own.predict_interval(NEW[:3])).all()


def test_a_constant_target_is_certain():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        own = fitted(AutoRegressor, np.ones(60), X=X[:60], n_trials=1)
    np.testing.assert_allclose(own.predict_interval(NEW[:2]), np.ones((2, 2)))


# sets of classes


def test_sets_contain_each_class_as_often_as_they_say(classifier):
    sets = classifier.predict_set(NEW)
    assert sets.shape == (2000, 3)
    own = sets[np.arange(2000), np.searchsorted(CLASSES, NEW_LABELS)]
    for label in CLASSES:
        assert own[label == NEW_LABELS].mean() == pytest.approx(0.9, abs=0.07)
    larger = classifier.predict_set(NEW, confidence_level=0.99)
    assert (larger >= sets).all()
    assert larger.mean() > sets.mean()


def test_what_is_predicted_is_in_each_set():
    own = fitted(AutoClassifier, LABELS, scoring="f1_macro", n_trials=1)
    own.decision_weights_ = np.array([1e-6, 1e-6, 1.0])
    sets = own.predict_set(NEW, confidence_level=0.01)
    assert sets[:, 2].all()
    assert not sets.all()


def test_equal_probabilities_are_all_in_a_set(classifier):
    """Honest ones are float32, and those of new rows are float64."""
    own = copy.copy(classifier)
    third = np.full((400, 3), 1 / 3)
    own._honest = replace(own._honest, predictions=third.astype(np.float32))
    own.predict_proba = lambda X: third[: len(X)]
    assert own.predict_set(NEW[:5]).all()


# invalid calls


@pytest.mark.parametrize("level", [0.0, 1.0, -1, 90, math.nan, "0.9", None])
def test_levels_that_are_none(regressor, classifier, level):
    for call in (regressor.predict_interval, classifier.predict_set):
        with pytest.raises((TypeError, ValueError), match="confidence_level"):
            call(NEW, confidence_level=level)


@pytest.mark.parametrize("q", [0.5, [], [0.5, 1.0], [-0.1], [[0.5]], ["half"]])
def test_quantiles_that_are_none(regressor, q):
    with pytest.raises((TypeError, ValueError), match="q must be"):
        regressor.predict_quantiles(NEW, q)


CALLS = {
    "predict_interval": lambda own: own.predict_interval(NEW),
    "predict_quantiles": lambda own: own.predict_quantiles(NEW, [0.5]),
    "oof_predictions_": lambda own: own.oof_predictions_,
}


@pytest.mark.parametrize("name", CALLS)
def test_what_an_estimator_without_honest_predictions_says(regressor, name):
    with pytest.raises(NotFittedError):
        CALLS[name](AutoRegressor())
    own = copy.copy(regressor)
    own._honest = None
    with pytest.raises((RuntimeError, AttributeError), match=f"{name} of this AutoReg"):
        CALLS[name](own)
    assert own.expected_score_interval_ == regressor.expected_score_interval_


def test_the_baseline_alone_has_none():
    with pytest.warns(FitWarning, match="Only the baseline"):
        own = fitted(AutoClassifier, LABELS, families=[StubFamily(modes=["raise"])])
    assert np.isnan(own.expected_score_interval_).all()
    assert not hasattr(own, "oof_predictions_")
    with pytest.raises(RuntimeError, match="baseline"):
        own.predict_set(NEW)


def test_each_estimator_has_the_methods_that_apply():
    assert not hasattr(AutoClassifier(), "predict_interval")
    assert not hasattr(AutoRegressor(), "predict_set")
    assert hasattr(AutoTextRegressor(), "predict_interval")
    with pytest.raises(NotFittedError):
        _ = AutoRegressor().expected_score_interval_


# copies


def test_a_pickle_predicts_the_same_intervals(regressor):
    again = pickle.loads(pickle.dumps(regressor))
    assert again.expected_score_interval_ == regressor.expected_score_interval_
    np.testing.assert_array_equal(
        again.predict_interval(NEW), regressor.predict_interval(NEW)
    )


def test_an_estimator_that_was_saved_before_has_none(regressor):
    own = copy.copy(regressor)
    del own._honest, own._score_interval
    again = pickle.loads(pickle.dumps(own))
    assert again.predict(NEW).shape == (2000,)
    assert np.isnan(again.expected_score_interval_).all()
    with pytest.raises(RuntimeError, match="earlier version"):
        again.predict_interval(NEW)


def test_a_clone_knows_nothing(regressor):
    assert clone(regressor)._honest is None


def test_replay_keeps_what_it_knows_of_the_same_data(regressor):
    again = regressor.replay(X, VALUES)
    np.testing.assert_allclose(
        again.predict_interval(NEW), regressor.predict_interval(NEW)
    )
    other = regressor.replay(X, VALUES[::-1].copy())
    assert other.expected_score_interval_ == regressor.expected_score_interval_
    with pytest.raises(RuntimeError, match="replay"):
        other.predict_interval(NEW)
    assert regressor._honest is not None
