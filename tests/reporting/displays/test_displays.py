"""Whether the displays follow the convention of scikit-learn."""

import builtins
import inspect

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError

import automodel
from automodel import (
    AutoClassifier,
    EnsembleDisplay,
    LearningCurvesDisplay,
    SearchHistoryDisplay,
    TimelineDisplay,
)
from automodel.exceptions import MissingLibraryError
from tests.conftest import StubFamily

DISPLAYS = (
    EnsembleDisplay,
    LearningCurvesDisplay,
    SearchHistoryDisplay,
    TimelineDisplay,
)
MANY = {
    "workers": ["worker 1", "worker 2"] * 600,
    "starts": np.arange(1200.0),
    "ends": np.arange(1200.0) + 2,
    "families": ["_a$", "b"] * 600,
    "statuses": ["complete", "failed", "pruned"] * 400,
}


@pytest.fixture(scope="module", autouse=True)
def no_window():
    with matplotlib.rc_context():
        plt.switch_backend("agg")
        yield
        plt.close("all")


@pytest.fixture(scope="module")
def model():
    X = np.arange(40.0)[:, None] % 7
    y = (X[:, 0] > 3).astype(int)
    trials = [(0.9, "report"), (0.7, "raise"), (0.8, "report"), (0.6, "plain")]
    family = StubFamily("$stub", trials=trials)
    return AutoClassifier(
        families=[family], cv=2, n_trials=4, time_budget=None, random_state=0
    ).fit(X, y)


def axes():
    return Figure().subplots()


@pytest.mark.parametrize("display", DISPLAYS)
def test_a_display_has_the_face_of_those_of_scikit_learn(display, model):
    parameters = list(inspect.signature(display.__init__).parameters.values())[1:]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters)
    ax = axes()
    shown = display.from_estimator(model, ax=ax)
    assert shown.ax_ is ax
    assert shown.figure_ is ax.figure
    again = display(**{p.name: getattr(shown, p.name) for p in parameters})
    assert again.plot(axes(), name="other") is again


@pytest.mark.parametrize("display", DISPLAYS)
def test_without_axes_there_are_new_ones(display, model):
    before = plt.get_fignums()
    shown = display.from_estimator(model)
    assert len(plt.get_fignums()) == len(before) + 1
    plt.close(shown.figure_)


@pytest.mark.parametrize("display", DISPLAYS)
def test_an_estimator_that_is_not_fitted_is_refused(display):
    with pytest.raises(NotFittedError):
        display.from_estimator(AutoClassifier())


@pytest.mark.parametrize("display", DISPLAYS)
def test_without_matplotlib_the_error_names_the_command(display, model, monkeypatch):
    ax, own_import = axes(), builtins.__import__

    def refuse(name, *arguments):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return own_import(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingLibraryError, match="Run: pip install matplotlib"):
        display.from_estimator(model, ax=ax)


def test_the_best_score_never_falls(model):
    shown = SearchHistoryDisplay.from_estimator(model, ax=axes(), color="red")
    assert (np.diff(shown.best) >= 0).all()
    assert shown.line_.get_color() == "red"
    assert len(shown.points_.get_offsets()) == 3  # one has failed


def test_scores_far_below_the_others_are_counted_and_not_drawn():
    scores = [*np.linspace(-0.5, -0.4, 11), -900.0]
    families = ["knn"] * 12
    shown = SearchHistoryDisplay(
        seconds=range(12), scores=scores, families=families
    ).plot(axes())
    assert shown.ax_.get_ylim()[0] > -1
    assert "1 of 12" in shown.ax_.get_title()


def test_failed_trials_are_in_the_timeline_and_in_its_legend(model):
    shown = TimelineDisplay.from_estimator(model, ax=axes())
    assert sorted(shown.statuses) == ["complete"] * 3 + ["failed"]
    assert shown.lane_names == ["main process"]
    said = [text.get_text() for text in shown.ax_.get_legend().get_texts()]
    assert said == [r"\$stub", "failed"]


def test_many_trials_become_an_image(tmp_path):
    shown = TimelineDisplay(**MANY).plot(axes())
    assert shown.lane_names == ["worker 1", "worker 2"]
    shown.figure_.savefig(tmp_path / "timeline.svg")
    assert (tmp_path / "timeline.svg").stat().st_size < 100_000


def test_only_trials_that_report_have_learning_curves(model):
    shown = LearningCurvesDisplay.from_estimator(model, ax=axes())
    assert sorted(shown.numbers) == [0, 2]
    assert list(shown.steps[0]) == [1, 2, 4, 8, 16, 32, 64]
    assert shown.best == 0


def test_a_family_without_reports_is_named():
    X, y = np.arange(20.0)[:, None], np.arange(20) % 2
    options = {"cv": 2, "n_trials": 1, "time_budget": None}
    model = AutoClassifier(families=[StubFamily()], **options).fit(X, y)
    with pytest.raises(ValueError, match="Families with such trials: none"):
        LearningCurvesDisplay.from_estimator(model, ax=axes())


def test_the_heaviest_member_comes_first(model):
    shown = EnsembleDisplay.from_estimator(model, ax=axes())
    assert list(shown.weights) == sorted(shown.weights, reverse=True)
    assert sum(shown.weights) == pytest.approx(1.0)


def test_displays_are_public():
    assert {display.__name__ for display in DISPLAYS} <= set(automodel.__all__)
