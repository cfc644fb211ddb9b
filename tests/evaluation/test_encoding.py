"""What encoders make of the rows: kept for each fold, or computed once for all."""

import mmap
import os
import pickle
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.parallel import get_active_backend
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone

from automodel import AutoClassifier
from automodel.clock import Deadline
from automodel.evaluation import encoding
from automodel.evaluation.encoding import full_repr, transformed
from automodel.evaluation.evaluate import Candidate, evaluate
from automodel.evaluation.fitted_model import FittedModel, share_parts
from automodel.exceptions import DeadlineReached, TrialPruned
from automodel.file_lock import try_lock, unlock
from automodel.preprocessing import stateless
from automodel.preprocessing.components import Components
from automodel.preprocessing.side_by_side import MeanOf, SideBySide
from automodel.preprocessing.some_columns import SomeColumns
from automodel.preprocessing.tabular import TabularEncoder
from automodel.preprocessing.text.texts import Texts
from automodel.search.workers.backends import BackendWorkers
from automodel.search.workers.base import Workers
from automodel.search.workers.open import open_workers
from automodel.search.workers.work import WorkItem
from automodel.some_rows import SomeRows
from tests.conftest import CHEAP, FakeClock, NosyFamily, StubFamily, environment
from tests.evaluation.test_folds import make_folds
from tests.test_mapped import origin

N_ROWS = 1000  # several parts
FOREVER = Deadline()
KINDS = ("array", "matrix", "frame")


class Doubled(TransformerMixin, BaseEstimator):
    """Learns nothing; notes in a file how many rows it is given."""

    def __init__(self, log, kind="array"):
        self.log = log
        self.kind = kind

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def transform(self, rows):
        with Path(self.log).open("a") as file:
            file.write(f"{len(rows)}\n")
        X = 2 * rows.numeric.astype(np.float32)
        if self.kind == "matrix":
            return sparse.csr_matrix(X * (X > 0))
        if self.kind == "frame":
            return pd.DataFrame(X).astype({0: "float64"})
        return X.astype(object) if self.kind == "objects" else X


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "folder"
    made.mkdir()
    return made


def rows_encoded(log):
    return sum(map(int, log.read_text().split())) if log.exists() else 0


def folds_of(n_folds=3, n_rows=N_ROWS, folder=None):
    folds = make_folds(n_rows)
    rows = np.arange(n_rows)
    splits = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(n_folds)]
    folds = replace(folds, splits=splits)
    folds.encodings.folder = folder
    return folds


def encoded(folds, fold, encoder, deadline=FOREVER):
    rows = folds.splits[fold][0] if fold >= 0 else slice(None)
    return folds.encoded(fold, encoder, folds.y[rows], deadline)


def dense(X):
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


def kept_in(folder):
    return sorted(path.suffix for path in folder.iterdir())


# What learns from the rows


class Noted(TransformerMixin, BaseEstimator):
    """Learns the mean; notes what it was fitted on."""

    def fit_transform(self, X, y=None, sample_weight=None, groups=None):
        self.fitted_on = len(X), y, sample_weight, groups
        self.mean_ = X.numeric.mean(axis=0)
        return X.numeric - self.mean_

    def transform(self, X):
        return X.numeric - self.mean_


class Lengths(Doubled):
    """Learns nothing; counts the characters of texts."""

    def transform(self, rows):
        with Path(self.log).open("a") as file:
            file.write(f"{len(rows)}\n")
        return np.array([[len(text)] for text in rows], dtype=np.float32)


class Prepared(Noted):
    """Needs what an encoder that learns nothing makes of texts."""

    texts = Texts(np.array(["a" * (i % 7) for i in range(600)], dtype=object))

    def __init__(self, log, seconds=0.0):
        self.log = log
        self.seconds = seconds

    def prepare_rows(self, rows, output_of):
        self.prepared_ = output_of(Lengths(self.log), self.texts, self.seconds)


