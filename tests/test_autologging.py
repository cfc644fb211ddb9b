"""When MLflow's automatic logging is on; with a server in callbacks/."""

import sys

import pytest

from automodel.autologging import (
    autolog_settings,
    is_autologging_a_fit,
    no_autologging,
)
from automodel.containment import contained

NAME = "mlflow.utils.autologging_utils"


@pytest.fixture
def utils():
    return pytest.importorskip(NAME)


def test_without_mlflow_there_is_nothing_to_switch_off(monkeypatch):
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    monkeypatch.delitem(sys.modules, f"{NAME}.safety", raising=False)
    with no_autologging():
        assert autolog_settings() is None
    assert not is_autologging_a_fit()
    assert NAME not in sys.modules


def test_a_module_that_is_still_being_imported_is_left_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, NAME, type(sys)("unfinished"))
    with no_autologging():
        assert autolog_settings() is None


@pytest.mark.parametrize("off", [no_autologging, contained])
def test_it_is_off_inside_and_on_afterwards(utils, off):
    with off():
        assert utils._AUTOLOGGING_GLOBALLY_DISABLED
    assert not utils._AUTOLOGGING_GLOBALLY_DISABLED


def test_it_stays_off_where_the_user_has_switched_it_off(utils):
    with utils.disable_autologging():
        with no_autologging():
            pass
        assert utils._AUTOLOGGING_GLOBALLY_DISABLED
