import pickle

import pytest

from automodel.reporting.plan_summary import html_of_plan, text_of_plan
from automodel.training.planning.plan_cost import PlanCost
from automodel.training.planning.ranges import Range
from tests.reporting.makers import Page
from tests.reporting.plans import INF, advice, plan


def row(text, name):
    [line] = [line for line in text.splitlines() if line.startswith(name)]
    return line.removeprefix(name).strip()


@pytest.fixture
def text():
    return text_of_plan(plan())


def test_printing_a_plan_says_what_the_fit_takes(text):
    assert str(plan()) == text
    assert row(text, "whole fit").split("  ")[0] == "59 s"
    assert row(text, "whole fit").endswith("54 s to 60 s")
    assert row(text, "first model after").endswith("0.8 s to 2 s")
    assert row(text, "memory of all processes").endswith("1.1 GB to 1.4 GB")
    assert row(text, "memory of the largest worker") == "350 MB"
    assert row(text, "time to predict a row").startswith("0.012 ms")


def test_the_first_lines_name_the_limits_and_the_machine(text):
    first, second = text.splitlines()[:2]
    assert first == "Plan of a fit with a time budget of 60 s"
    assert second.startswith("2 trials at a time on 2 cores, with 8.2 GB of memory")
    both = text_of_plan(plan(max_trials=1)).splitlines()[0]
    assert both.endswith("of 60 s and at most 1 trial")


def test_families_are_listed_with_the_most_trials_first(text):
    assert text.index("catboost") < text.index("linear")
    assert row(text, "catboost").split() == ["41", "30", "52"]


def test_what_is_left_out_advised_and_noted_is_said(text):
    assert "Left out: bert (it reads texts)\n" in text
    assert "With twice the cores, 70 % more.\n" in text
    assert "'own' states no cost" in text


def test_families_that_are_left_out_for_one_reason_are_told_together():
    reasons = {"bert": "it is slow", "mlp": "it reads\nno texts", "knn": "it is slow"}
    text = text_of_plan(plan(left_out=reasons))
    assert "Left out: bert, knn (it is slow)\n" in text
    assert "Left out: mlp (it reads no texts)\n" in text


def test_a_family_that_never_gets_a_trial_is_not_in_the_table():
    text = text_of_plan(
        plan(n_trials={"linear": Range(0, 0, 1), "knn": Range(0, 0, 0)})
    )
    assert row(text, "linear").split() == ["0", "0", "1"]
    assert "knn" not in text


def test_the_text_says_what_the_figures_rest_on(text):
    assert "estimates from 4.9 s of measurements" in " ".join(text.split())


@pytest.mark.parametrize(
    ("ends", "likely", "both"),
    [
        ((INF, INF, INF), "not before its limit", "not before its limit"),
        ((12, INF, INF), "not before its limit", "12 s or not before its limit"),
        ((12, 20, INF), "20 s", "12 s or not before its limit"),
        ((12, 20, 31), "20 s", "12 s to 31 s"),
    ],
)
def test_a_search_that_may_not_end_by_itself(ends, likely, both):
    text = text_of_plan(plan(seconds_to_convergence=Range(*ends)))
    line = row(text, "search ends by itself after")
    assert line.startswith(likely)
    assert line.endswith(both)


def test_a_band_whose_ends_look_alike_is_one_value():
    text = text_of_plan(plan(seconds=Range(59.6, 59.8, 59.9)))
    assert row(text, "whole fit").split("  ")[-1].strip() == "60 s"


def test_without_workers_there_is_no_line_about_them():
    assert "largest worker" not in text_of_plan(plan(memory_worker=0.0))


def test_text_fits_a_hundred_columns_and_breaks_no_table():
    long = plan(advice=(advice(text="word " * 60),), notes=("note " * 60,))
    lines = text_of_plan(long).splitlines()
    assert max(map(len, lines)) <= 100
    assert text_of_plan(long).count("word") == 60


def test_a_plan_without_any_family_can_be_shown():
    none = plan(n_trials={}, total_trials=Range(0, 0, 0), advice=(), notes=())
    assert "Left out: bert" in text_of_plan(none)
    Page(html_of_plan(none))


def test_a_notebook_shows_the_same_figures_without_scripts():
    page = Page(plan()._repr_html_())
    for words in ("59 s", "catboost", "Left out: bert", "twice the cores", "4.9 s"):
        assert words in page.text
    assert page.links == []
    assert "script" not in page.tags


def test_html_escapes_what_comes_from_families():
    odd = plan(left_out={"<b>": "<script>"}, advice=(advice(text="<i>x"),))
    page = Page(html_of_plan(odd))
    assert not {"b", "script", "i"} & set(page.tags)


def test_an_estimate_has_two_digits(text):
    assert "58.6" not in text
    assert "1.24" not in text


def test_printing_a_cost_lists_what_is_known():
    cost = plan().cost(per_hour=3.6, watts=100)
    lines = str(cost).splitlines()
    assert [line.split()[0] for line in lines] == ["cost", "Money", "Energy"]
    assert lines[1].endswith("0.054 to 0.06")


def test_a_cost_without_rates_says_so():
    assert str(PlanCost()) == "The cost is not known, since no rate was given."


def test_a_plan_that_was_pickled_is_shown_alike():
    again = pickle.loads(pickle.dumps(plan()))
    assert again == plan()
    assert str(again) == str(plan())