def test_what_an_encoder_needs_is_computed_once_for_all_folds_and_processes(
    log, folder
):
    folds = folds_of(folder=folder)
    expected = np.arange(600).reshape(-1, 1) % 7
    for own in (folds, pickle.loads(pickle.dumps(folds))):
        for fold in (0, 1, -1):
            encoder, *_ = encoded(own, fold, Prepared(log))
            np.testing.assert_array_equal(encoder.prepared_, expected)
    assert rows_encoded(log) == 600
    encoded(folds, 0, Doubled(log))
    assert rows_encoded(log) == 600 + N_ROWS


def test_what_an_encoder_needs_obeys_the_deadline(log):
    over = Deadline.after(0.0, FakeClock())
    with pytest.raises(DeadlineReached):
        encoded(folds_of(), 0, Prepared(log), over)


@pytest.mark.parametrize("is_shared", [False, True])
def test_what_an_encoder_needs_is_not_begun_too_late(is_shared, log, folder):
    folds = folds_of(folder=folder if is_shared else None)
    soon = Deadline.after(10.0, FakeClock())
    with pytest.raises(TrialPruned):
        encoded(folds, 0, Prepared(log, seconds=6.0), soon)
    assert rows_encoded(log) == 0
    encoded(folds, 0, Prepared(log, seconds=4.0), soon)
    encoded(folds, 1, Prepared(log, seconds=6.0), soon)  # it is there by now
    assert rows_encoded(log) == 600


class Chosen(TransformerMixin, BaseEstimator):
    """Takes some columns, whose list is long."""

    def __init__(self, columns):
        self.columns = columns

    def fit_transform(self, X, y=None, sample_weight=None):
        return X.numeric[:, self.columns]

    def transform(self, X):
        return X.numeric[:, self.columns]


