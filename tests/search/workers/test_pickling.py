"""What another process can load, and what it could import."""

import importlib.util
import json
import pickle
import sys

import cloudpickle
import pytest

from automodel.search.workers.pickling import dumps
from tests.conftest import StubFamily


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Return a module that was loaded from a file, and is found by no name."""
    path = tmp_path / "plugin_of_a_test.py"
    path.write_text("class Model:\n    pass\n\ndef twice(x):\n    return 2 * x\n")
    spec = importlib.util.spec_from_file_location("plugin_of_a_test", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "plugin_of_a_test", module)
    spec.loader.exec_module(module)
    return module


def test_what_cannot_be_imported_goes_by_value(plugin, monkeypatch):
    message = dumps((plugin.twice, plugin.Model()))
    assert plugin.__name__ not in cloudpickle.list_registry_pickle_by_value()
    monkeypatch.delitem(sys.modules, "plugin_of_a_test")
    twice, model = pickle.loads(message)
    assert twice(4) == 8
    assert type(model) is plugin.Model  # in this process it is the same class


def test_what_can_be_imported_goes_by_name():
    for known in (json.dumps, StubFamily):
        assert len(dumps(known)) < 100
        assert pickle.loads(dumps(known)) is known


def test_what_the_user_has_registered_stays_so(plugin):
    cloudpickle.register_pickle_by_value(plugin)
    dumps(plugin.twice)
    assert plugin.__name__ in cloudpickle.list_registry_pickle_by_value()
    cloudpickle.unregister_pickle_by_value(plugin)
