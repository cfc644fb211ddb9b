"""The numbers of trials, and what other processes have done with theirs."""

import math

import optuna
import pytest

from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.search.budget import Budget
from automodel.search.shared_trials import (
    DIED_TWICE,
    MORE_TIME,
    SYNC_SECONDS,
    UNSURE_SECONDS,
    SharedTrials,
)
from automodel.search.storage.memory import SearchStorage
from automodel.search.study import FamilyStudy, attributes
from tests.conftest import FakeClock, StubFamily, make_task

FAMILY = StubFamily()


class Elsewhere(SearchStorage):
    """Tells of another process, as an archive does."""

    def __init__(self):
        super().__init__(5)
        self.told = [], []
        self.lost = []
        self.stops = {}
        self.taken = set()
        self.given_back = []

    def lease(self, number, family, trial):
        return number not in self.taken

    def news(self):
        told, self.told = self.told, ([], [])
        return told

    def take_lost(self, numbers):
        return [(n, is_harmful) for n, is_harmful in self.lost if n in set(numbers)]

    def give_back(self, number):
        self.given_back.append(number)

    def stop_of(self, number):
        return self.stops.get(number)


def make_study():
    pruner = optuna.pruners.NopPruner()
    return FamilyStudy(FAMILY, make_task("binary", 40, 4, 2), None, pruner)


def make_trials(seconds=None, callbacks=()):
    """Return the trials of one family, of which nothing is known yet."""
    budget = Budget(seconds, clock=FakeClock())
    families = {FAMILY.name: make_study()}
    return SharedTrials(families, Elsewhere(), budget, 0, lambda: math.inf, callbacks)


def asked_elsewhere(trials, *numbers):
    """Let another process ask for trials, and return these."""
    study = make_study()
    asked = [(n, FAMILY.name, study.frozen(study.ask(n, seed=n))) for n in numbers]
    trials.storage.told[0].extend(asked)
    return [trial for *_, trial in asked]


def end(trial, number, score):
    """Return the end of a trial of another process."""
    evaluation = Evaluation(
        Candidate(FAMILY, trial.params), "complete", score, fold_scores=[score]
    )
    return FAMILY.name, optuna.trial.create_trial(
        value=score,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=attributes(number, evaluation),
    )


def begin(trials):
    """Begin the next trial, and return it if it is to be run here."""
    (own,) = trials.families.values()
    trial = trials.ask(own)
    return trial if trials.begin(trial) else None


def test_trials_are_numbered_in_the_order_they_begin_in():
    trials = make_trials()
    begun = [begin(trials) for _ in range(3)]
    assert [trial.number for trial in begun] == [0, 1, 2]
    assert trials.n_asked == 3
    assert len({trial.candidate.seed for trial in begun}) == 3


def test_a_number_that_another_process_has_taken_is_passed_over():
    trials = make_trials()
    trials.storage.taken = {0}
    assert begin(trials) is None
    assert begin(trials).number == 1


def test_a_trial_that_has_ended_here_is_kept_and_told_to_callbacks():
    calls = []
    trials = make_trials(callbacks=[lambda *call: calls.append(call)])
    trial = begin(trials)
    trials.tell(0, Evaluation(trial.candidate, "complete", score=0.5))
    assert trials.best is trials.storage.evaluations[0]
    assert trials.scores == [0.5]
    ((study, frozen),) = calls
    assert study is trial.study.shown
    assert frozen.value == 0.5


def told(calls):
    """Return the numbers and values that callbacks were told."""
    return [(frozen.user_attrs["number"], frozen.values) for _, frozen in calls]


def test_a_trial_of_another_process_is_counted_and_told_once_it_has_ended():
    calls = []
    trials = make_trials(100.0, [lambda *call: calls.append(call)])
    (trial,) = asked_elsewhere(trials, 0)
    trials.sync()
    assert trials.n_asked == 1
    assert trials.scores == []
    trials.storage.told[1].append(end(trial, 0, 0.5))
    trials.sync()
    assert trials.best.candidate.params == trial.params
    assert told(calls) == [(0, [0.5])]


def test_without_a_clock_a_round_is_counted_when_all_of_it_has_ended():
    trials = make_trials()
    asked = asked_elsewhere(trials, *range(4))
    trials.storage.told[1].extend(end(asked[n], n, 0.1 * n) for n in (2, 1, 0))
    trials.sync()
    assert trials.scores == []
    trials.storage.told[1].append(end(asked[3], 3, 0.3))
    trials.sync()
    assert trials.scores == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_what_another_process_has_lost_runs_here_round_by_round():
    trials = make_trials()
    asked_elsewhere(trials, *range(6))
    trials.storage.lost = [(n, False) for n in (1, 3, 5)]
    trials.sync()
    assert [trial.number for trial in trials.next_lost_round()] == [1, 3]
    assert trials.next_lost().number == 5
    assert trials.next_lost() is None
    assert trials.next_lost_round() == []


