"""Plans that are made by hand, beside the fits of stand-in families."""

import numpy as np
import pytest

from automodel import AutoClassifier
from automodel.reporting.page.facts import gather
from automodel.reporting.page.render import render
from automodel.reporting.plan_actual import compared
from automodel.reporting.summary import html_summary, text_summary
from automodel.training.planning.ranges import Range
from tests.conftest import StubFamily
from tests.reporting.makers import Page
from tests.reporting.plans import plan

X = np.arange(40.0)[:, None] % 7
Y = (X[:, 0] > 3).astype(int)
N_TRIALS = {"other": Range(0, 0, 0), "stub": Range(1, 2, 4)}
PLAN = plan(n_trials=N_TRIALS, total_trials=Range(1, 2, 4))


@pytest.fixture(scope="module")
def model():
    family = StubFamily("stub", trials=[(0.6, "plain"), (0.5, "raise"), (0.7, "plain")])
    search = AutoClassifier(
        families=[family], cv=2, n_trials=3, time_budget=None, random_state=0
    )
    return search.fit(X, Y)


@pytest.fixture
def kept(model):
    """The model, which has kept the plan."""
    model._plan_of_fit = PLAN
    yield model
    del model._plan_of_fit


def lines(model, own=PLAN, rows=None):
    return {line.what: line for line in compared(own, model, rows)}


def test_the_time_of_the_fit_and_of_its_first_model_are_those_of_the_fit(model):
    found = lines(model)
    assert found["whole fit"].likely == 58.6
    assert found["whole fit"].actual == model.fit_report_["total"]
    assert 0 < found["first model after"].actual < found["whole fit"].actual


def test_all_trials_count_and_families_without_any_are_left_out(model):
    found = lines(model)
    assert found["trials"].actual == found["trials of stub"].actual == 3
    assert "trials of other" not in found


def test_a_family_that_was_not_planned_is_listed(model):
    found = lines(model, plan(n_trials={"other": Range(2, 3, 4)}))
    assert found["trials of stub"].likely == 0
    assert found["trials of stub"].actual == 3
    assert found["trials of other"].actual == 0


def test_memory_is_that_of_this_process_and_of_its_workers(model):
    found = lines(model)["memory of all processes"]
    assert found.actual == model._provenance["peak_memory"] > 10_000_000
    (trials,) = model._trials.values()
    try:
        for trial, worker, n_bytes in zip(trials, (1, 2, 2), (5, 7, 9), strict=True):
            trial["user_attrs"] |= {"worker": worker, "peak_memory": n_bytes}
        assert lines(model)["memory of all processes"].actual == found.actual + 14
    finally:
        for trial in trials:
            trial["user_attrs"] |= {"worker": 0}


def test_predictions_are_timed_if_there_are_rows(model):
    assert np.isnan(lines(model)["time to predict a row"].actual)
    assert lines(model, rows=X)["time to predict a row"].actual > 0


def test_a_plan_of_slow_predictions_has_few_rows_predicted(model, monkeypatch):
    sizes = []
    monkeypatch.setattr(
        type(model), "_predict_outputs", lambda self, rows: sizes.append(len(rows))
    )
    lines(model, plan(seconds_per_row=Range(0.3, 0.5, 0.9)), X)
    lines(model, plan(seconds_per_row=Range(9, 9, 9)), X)
    assert sizes == [2, 1]


def test_the_page_has_a_table_of_the_plan_that_is_passed(model):
    facts = gather(model, X, Y, plan=PLAN)
    by_name = {line["what"]: line for line in facts["plan"]["lines"]}
    assert by_name["trials of stub"]["likely"] == 2
    assert by_name["trials of stub"]["actual"] == 3
    text = Page(render(facts)).text
    assert "What was planned before the fit" in text
    assert "memory of all processes" in text


def test_the_page_has_the_plan_that_was_kept(kept):
    facts = gather(kept)
    assert facts["plan"]["lines"][0]["likely"] == 58.6
    assert facts["plan"]["lines"][-1]["actual"] is None
    assert "unknown" in Page(render(facts)).text


def test_without_a_plan_the_page_says_so(model):
    facts = gather(model)
    assert facts["plan"] == {"lines": []}
    assert "plan was not called before this fit" in Page(render(facts)).text


def test_the_summaries_have_the_plan_that_was_kept(kept):
    text, page = text_summary(kept), Page(html_summary(kept))
    [line] = [line for line in text.splitlines() if line.startswith("trials of stub")]
    assert line.split()[3:] == ["2", "1", "4", "3"]
    assert "time to predict" not in text  # which nothing has measured
    assert "trials of stub" in page.text


def test_without_a_plan_the_summaries_say_nothing_of_plans(model):
    assert "planned" not in text_summary(model)
    assert "planned" not in html_summary(model)


def test_an_estimator_of_an_earlier_version_has_no_memory(model):
    own = model._provenance
    try:
        model._provenance = {k: v for k, v in own.items() if k != "peak_memory"}
        assert np.isnan(lines(model)["memory of all processes"].actual)
    finally:
        model._provenance = own
