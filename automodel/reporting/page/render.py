"""From the facts of a report to its page."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from automodel.reporting.page.figures import MOST_CURVES, figures_of
from automodel.reporting.page.tables import COLUMNS, cells_of, number, seconds

CONTENTS = (
    ("leaderboard", "Leaderboard"),
    ("search", "Search"),
    ("curves", "Learning curves"),
    ("ensemble", "Ensemble"),
    ("errors", "Errors"),
    ("importance", "Importance"),
    ("dependence", "Dependence"),
    ("notes", "Data"),
    ("examples", "Examples"),
    ("failures", "Failures"),
    ("plan", "Plan and fit"),
    ("recipe", "How to repeat it"),
)
MOST = {  # rows of a table, so that a page stays small
    "trials": 50,
    "members": 30,
    "classes": 30,
    "confused": 20,
    "features": 40,
    "notes": 40,
    "failures": 20,
    "curves": MOST_CURVES,
}


def render(facts: dict[str, Any]) -> str:
    """Return the page of a report: HTML without scripts or external resources."""
    from markupsafe import Markup

    figures = {
        name: [{**own, "svg": Markup(own["svg"])} for own in drawn]
        for name, drawn in figures_of(facts).items()
    }
    failures = [row for row in facts["trials"]["rows"] if row["status"] == "failed"]
    return _template().render(
        facts=facts,
        figures=figures,
        style=Markup(_file("style.css")),
        contents=CONTENTS,
        most=MOST,
        columns=COLUMNS,
        cells=cells_of(facts["examples"].get("columns", [])),
        failures=sorted(failures, key=lambda row: row["number"]),
        headline=headline(facts),
        interval=_interval(facts),
        score_lines=_score_lines(facts),
        trial_line=_trial_line(facts),
    )


@cache
def _template():
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True)
    environment.filters.update(number=number, seconds=seconds)
    return environment.from_string(_file("template.html"))


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def headline(facts: dict[str, Any]) -> str:
    """Return what was learned from what, in one sentence."""
    problem, total = facts["problem"], seconds(facts["stages"]["total"])
    models = _count(len(facts["ensemble"]), "model")
    trials = _count(facts["trials"]["n"], "trial")
    made = f"An ensemble of {models} from {trials} in {total}"
    if not problem:
        return f"{made}."
    data = f"{problem['n_rows']:,} {problem['data']}"
    if problem["modality"] == "tabular":
        data = f"a table of {problem['n_rows']:,} rows"
        if problem["n_columns"]:
            data += f" and {problem['n_columns']:,} columns"
    kind = {
        "binary": "two classes",
        "multiclass": f"{problem['n_classes']} classes",
        "multilabel": f"{len(problem['targets'])} labels",
        "regression": "numbers",
        "multioutput": f"{len(problem['targets'])} columns of numbers",
        "detection": "boxes",
    }.get(problem["kind"], problem["kind"])
    return f"{made}, which predicts {kind} from {data}."


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _interval(facts: dict[str, Any]) -> str:
    low, high = facts["score"]["interval"]
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def _score_lines(facts: dict[str, Any]) -> list[str]:
    """Return sentences that put the expected score in its place."""
    score, lines = facts["score"], []
    if score["is_baseline"]:
        lines.append(
            "Careful: the model is the baseline, which uses the target alone. No other "
            "model could be fitted."
        )
    if score["expected"] is None:
        lines.append("There were too few rows, models or time for an honest score.")
    elif not score["is_baseline"]:
        lines.append("It was computed on rows that did not choose the ensemble.")
    if score["baseline"] is not None and not score["is_baseline"]:
        lines.append(
            f"For comparison: a model that uses the target alone has "
            f"{number(score['baseline'])}, and the best single model out of fold "
            f"{number(score['best_single'])}."
        )
    if score["chosen"] is not None:
        lines.append(
            f"On the rows that chose the ensemble it is {number(score['chosen'])}, "
            "which is optimistic."
        )
    return lines


def _trial_line(facts: dict[str, Any]) -> str:
    counts = facts["trials"]["counts"]
    if not counts:
        return "No trial has ended."
    said = ", ".join(f"{n} {status}" for status, n in counts.items())
    return f"Trials: {said}."
