"""What may go wrong on a backend of joblib, and that a fit outlives it."""

import threading
import time
import warnings

import joblib
import numpy as np
import pytest
from joblib._parallel_backends import ThreadingBackend

from automodel import AutoClassifier
from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate
from automodel.exceptions import FitWarning
from automodel.search.workers import engines
from automodel.search.workers.backends import BackendWorkers
from automodel.search.workers.engines import Batches, Engine, open_engine
from automodel.search.workers.open import open_workers
from automodel.search.workers.own import OwnProcesses
from automodel.search.workers.work import Refit, WorkItem, refit
from tests.conftest import CHEAP, FAULTS, FakeClock, StubFamily, make_frame, make_signal
from tests.evaluation.test_folds import make_folds

X = make_frame()
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")


class OtherBackend(ThreadingBackend):
    """A backend that automodel does not know."""


joblib.register_parallel_backend("other", OtherBackend)


def fit(backend, **params):
    params = CHEAP | {"families": [StubFamily()], "n_jobs": 2, "refit": False} | params
    with joblib.parallel_config(backend=backend):
        return AutoClassifier(**params).fit(X, LABELS)


def statuses(search):
    return search.leaderboard_.sort_index()["status"].tolist()


@pytest.mark.parametrize("backend", ["threading", "other"])
def test_a_backend_runs_trials(backend):
    assert statuses(fit(backend, n_trials=3)) == ["complete"] * 3


@pytest.mark.parametrize("backend", ["threading", "other"])
def test_what_trials_share_is_in_a_folder_until_the_end(backend):
    folds = make_folds()
    with joblib.parallel_config(backend=backend), open_workers(2, folds) as workers:
        assert isinstance(workers, BackendWorkers)
        folder = folds.encodings.folder
        assert folder.is_dir()
    assert not folder.exists()


@pytest.fixture
def hanging():
    """Return a family whose second trial hangs until the test is over."""
    may_end = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAULTS, "hang", may_end.wait)
        yield StubFamily(trials=[(0.9, "plain"), (0.8, "hang")])
        may_end.set()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threading", "other"])
def test_a_trial_that_hangs_is_not_waited_for(backend, hanging):
    with pytest.warns(FitWarning, match="Trials that did not end in time"):
        search = fit(backend, families=[hanging], n_trials=6, time_budget=10.0)
    assert "stopped" in statuses(search)
    assert "complete" in statuses(search)


@pytest.mark.slow
def test_warnings_are_heard_again_beside_a_trial_that_hangs(hanging):
    with pytest.warns(FitWarning):
        fit("threading", families=[hanging], time_budget=6.0)
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", UserWarning, stacklevel=1)


class CostlyFamily(StubFamily):
    """Does not know what it costs, once trials are under way."""

    n_asked = 0

    def cost(self, params, task):
        self.n_asked += 1
        if self.n_asked > 4:
            raise RuntimeError("the cost is not known")
        return 1.0


@pytest.mark.parametrize("time_budget", [None, 20.0])
@pytest.mark.parametrize("backend", ["sequential", "threading", "other"])
def test_an_error_of_what_is_asked_fails_the_trials_that_follow(backend, time_budget):
    families = [CostlyFamily()]
    search = fit(backend, families=families, n_trials=99, time_budget=time_budget)
    board = search.leaderboard_.sort_index()
    failed = board[board["status"] == "failed"]
    assert board["status"][0] == "complete"
    assert set(failed["error"]) == {"RuntimeError: the cost is not known"}
    assert len(board) < 20


class Falling(Engine):
    """An engine whose second call takes the cluster along."""

    n_submitted = 0

    def submit(self, *arguments):
        self.n_submitted += 1
        if self.n_submitted == 2:
            raise engines.EngineError("the cluster is gone")
        super().submit(*arguments)


@pytest.mark.parametrize("time_budget", [None, 30.0])
def test_a_backend_that_is_gone_is_given_up(monkeypatch, time_budget):
    monkeypatch.setattr("automodel.search.workers.backends.open_engine", Falling)
    with pytest.warns(FitWarning, match="went on in this process.*cluster is gone"):
        search = fit("threading", n_trials=4, time_budget=time_budget)
    assert statuses(search) == ["complete"] * 4


def test_a_backend_that_cannot_be_opened_is_given_up(monkeypatch):
    def fail(*arguments):
        raise OSError("no route to host")

    monkeypatch.setattr("automodel.search.workers.backends.open_engine", fail)
    with pytest.warns(FitWarning, match="went on in this process.*no route to host"):
        assert statuses(fit("threading", n_trials=3)) == ["complete"] * 3


class Losing(engines.Threads):
    """An engine that loses what it has, as often as it is told."""

    times = 1

    def wait(self, seconds):
        found = super().wait(seconds)
        if found and self.times:
            self.times -= 1
            return [
                engines.Outcome(one.key, None, "died", "the worker died")
                for one in found
            ]
        return found


def test_what_is_lost_runs_again(monkeypatch):
    monkeypatch.setattr("automodel.search.workers.backends.open_engine", Losing)
    assert statuses(fit("threading", n_trials=4)) == ["complete"] * 4


