"""What a search keeps of its trials in this process."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.evaluation.fitted_model import DeferredModel, FittedModel
from automodel.search.models import ModelFolder, ModelLoader
from automodel.search.storage.memory import JUDGE_BYTES, SearchStorage
from tests.conftest import StubFamily


def evaluation(score, family="stub", models=()):
    candidate = Candidate(StubFamily(family), {})
    oof = np.zeros((3, 2), dtype=np.float32)
    return Evaluation(candidate, "complete", score=score, oof=oof, models=[*models])


def model(value=1):
    return FittedModel(encoder=None, estimator=value, target=None, fold=2)


def test_those_that_are_put_out_lose_their_arrays_and_files(tmp_path):
    storage = SearchStorage(n_kept=2)
    for number, score in enumerate([0.1, 0.2, 0.3]):
        path = ModelFolder(tmp_path, number)(0, model())
        storage.add(number, evaluation(score, models=[path]), None)
    assert storage.usable() == [2, 1]
    assert storage.evaluations[0].models is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1-0.pickle", "2-0.pickle"]
    assert list(storage.loaded()) == [2, 1]


def test_what_is_put_out_still_judges():
    storage = SearchStorage(n_kept=2)
    for number in range(9):
        storage.add(number, evaluation(number / 10), None)
    usable = storage.loaded()
    assert list(usable) == [8, 7]
    judges = [e.score for e in storage.judges(usable)]
    assert judges == pytest.approx([0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    assert storage.evaluations[0].oof is None


class Boxes:
    """Predictions that are no array."""

    nbytes = 8


def test_predictions_of_any_kind_judge():
    storage = SearchStorage(n_kept=1)
    for number in range(5):
        known = evaluation(number / 10)
        known.oof = Boxes()
        storage.add(number, known, None)
    judges = [e.score for e in storage.judges(storage.loaded())]
    assert judges == pytest.approx([0.4, 0.3, 0.2])


def test_predictions_that_are_large_do_not_judge():
    storage = SearchStorage(n_kept=1)
    for number in range(3):
        known = evaluation(number / 10)
        known.oof = Boxes()
        known.oof.nbytes = JUDGE_BYTES
        storage.add(number, known, None)
    assert [e.score for e in storage.judges(storage.loaded())] == [0.2]


def test_a_model_without_space_stays_in_memory(tmp_path, monkeypatch):
    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    keep = ModelFolder(tmp_path, 7)
    monkeypatch.setattr(Path, "open", full)
    kept = model()
    assert keep(0, kept) is kept
    assert list(tmp_path.iterdir()) == []


def test_a_deferred_model_is_the_model_once_it_is_used(tmp_path):
    path = ModelFolder(tmp_path, 7)(0, model(value="the estimator"))
    late = ModelLoader(Deadline.after(0.0))
    late._seconds = 1e9
    (deferred,) = late.load(7, StubFamily(), [path])
    path.unlink()
    for loaded in (deferred, pickle.loads(pickle.dumps(deferred))):
        assert "_model" not in vars(loaded)
        assert (loaded.estimator, loaded.fold) == ("the estimator", 2)
        assert "_model" in vars(loaded)
    assert pickle.loads(pickle.dumps(deferred)).fold == 2


def test_a_deferred_model_that_cannot_be_loaded_says_so():
    deferred = DeferredModel(b"half a mod")
    with pytest.raises(RuntimeError, match="cannot be loaded. UnpicklingError"):
        hasattr(deferred, "estimator")
