"""What many tests share: a family whose behaviour is chosen, and small tables."""

import ctypes
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import validate_data

from automodel.clock import Deadline, SystemClock
from automodel.families import TabularFamily
from automodel.preprocessing.table_facts import TableFacts
from automodel.task import Task


def pytest_collection_modifyitems(items):
    """Start with the files of slow tests, so that parallel processes end together."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def own_temporary_folder(tmp_path_factory):
    """Give each of parallel test processes a temporary folder of its own."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    # A short path: the sockets of Ray are in it, whose names have 107 bytes at most.
    with (
        tempfile.TemporaryDirectory(prefix="t", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def interrupts():
    """Let SIGINT interrupt tests and their processes, also in the background.

    Shells let commands in the background ignore it.
    """
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, earlier)


@pytest.fixture(scope="session", autouse=True)
def no_pretrained_weights(tmp_path_factory):
    """Hide the weights that this machine has, so that tests do the same everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("automodel.nets._weight_packages.PACKAGES", ())
        nothing = str(tmp_path_factory.mktemp("no_weights"))
        patch.setenv("HF_HUB_CACHE", nothing)
        patch.setenv("TORCH_HOME", nothing)
        patch.delenv("AUTOMODEL_WEIGHTS", raising=False)
        yield


CHEAP = {
    "families": ["linear"],
    "n_trials": 2,
    "time_budget": None,
    "cv": 3,
    "random_state": 0,
}


class _Stub(BaseEstimator):
    """Part signal, part nothing: `quality` 1 is a useful model, 0 the mean."""

    def __init__(self, quality=1.0, mode="plain"):
        self.quality = quality
        self.mode = mode

    def _answers(self, values):
        return np.full_like(values, np.nan) if self.mode == "nan" else values


class StubClassifier(ClassifierMixin, _Stub):
    """The nearest class centre, as sure as `quality`."""

    def fit(self, X, y, sample_weight=None):
        X, y = validate_data(self, X, y)
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        self.classes_ = np.unique(y)
        self.centres_ = np.array(
            [
                np.average(X[y == c], axis=0, weights=weight[y == c])
                for c in self.classes_
            ]
        )
        return self

    def predict_proba(self, X):
        X = validate_data(self, X, reset=False)
        distance = ((X[:, None] - self.centres_) ** 2).sum(axis=2)
        nearest = np.eye(len(self.classes_))[distance.argmin(axis=1)]
        share = 0.9 * self.quality
        return self._answers(share * nearest + (1 - share) / len(self.classes_))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class StubRegressor(RegressorMixin, _Stub):
    """Least squares, shrunk to the mean by `1 - quality`."""

    def fit(self, X, y, sample_weight=None):
        X, y = validate_data(self, X, y)
        self.mean_ = np.average(y, weights=sample_weight)
        self.middle_ = X.mean(axis=0)
        self.coef_ = np.linalg.lstsq(X - self.middle_, y - self.mean_, rcond=None)[0]
        return self

    def predict(self, X):
        X = validate_data(self, X, reset=False)
        return self._answers(
            self.mean_ + self.quality * (X - self.middle_) @ self.coef_
        )


class UnweightedStubClassifier(StubClassifier):
    """A `StubClassifier` that knows no weights."""

    def fit(self, X, y):
        return super().fit(X, y)


class UnweightedStubRegressor(StubRegressor):
    """A `StubRegressor` that knows no weights."""

    def fit(self, X, y):
        return super().fit(X, y)


def eat():
    """Allocate memory without end, at most 20 GB."""
    held = []
    while len(held) < 400:
        held.append(np.ones(50_000_000 // 8))


FAULTS = {
    "exit": lambda: os._exit(3),
    "sysexit": lambda: sys.exit(4),
    "segfault": lambda: ctypes.string_at(0),
    "eat": eat,
    "hang": lambda: time.sleep(600),
    "gil": lambda: ctypes.PyDLL(None).sleep(600),
}


class StubFamily(TabularFamily):
    """A family whose trials do as they are told, and are fast and deterministic.

    Parameters
    ----------
    trials : sequence of (float, str)
        Quality and mode of the first trials, see below. The sampler draws the
        quality of all further ones, and their mode from `modes`.
    modes : sequence of str
        "plain": fit. "raise": fail with a ValueError. "nan": predict NaN. "sleep":
        take `seconds`, and obey the monitor. "report": report the quality to the
        monitor in 64 steps. "interrupt": raise KeyboardInterrupt; with
        "interrupt-refit" only when fitted on all rows. "exit", "sysexit", "segfault":
        end the process. "eat": allocate memory without end. "hang": sleep without a
        look at the clock; "gil": the same in native code that holds the GIL.
    is_weighted : bool
        Whether the estimator takes weights.
    """

    def __init__(
        self,
        name="stub",
        *,
        trials=(),
        modes=("plain",),
        seconds=0.1,
        is_weighted=True,
        rank=1,
    ):
        self.name = name
        self.trials = tuple(trials)
        self.modes = tuple(dict.fromkeys([*modes, *(mode for _, mode in trials)]))
        self.seconds = seconds
        self.is_weighted = is_weighted
        self.rank = rank

    def estimator(self, task, random_state):
        if task.is_classification:
            kind = StubClassifier if self.is_weighted else UnweightedStubClassifier
        else:
            kind = StubRegressor if self.is_weighted else UnweightedStubRegressor
        return kind()

    def search_space(self, trial, task):
        return {
            "quality": trial.suggest_float("quality", 0, 1),
            "mode": trial.suggest_categorical("mode", self.modes),
        }

    def portfolio(self, task):
        return [{"quality": quality, "mode": mode} for quality, mode in self.trials]

    def cost(self, params, task):
        return 1.0

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        if estimator.mode == "raise":
            raise ValueError("the stub was told to fail")
        is_refit = not monitor.has_validation
        if estimator.mode == "interrupt" or (
            estimator.mode == "interrupt-refit" and is_refit
        ):
            raise KeyboardInterrupt
        if estimator.mode == "sleep":
            self._sleep(monitor)
        if estimator.mode in FAULTS:
            FAULTS[estimator.mode]()
        if estimator.mode == "report":
            for step in range(1, 65):
                monitor.report(step, estimator.quality)
            monitor.steps_used = 64
        return super().fit(
            estimator, X, y, sample_weight=sample_weight, monitor=monitor
        )

    def _sleep(self, monitor):
        end = Deadline.after(self.seconds, monitor.clock)
        while not end.is_over:
            monitor.check_time()
            monitor.clock.wait(0.005)


class FakeClock:
    """A clock that moves when someone waits, and by a step when it is read."""

    def __init__(self, now=0.0, step=0.0):
        self.moment, self.step = now, step

    def now(self):
        moment, self.moment = self.moment, self.moment + self.step
        return moment

    def wait(self, seconds):
        self.moment += seconds


@pytest.fixture
def no_other_clock(monkeypatch):
    """Let nothing look at the clock of the system, nor wait for it."""

    def refuse(self, *seconds):
        raise AssertionError("the clock of the system was used")

    monkeypatch.setattr(SystemClock, "now", refuse)
    monkeypatch.setattr(SystemClock, "wait", refuse)


@pytest.fixture
def stub_family():
    """Return the class `StubFamily`."""
    return StubFamily


def make_task(kind, n_samples, n_features, n_classes=0, **facts):
    """Return the task of a table; `facts` are those of `TableFacts` and of `Task`.

    Columns of which nothing is said are numeric.
    """
    names = {field.name for field in fields(TableFacts)}
    of_table = {name: facts.pop(name) for name in names & set(facts)}
    others = of_table.get("n_categorical", 0) + of_table.get("n_text", 0)
    if not of_table.get("is_sparse"):
        of_table.setdefault("n_numeric", n_features - others)
    return Task(
        kind,
        n_samples,
        n_outputs=facts.pop("n_outputs", max(n_classes, 1)),
        n_classes=n_classes,
        modality="tabular",
        facts=TableFacts(n_features, **of_table),
        **facts,
    )


def make_frame(n_rows=60, seed=0):
    """Return a frame of numbers and strings, some of them missing."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 10, n_rows),
            "income": rng.lognormal(3, 1, n_rows),
            "city": rng.choice(["Berlin", "Oslo", "Rome"], n_rows),
            "size": rng.integers(0, 5, n_rows),
        }
    )
    frame.loc[3::7, "age"] = np.nan
    frame.loc[5::11, "city"] = None
    return frame


