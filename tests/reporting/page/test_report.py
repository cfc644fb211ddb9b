import builtins
import json
import re
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from sklearn.exceptions import NotFittedError

from automodel import AutoClassifier
from automodel.exceptions import MissingLibraryError
from tests.conftest import StubFamily
from tests.reporting.makers import Page, honest_of

BAD = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def data():
    X = pd.DataFrame({BAD: np.arange(60.0) % 7, "b": 1.0})
    return X, np.where(X[BAD] > 3, BAD, 'no" onload="alert(2)')


@pytest.fixture(scope="module")
def model(data):
    trials = [(0.9, "report"), (0.7, "raise"), (0.8, "report"), (0.6, "plain")]
    family = StubFamily(f"stub {BAD}", trials=trials)
    options = {"cv": 2, "n_trials": 4, "time_budget": None, "random_state": 0}
    model = AutoClassifier(families=[family], **options).fit(*data)
    model._honest = honest_of(model, *data)
    model._left_out = {"tabm": f"left out: {BAD}"}
    return model


@pytest.fixture(scope="module")
def report(model, data):
    return model.report(X=data[0], y=data[1], show_examples=True)


@pytest.fixture(scope="module")
def page(report):
    return Page(report.html)


def test_a_name_with_markup_is_text(page):
    assert "script" not in page.tags
    assert page.text.count(BAD) > 10


def test_nothing_is_loaded_from_elsewhere(report, page):
    assert page.links
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert "http" not in report.html
    assert "@import" not in report.html
    assert set(re.findall(r"url\((.)", report.html)) <= {"#"}


def test_ids_are_unique_and_links_within_the_page_lead_somewhere(report, page):
    assert len(page.ids) == len(set(page.ids))
    named = {link[1:] for link in page.links if link.startswith("#")}
    named |= set(re.findall(r"url\(#([^)]*)\)", report.html))
    assert named <= set(page.ids)


def test_figures_take_the_colour_of_the_text(report):
    assert "currentColor" in report.html
    assert "#010203" not in report.html
    assert "prefers-color-scheme:dark" in report.html


def test_failures_are_told_with_their_cause(page):
    failures = page.text[page.text.rindex("Failures") :]
    assert "ValueError: the stub was told to fail" in failures


def test_the_seed_and_the_versions_are_told(page):
    assert "random_state=0" in page.text
    assert re.search(r"scikit-learn \d", page.text)


def test_no_file_is_written_without_a_path(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.report()
    assert list(tmp_path.iterdir()) == []


def test_the_facts_are_beside_the_page(report, tmp_path):
    path = tmp_path / "ümläut.page.htm"
    assert report.save(path) is report
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "ümläut.page.htm",
        "ümläut.page.json",
    ]
    assert path.read_text(encoding="utf-8") == report.html
    text = path.with_suffix(".json").read_text(encoding="utf-8")
    assert json.loads(text) == report.facts


def test_a_report_with_a_path_is_saved_and_returned(model, tmp_path):
    report = model.report(str(tmp_path / "report.html"))
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report.html
    assert re.fullmatch(r"<Report of AutoClassifier, \d+ kB>", repr(report))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("report.json", "is that of its page"),
        ("", "is a folder"),
        ("none/report.html", "There is no folder"),
    ],
)
def test_a_path_where_no_page_can_be_is_refused(model, tmp_path, path, message):
    with pytest.raises(ValueError, match=message):
        model.report(tmp_path / path)


def test_a_notebook_shows_the_page_in_a_frame(report):
    frame = Page(report._repr_html_())
    assert frame.tags == ["iframe"]
    assert "<style" not in report._repr_html_()


def test_the_settings_of_matplotlib_stay(model):
    with matplotlib.rc_context({"lines.linewidth": 7.0, "text.usetex": True}):
        before = dict.copy(matplotlib.rcParams)
        figures = pyplot.get_fignums()
        html = model.report().html
        assert dict.copy(matplotlib.rcParams) == before
        assert pyplot.get_fignums() == figures
    assert "A figure could not be drawn" not in html


def test_reports_draw_no_random_numbers_and_are_equal(model):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    one, other = model.report(), model.report()
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    assert one.html == other.html


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_missing_library_is_named_with_the_command(model, monkeypatch, library):
    own_import = builtins.__import__

    def refuse(name, *arguments):
        if name.split(".")[0] == library:
            raise ImportError(f"No module named {name!r}")
        return own_import(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingLibraryError, match="pip install matplotlib jinja2"):
        model.report()


def test_an_estimator_that_is_not_fitted_has_no_report():
    with pytest.raises(NotFittedError):
        AutoClassifier().report()


def test_rows_that_do_not_suit_are_refused(model, data):
    X, y = data
    with pytest.raises(ValueError, match="X has 60 rows, but y has 3"):
        model.report(X=X, y=y[:3])
    with pytest.raises(ValueError, match="without X"):
        model.report(y=y)
    with pytest.raises(ValueError, match="feature"):
        model.report(X=X.to_numpy()[:, :1])


def test_names_in_other_scripts_warn_of_no_missing_glyphs(model):
    names = model.classes_
    try:
        model.classes_ = np.array(["正しい", "\N{PILE OF POO}\ud800"], dtype=object)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            page = Page(model.report().html)
    finally:
        model.classes_ = names
    assert "正しい" in page.text
    assert "could not be" not in page.text
