import json

import optuna
import pytest

from automodel.search.storage.frozen import frozen_trial, plain_trial


@pytest.fixture
def trials():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial({"x": 0.5})
    for outcome in (1.0, optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.suggest_int("n", 1, 64, log=True)
        trial.suggest_categorical("kind", ["a", None, 3])
        trial.report(0.25, 4)
        trial.set_user_attr("seconds", 1.5)
        if isinstance(outcome, float):
            study.tell(trial, outcome)
        else:
            study.tell(trial, state=outcome)
    return study.trials


def test_a_trial_comes_back_as_it_was(trials):
    assert [frozen_trial(plain_trial(trial)) for trial in trials] == trials


def test_a_taken_apart_trial_is_plain(trials):
    for trial in trials:
        assert json.loads(json.dumps(plain_trial(trial)))["number"] == trial.number


def test_a_trial_that_came_back_can_join_a_study(trials):
    study = optuna.create_study()
    study.add_trials([frozen_trial(plain_trial(trial)) for trial in trials])
    assert len(study.trials) == 3