def make_signal(frame, seed=1):
    """Return a number per row that can mostly be learned from the frame."""
    noise = np.random.default_rng(seed).normal(size=len(frame))
    is_rome = (frame["city"] == "Rome").to_numpy(dtype=float)
    age = frame["age"].fillna(40).to_numpy()
    return (age - 40) / 10 + 1.5 * is_rome + 0.5 * noise


@pytest.fixture
def frame():
    """Return a frame of numbers and strings, some of them missing."""
    return make_frame()


@pytest.fixture
def labels(frame):
    """Return two string labels that can be learned from the frame."""
    return np.where(make_signal(frame) > 0.3, "yes", "no")


@pytest.fixture
def values(frame):
    """Return numbers that can be learned from the frame."""
    return make_signal(frame)


@pytest.fixture
def cheap():
    """Return parameters of an estimator that is fitted in a tenth of a second."""
    return dict(CHEAP)


@contextmanager
def mlflow_as_before():
    """Undo what the block sets in MLflow for the whole process."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of MLflow itself
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        try:
            yield
        finally:
            if "mlflow" in sys.modules:
                mlflow = sys.modules["mlflow"]
                mlflow.sklearn.autolog(disable=True)
                # Otherwise `mlflow.autolog()` leaves it switched off.
                settings = mlflow.utils.autologging_utils.AUTOLOGGING_INTEGRATIONS
                settings.pop("sklearn", None)
                mlflow.set_tracking_uri(None)


class NosyFamily(StubFamily):
    """Tells in a file in which process its trainings ran, and if that had torch.

    A training elsewhere than here waits until there was one in `n_workers` processes,
    so that none of them does all the work before the others are up.
    """

    def __init__(self, path, *, n_workers, starts_search=False):
        super().__init__("nosy")
        self.path = path
        self.n_workers = n_workers
        self.starts_search = starts_search
        self.home = os.getpid()

    def fit(self, estimator, X, y, **keywords):
        with self.path.open("a") as file:
            file.write(f"{os.getpid()} {'torch' in sys.modules}\n")
        if os.getpid() != self.home:
            wait_until(lambda: len(self.workers()) >= self.n_workers)
        return super().fit(estimator, X, y, **keywords)

    def workers(self):
        """Return the ids of the processes other than this test's."""
        return {pid for pid, _ in self.seen()} - {self.home}

    def seen(self):
        """Return (process id, whether it had torch) of each training."""
        lines = [line.split() for line in self.path.read_text().splitlines()]
        return [(int(pid), has_torch == "True") for pid, has_torch in lines]


