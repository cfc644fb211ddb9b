"""The figures of a report, drawn from its facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from automodel.exceptions import describe_error
from automodel.reporting.displays import (
    EnsembleDisplay,
    LearningCurvesDisplay,
    SearchHistoryDisplay,
    TimelineDisplay,
)
from automodel.reporting.displays._plotting import as_text
from automodel.reporting.one_line import one_line
from automodel.reporting.page.dependence_figures import dependence_figures
from automodel.reporting.page.error_figures import error_figures
from automodel.reporting.page.svg import drawing, figure

MOST_MEMBERS = 25
MOST_FEATURES = 20
MOST_CURVES = 6  # families
ROW = 0.24  # inches, of a bar
HEAD = 0.7  # inches, of an axis

Figure = dict[str, str]  # the caption and the SVG


def figures_of(facts: dict[str, Any]) -> dict[str, list[Figure]]:
    """Return the figures of each section; none where the facts are missing."""
    sections: dict[str, Callable[..., Iterator[Figure]]] = {
        "search": _search,
        "curves": _curves,
        "ensemble": _ensemble,
        "errors": error_figures,
        "importance": _importance,
        "dependence": dependence_figures,
    }
    with drawing():
        return {name: _drawn(draw, facts) for name, draw in sections.items()}


def _drawn(draw: Callable[..., Iterator[Figure]], facts: dict[str, Any]):
    """Return figures, and in place of one that cannot be drawn the reason."""
    found: list[Figure] = []
    try:
        found.extend(draw(facts))
    except Exception as error:  # noqa: BLE001  of a plotting library; the page goes on
        reason = one_line(describe_error(error), 300)
        found.append({"caption": f"A figure could not be drawn. {reason}", "svg": ""})
    return found


def _search(facts: dict[str, Any]) -> Iterator[Figure]:
    history, timeline = facts["history"], facts["timeline"]
    if history["scores"]:
        display = SearchHistoryDisplay(
            **history, metric_name=facts["score"]["metric"], estimator_name="the search"
        )
        title = "Scores of the complete trials, and the best so far"
        yield {"caption": title, "svg": figure("history", title, display.plot)}
    if timeline["workers"]:
        names = ("workers", "starts", "ends", "families", "statuses")
        shown = TimelineDisplay(**{name: timeline[name] for name in names})
        title = "What each worker did when"
        height = HEAD + 0.3 * max(len(shown.lane_names), 2)
        svg = figure("timeline", title, shown.plot, height=height)
        yield {"caption": title, "svg": svg}


def _curves(facts: dict[str, Any]) -> Iterator[Figure]:
    for i, curves in enumerate(facts["curves"][:MOST_CURVES]):
        display = LearningCurvesDisplay(**curves)
        n_trials = len(curves["numbers"])
        trials = "1 trial" if n_trials == 1 else f"{n_trials} trials"
        title = f"{one_line(curves['family'], 60)}: {trials}"

        def draw(ax: Any, display=display) -> None:
            display.plot(ax, name="")

        yield {"caption": title, "svg": figure(f"curves{i}", title, draw)}


def _ensemble(facts: dict[str, Any]) -> Iterator[Figure]:
    members = facts["ensemble"][:MOST_MEMBERS]
    coefficients = [member["stacking_coefficient"] for member in members]
    display = EnsembleDisplay(
        numbers=[member["number"] for member in members],
        families=[member["family"] for member in members],
        weights=[member["weight"] for member in members],
        stacking_coefficients=coefficients if any(coefficients) else None,
    )
    title = "Weights of the members"
    height = HEAD + ROW * max(len(members), 2)
    yield {
        "caption": title,
        "svg": figure("ensemble", title, display.plot, height=height),
    }


def _importance(facts: dict[str, Any]) -> Iterator[Figure]:
    features = facts["importance"].get("features", [])[:MOST_FEATURES]
    if not features:
        return

    def draw(ax: Any) -> None:
        names = [as_text(feature["name"], 30) for feature in features]
        means = [feature["mean"] or 0.0 for feature in features]
        spreads = [feature["std"] or 0.0 for feature in features]
        ax.barh(range(len(names)), means, xerr=spreads, ecolor="#7a7a7a")
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
        ax.set_xlabel("Loss of score without the feature")

    title = "Permutation importance, with standard deviations"
    height = HEAD + ROW * max(len(features), 2)
    yield {"caption": title, "svg": figure("importance", title, draw, height=height)}