def test_what_is_lost_twice_has_failed(monkeypatch):
    monkeypatch.setattr("automodel.search.workers.backends.open_engine", Losing)
    monkeypatch.setattr(Losing, "times", 2)
    with pytest.warns(FitWarning, match="Trials lost: 1. The first: the worker died"):
        search = fit("threading", n_trials=1)
    assert statuses(search) == ["failed"]


class Dying(OtherBackend):
    """A backend that fails in whole, if it has more than one call."""

    def submit(self, func, callback=None):
        raise RuntimeError("a worker has died")

    apply_async = submit  # its name before joblib 1.5


def test_a_batch_that_fails_says_why():
    engine = Batches(Dying(), 2, None)
    for key in range(2):
        engine.submit(key, pow, None)
    found = []
    until = time.monotonic() + 30
    while len(found) < 2 and time.monotonic() < until:
        found += engine.wait(1.0)
    assert {outcome.key: outcome.error for outcome in found} == {
        0: "RuntimeError: a worker has died",
        1: "RuntimeError: a worker has died",
    }


def slowly(order, *arguments):
    time.sleep(0.05 * order)
    return order


def test_one_batch_runs_at_a_time():
    engine = Batches(OtherBackend(), 2, None)
    engine.submit(0, slowly, 0)
    engine.submit(6, slowly, 6)
    found, given, until = [], set(), time.monotonic() + 30
    while len(found) < 4 and time.monotonic() < until:
        found += engine.wait(1.0)
        for order in (1, 2) if found else ():
            if order not in given:
                engine.submit(order, slowly, order)
                given.add(order)
    assert sorted(outcome.value for outcome in found) == [0, 1, 2, 6]


def test_what_waits_for_a_batch_can_be_forgotten():
    engine = Batches(OtherBackend(), 2, None)
    engine.submit(0, slowly, 4)
    engine.wait(0.0)
    engine.submit(1, slowly, 0)
    assert engine.forget(1)
    assert not engine.forget(0)
    found, until = [], time.monotonic() + 30
    while engine._is_running and time.monotonic() < until:
        found += engine.wait(1.0)
    assert [outcome.key for outcome in found] == [0]
    assert not engine._waiting


class Elsewhere(ThreadingBackend):
    """A backend that says that its workers are processes, perhaps of other machines."""

    uses_threads = False


def test_an_unknown_backend_has_another_clock():
    engine = Batches(Elsewhere(), 1, None)
    item = WorkItem(0, None, deadline=Deadline(10.0, FakeClock()))
    engine.submit(0, seconds_left, item)
    found, until = [], time.monotonic() + 30
    while not found and time.monotonic() < until:
        found = engine.wait(0.1)
    (outcome,) = found
    assert 5.0 < outcome.value <= 10.0


def seconds_left(item, data, keep_model):
    return item.deadline.seconds_left


def test_what_cannot_be_sent_to_an_unknown_backend_fails_alone():
    engine = Batches(Elsewhere(), 2, None)
    engine.submit(0, slowly, WorkItem(0, threading.Lock()))
    engine.submit(1, number_of, WorkItem(1, None))
    found, until = [], time.monotonic() + 30
    while len(found) < 2 and time.monotonic() < until:
        found += engine.wait(1.0)
    outcomes = {outcome.key: outcome for outcome in found}
    assert "cannot be sent to a worker: TypeError" in outcomes[0].error
    assert outcomes[1].value == 1


def number_of(item, data, keep_model):
    return item.number


class Failing(Engine):
    """An engine that loses all that it has, after a while."""

    def wait(self, seconds):
        time.sleep(0.05)
        keys, self._waiting = [key for key, _ in self._waiting], []
        return [engines.Outcome(key, None, "died", "it died") for key in keys]


def opened(monkeypatch, engine):
    monkeypatch.setattr("automodel.search.workers.backends.open_engine", engine)
    return BackendWorkers(1, make_folds(), OtherBackend())


def test_a_loss_takes_the_time_that_it_took(monkeypatch):
    """Its family would be thought to cost nothing otherwise."""
    with opened(monkeypatch, Failing) as workers:
        ((_, evaluation),) = workers.run([WorkItem(0, Candidate(StubFamily(), {}))])
    assert evaluation.status == "failed"
    assert evaluation.seconds >= 0.05


def test_what_is_late_takes_the_time_that_it_took(monkeypatch, hanging):
    item = WorkItem(
        0, Candidate(hanging, {"quality": 1.0, "mode": "hang"}), Deadline.after(0.3)
    )
    with opened(monkeypatch, engines.Threads) as workers:
        ((_, evaluation),) = workers.run([item])
        assert evaluation.status == "stopped"
        assert evaluation.seconds >= 0.3
        assert "may still run: 1" in workers.problem


