import math

import numpy as np
import pytest

from automodel.search.allocation import (
    FamilyState,
    choose_family,
    has_converged,
    patience,
)


def make_state(name, rank=1, **facts):
    return FamilyState(name, rank, **facts)


def test_new_families_come_first_in_the_order_of_their_ranks():
    states = [
        make_state("good", 1, n_asked=5, n_complete=5, best_score=0.9, seconds=1.0),
        make_state("late", 30),
        make_state("early", 20),
    ]
    assert choose_family(states) == "early"


def test_a_family_whose_trial_would_not_end_in_time_is_left_out():
    states = [
        make_state("slow", 1, n_asked=1, n_complete=1, best_score=0.9, seconds=50.0),
        make_state("fast", 2, n_asked=1, n_complete=1, best_score=0.1, seconds=1.0),
    ]
    assert choose_family(states, seconds_left=10.0) == "fast"
    assert choose_family(states, seconds_left=0.5) is None


def test_a_family_with_a_long_start_is_not_begun_at_the_end():
    states = [make_state("net", start_seconds=3.0)]
    assert choose_family(states, seconds_left=5.0) is None
    assert choose_family(states, seconds_left=20.0) == "net"


def test_a_first_trial_that_fits_into_the_time_given_needs_less_of_it():
    states = [make_state("net", seconds=15.0, least_share=0.15)]
    assert choose_family(states, seconds_left=10.0) == "net"
    assert choose_family(states, seconds_left=7.0) is None
    known = [make_state("net", n_asked=1, n_complete=1, seconds=15.0, least_share=0.15)]
    assert choose_family(known, seconds_left=10.0) is None


def test_what_seldom_helps_is_tried_where_it_costs_little():
    states = [
        make_state("good", 1, n_asked=40, n_complete=40, best_score=0.9, seconds=1.0),
        make_state("odd", 2, seconds=1.0, seldom_helps=True),
    ]
    assert choose_family(states, seconds_left=100.0) == "odd"
    assert choose_family(states, seconds_left=40.0) == "good"
    assert choose_family(states[1:], seconds_left=40.0) == "odd"


def test_a_family_that_only_fails_is_given_up():
    states = [
        make_state("broken", 1, n_asked=2, n_failed=2),
        make_state("fine", 2, n_asked=9, n_complete=9, best_score=0.5, seconds=1.0),
    ]
    assert choose_family(states) == "fine"
    assert choose_family(states[:1]) is None


def test_the_better_of_two_equally_tried_families_is_chosen():
    states = [
        make_state("poor", 1, n_asked=3, n_complete=3, best_score=0.5, seconds=1.0),
        make_state("good", 2, n_asked=3, n_complete=3, best_score=0.8, seconds=1.0),
    ]
    assert choose_family(states) == "good"


def test_no_family_starves():
    names = {"good": 0.9, "middle": 0.8, "poor": 0.5}
    asked = dict.fromkeys(names, 1)
    for _ in range(60):
        states = [
            make_state(
                name, n_asked=n, n_complete=n, best_score=names[name], seconds=1.0
            )
            for name, n in asked.items()
        ]
        chosen = choose_family(states)
        assert chosen is not None
        asked[chosen] += 1
    assert min(asked.values()) >= 2
    assert max(asked, key=lambda name: asked[name]) == "good"


@pytest.mark.parametrize(
    "rows, trials", [(50, 25), (100, 25), (2500, 80), (10**6, 200)]
)
def test_patience_grows_with_the_rows(rows, trials):
    assert patience(rows) == trials


def test_a_search_goes_on_while_it_improves_and_stops_when_it_does_not():
    wait = patience(100)
    rising = list(np.linspace(0.1, 0.9, 3 + wait))
    assert not has_converged(rising, noise=0.01, n_samples=100, n_families=3)
    flat = [0.1, 0.5, 0.9] + [0.4] * wait
    assert has_converged(flat, noise=0.01, n_samples=100, n_families=3)


def test_a_gain_within_the_noise_does_not_prolong_a_search():
    scores = [0.5, 0.9] + [0.9001] * patience(100)
    assert has_converged(scores, noise=0.1, n_samples=100, n_families=2)
    assert not has_converged(scores, noise=0.0, n_samples=100, n_families=2)


def test_a_search_without_any_score_does_not_converge():
    scores = [math.nan] * 100
    assert not has_converged(scores, noise=0.0, n_samples=100, n_families=2)


def test_two_failures_beside_trials_in_flight_are_no_verdict():
    facts = {"n_asked": 5, "n_failed": 2}
    assert choose_family([make_state("one", n_running=3, **facts)]) == "one"
    assert choose_family([make_state("one", n_running=0, **facts)]) is None
    assert (
        choose_family([make_state("one", n_asked=8, n_failed=5, n_running=3)]) is None
    )
