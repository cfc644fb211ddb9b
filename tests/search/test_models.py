"""Files of models: those of trials that may still be used, and no others."""

import json
import os
import tempfile
import threading
from pathlib import Path

import numpy as np
import optuna
import pytest

from automodel import AutoClassifier
from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.evaluation.fitted_model import DeferredModel, FittedModel
from automodel.search import models
from automodel.search.models import ModelFolder, ModelLoader
from automodel.search.storage.archive import Archive
from automodel.search.storage.participants import Participants
from tests.conftest import CHEAP, FakeClock, StubFamily, make_frame, make_signal

X = make_frame()
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")
TRIALS = [(0.9, "plain"), (0.8, "raise"), (0.7, "exit"), (0.6, "plain")]


class LateFault(StubFamily):
    """Does what the mode of a trial says in the last of its three folds only."""

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        if monitor.has_validation and monitor._first_slot < 2 * 16:
            estimator = type(estimator)(estimator.quality)
        return super().fit(
            estimator, X, y, sample_weight=sample_weight, monitor=monitor
        )


class PruneLate(optuna.pruners.BasePruner):
    """Prunes in the second fold what is hardly better than a guess."""

    def prune(self, study, trial):
        values = trial.intermediate_values
        return len(values) == 2 and min(values.values()) < -0.45


def numbers(folder):
    """Return the trials that files of models in a folder are of, drafts too."""
    names = [path.name.lstrip(".") for path in folder.rglob("*.pickle*")]
    return {int(name.split("-")[0]) for name in names if name[0].isdigit()}


def complete(search):
    board = search.leaderboard_
    return set(board.index[board["status"] == "complete"])


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("is_stored", [False, True])
def test_what_failed_or_was_pruned_has_no_files(
    tmp_path, monkeypatch, n_jobs, is_stored
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    trials = [*TRIALS, (0.4, "plain"), (0.9, "report"), (0.3, "plain")]
    if n_jobs == 1:
        trials = [trial for trial in trials if trial[1] != "exit"]
    seen = []
    search = AutoClassifier(
        **CHEAP | {"families": [LateFault(trials=trials)], "n_trials": len(trials)},
        pruner=PruneLate(),
        storage=tmp_path / "runs" if is_stored else None,
        callbacks=[lambda study, trial: seen.append(numbers(tmp_path))],
        n_jobs=n_jobs,
    ).fit(X, LABELS)
    assert {"failed", "pruned"} <= set(search.leaderboard_["status"])
    assert seen[-1] == complete(search)
    assert numbers(tmp_path) == (complete(search) if is_stored else set())


def test_an_interrupted_trial_leaves_no_files(tmp_path):
    trials = [(0.9, "plain"), (0.8, "interrupt")]
    params = CHEAP | {"families": [LateFault(trials=trials)], "n_trials": 2}
    with pytest.warns(UserWarning, match="interrupted"):
        AutoClassifier(**params, storage=tmp_path).fit(X, LABELS)
    assert numbers(tmp_path) == {0}


def a_model(estimator=1):
    return FittedModel(None, estimator, None, fold=2)


def test_a_model_is_in_its_file_in_full_or_not_at_all(tmp_path, monkeypatch):
    keep = ModelFolder(tmp_path, 7)

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("cloudpickle.dump", lambda model, file: file.write(b"half"))
    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        keep(0, a_model())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_drops_the_models_of_its_trial_alone(tmp_path):
    for number in (1, 11):
        for fold in range(2):
            ModelFolder(tmp_path, number)(fold, a_model())
    (tmp_path / ".1-2.pickle").write_bytes(b"half a mod")
    ModelFolder(tmp_path, 1).drop()
    assert numbers(tmp_path) == {11}


def test_a_folder_that_is_away_drops_nothing(tmp_path, monkeypatch):
    def away(*arguments):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "glob", away)
    ModelFolder(tmp_path, 1).drop()


def test_what_cannot_be_pickled_stays_in_memory(tmp_path):
    lock = threading.Lock()
    assert ModelFolder(tmp_path, 7)(0, lock) is lock
    assert list(tmp_path.iterdir()) == []


def take_part(folder, study):
    """Return an archive that has asked for one trial more than there are."""
    archive = Archive(folder, "s")
    archive.enter(["stub"])
    study.add_trial(optuna.trial.create_trial(value=0.0))
    number = len(study.trials) - 1
    assert archive.lease(number, "stub", study.trials[number])
    return archive, number


def evaluation():
    candidate = Candidate(StubFamily(), {})
    return Evaluation(candidate, "complete", score=0.5, oof=np.zeros((3, 2)))


def write_models(archive, number):
    folder = archive.model_folder(number)
    for fold in range(2):
        folder(fold, a_model())
    (folder.folder / f".{folder.name}-2.pickle").write_bytes(b"half a mod")


