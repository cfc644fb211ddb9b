"""What is on its way to a worker, and what comes back."""

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.search.workers.call import Call, evaluations, values_of
from automodel.search.workers.work import Refit, WorkItem, refit, work
from automodel.search.workers.worker_process import Outcome
from tests.conftest import FakeClock, StubFamily

CANDIDATE = Candidate(StubFamily(), {})


class Kept:
    n_dropped = 0

    def drop(self):
        self.n_dropped += 1


def test_trials_and_refits_are_told_apart():
    deadline = Deadline(10.0, FakeClock())
    trial = Call(0, WorkItem(0, CANDIDATE, deadline))
    again = Call(("refit", 0), Refit(0, CANDIDATE, None, deadline))
    assert (trial.function, again.function) == (work, refit)
    assert deadline < again.deadline < trial.deadline


def test_the_models_of_what_sent_nothing_are_dropped():
    calls = [Call(n, WorkItem(n, CANDIDATE), Kept()) for n in range(2)]
    ended = [
        (calls[1], Outcome(1, None, "died", "it died")),
        (calls[0], Outcome(0, Evaluation(CANDIDATE, "complete"), worker=2)),
    ]
    (one, lost), (other, found) = evaluations(ended)
    assert (one.number, lost.status, lost.error) == (1, "failed", "it died, twice")
    assert (other.number, found.status, found.worker) == (0, "complete", 2)
    assert [call.keep_model.n_dropped for call in calls] == [0, 1]


def test_values_are_in_the_order_of_their_calls():
    calls = [Call(("refit", i), Refit(i, CANDIDATE, None)) for i in range(3)]
    ended = [(calls[i], Outcome(calls[i].key, i)) for i in (2, 0)]
    assert values_of(calls, ended) == [0, None, 2]
