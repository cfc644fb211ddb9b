"""Estimators that another version has saved load, or fail with a message."""

import copy
import pickle
import re
import sys
import types
import warnings

import joblib
import numpy as np
import pytest
from sklearn.datasets import make_classification

from automodel import AutoClassifier, __version__, saved_version
from automodel.cli.saved_model import load_model
from automodel.cli.usage import UsageError
from automodel.exceptions import SavedVersionError, VersionWarning

X, y = make_classification(60, 4, random_state=0)
GONE = "automodel.preprocessing.gone"


@pytest.fixture(scope="module")
def search():
    options = {"time_budget": None, "n_trials": 1, "random_state": 0}
    return AutoClassifier(families=["linear"], **options).fit(X, y)


def of_version(monkeypatch, version):
    """Let another version be the one that runs."""
    monkeypatch.setattr(saved_version, "__version__", version)


@pytest.fixture
def holding_gone(search):
    """An estimator that holds an object whose module exists only in this fixture."""
    module = types.ModuleType(GONE)
    kind = type("Gone", (), {"__module__": GONE})
    module.Gone, sys.modules[GONE] = kind, module
    search = copy.copy(search)
    search._reader = kind()
    yield search
    sys.modules.pop(GONE, None)


def test_the_version_comes_before_all_else_in_a_pickle(search):
    pickled = pickle.dumps(search)
    first = pickled.index(__version__.encode())
    others = re.finditer(rb"(automodel|sklearn|numpy)[\w.]*", pickled)
    before = {found[0] for found in others if found.start() < first}
    assert before == {b"automodel.saved_version"}


@pytest.mark.parametrize("to_file", [False, True])
def test_what_is_gone_is_an_error_that_names_both_versions(
    holding_gone, to_file, tmp_path, monkeypatch
):
    pickled, path = pickle.dumps(holding_gone), tmp_path / "model.joblib"
    joblib.dump(holding_gone, path)
    del sys.modules[GONE]
    of_version(monkeypatch, "99.1.0")
    message = f"saved by automodel {__version__} .* by 99.1.0, which has no {GONE}.Gone"
    with pytest.raises(SavedVersionError, match=f"{message}.*pip install.*fit the"):
        joblib.load(path) if to_file else pickle.loads(pickled)


def test_a_class_that_is_gone_from_its_module_is_an_error(holding_gone, monkeypatch):
    pickled = pickle.dumps(holding_gone)
    del sys.modules[GONE].Gone
    of_version(monkeypatch, "99.1.0")
    with pytest.raises(SavedVersionError, match=GONE):
        pickle.loads(pickled)


def test_the_command_line_says_so_too(holding_gone, tmp_path, monkeypatch):
    path = tmp_path / "model.joblib"
    joblib.dump(holding_gone, path)
    del sys.modules[GONE]
    of_version(monkeypatch, "99.1.0")
    with pytest.raises(UsageError, match=f"saved by automodel {__version__}"):
        load_model(path)


def test_another_minor_version_warns_and_loads(search, monkeypatch):
    pickled = pickle.dumps(search)
    of_version(monkeypatch, "99.1.0")
    message = rf"saved by automodel {__version__} .* loaded by 99\.1"
    with pytest.warns(VersionWarning, match=message):
        again = pickle.loads(pickled)
    assert (again.predict(X) == search.predict(X)).all()


def test_the_same_minor_version_does_not_warn(search, monkeypatch):
    pickled = pickle.dumps(search)
    of_version(monkeypatch, f"{__version__}.post1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickled)


def test_a_file_without_the_mark_loads(search, monkeypatch):
    monkeypatch.delattr("automodel.estimators.base.AutoEstimator.__reduce__")
    pickled = pickle.dumps(search)
    monkeypatch.undo()
    assert b"saved_version" not in pickled
    assert (pickle.loads(pickled).predict(X) == search.predict(X)).all()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_all_protocols_and_copies_predict_the_same(search, protocol):
    expected = search.predict_proba(X)
    again = pickle.loads(pickle.dumps(search, protocol=protocol))
    for own in (again, copy.copy(search), copy.deepcopy(search)):
        np.testing.assert_array_equal(own.predict_proba(X), expected)


def test_what_a_prediction_has_cached_is_not_needed(search):
    own = copy.deepcopy(search)
    before = saved_version.names_within(own.__getstate__())
    own.predict(X)
    assert saved_version.names_within(own.__getstate__()) == before


def test_a_library_that_is_not_installed_is_not_a_matter_of_versions(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    module = "automodel.nets._layers"
    monkeypatch.delitem(sys.modules, module, raising=False)
    assert saved_version.read_mark("99.1.0", [f"{module}:Dropout"])


def test_a_file_can_be_mapped(search, tmp_path):
    path = tmp_path / "model.joblib"
    joblib.dump(search, path)
    mapped = joblib.load(path, mmap_mode="r")
    (member, *_) = mapped.ensemble_.members
    assert isinstance(member.models[0].estimator.coef_, np.memmap)
    assert (mapped.predict(X) == search.predict(X)).all()


def test_an_estimator_that_is_not_fitted_is_saved_with_its_parameters():
    again = pickle.loads(pickle.dumps(AutoClassifier(time_budget=7)))
    assert again.time_budget == 7
