"""What happens around the callbacks of a search."""

import pytest

from automodel.callbacks import running
from automodel.exceptions import FitWarning


class Callback:
    """Counts how often it was closed, and fails where it is told to."""

    def __init__(self, fails_at=""):
        self.fails_at = fails_at
        self.n_closed = 0

    def setup(self, *, time_budget, n_trials):
        if self.fails_at == "setup":
            raise OSError("no server")

    def teardown(self):
        self.n_closed += 1
        if self.fails_at == "teardown":
            raise OSError("the server is gone")


def test_a_callback_that_cannot_be_closed_warns_and_the_others_are_closed():
    callbacks = [Callback(), Callback("teardown"), Callback()]
    message = "Callback could not be closed: OSError"
    with pytest.warns(FitWarning, match=message), running(callbacks, None, 1, None):
        pass
    assert [c.n_closed for c in callbacks] == [1, 1, 1]


def test_those_that_were_set_up_are_closed_if_another_cannot_be():
    callbacks = [Callback(), Callback("setup"), Callback()]
    with pytest.raises(OSError, match="no server"), running(callbacks, None, 1, None):
        pytest.fail("the search must not begin")
    assert [c.n_closed for c in callbacks] == [1, 0, 0]
