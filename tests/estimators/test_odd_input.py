"""Odd input is handled, and said where the user should know."""

import re
import warnings

import numpy as np
import pytest

from automodel import AutoClassifier, AutoRegressor
from automodel.exceptions import FitWarning
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

X = make_frame()
VALUES = make_signal(X)
LABELS = np.where(VALUES > 0.3, "yes", "no")


def classifier(**params):
    return AutoClassifier(**(CHEAP | params))


def regressor(**params):
    return AutoRegressor(**(CHEAP | params))


def with_value(y, row, value):
    return [value if i == row else old for i, old in enumerate(y.tolist())]


def said(estimator, X, y):
    """Fit, and return the messages of all `FitWarning`s."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X, y)
    assert {w.category for w in caught} <= {FitWarning}
    return [str(w.message) for w in caught]


@pytest.mark.parametrize("cv", [None, 3])
def test_a_class_of_one_row_is_known_and_warned_of(cv):
    y = np.array(with_value(LABELS, 4, "rare"))
    estimator = classifier(cv=cv)
    [message] = said(estimator, X, y)
    assert "'rare'" in message
    assert estimator.predict_proba(X).shape == (60, 3)
    assert list(estimator.classes_) == ["no", "rare", "yes"]


def test_fewer_rows_than_folds_are_split_into_fewer_folds():
    [message] = said(regressor(cv=10), X[:6], VALUES[:6])
    assert message.startswith("10 folds need") and "6 folds are used" in message


@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
def test_six_rows_are_enough(kind):
    y = ["a", "b"] * 3 if kind is AutoClassifier else VALUES[:6]
    estimator = kind(**(CHEAP | {"cv": None}))
    messages = said(estimator, X[:6], y)
    assert len(messages) == (1 if kind is AutoClassifier else 0)  # folds of a class
    assert estimator.predict(X[:6]).shape == (6,)
    assert np.isfinite(estimator.best_score_)


def test_a_constant_target_is_predicted_and_warned_of():
    estimator = regressor()
    [message] = said(estimator, X, np.full(60, 7.0))
    assert "constant" in message and "7.0" in message
    np.testing.assert_allclose(estimator.predict(X), 7)


def test_columns_without_values_are_left_out_and_warned_of():
    estimator = classifier()
    frame = X.assign(nothing=np.nan, none=None)
    [message] = said(estimator, frame, LABELS)
    assert "nothing" in message and "none" in message
    later = X.assign(nothing=1.0, none="a")
    np.testing.assert_array_equal(estimator.predict(later), estimator.predict(frame))


@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
def test_a_budget_too_small_for_any_model_gives_the_baseline_and_a_warning(kind):
    estimator = kind(families=["linear"], time_budget=0.01, random_state=0)
    y = LABELS if kind is AutoClassifier else VALUES
    [message] = said(estimator, X, y)
    assert "baseline" in message and "time_budget=0.01" in message
    assert [member.family for member in estimator.ensemble_.members] == ["baseline"]
    assert len(set(estimator.predict(X).tolist())) == 1


def test_booleans_come_back_as_booleans():
    estimator = classifier().fit(X, LABELS == "yes")
    assert estimator.predict(X).dtype == bool


def test_a_failed_trial_is_kept_and_the_fit_goes_on():
    family = StubFamily(trials=[(1.0, "raise"), (0.9, "plain")])
    estimator = classifier(families=[family])
    assert said(estimator, X, LABELS) == []
    [failure] = estimator.failures_["error"]
    assert failure == "ValueError: the stub was told to fail"
    assert estimator.leaderboard_["status"].tolist() == ["complete", "failed"]


def test_a_model_that_predicts_nan_is_a_failed_trial():
    family = StubFamily(trials=[(1.0, "nan"), (0.9, "plain")])
    estimator = classifier(families=[family]).fit(X, LABELS)
    assert "not finite" in estimator.failures_["error"].item()
    assert np.isfinite(estimator.predict_proba(X)).all()


def test_if_all_trials_fail_the_warning_names_the_first_cause():
    family = StubFamily(trials=[(1.0, "raise"), (0.9, "nan")])
    estimator = classifier(families=[family])
    [message] = said(estimator, X, LABELS)
    assert "baseline" in message and "the stub was told to fail" in message
    assert len(set(estimator.predict(X).tolist())) == 1


@pytest.mark.parametrize("time_budget", [None, 30])
def test_an_interrupted_search_is_fitted_with_the_best_so_far(time_budget):
    trials = [(0.9, "plain"), (0.8, "plain"), (1.0, "interrupt")]
    estimator = classifier(
        families=[StubFamily(trials=trials)], n_trials=4, time_budget=time_budget
    )
    [message] = said(estimator, X, LABELS)
    assert "interrupted" in message
    assert sorted(estimator.leaderboard_.index) == [0, 1]
    assert (estimator.predict(X) == LABELS).mean() > 0.7


def test_a_callback_may_interrupt_the_search():
    def interrupt(study, trial):
        raise KeyboardInterrupt

    estimator = classifier(families=[StubFamily()], callbacks=[interrupt], n_trials=4)
    [message] = said(estimator, X, LABELS)
    assert "interrupted" in message
    assert len(estimator.leaderboard_) == 1


def test_an_interrupt_before_the_first_result_gives_the_baseline_and_says_why():
    estimator = classifier(families=[StubFamily(trials=[(1.0, "interrupt")])])
    message = " ".join(said(estimator, X, LABELS))
    assert "interrupted" in message and "baseline" in message
    assert "time" not in message


def test_a_second_interrupt_ends_the_fit(monkeypatch):
    def interrupt(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr("automodel.training.choosing.fit_combiner", interrupt)
    family = StubFamily(trials=[(1.0, "plain"), (0.9, "interrupt")])
    with pytest.raises(KeyboardInterrupt):
        classifier(families=[family]).fit(X, LABELS)


def test_an_error_of_a_callback_is_the_users_to_see():
    def broken(study, trial):
        raise RuntimeError("the callback is broken")

    with pytest.raises(RuntimeError, match=re.escape("the callback is broken")):
        classifier(families=[StubFamily()], callbacks=[broken]).fit(X, LABELS)
