from html.parser import HTMLParser

import pytest
from sklearn import config_context

from automodel.reporting.summary import html_summary, text_summary
from tests.fake_search import FakeSearch, board


@pytest.fixture
def search():
    return FakeSearch().fit(None, None)


def test_text_names_members_trials_and_seconds(search):
    first = text_summary(search).splitlines()[0]
    assert first == "FakeSearch: ensemble of 2 models from 6 trials in 12.3 s"


def test_text_gives_the_expected_score_before_the_optimistic_one(search):
    text = text_summary(search)
    assert 0 < text.index("-0.21 (neg_log_loss, greater is") < text.index("-0.2 (opti")


def test_text_gives_the_interval_of_the_expected_score_if_it_is_known(search):
    assert "expected score: -0.25 to -0.18" in text_summary(search)
    search.expected_score_interval_ = float("nan"), float("nan")
    assert "interval" not in text_summary(search)


def test_text_fits_a_hundred_columns(search):
    search.leaderboard_.loc[0, "family"] = "a_family_with_an_endless_name" * 5
    search.leaderboard_.loc[4, "error"] = "word " * 99
    assert max(len(line) for line in text_summary(search).splitlines()) <= 100


def test_columns_of_the_table_are_aligned(search):
    lines = text_summary(search).splitlines()
    header = next(line for line in lines if line.startswith("rank"))
    row = next(line for line in lines if "knn" in line)
    assert row[: header.index("params")].rstrip().endswith("complete")
    assert row[header.index("params") :] == "n_neighbors=5"


def test_failures_are_counted_with_the_first_cause(search):
    line = text_summary(search).splitlines()[-2]
    assert line == "2 trials failed; the first: xgboost: ValueError: <b>bad</b> depth"


def test_a_family_that_was_not_tried_is_no_trial(search):
    text = text_summary(search)
    assert text.splitlines()[-1] == "tabm was not tried: it takes no sample_weight"
    assert text.count("tabm") == 1


def test_an_unknown_expected_score_is_called_so(search):
    search.expected_score_ = float("nan")
    assert "new rows: unknown" in text_summary(search)


def test_no_word_of_failures_where_there_is_none(search):
    search.leaderboard_ = board().query("status != 'failed'")
    assert "failed" not in text_summary(search)


def test_top_limits_the_rows(search):
    assert "linear" not in text_summary(search, top=2)


def test_html_escapes_what_comes_from_trials(search):
    assert "<b>bad" not in html_summary(search)
    assert "&lt;b&gt;bad" in html_summary(search)


def test_html_lists_members_by_weight(search):
    html = html_summary(search)
    assert html.index("catboost") < html.index("knn")


def test_html_closes_every_tag(search):
    class Parser(HTMLParser):
        open_tags: list = []

        def handle_starttag(self, tag, attrs):
            if tag != "br":
                self.open_tags.append(tag)

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

    parser = Parser()
    parser.feed(html_summary(search))
    assert parser.open_tags == []


def test_html_is_small_and_self_contained(search):
    html = html_summary(search)
    assert len(html) < 20_000
    assert "http" not in html
    assert "<script" not in html


def test_a_notebook_shows_the_report_of_a_fitted_search(search):
    assert search._repr_mimebundle_()["text/html"].startswith(html_summary(search))
    assert search._repr_html_().startswith(html_summary(search))


def test_a_notebook_shows_the_usual_diagram_before_fit():
    html = FakeSearch(n_trials=3)._repr_html_()
    assert "automodel-report" not in html
    assert "sk-top-container" in html


def test_display_text_leaves_the_report_out(search):
    with config_context(display="text"):
        assert "text/html" not in search._repr_mimebundle_()
        assert not hasattr(search, "_repr_html_")