def kill(archive):
    """Have the participant look as one whose process has died."""
    archive.participants._ended.set()
    path = archive.participants._file(archive.participants.own)
    mark = json.loads(path.read_text())
    path.write_text(json.dumps(mark | {"pid": 2**22 + 1, "start": "1"}))


@pytest.mark.skipif(os.name == "nt", reason="knows no process that has ended")
def test_files_of_a_killed_process_are_removed_by_the_next(tmp_path):
    study = optuna.create_study()
    first, ended = take_part(tmp_path, study)
    write_models(first, ended)
    trial = study.trials[0]
    trial.set_user_attr("number", ended)
    first.record(ended, evaluation(), trial)
    killed, lost = take_part(tmp_path, study)
    write_models(killed, lost)
    kill(killed)
    alive, running = take_part(tmp_path, study)
    write_models(alive, running)
    assert numbers(tmp_path) == {ended, running}
    first.leave()
    assert numbers(tmp_path) == {ended, running}
    alive.leave()
    assert numbers(tmp_path) == {ended}


def test_files_of_a_process_that_enters_meanwhile_stay(tmp_path, monkeypatch):
    study = optuna.create_study()
    first, _ = take_part(tmp_path, study)
    late = []
    real = Participants.living

    def enters_late(self):
        found = real(self)
        if not late:
            late.append(None)
            other, number = take_part(tmp_path, study)
            write_models(other, number)
            late[:] = [other]
        return found

    monkeypatch.setattr(Participants, "living", enters_late)
    first.leave()
    assert numbers(tmp_path) == {1}
    late[0].leave()
    assert numbers(tmp_path) == set()


def test_models_of_other_families_are_left_alone(tmp_path):
    study = optuna.create_study()
    first, number = take_part(tmp_path, study)
    write_models(first, number)
    trial = study.trials[0]
    trial.set_user_attr("number", number)
    first.record(number, evaluation(), trial)
    first.leave()
    other = Archive(tmp_path, "s")
    other.enter(["linear"])
    other.leave()
    assert numbers(tmp_path) == {number}


def stored(tmp_path, n_bytes=10):
    return ModelFolder(tmp_path, 7)(0, a_model(bytes(n_bytes)))


def loaded(loader, path, *requires):
    family = StubFamily()
    family.requires = requires
    (model,) = loader.load(7, family, [path])
    return type(model)


def loader_until(moment):
    return ModelLoader(Deadline(moment, FakeClock()))


def test_models_that_time_is_short_for_are_deferred(tmp_path):
    path = stored(tmp_path, 10**6)
    assert loaded(ModelLoader(), path) is FittedModel
    assert loaded(loader_until(1.0), path) is FittedModel
    assert loaded(loader_until(0.001), path) is DeferredModel
    assert loaded(loader_until(-1.0), stored(tmp_path)) is FittedModel


def test_the_speed_of_loading_is_learned(tmp_path):
    path = stored(tmp_path, 10**6)
    loader = ModelLoader(Deadline(1000.0, FakeClock(step=100.0)))
    before = loader.predict_seconds(10**6)
    assert loaded(loader, path) is FittedModel
    assert loader.predict_seconds(10**6) > 100 * before


def test_a_library_that_takes_too_long_to_import_is_imported_on_use(tmp_path):
    path, slow = stored(tmp_path), StubFamily()
    slow.requires, slow.start_seconds = ("never_imported",), 4.5
    (late,) = loader_until(4.0).load(7, slow, [path])
    assert type(late) is DeferredModel
    loader = loader_until(5.0)
    (model,) = loader.load(7, slow, [path])
    assert type(model) is FittedModel
    loader.deadline = loader_until(1.0).deadline
    (model,) = loader.load(7, slow, [path])  # the import was tried
    assert type(model) is FittedModel


def test_only_libraries_that_models_hold_are_imported(tmp_path):
    path, family = stored(tmp_path), StubFamily()
    family.requires, family.start_seconds = ("never_imported",), 4.5
    family.model_requires = ()
    (model,) = loader_until(1.0).load(7, family, [path])
    assert type(model) is FittedModel


def test_libraries_of_predictions_are_imported_while_there_is_time(
    tmp_path, monkeypatch
):
    imported = []
    monkeypatch.setattr(models, "import_module", imported.append)
    path, family = stored(tmp_path), StubFamily()
    family.requires, family.start_seconds = ("never_imported",), 4.5
    family.model_requires = ()
    loader_until(4.0).load(7, family, [path])
    assert imported == []
    loader_until(5.0).load(7, family, [path])
    assert imported == ["never_imported"]


def test_libraries_without_which_models_predict_are_not_imported(tmp_path, monkeypatch):
    imported = []
    monkeypatch.setattr(models, "import_module", imported.append)
    path, family = stored(tmp_path), StubFamily()
    family.requires, family.start_seconds = ("never_imported",), 4.5
    family.model_requires = family.predict_requires = ()
    for seconds in (1.0, 5.0):
        (model,) = loader_until(seconds).load(7, family, [path])
        assert type(model) is FittedModel
    assert imported == []