def test_what_is_lost_at_its_end_does_not_run_again(monkeypatch):
    submitted = []

    class Late(Failing):
        def submit(self, key, *arguments):
            submitted.append(key)
            super().submit(key, *arguments)

        def wait(self, seconds):
            time.sleep(0.1)
            return super().wait(seconds)

    item = WorkItem(0, Candidate(StubFamily(), {}), Deadline.after(0.1))
    with opened(monkeypatch, Late) as workers:
        ((_, evaluation),) = workers.run([item])
    assert evaluation.status == "stopped"
    assert submitted == [0]


def test_a_refit_that_fails_is_no_trial_that_is_lost(monkeypatch):
    order = Refit(0, Candidate(StubFamily(), {}), None)
    with opened(monkeypatch, Failing) as workers:
        assert workers.refit([order]) == [None]
        assert workers.problem == ""


def test_what_has_failed_already_does_not_run_where_a_backend_is_gone(monkeypatch):
    class Choosy(Falling):
        def submit(self, key, *arguments):
            if key == 0:
                raise engines.UnsendableError("it is a lock")
            super().submit(key, *arguments)

    monkeypatch.setattr(Choosy, "n_submitted", 1)
    items = [WorkItem(n, Candidate(StubFamily(), {})) for n in range(2)]
    monkeypatch.setattr("automodel.search.workers.backends.open_engine", Choosy)
    with BackendWorkers(2, make_folds(), OtherBackend()) as workers:
        workers._engine.n_jobs = 2
        found = {item.number: one.status for item, one in workers.run(items)}
        assert workers.n_jobs == 1
    assert found == {0: "failed", 1: "complete"}


def test_a_refit_that_is_late_does_not_begin_in_this_process():
    deadline = Deadline.after(60.0)
    order = Refit(0, Candidate(StubFamily(), {}), None, deadline, seconds=90.0)
    engine = Engine(None, 1, make_folds())
    engine.submit(0, refit, order)
    assert [outcome.value for outcome in engine.wait(0.0)] == [None]


class FakeFuture:
    """What Dask returns, of a result that is there or never comes."""

    status = "finished"

    def __init__(self, result):
        self.result = result

    def add_done_callback(self, call):
        call(self)

    def release(self):
        pass


class FakeDask:
    """The client and the backend of a cluster whose first result was lost."""

    status = "running"

    def __init__(self):
        self.is_over = threading.Event()
        self.client = self
        self.n_submitted = 0
        self.n_scatters_that_hang = 0

    def scatter(self, data, **options):
        self.n_scatters_that_hang -= 1
        if self.n_scatters_that_hang >= 0:
            self.is_over.wait()
        return FakeFuture(lambda seconds: data)

    def submit(self, call, message, data, **options):
        self.n_submitted += 1
        is_first = self.n_submitted == 1
        return FakeFuture(
            lambda seconds: self.is_over.wait(5.0) if is_first else call(message, data)
        )

    def scheduler_info(self):
        self.is_over.wait()
        return {"workers": {}}


@pytest.fixture
def dask():
    """Return an engine of a cluster that no longer answers all that it is asked."""
    cluster = FakeDask()
    engine = engines.Dask(cluster, 2, None)
    yield engine
    engine.close()
    cluster.is_over.set()


def first_of(engine):
    """Return the first outcomes of an engine."""
    found, until = [], time.monotonic() + 30
    while not found and time.monotonic() < until:
        found = engine.wait(0.1)
    return found


def test_a_result_that_does_not_come_holds_up_no_other(dask):
    for number in (0, 1):
        dask.submit(number, number_of, WorkItem(number, None))
    assert [outcome.key for outcome in first_of(dask)] == [1]


def test_data_that_do_not_arrive_are_sent_again(dask, monkeypatch):
    monkeypatch.setattr(engines, "FIRST_SCATTER_SECONDS", 0.01)
    dask._client.n_scatters_that_hang = 3
    for number in (0, 1):
        dask.submit(number, number_of, WorkItem(number, None))
    assert [outcome.key for outcome in first_of(dask)] == [1]


def test_data_are_sent_until_the_deadline(dask):
    dask._client.n_scatters_that_hang = 1
    with pytest.raises(TimeoutError):
        dask.submit(0, number_of, WorkItem(0, None, Deadline.after(0.0)))


def test_a_scheduler_that_does_not_answer_is_not_waited_for(dask, monkeypatch):
    monkeypatch.setattr(engines, "ASK_SECONDS", 100.0)
    start = time.monotonic()
    assert dask.wait(0.0) == []
    assert time.monotonic() - start < 60
    dask._gone_at = Deadline.after(0.0)
    with pytest.raises(engines.EngineError, match="no workers"):
        dask.wait(0.0)


def test_an_unknown_backend_runs_batches():
    assert type(open_engine(OtherBackend(), 2, None)) is Batches


def test_threads_of_an_outer_call_are_no_choice_of_the_user():
    with joblib.parallel_config(ThreadingBackend(nesting_level=1)):
        assert type(open_workers(1, None, 10**9)) is OwnProcesses
        assert type(open_workers(2, None)) is OwnProcesses
    with joblib.parallel_config("multiprocessing"):
        assert type(open_workers(2, None)) is OwnProcesses
