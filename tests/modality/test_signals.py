"""What the core must not know: a modality, a target and a combiner of the tests."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from tests.modality.signals import (
    AutoDirection,
    MeanDirection,
    MeanVector,
    RidgeOfSignals,
    angular_error,
    make_signals,
    vectors_of,
)

X, Y = make_signals()
NEW_X, NEW_Y = make_signals(seed=1)


def search(**params):
    defaults = {
        "families": [RidgeOfSignals()],
        "n_trials": 8,
        "time_budget": None,
        "random_state": 0,
    }
    return AutoDirection(**(defaults | params))


@pytest.fixture(scope="module")
def fitted():
    return search().fit(X, Y)


def test_it_fits_and_predicts_in_the_units_of_the_user(fitted):
    answers = fitted.predict(NEW_X)
    assert answers.shape == (len(NEW_X),)
    assert angular_error(NEW_Y, answers) < 15
    assert -15 < fitted.best_score_ < -2  # pooled degrees, of all rows
    assert fitted.expected_score_ == pytest.approx(fitted.best_score_, abs=3)
    assert fitted.task_.kind == "angle"
    assert fitted.task_.facts.mean_length == pytest.approx(6, abs=1)


def test_models_are_combined_as_the_target_says(fitted):
    combiner = fitted.ensemble_.combiner
    assert isinstance(combiner, MeanDirection)
    assert combiner.weights.sum() == pytest.approx(1)
    opposite = [vectors_of([10.0]), vectors_of([350.0])]
    mean = MeanDirection(np.array([0.5, 0.5])).predict(opposite)
    np.testing.assert_allclose(mean, [[1.0, 0.0]], atol=1e-12)


def test_the_best_single_model_is_a_pipeline_that_answers_in_degrees(fitted):
    assert angular_error(NEW_Y, fitted.best_estimator_.predict(NEW_X)) < 15


def test_its_encoder_works_alone_in_a_pipeline():
    model = make_pipeline(MeanVector(), Ridge()).fit(X, vectors_of(Y))
    assert model.predict(NEW_X).shape == (len(NEW_X), 2)


def test_a_fitted_search_pickles(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(NEW_X), fitted.predict(NEW_X))


def test_replay_fits_the_same_again(fitted):
    again = fitted.replay(X, Y)
    np.testing.assert_array_equal(again.predict(NEW_X), fitted.predict(NEW_X))


def test_a_search_that_goes_on_ends_as_one_that_was_not_interrupted(tmp_path, fitted):
    search(n_trials=3, storage=tmp_path).fit(X, Y)
    resumed = search(storage=tmp_path).fit(X, Y)
    whole = search(storage=tmp_path / "other").fit(X, Y)
    assert len(resumed.leaderboard_) == 8
    np.testing.assert_array_equal(resumed.predict(NEW_X), whole.predict(NEW_X))
    with pytest.raises(ValueError, match="another X"):
        search(storage=tmp_path).fit(NEW_X, Y)


def test_its_encoding_is_computed_once_for_all_folds_and_trials(tmp_path):
    log = tmp_path / "log"
    search(families=[RidgeOfSignals(str(log))], n_trials=4, refit=True).fit(X, Y)
    assert sum(map(int, log.read_text().split())) == len(X)


@pytest.mark.slow
def test_workers_give_the_same_ensemble(tmp_path, fitted):
    log = tmp_path / "log"
    family = RidgeOfSignals(str(log))
    parallel = search(families=[family], n_jobs=2).fit(X, Y)
    assert sum(map(int, log.read_text().split())) == len(X)
    np.testing.assert_array_equal(parallel.predict(NEW_X), fitted.predict(NEW_X))


def test_nothing_but_the_baseline_is_still_an_ensemble(fitted):
    with pytest.warns(UserWarning, match="baseline"):
        only = clone(fitted).set_params(time_budget=0.02, n_trials=None).fit(X, Y)
    assert only.predict(NEW_X).shape == (len(NEW_X),)


def test_tables_are_refused_by_name():
    with pytest.raises(ValueError, match="None of the families"):
        search(families=["linear"]).fit(X, Y)
