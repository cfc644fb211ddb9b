"""Orders in which the blocks of several threads begin and end."""

import threading
import warnings

import pytest

from automodel import AutoClassifier
from automodel.quiet import _IGNORE, no_warnings
from tests.conftest import StubFamily, make_task


@pytest.fixture(autouse=True)
def filters():
    """Check that a test leaves the filters as they were."""
    before = list(warnings.filters)
    yield before
    assert list(warnings.filters) == before


def ignoring_block():
    """Return a block as other libraries write them, entered."""
    block = warnings.catch_warnings()
    block.__enter__()
    warnings.simplefilter("ignore", UserWarning)
    return block


def leave(block):
    block.__exit__(None, None, None)


def test_warnings_are_ignored_within_and_heard_after():
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with no_warnings():
            warnings.warn("within", UserWarning, stacklevel=1)
        warnings.warn("after", UserWarning, stacklevel=1)
    assert [str(w.message) for w in heard] == ["after"]


def test_it_is_quiet_until_the_last_of_two_blocks_ends():
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        one, two = no_warnings(), no_warnings()
        one.__enter__()
        two.__enter__()
        leave(one)
        warnings.warn("heard by nobody", UserWarning, stacklevel=1)
        leave(two)
    assert heard == []


def test_a_block_that_began_before_may_end_within():
    quiet = no_warnings()
    other = ignoring_block()
    quiet.__enter__()
    leave(other)
    leave(quiet)


def test_a_block_that_began_within_may_end_after():
    quiet = no_warnings()
    quiet.__enter__()
    other = ignoring_block()
    leave(quiet)
    leave(other)


def test_what_blocks_within_leave_behind_is_cleared():
    with no_warnings():
        one = ignoring_block()
        two = ignoring_block()
        leave(one)
        leave(two)
        assert ("ignore", None, UserWarning, None, 0) in warnings.filters


def test_a_copy_of_the_filter_is_known_as_one():
    """As scikit-learn makes it for the threads of joblib."""
    with no_warnings(), warnings.catch_warnings():
        action, message, category, _, lineno = warnings.filters[0]
        warnings.resetwarnings()
        warnings.filterwarnings(action, message.pattern, category, lineno=lineno)
        assert warnings.filters == [_IGNORE]


def test_an_error_ends_the_block():
    with pytest.raises(KeyError), no_warnings():
        raise KeyError


def test_many_threads_leave_the_filters_as_they_were():
    start = threading.Barrier(8)

    def work():
        start.wait()
        for _ in range(200):
            with no_warnings():
                warnings.warn("quiet", UserWarning, stacklevel=1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_former_names_are_told_within_a_block_and_by_a_fit(frame, labels, cheap):
    class Former(StubFamily):
        def cost(self, params, task):
            return float(task.n_numeric)

    with pytest.warns(FutureWarning, match="Task.n_numeric has moved"), no_warnings():
        make_task("binary", 10, 2, 2).n_numeric  # noqa: B018
    params = cheap | {"families": [Former()], "n_trials": 2}
    with pytest.warns(FutureWarning, match="Task.n_numeric has moved"):
        AutoClassifier(**params).fit(frame, labels)
