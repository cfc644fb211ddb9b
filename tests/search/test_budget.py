from automodel.search.budget import Budget
from tests.conftest import FakeClock


def test_a_budget_counts_from_its_beginning():
    clock = FakeClock(100.0)
    budget = Budget(60.0, clock=clock)
    clock.wait(20.0)
    assert budget.deadline.moment == 160.0
    assert (budget.elapsed, budget.seconds_left) == (20.0, 40.0)


def test_an_interrupt_leaves_no_more_time_than_there_was():
    clock = FakeClock()
    budget = Budget(60.0, clock=clock)
    budget.end_within(100.0)
    assert budget.seconds_left == 60.0
    budget.end_within(1.0)
    assert budget.seconds_left == 1.0


def test_an_interrupt_ends_a_budget_without_a_limit():
    budget = Budget(None, 10, FakeClock())
    assert not budget.deadline.exists
    budget.end_within(1.0)
    assert budget.seconds_left == 1.0


def test_stages_add_up():
    clock = FakeClock()
    budget = Budget(60.0, clock=clock)
    for seconds in (1.0, 2.0):
        with budget.stage("search"):
            clock.wait(seconds)
    assert budget.used == {"search": 3.0}