def test_what_learns_is_fitted_on_the_training_rows_of_each_fold(folder):
    weight, groups = np.arange(1.0, N_ROWS + 1), np.arange(N_ROWS) % 3
    folds = replace(folds_of(), sample_weight=weight, groups=groups)
    folds.encodings.folder = folder
    for fold, (train, valid) in enumerate(folds.splits):
        encoder, X_train, X_valid = encoded(folds, fold, Noted())
        n_rows, *given = encoder.fitted_on
        assert n_rows == len(train)
        for found, expected in zip(
            given, (folds.y[train], weight[train], groups[train]), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
        mean = folds.rows.numeric[train].mean(axis=0)
        np.testing.assert_array_equal(X_train, folds.rows.numeric[train] - mean)
        np.testing.assert_array_equal(X_valid, folds.rows.numeric[valid] - mean)
        assert encoded(folds, fold, Noted())[0] is encoder
    assert not list(folder.iterdir())


def test_groups_are_not_passed_to_what_takes_none():
    folds = replace(folds_of(), groups=np.arange(N_ROWS))
    assert encoded(folds, 0, Chosen([0, 1]))[1].shape[1] == 2


def test_what_is_encoded_does_not_travel():
    folds = folds_of()
    before = len(pickle.dumps(folds))
    encoder = encoded(folds, 0, TabularEncoder())[0]
    assert len(pickle.dumps(folds)) == before
    assert encoded(folds, 0, TabularEncoder())[0] is encoder
    folds.forget_encoded()
    assert encoded(folds, 0, TabularEncoder())[0] is not encoder


def test_what_is_over_the_limit_is_encoded_again(monkeypatch):
    folds = folds_of()
    _, X_train, X_valid = encoded(folds, 0, Noted())
    monkeypatch.setattr(encoding, "CACHE_BYTES", X_train.nbytes + X_valid.nbytes)
    first = [encoded(folds, fold, Noted())[0] for fold in (0, 1)]
    assert encoded(folds, 1, Noted())[0] is first[1]
    assert encoded(folds, 0, Noted())[0] is not first[0]


def test_a_large_encoding_is_forgotten_before_the_next_is_made(monkeypatch):
    held = []

    class Watched(Noted):
        def fit_transform(self, X, y=None, **options):
            held.append(len(folds.encodings._of_folds))
            return super().fit_transform(X, y, **options)

    folds = folds_of()
    monkeypatch.setattr(encoding, "CACHE_BYTES", 1)
    for fold in (0, 1):
        encoded(folds, fold, Watched())
    assert held == [0, 0]
    assert len(folds.encodings._of_folds) == 1


class Shifted(TransformerMixin, BaseEstimator):
    """Fits and transforms as scikit-learn has it, with or without weights."""

    def fit(self, X, y=None, sample_weight=None):
        self.mean_ = np.average(X.numeric, axis=0, weights=sample_weight)
        return self

    def transform(self, X):
        return X.numeric - self.mean_


@pytest.mark.parametrize("is_weighted", [False, True])
def test_an_encoder_may_leave_fit_transform_to_scikit_learn(is_weighted):
    weight = np.arange(1.0, N_ROWS + 1) if is_weighted else None
    folds = replace(folds_of(), sample_weight=weight)
    train = folds.splits[0][0]
    _, X_train, _ = encoded(folds, 0, Shifted())
    part = None if weight is None else weight[train]
    assert np.average(X_train, axis=0, weights=part) == pytest.approx(0, abs=1e-9)


def test_encoders_whose_repr_is_shortened_are_told_apart():
    folds = folds_of()
    one, other = [0] * 400, [0] * 400
    other[200] = 1
    assert repr(Chosen(one)) == repr(Chosen(other))
    parts = [encoded(folds, 0, Chosen(columns))[1] for columns in (one, other)]
    assert not np.array_equal(*parts)


def test_refits_share_what_is_encoded_of_all_rows():
    folds = folds_of()
    encoder, X, none = encoded(folds, -1, Chosen([0, 1]))
    assert (X.shape, none.shape) == ((N_ROWS, 2), (0, 2))
    of_fold = encoded(folds, 0, Chosen([0, 1]))[0]
    folds.forget_encoded(but=-1)
    assert encoded(folds, -1, Chosen([0, 1]))[0] is encoder
    assert encoded(folds, 0, Chosen([0, 1]))[0] is not of_fold


# What learns nothing


@pytest.mark.parametrize("kind", [*KINDS, "objects"])
@pytest.mark.parametrize("has_folder", [True, False])
def test_what_learns_nothing_is_computed_once_for_all_folds(
    kind, has_folder, log, folder
):
    folds = folds_of(folder=folder if has_folder else None)
    expected = Doubled(os.devnull, kind).transform(folds.rows)
    for fold in (0, 1, 2, -1):
        encoder, *parts = encoded(folds, fold, Doubled(log, kind))
        assert isinstance(encoder, Doubled)
        all_rows = np.arange(N_ROWS), np.arange(0)
        rows = folds.splits[fold] if fold >= 0 else all_rows
        for X, own in zip(parts, rows, strict=True):
            np.testing.assert_array_equal(dense(X), dense(expected)[own])
            assert type(X) is type(expected)
            assert getattr(X, "dtype", None) == getattr(expected, "dtype", None)
            if kind == "frame":
                assert X.dtypes.equals(expected.dtypes)
    assert rows_encoded(log) == N_ROWS


@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_it_is_mapped_and_cannot_be_written_to(kind, log, folder):
    rows = folds_of().rows
    path = folder / "encoded-one"
    X, is_mapped = stateless.output_of(Doubled(log, kind), rows, path, FOREVER)
    assert is_mapped
    array = X.data if kind == "matrix" else X
    assert type(array) is np.ndarray
    assert isinstance(origin(array), mmap.mmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1.0
    assert kept_in(folder) == [".lock", ".npy" if kind == "array" else ".mapped"]


@pytest.mark.parametrize("fold", [0, -1])
@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_it_can_be_written_to_and_hold_no_file(fold, kind, log, folder):
    folds = folds_of(folder=folder)
    for part in encoded(folds, fold, Doubled(log, kind))[1:]:
        array = part.data if kind == "matrix" else np.asarray(part)
        assert array.flags.writeable
        assert not isinstance(origin(array), mmap.mmap)
    assert not folds.encodings._outputs


@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_another_process_reads_what_one_has_computed(kind, log, folder):
    folds = folds_of(folder=folder)
    _, *parts = encoded(folds, 0, Doubled(log, kind))
    other = pickle.loads(pickle.dumps(folds))
    for X, found in zip(parts, encoded(other, 0, Doubled(log, kind))[1:], strict=True):
        np.testing.assert_array_equal(dense(found), dense(X))
    assert rows_encoded(log) == N_ROWS


def test_encoders_of_other_parameters_are_computed_apart(log, folder):
    folds = folds_of(folder=folder)
    for kind in ("array", "matrix"):
        encoded(folds, 0, Doubled(log, kind))
    assert rows_encoded(log) == 2 * N_ROWS
    assert kept_in(folder) == [".lock", ".lock", ".mapped", ".npy"]


def test_a_parameter_known_by_its_address_alone_is_not_looked_up(log, folder):
    encoder = Doubled(log, kind=lambda: None)
    assert " at 0x" in full_repr(encoder)
    encoded(folds_of(folder=folder), 0, encoder)
    assert not list(folder.iterdir())


def test_refits_keep_it_and_the_end_of_the_search_does_not(log):
    folds = folds_of()
    for but, n_times in ((None, 1), (-1, 2), (None, 2), (None, 3)):
        encoded(folds, 0, Doubled(log))
        assert rows_encoded(log) == n_times * N_ROWS
        folds.forget_encoded(but)


def test_threads_compute_it_once(log):
    folds = folds_of()
    both = threading.Barrier(2)

    def run():
        both.wait()
        encoded(folds, 0, Doubled(log))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows_encoded(log) == N_ROWS


# Where there is no place for it


def gone(folder, monkeypatch):
    folder.rmdir()


def taken_away_while_it_is_written(folder, monkeypatch):
    def fail(path, target):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "replace", fail)


def full(folder, monkeypatch):
    usage = type("Usage", (), {"free": 0})
    monkeypatch.setattr(stateless.shutil, "disk_usage", lambda path: usage)


def without_locks(folder, monkeypatch):
    def fail(file):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(stateless, "try_lock", fail)


@pytest.mark.parametrize(
    "trouble", [gone, taken_away_while_it_is_written, full, without_locks]
)
def test_without_a_place_it_is_kept_in_memory(trouble, log, folder, monkeypatch):
    folds = folds_of(folder=folder)
    trouble(folder, monkeypatch)
    _, X, _ = encoded(folds, -1, Doubled(log))
    np.testing.assert_array_equal(X, Doubled(log).transform(folds.rows))
    assert not folder.exists() or set(kept_in(folder)) <= {".lock"}
    before = rows_encoded(log)
    encoded(folds, 0, Doubled(log))
    assert rows_encoded(log) == before


# Several processes, and those that die


class SteppedClock:
    """Time that passes where it is waited for; `on_wait` is what others do then."""

    def __init__(self, on_wait=lambda: None):
        self.moment = 0.0
        self.on_wait = on_wait

    def now(self):
        return self.moment

    def wait(self, seconds):
        self.moment += seconds
        self.on_wait()


def test_while_one_computes_the_others_wait(log, folder):
    folds = folds_of(folder=folder)
    encoded(folds, 0, Doubled(log))
    (path,) = folder.glob("*.npy")
    away = path.rename(folder / "away")
    other = pickle.loads(pickle.dumps(folds))
    with path.with_suffix(".lock").open("ab") as file:
        assert try_lock(file)

        def finish():
            away.rename(path)
            unlock(file)

        encoded(other, 0, Doubled(log), Deadline(60.0, SteppedClock(finish)))
    assert rows_encoded(log) == N_ROWS


def test_they_wait_no_longer_than_until_the_deadline(log, folder):
    folds = folds_of(folder=folder)
    encoded(folds, 0, Doubled(log))
    (path,) = folder.glob("*.npy")
    path.unlink()
    folds.forget_encoded()
    with path.with_suffix(".lock").open("ab") as file:
        assert try_lock(file)
        with pytest.raises(DeadlineReached):
            encoded(folds, 0, Doubled(log), Deadline(60.0, SteppedClock()))
    encoded(folds, 0, Doubled(log))
    assert rows_encoded(log) == 2 * N_ROWS


class Killed(Doubled):
    """The process is killed when it asks for a third part."""

    def transform(self, rows):
        X = super().transform(rows)
        if Path(self.log).read_text().count("\n") == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return X


DIES = """
import sys
from pathlib import Path
from {module} import Killed, encoded, folds_of
encoded(folds_of(folder=Path(sys.argv[1])), 0, Killed(sys.argv[2], sys.argv[3]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_what_a_killed_process_leaves_is_continued(kind, log, folder):
    code = DIES.format(module=Killed.__module__)
    command = [sys.executable, "-c", code, str(folder), str(log), kind]
    done = subprocess.run(command, env=environment(), check=False)
    assert done.returncode == -signal.SIGKILL
    assert kept_in(folder) == [".draft", ".lock"]
    folds = folds_of(folder=folder)
    _, X, _ = encoded(folds, -1, Killed(str(log), kind))
    expected = Doubled(os.devnull, kind).transform(folds.rows)
    np.testing.assert_array_equal(dense(X), dense(expected))
    assert ".draft" not in kept_in(folder)
    assert rows_encoded(log) == N_ROWS + stateless.PART_ROWS  # that of the kill


class NosyDoublingFamily(NosyFamily):
    """Its encoder learns nothing, and it trains in every worker."""

    def __init__(self, path, log):
        super().__init__(path, n_workers=2)
        self.log = log

    def preprocessor(self, estimator, task):
        return Doubled(self.log)


@pytest.mark.slow
def test_worker_processes_compute_it_once(tmp_path, log):
    family = NosyDoublingFamily(tmp_path / "seen", log)
    items = [WorkItem(number, Candidate(family, {})) for number in range(4)]
    with open_workers(2, folds_of()) as workers:
        found = [evaluation.status for _, evaluation in workers.run(items)]
        assert sorted(map(str, workers._folder.rglob("*.npy")))
    assert found == ["complete"] * 4
    assert len(family.workers()) == 2
    assert rows_encoded(log) == N_ROWS


@pytest.mark.slow
def test_processes_of_a_backend_compute_it_once(log):
    with joblib.parallel_config("loky"):
        backend, _ = get_active_backend()
        items = [WorkItem(n, Candidate(DoublingFamily(log), {})) for n in range(4)]
        with BackendWorkers(2, folds_of(), backend) as workers:
            found = [evaluation.status for _, evaluation in workers.run(items)]
    assert found == ["complete"] * 4
    assert rows_encoded(log) == N_ROWS


class SlowDoublingFamily(StubFamily):
    """Its encoder learns nothing, and takes a million seconds for each part."""

    clock = FakeClock()

    def __init__(self, log):
        super().__init__("slow")
        self.log = log

    def preprocessor(self, estimator, task):
        return Slow(self.log)


class Slow(Doubled):
    clock = SlowDoublingFamily.clock

    def transform(self, rows):
        self.clock.wait(1e6)
        return super().transform(rows)


def test_a_deadline_within_it_stops_the_trial(log):
    deadline = Deadline.after(1e5, SlowDoublingFamily.clock)
    item = WorkItem(0, Candidate(SlowDoublingFamily(log), {}), deadline)
    with Workers(1, folds_of()) as workers:
        ((_, evaluation),) = workers.run([item])
        assert (evaluation.status, evaluation.error) == ("stopped", "")
        assert kept_in(workers.folds.encodings.folder) == [".draft", ".lock"]
    assert rows_encoded(log) == stateless.PART_ROWS


def test_trials_that_are_stopped_complete_it_together(log):
    clock = SlowDoublingFamily.clock
    found = []
    with Workers(1, folds_of()) as workers:
        while "complete" not in found and len(found) < 9:
            deadline = Deadline.after(1e5, clock)  # less than a part takes
            item = WorkItem(0, Candidate(SlowDoublingFamily(log), {}), deadline)
            found += [evaluation.status for _, evaluation in workers.run([item])]
    assert found == ["stopped"] * 4 + ["complete"]
    assert rows_encoded(log) == N_ROWS


class JoinedSlowFamily(SlowDoublingFamily):
    joins_folds = True

    def fit_folds(self, estimator, parts, *, monitor):
        monitor.check_time()
        return [clone(estimator).fit(part.X, part.y) for part in parts]


@pytest.mark.parametrize("family", [SlowDoublingFamily, JoinedSlowFamily])
def test_it_is_no_time_of_the_trial_that_computes_it(family, log, folder):
    deadline = Deadline.after(1e9, family.clock)
    candidate = Candidate(family(log), {})
    folds = folds_of(folder=folder)
    result = evaluate(candidate, folds, deadline=deadline, time_limit=1.0)
    assert (result.status, result.error) == ("complete", "")
    assert result.seconds < 1e5


def test_it_is_the_time_of_no_other_thread(log):
    folds = folds_of()
    thread = threading.Thread(
        target=encoded, args=(folds, 0, Slow(log), Deadline(1e9, Slow.clock))
    )
    thread.start()
    thread.join()
    assert rows_encoded(log) == N_ROWS
    assert folds.encodings.shared_seconds == 0.0


# Its limits


def test_outputs_in_memory_are_forgotten_beyond_the_limit(log, monkeypatch):
    folds = folds_of()
    encoders = [Doubled(log, kind) for kind in ("array", "also an array")]
    _, X, _ = encoded(folds, -1, encoders[0])
    monkeypatch.setattr(encoding, "CACHE_BYTES", X.nbytes)
    for encoder, n_times in zip(
        [*encoders, *encoders[::-1]], (1, 2, 2, 3), strict=True
    ):
        encoded(folds, 0, encoder)
        assert rows_encoded(log) == n_times * N_ROWS


def test_new_rows_are_encoded_in_parts(log):
    folds = folds_of()
    np.testing.assert_array_equal(
        transformed(Doubled(log), folds.rows), Doubled(log).transform(folds.rows)
    )
    sizes = [int(line) for line in log.read_text().split()]
    assert max(sizes[:-1]) == stateless.PART_ROWS


# What an encoder may not do


class Missing(Doubled):
    """Cannot read the images of its second part."""

    def transform(self, rows):
        X = super().transform(rows)
        if len(Path(self.log).read_text().split()) > 1:
            raise OSError("cannot identify image file")
        return X


def test_its_own_error_is_raised_at_once(log, folder):
    with pytest.raises(OSError, match="cannot identify"):
        encoded(folds_of(folder=folder), 0, Missing(log))
    assert rows_encoded(log) == 2 * stateless.PART_ROWS


class Odd(Doubled):
    """Breaks the contract in its second part."""

    def transform(self, rows):
        X = super().transform(rows)
        if Path(self.log).read_text().count("\n") < 2:
            return X
        return {
            "fewer rows": X[1:],
            "more columns": np.hstack([X, X]),
            "another type": X.astype(np.float64),
        }[self.kind]


@pytest.mark.parametrize("kind", ["fewer rows", "more columns", "another type"])
def test_parts_that_do_not_fit_together_are_an_error(kind, log, folder):
    with pytest.raises(ValueError, match="must return"):
        encoded(folds_of(folder=folder), 0, Odd(log, kind))
    assert ".npy" not in kept_in(folder)


# Models of several folds


def test_models_share_an_encoder_that_learns_nothing_among_all_folds(log):
    def models_of(encoder):
        return [FittedModel(clone(encoder), None, None, 1, fold) for fold in (0, 1, -1)]

    models = [*models_of(Doubled(log)), *models_of(Doubled(log))]
    share_parts([*models, other := models_of(Doubled(log, "matrix"))[0]], None)
    assert len({id(model.encoder) for model in models}) == 1
    assert other.encoder is not models[0].encoder
    share_parts(models := models_of(Noted()), None)
    assert len({id(model.encoder) for model in models}) == 3


def test_encoders_side_by_side_are_each_used_once(log):
    alone, other = Doubled(log), Doubled(log, "matrix")
    together = SideBySide([Doubled(log), other])
    folds = folds_of()
    for fold in (0, 1, -1):
        _, *expected = encoded(folds, fold, alone)
        for part, own in zip(encoded(folds, fold, together)[1:], expected, strict=True):
            np.testing.assert_array_equal(
                dense(part), np.hstack([own, own * (own > 0)])
            )
    assert rows_encoded(log) == 2 * N_ROWS
    models = [FittedModel(e, None, None, 1, 0) for e in (clone(alone), clone(together))]
    share_parts(models, None)
    assert models[1].encoder.encoders[0] is models[0].encoder
    found = {}
    for model in models:
        transformed(model.encoder, folds.rows, found)
    assert rows_encoded(log) == 4 * N_ROWS


def test_parts_of_an_output_are_taken_from_one_and_components_learn_in_each_fold(log):
    alone = Doubled(log)
    few, more = (SomeColumns(Doubled(log), ((0, i),)) for i in (1, 2))
    reduced = Components(MeanOf([clone(more), clone(more)]), 1)
    folds = folds_of()
    for fold in (0, 1, -1):
        _, *whole = encoded(folds, fold, alone)
        for i, encoder in enumerate((few, more), start=1):
            _, *parts = encoded(folds, fold, encoder)
            for part, own in zip(parts, whole, strict=True):
                np.testing.assert_array_equal(part, own[:, :i])
        fitted, *parts = encoded(folds, fold, reduced)
        expected = Components(None, 1).fit_output(whole[0][:, :2])
        np.testing.assert_array_equal(parts[0], expected)
        np.testing.assert_array_equal(parts[1], fitted.join([whole[1][:, :2]]))
        again, *_ = encoded(folds, fold, clone(reduced))
        assert again is fitted  # which is kept for other trials
    assert rows_encoded(log) == N_ROWS
    assert not hasattr(reduced, "mean_")


def test_rows_of_an_output_may_stay_in_its_file(log, folder):
    folds, encoder = folds_of(folder=folder), Doubled(log)
    _, *expected = encoded(folds, 0, encoder)
    encoder = clone(encoder)
    encoder.stays_in_file = True
    _, *parts = encoded(folds, 0, encoder)
    for part, own in zip(parts, expected, strict=True):
        assert isinstance(part, SomeRows)
        assert isinstance(origin(part.array), mmap.mmap)
        np.testing.assert_array_equal(np.asarray(part), own)


def test_models_share_the_parts_of_combined_encoders(log):
    def models_of(fold):
        part = SomeColumns(Doubled(log), ((0, 1),))
        reduced = Components(SomeColumns(Doubled(log), ((0, 2),)), 1)
        reduced.mean_, reduced.factors_ = np.full(2, fold), np.ones(2)
        return [FittedModel(own, None, None, 1, fold) for own in (part, reduced)]

    models = [*models_of(0), *models_of(1), *models_of(0)]
    share_parts(models, None)
    assert models[0].encoder is models[2].encoder is models[4].encoder
    assert models[1].encoder is models[5].encoder is not models[3].encoder
    assert models[1].encoder.encoder is models[3].encoder.encoder
    rows, found = folds_of().rows, {}
    outputs = [transformed(model.encoder, rows, found) for model in models]
    assert rows_encoded(log) == N_ROWS
    np.testing.assert_array_equal(outputs[3], outputs[1] - 1)
    np.testing.assert_array_equal(outputs[1][:, :1], outputs[0])


class DoublingFamily(StubFamily):
    """Its encoder learns nothing."""

    def __init__(self, log):
        super().__init__("doubling", trials=[(1.0, "plain"), (0.5, "plain")])
        self.log = log

    def preprocessor(self, estimator, task):
        return Doubled(self.log)


@pytest.mark.parametrize("refit", [True, False])
def test_a_fit_computes_it_once_and_a_prediction_does(refit, log):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    y = np.where(X[:, 0] + rng.normal(size=90) > 0, "yes", "no")
    settings = {**CHEAP, "families": [DoublingFamily(log)], "refit": refit}
    model = AutoClassifier(**settings).fit(X, y)
    assert len(model.leaderboard_) == 2
    assert rows_encoded(log) == 90
    model.predict_proba(np.tile(X, (4, 1)))
    assert rows_encoded(log) == 90 + 360
    assert max(map(int, log.read_text().split())) <= stateless.PART_ROWS
