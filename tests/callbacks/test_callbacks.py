"""What callbacks may do: read the study, stop the search, raise."""

import pickle

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.study import MaxTrialsCallback

from automodel import AutoClassifier
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

X = make_frame()
ENDED = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")


def classifier(**params):
    defaults = CHEAP | {"families": [StubFamily()], "n_trials": 20}
    defaults |= {"cv": 2, "refit": False, "ensemble_size": 3}
    return AutoClassifier(**(defaults | params))


class Stopper:
    """Stops the search after so many trials."""

    def __init__(self, n_trials):
        self.n_trials = n_trials
        self.told = []

    def __call__(self, study, trial):
        self.told.append(trial.user_attrs["number"])
        if len(self.told) == self.n_trials:
            study.stop()


@pytest.mark.parametrize("time_budget", [None, 60.0])
@pytest.mark.parametrize(
    "make", [lambda: Stopper(6), lambda: MaxTrialsCallback(6, states=ENDED)]
)
def test_a_callback_stops_the_search(time_budget, make):
    search = classifier(callbacks=[make()], time_budget=time_budget).fit(X, LABELS)
    assert sorted(search.leaderboard_.index) == list(range(6))
    assert search.leaderboard_["weight"].sum() == pytest.approx(1)
    assert search.predict(X).shape == (60,)


@pytest.mark.parametrize("time_budget", [None, 60.0])
def test_trials_that_run_beside_a_stop_are_ended(time_budget):
    stopper = Stopper(6)
    search = classifier(callbacks=[stopper], time_budget=time_budget, n_jobs=2)
    search.fit(X, LABELS)
    assert 6 <= len(stopper.told) <= 8
    assert sorted(search.leaderboard_.index) == sorted(stopper.told)


def test_a_search_that_was_stopped_goes_on_as_one_that_was_not(tmp_path):
    whole = classifier(n_trials=10).fit(X, LABELS)
    stopped = classifier(n_trials=10, storage=tmp_path, callbacks=[Stopper(6)])
    assert len(stopped.fit(X, LABELS).leaderboard_) == 6
    resumed = classifier(n_trials=10, storage=tmp_path).fit(X, LABELS)
    one, two = (
        s.leaderboard_.sort_index().drop(
            columns=["seconds", "weight", "stacking_coefficient"]
        )
        for s in (whole, resumed)
    )
    pd.testing.assert_frame_equal(one, two)


def test_a_callback_reads_the_study_of_the_family():
    seen = []

    def callback(study, trial):
        study.set_user_attr("seen", trial.number)
        trials = study.get_trials(deepcopy=False)
        seen.append((study.best_value, study.best_params["quality"], len(trials)))
        assert study.user_attrs == {"seen": trial.number}
        assert trial.number in [t.number for t in study.trials]
        assert pickle.loads(pickle.dumps(study)).best_value == study.best_value

    search = classifier(n_trials=3, callbacks=[callback], time_budget=60.0)
    search.fit(X, LABELS)
    best, params, n_trials = seen[-1]
    assert best == search.leaderboard_["score"].iloc[0]
    assert params == search.leaderboard_["params"].iloc[0]["quality"]
    assert n_trials == 3


@pytest.mark.parametrize(
    ("error", "n_jobs"), [(ValueError, 1), (ValueError, 2), (optuna.TrialPruned, 1)]
)
def test_an_error_of_a_callback_ends_the_fit_with_it(error, n_jobs):
    def callback(study, trial):
        raise error("of the user")

    with pytest.raises(error, match="of the user"):
        classifier(callbacks=[callback], n_jobs=n_jobs).fit(X, LABELS)


class Picky(StubFamily):
    """Refuses every other setting before it is run."""

    def search_space(self, trial, task):
        params = super().search_space(trial, task)
        if trial.number % 2:
            raise ValueError("an odd trial")
        return params


@pytest.mark.parametrize("time_budget", [None, 60.0])
def test_trials_that_fail_before_they_run_are_told(time_budget):
    told = []
    search = classifier(
        families=[Picky()],
        n_trials=6,
        time_budget=time_budget,
        callbacks=[lambda study, trial: told.append(trial.user_attrs["number"])],
    ).fit(X, LABELS)
    assert set(search.failures_["error"]) == {"ValueError: an odd trial"}
    assert len(search.failures_) == 3
    assert sorted(told) == list(range(6))


@pytest.mark.parametrize("time_budget", [None, 60.0])
def test_a_sampler_that_has_no_more_to_give_ends_its_family(time_budget):
    grid = {"quality": [0.2, 0.5, 0.9], "mode": ["plain"]}
    search = classifier(
        sampler=optuna.samplers.GridSampler(grid, seed=0), time_budget=time_budget
    ).fit(X, LABELS)
    assert (
        sorted(p["quality"] for p in search.leaderboard_["params"]) == grid["quality"]
    )


def test_trials_of_an_earlier_fit_count_for_a_callback_of_optuna(tmp_path):
    classifier(n_trials=8, storage=tmp_path).fit(X, LABELS)
    stopper = MaxTrialsCallback(8, states=ENDED)
    resumed = classifier(n_trials=10, storage=tmp_path, callbacks=[stopper])
    assert len(resumed.fit(X, LABELS).leaderboard_) == 8