def test_a_trial_that_was_lost_and_has_ended_does_not_run_again():
    trials = make_trials(seconds=100.0)
    (trial,) = asked_elsewhere(trials, 0)
    trials.storage.lost = [(0, False)]
    take_lost = trials.storage.take_lost

    def end_meanwhile(numbers):
        trials.storage.told[1].append(end(trial, 0, 0.5))
        return take_lost(numbers)

    trials.storage.take_lost = end_meanwhile
    trials.sync()
    assert trials.storage.given_back == [0]
    assert trials.next_lost() is None
    assert trials.scores == [0.5]


def test_a_trial_that_has_ended_two_processes_fails():
    calls = []
    trials = make_trials(callbacks=[lambda *call: calls.append(call)])
    asked_elsewhere(trials, 0)
    trials.storage.lost = [(0, True)]
    trials.sync()
    assert trials.next_lost() is None
    assert trials.storage.evaluations[0].error == DIED_TWICE
    assert told(calls) == [(0, None)]


def test_what_a_limit_has_stopped_waits_for_a_larger_one():
    calls = []
    trials = make_trials(100.0, [lambda *call: calls.append(call)])
    asked_elsewhere(trials, 0)
    trials.storage.lost = [(0, False)]
    trials.storage.stops[0] = {"seconds": 9.0, "time_limit": 10.0}
    trials.sync()
    assert trials.next_lost() is None
    assert calls == []  # it is told when it has run again
    families = trials.families.values()
    assert trials.again(families, MORE_TIME * 10.0 - 1) is None
    assert trials.again([], MORE_TIME * 10.0) is None
    again = trials.again(families, MORE_TIME * 10.0)
    assert trials.again(families, MORE_TIME * 10.0) is None
    trials.tell(0, Evaluation(again.candidate, "complete", score=0.5))
    assert told(calls) == [(0, [0.5])]


def counted_news(trials):
    """Return a list that gets an entry whenever the storage is asked for news."""
    asked, news = [], trials.storage.news
    trials.storage.news = lambda: asked.append(1) or news()
    return asked


def test_other_processes_are_not_looked_at_all_the_time():
    trials = make_trials(seconds=60.0)
    asked = counted_news(trials)
    for _ in range(3):
        trials.sync_if_due()
    assert len(asked) == 1
    trials.budget.clock.wait(SYNC_SECONDS + 0.1)
    trials.sync_if_due()
    assert len(asked) == 2


@pytest.mark.parametrize("is_unsure, seconds", [(True, UNSURE_SECONDS), (False, 0.0)])
def test_what_may_be_lost_is_waited_for_until_that_is_known(is_unsure, seconds):
    trials = make_trials()
    trials.budget.n_trials = 1
    trials.storage.is_unsure = lambda numbers: is_unsure
    asked_elsewhere(trials, 0)
    trials.sync_surely()
    assert trials.budget.clock.now() == pytest.approx(seconds, abs=1.0)


def ended_elsewhere(trials, n_trials):
    """Let another process ask for trials and end them."""
    for number, trial in enumerate(asked_elsewhere(trials, *range(n_trials))):
        trials.storage.told[1].append(end(trial, number, 0.1 * number))


def test_slow_callbacks_are_told_of_other_trials_while_there_is_time():
    calls = []
    trials = make_trials(10.0, [lambda *call: calls.append(call)])
    clock = trials.budget.clock
    trials.seconds_left = lambda: 1.0 - clock.now()
    trials.callbacks.append(lambda study, trial: clock.wait(0.25))
    ended_elsewhere(trials, 20)
    trials.sync()
    assert [number for number, _ in told(calls)] == [0, 1, 2, 3]
    assert len(trials.scores) == 20
    trial = begin(trials)
    trials.tell(trial.number, Evaluation(trial.candidate, "pruned"))
    assert told(calls)[4:] == [(20, None)]  # a trial of this process is always told


def test_a_trial_of_another_process_is_not_copied_deeply(monkeypatch):
    calls = []
    trials = make_trials(100.0, [lambda *call: calls.append(call)])
    (trial,) = asked_elsewhere(trials, 0)
    trials.sync()
    trials.storage.told[1].append(end(trial, 0, 0.5))
    monkeypatch.setattr("copy.deepcopy", None)
    trials.sync()
    assert told(calls) == [(0, [0.5])]


def test_a_callback_may_change_a_trial_of_another_process():
    trials = make_trials(100.0, [lambda study, trial: trial.user_attrs.clear()])
    ended_elsewhere(trials, 1)
    trials.sync()
    (own,) = trials.families.values()
    assert own.study.trials[0].user_attrs["number"] == 0
