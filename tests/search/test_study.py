"""The trials of one family, and which of them a sampler is shown."""

import json
from dataclasses import replace

import numpy as np
import optuna
import pytest

from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.search.pruning import ForgivingPruner, Snapshot
from automodel.search.study import (
    BEST_SAMPLED,
    MOST_SAMPLED,
    FamilyStudy,
    attributes,
    evaluation_of,
)
from tests.conftest import StubFamily, make_task

TASK = make_task("binary", 100, 4, 2)


def study(sampler=None, **family):
    return FamilyStudy(StubFamily(**family), TASK, sampler, ForgivingPruner())


def ask(own, number):
    return own.ask(number, seed=number)


def run(own, number, score, status="complete", seconds=0.0):
    trial = ask(own, number)
    if trial is None:
        return None
    own.keep(trial)
    evaluation = Evaluation(trial.candidate, status, score, seconds=seconds)
    return own.tell(trial, evaluation)


def test_the_portfolio_comes_first_and_is_tried_once():
    own = study(trials=[(0.9, "plain"), (0.8, "plain"), (0.9, "plain")])
    trials = [ask(own, number) for number in range(2)]
    for trial in trials:
        own.keep(trial)
    assert [trial.candidate.params["quality"] for trial in trials] == [0.9, 0.8]
    assert ask(own, 2) is None
    assert not own.is_exhausted  # a setting given twice is not the sampler's fault


def test_a_setting_that_was_given_up_is_asked_again():
    own = study(trials=[(0.9, "plain"), (0.8, "plain")])
    own.give_up(ask(own, 0))
    assert ask(own, 1).candidate.params["quality"] == 0.9


def test_a_trial_of_another_process_is_not_asked_again():
    one, two = (study(trials=[(0.9, "plain"), (0.8, "plain")]) for _ in range(2))
    trial = ask(one, 0)
    one.keep(trial)
    added = two.add(0, 0, one.frozen(trial))
    assert added.candidate == replace(trial.candidate, family=two.family)
    assert two.n_asked == 1
    assert ask(two, 1).candidate.params["quality"] == 0.8


def test_pruned_trials_do_not_make_a_family_look_cheap():
    own = study(trials=[(q, "plain") for q in (0.9, 0.8, 0.7)])
    run(own, 0, 0.5, "pruned", seconds=1.0)
    assert own.seconds_of_next == 2.0
    run(own, 1, 0.8, seconds=4.0)
    run(own, 2, 0.5, "pruned", seconds=1.0)
    assert own.seconds_of_next == 4.0


class Costly(StubFamily):
    def cost(self, params, task):
        return 10 * params.get("quality", 0.5)


def test_the_cost_of_what_comes_next_is_that_of_the_next_proven_setting():
    family = Costly(trials=[(0.2, "plain"), (0.8, "plain")])
    own = FamilyStudy(family, TASK, None, ForgivingPruner())
    assert own.cost_of_next == 2.0
    run(own, 0, 0.5, seconds=4.0)
    assert own.seconds_per_cost == [2.0]
    assert own.cost_of_next == 8.0
    run(own, 1, 0.5, "pruned", seconds=1.0)
    assert own.seconds_per_cost == [2.0]
    assert own.cost_of_next == 5.0  # of a usual setting


def test_a_sampler_of_the_user_is_copied_and_not_repeated():
    sampler = optuna.samplers.RandomSampler(seed=0)
    one, two = study(sampler), study(sampler)
    first = ask(one, 0)
    assert ask(two, 0).candidate.params == first.candidate.params
    resumed = study(sampler)
    resumed.add(0, 0, one.frozen(first))
    assert ask(resumed, 1).candidate.params != first.candidate.params


def test_an_error_of_the_space_is_kept():
    class Broken(StubFamily):
        def search_space(self, trial, task):
            raise RuntimeError("no space")

    own = FamilyStudy(Broken(), TASK, None, ForgivingPruner())
    assert ask(own, 0).error == "RuntimeError: no space"


def test_a_space_that_returns_nothing_is_an_error_of_the_trial():
    class Empty(StubFamily):
        def search_space(self, trial, task):
            super().search_space(trial, task)

    own = FamilyStudy(Empty(), TASK, None, ForgivingPruner())
    assert ask(own, 0).error.startswith("TypeError")


@pytest.mark.parametrize("sampler", [None, optuna.samplers.RandomSampler(seed=0)])
def test_our_sampler_sees_the_best_and_the_latest(sampler):
    own = study(sampler)
    n_trials = MOST_SAMPLED + 200
    for number in range(n_trials):
        run(own, number, score=-float(number))  # the first are the best
    with own._trials.window():
        shown = [trial.number for trial in own.study.trials]
    assert len(own.study.trials) == n_trials  # nobody else is denied them
    if sampler is not None:
        assert len(shown) == n_trials
        return
    n_latest = MOST_SAMPLED - BEST_SAMPLED
    latest = range(n_trials - n_latest, n_trials)
    assert shown == [*range(BEST_SAMPLED), *latest]


def test_a_pruner_compares_with_the_best_and_the_latest():
    own = study(optuna.samplers.RandomSampler(seed=0))
    for number in range(250):
        run(own, number, score=1.0 if number == 3 else 0.0)
    compared = own.compared()
    assert len(compared) == 201
    assert compared[0].value == 1.0


def test_the_order_in_which_trials_of_one_score_end_prunes_no_other_ones():
    reports = [{15: 0.4, 31: 0.5}, {15: 0.6, 31: 0.5}]  # running means of two folds
    verdicts = []
    for order in ([0, 1], [1, 0]):
        own = study(trials=[(0.5, "plain"), (0.6, "plain")])
        trials = [ask(own, number) for number in range(2)]
        for number in order:
            candidate = trials[number].candidate
            evaluation = Evaluation(candidate, "complete", 0.5, reports=reports[number])
            own.tell(trials[number], evaluation)
        snapshot = Snapshot(ForgivingPruner(), own.compared())
        verdicts.append(snapshot({15: 0.35}))
    assert verdicts == [False, False]


@pytest.mark.parametrize("steps", [[9, 11], [[9, 20], [11, 20]]])
def test_what_a_trial_says_of_its_steps_is_read_again(steps):
    family = StubFamily()
    steps = [np.int64(n) if isinstance(n, int) else n for n in steps]
    evaluation = Evaluation(
        Candidate(family, {}), "complete", 0.5, [0.5], n_iterations=steps
    )
    said = json.loads(json.dumps(attributes(3, evaluation)))
    trial = optuna.trial.create_trial(value=0.5, user_attrs=said)
    assert evaluation_of(trial, evaluation.candidate).n_iterations == steps
