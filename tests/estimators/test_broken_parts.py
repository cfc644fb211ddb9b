"""Errors in what the user brings, a family or a sampler, cost trials and no fit."""

import numpy as np
import optuna
import pytest

from automodel import AutoClassifier
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

X = make_frame()
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")


def fit(**params):
    defaults = CHEAP | {"families": [StubFamily()], "n_trials": 12}
    defaults |= {"cv": 2, "refit": False, "ensemble_size": 3}
    return AutoClassifier(**(defaults | params)).fit(X, LABELS)


def broken(method, name="broken"):
    """Return a family that raises in one of its methods."""

    def fail(self, *arguments):
        raise RuntimeError(f"no {method}")

    return type("Broken", (StubFamily,), {method: fail})(name, rank=0)


@pytest.mark.parametrize("time_budget", [None, 60.0])
@pytest.mark.parametrize("method", ["search_space", "portfolio", "cost", "losses"])
def test_a_family_with_an_error_fails_alone(method, time_budget):
    search = fit(families=[broken(method), StubFamily()], time_budget=time_budget)
    board = search.leaderboard_
    assert len(board) == 12
    errors = set(board.loc[board["family"] == "broken", "error"])
    assert errors == {f"RuntimeError: no {method}"}
    assert (board.loc[board["family"] == "stub", "status"] != "failed").all()
    assert (board["family"] == "broken").sum() <= 2


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("no text")


@pytest.mark.parametrize("method", ["search_space", "fit"])
def test_an_error_that_has_no_text_fails_its_trials_too(method):
    def fail(self, *arguments, **keywords):
        raise Unspeakable

    family = type("Broken", (StubFamily,), {method: fail})("broken", rank=0)
    board = fit(families=[family, StubFamily()]).leaderboard_
    assert set(board.loc[board["family"] == "broken", "error"]) == {"Unspeakable"}
    assert (board.loc[board["family"] == "stub", "status"] != "failed").all()


class Fragile(optuna.samplers.RandomSampler):
    """Raises in one of its methods from its fifth call on."""

    def __init__(self, method, n_calls=4):
        super().__init__(seed=0)
        self.n_calls = n_calls
        setattr(self, method, self._counted(getattr(self, method)))

    def _counted(self, call):
        def counted(*arguments):
            self.n_calls -= 1
            if self.n_calls < 0:
                raise KeyError("of the sampler")
            return call(*arguments)

        return counted

    def __deepcopy__(self, memo):
        return self


METHODS = ["sample_relative", "before_trial", "after_trial"]


@pytest.mark.parametrize("method", METHODS)
def test_a_sampler_that_fails_ends_the_search_in_good_order(method):
    search = fit(sampler=Fragile(method))
    assert len(search.leaderboard_) >= 7
    assert len(search.failures_) == 3  # in a row: then it is given up
    assert set(search.failures_["error"]) == {"KeyError: 'of the sampler'"}


def test_a_callable_that_makes_no_sampler_later_fails_trials():
    def sampler(seed, calls=[]):  # noqa: B006
        calls.append(seed)
        if len(calls) > 4:
            raise OSError("no connection")
        return optuna.samplers.RandomSampler(seed=seed)

    search = fit(sampler=sampler)
    assert set(search.failures_["error"]) == {"OSError: no connection"}
    assert search.leaderboard_["weight"].sum() == pytest.approx(1)


@pytest.mark.parametrize("sampler", [lambda: None, Fragile("before_trial", 0)])
def test_a_sampler_that_never_works_is_an_error_that_names_it(sampler, tmp_path):
    with pytest.raises(RuntimeError, match=r"The 'sampler' has failed\. (Type|Key)E"):
        fit(sampler=sampler, storage=tmp_path)
    assert len(fit(storage=tmp_path, n_trials=1).leaderboard_) == 1  # nothing is left


def test_an_error_now_and_then_is_no_end():
    class Moody(StubFamily):
        def search_space(self, trial, task):
            if trial.number % 3 == 2:
                raise ValueError("not now")
            return super().search_space(trial, task)

    search = fit(families=[Moody()])
    assert len(search.leaderboard_) == 12
    assert len(search.failures_) == 4


class Refusal(optuna.pruners.BasePruner):
    def prune(self, study, trial):
        raise RuntimeError("no verdict")


def test_an_error_of_a_pruner_is_one_of_the_trial():
    with pytest.warns(UserWarning, match="RuntimeError: no verdict"):
        search = fit(pruner=Refusal(), n_trials=3)
    assert set(search.failures_["error"]) == {"RuntimeError: no verdict"}