def wait_until(condition):
    """Return whether the condition has come true, within a minute."""
    end = Deadline.after(60.0)
    while not condition():
        if end.is_over:
            return False
        time.sleep(0.02)
    return True


def environment(**variables):
    """Return an environment in which a process finds the package and the tests."""
    path = os.pathsep.join(sys.path)
    return {**os.environ, "PYTHONPATH": path, **variables}


def traces():
    """Return what a fit must leave as it is: processes, files, globals."""
    import psutil
    import threadpoolctl

    children = psutil.Process().children(recursive=True)
    kind, state, *_ = np.random.get_state()  # noqa: NPY002
    return {
        "processes": sorted(c.pid for c in children if not _is_tracker(c)),
        "files": sorted(
            p.name for p in Path(tempfile.gettempdir()).glob("automodel-*")
        ),
        "environment": {k: v for k, v in os.environ.items() if "PYTEST" not in k},
        "signals": {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)},
        "random state": (kind, state.tolist()),
        "threads": [lib["num_threads"] for lib in threadpoolctl.threadpool_info()],
        "timers": sum(type(t) is threading.Timer for t in threading.enumerate()),
    }


def _is_tracker(process):
    """Tell whether a process only looks after the resources of joblib."""
    import psutil

    try:
        return "resource_tracker" in " ".join(process.cmdline())
    except psutil.Error:
        return True


@pytest.fixture
def nothing_left(tmp_path_factory, monkeypatch):
    """Fail if the test leaves a process, a file or a changed global behind.

    The test has a temporary folder of its own: other fits may run on the machine.
    """
    temporary = str(tmp_path_factory.mktemp("temporary"))
    monkeypatch.setenv("TMPDIR", temporary)
    monkeypatch.setattr(tempfile, "tempdir", temporary)
    before = traces()

    def since():  # idle processes of earlier tests may end by themselves
        now = traces()
        others = set(before["processes"]) - set(now["processes"])
        return {**now, "processes": sorted({*now["processes"], *others})}

    yield
    wait_until(lambda: since() == before)  # what was killed may take a moment
    after = since()
    for what, value in before.items():
        assert after[what] == value, what
