"""Reports of a fitted search: text for terminals, HTML for notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from os import PathLike
from typing import TYPE_CHECKING, Any

from sklearn.utils import estimator_html_repr

from automodel.reporting.plan_actual import COLUMNS as PLAN_COLUMNS
from automodel.reporting.plan_actual import compared, plan_of
from automodel.reporting.text_tables import STYLE, cut, html_table, text_table

if TYPE_CHECKING:
    from automodel.reporting.page.report import Report
    from automodel.training.planning.training_plan import TrainingPlan

TOP = 10
WIDTH = 100
COLUMNS = ("rank", "family", "score", "weight", "seconds", "status", "params")
MEMBER_COLUMNS = ("family", "weight", "stacking_coefficient", "score", "params")
NUMBERS = ("rank", "score", "weight", "stacking_coefficient", "seconds")


class ReportMixin:
    """Report on a fitted search, in a page and above the usual diagram in notebooks.

    It must come before `BaseEstimator` in the list of base classes: scikit-learn's
    `_repr_html_` and `_repr_mimebundle_` both call `_html_repr`.
    """

    def report(
        self,
        path: str | PathLike | None = None,
        X: Any = None,
        y: Any = None,
        *,
        seconds: float = 20.0,
        show_examples: bool = False,
        plan: TrainingPlan | None = None,
    ) -> Report:
        """Report on the fit in one page of HTML, which needs no network and no script.

        The page shows how good the model is to be on new rows, which models it
        consists of, where the time went, how the search went, the errors on rows that
        did not choose the ensemble, and how to repeat the fit.

        Parameters
        ----------
        path : str or Path, default=None
            File of the page, such as "report.html". Its facts are saved beside it, as
            "report.json". None writes no file.
        X : array-like of shape (n_samples, n_features) or (n_samples,), default=None
            Rows, usually those of `fit`, for importance, dependence, notes about the
            data and examples. None leaves these out.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets of these rows.
        seconds : float, default=20.0
            Seconds for importance and dependence, which are measured on as many rows as
            there is time for.
        show_examples : bool, default=False
            Whether the page may show rows of X: those that are predicted worst, and
            those of which the ensemble is least sure. Without it, the page holds no
            rows, texts or images; figures of a regression show up to 1,000 values of y.
        plan : TrainingPlan, default=None
            A plan of this fit, which is shown beside what the fit has taken. None for
            that which the method `plan` of this estimator returned before the fit, if
            it was called with the same parameters and kind of data.

        Returns
        -------
        Report
            The page. Notebooks show it, and its method `save` writes it to a file.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        MissingLibraryError
            If jinja2 or matplotlib is not installed.
        ValueError
            If no file can be at the path, if `seconds` is negative, or if X is not like
            that of `fit` or differs in length from y.

        Examples
        --------
        >>> from automodel import AutoClassifier
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> model = AutoClassifier(families=["linear"], n_trials=1, time_budget=None)
        >>> report = model.fit(X, y).report()
        >>> report.facts["estimator"], report.facts["trials"]["n"]
        ('AutoClassifier', 1)
        """
        from automodel.reporting.page.report import make_report

        return make_report(
            self, path, X, y, seconds=seconds, show_examples=show_examples, plan=plan
        )

    def _html_repr(self) -> str:
        diagram = estimator_html_repr(self)
        return html_summary(self) + diagram if _is_searched(self) else diagram


def text_summary(estimator: Any, top: int = TOP) -> str:
    """Summarise a fitted search in lines of at most 100 characters.

    Parameters
    ----------
    estimator : AutoClassifier or AutoRegressor
        A fitted estimator.
    top : int, default=10
        Number of trials to list.

    Returns
    -------
    str
        A text with the ensemble, the scores, the best trials and the failures.

    Examples
    --------
    >>> from automodel.reporting.summary import text_summary
    >>> from automodel import AutoClassifier
    >>> from sklearn.datasets import load_iris
    >>> model = AutoClassifier(families=["linear"], n_trials=1, time_budget=None)
    >>> X, y = load_iris(return_X_y=True)
    >>> print(text_summary(model.fit(X, y)))  # doctest: +ELLIPSIS
    AutoClassifier: ensemble of 1 model...
    """
    records = _records(estimator, top)
    lines = [_headline(estimator), *_score_lines(estimator), "", *_table(records)]
    planned = _plan_records(estimator)
    if planned:
        lines += ["", *text_table(planned, PLAN_COLUMNS, PLAN_COLUMNS[1:])]
    rest = _left_over(estimator)
    if rest:
        lines += ["", *(cut(line, WIDTH) for line in rest)]
    return "\n".join(lines)


def html_summary(estimator: Any, top: int = TOP) -> str:
    """Summarise a fitted search as HTML without scripts or external files.

    Parameters
    ----------
    estimator : AutoClassifier or AutoRegressor
        A fitted estimator.
    top : int, default=10
        Number of trials to list.

    Returns
    -------
    str
        HTML with the scores, the members of the ensemble and the best trials.

    Examples
    --------
    >>> from automodel.reporting.summary import html_summary
    >>> from automodel import AutoClassifier
    >>> from sklearn.datasets import load_iris
    >>> model = AutoClassifier(families=["linear"], n_trials=1, time_budget=None)
    >>> X, y = load_iris(return_X_y=True)
    >>> html_summary(model.fit(X, y))[:30]
    '<div class="automodel-report">'
    """
    members = [
        {
            "family": member.family,
            "weight": _number(member.weight, 3),
            "stacking_coefficient": _number(member.stacking_coefficient, 3),
            "score": _number(member.score, 5),
            "params": _params(member.params),
        }
        for member in sorted(estimator.ensemble_.members, key=lambda m: -m.weight)
    ]
    lines = [_headline(estimator), *_score_lines(estimator), *_left_over(estimator)]
    planned = _plan_records(estimator)
    plan = html_table(planned, PLAN_COLUMNS, PLAN_COLUMNS[1:]) if planned else ""
    text = "<br>".join(escape(line) for line in lines)
    return (
        f'<div class="automodel-report"><style>{STYLE}</style><p>{text}</p>'
        f"<details open><summary>Ensemble</summary>"
        f"{html_table(members, MEMBER_COLUMNS, NUMBERS)}</details>"
        f"<details><summary>Best trials</summary>"
        f"{html_table(_records(estimator, top), COLUMNS, NUMBERS)}</details>"
        f"{plan}</div>"
    )


def _is_searched(estimator: Any) -> bool:
    return "ensemble_" in vars(estimator)


def _headline(estimator: Any) -> str:
    n_members = len(estimator.ensemble_.members)
    n_trials = int((estimator.leaderboard_["status"] != "skipped").sum())
    seconds = estimator.fit_report_["total"]
    return (
        f"{type(estimator).__name__}: ensemble of {_count(n_members, 'model')} "
        f"from {_count(n_trials, 'trial')} in {seconds:.1f} s"
    )


def _score_lines(estimator: Any) -> list[str]:
    metric = estimator.metric_name_
    expected = _number(estimator.expected_score_, 5) or "unknown"
    found = _number(estimator.best_score_, 5)
    low, high = (_number(end, 5) for end in estimator.expected_score_interval_)
    return [
        f"Expected score on new rows: {expected} ({metric}, greater is better)",
        *([f"95 % interval of the expected score: {low} to {high}"] if low else ()),
        f"Out-of-fold score of the ensemble: {found} (optimistic, because the ensemble "
        "was chosen by it)",
        *_cost_lines(estimator),
    ]


def _cost_lines(estimator: Any) -> list[str]:
    """Return lines about the size and the speed of the models."""
    said = vars(estimator)
    cost = said.get("_model_cost")
    if cost is None:
        return []
    size, seconds = cost["n_bytes"], cost["seconds"]
    line = (
        f"Models: about {size / 1e6:.3g} MB, and {1e6 * seconds:.3g} us to predict a "
        "row among many"
    )
    return [line, *said.get("_economies", [])]


def _plan_records(estimator: Any) -> list[dict[str, str]]:
    """Return the lines of a plan that was made before the fit, as texts."""
    plan = plan_of(estimator)
    lines = [] if plan is None else compared(plan, estimator)
    return [line.cells for line in lines if not math.isnan(line.actual)]


def _left_over(estimator: Any) -> list[str]:
    """Return lines about failed trials and about families that were not tried."""
    board = estimator.leaderboard_
    lines = []
    failed = board[board["status"] == "failed"]
    if not failed.empty:
        first = failed.iloc[0]
        cause = " ".join(str(first["error"]).split())
        count = _count(len(failed), "trial")
        lines.append(f"{count} failed; the first: {first['family']}: {cause}")
    skipped = board[board["status"] == "skipped"]
    for family, error in zip(skipped["family"], skipped["error"], strict=True):
        reason = " ".join(str(error).split()).removeprefix("left out: ")
        lines.append(f"{family} was not tried: {reason}")
    return lines


def _records(estimator: Any, top: int) -> list[dict[str, str]]:
    """Return the first rows of the leaderboard, with each cell as text."""
    board = estimator.leaderboard_
    rows = board[board["status"] != "skipped"].head(top).to_dict("records")
    return [
        {
            "rank": str(rank),
            "family": str(row["family"]),
            "score": _number(row["score"], 5),
            "weight": _number(row["weight"], 3) if row["weight"] > 0 else "",
            "seconds": f"{row['seconds']:.1f}",
            "status": str(row["status"]),
            "params": _params(row["params"]),
        }
        for rank, row in enumerate(rows, start=1)
    ]


def _table(records: Sequence[dict[str, str]]) -> list[str]:
    """Align the records in columns; the last column takes the rest of the width."""
    cells = [dict(zip(COLUMNS, COLUMNS, strict=True)), *records]
    widths = {name: max(len(row[name]) for row in cells) for name in COLUMNS[:-1]}
    widths["family"] = min(widths["family"], 30)
    left = WIDTH - sum(widths.values()) - 2 * len(widths)
    lines = []
    for row in cells:
        parts = []
        for name, width in widths.items():
            text = cut(row[name], width)
            parts.append(text.rjust(width) if name in NUMBERS else text.ljust(width))
        parts.append(cut(row[COLUMNS[-1]], left))
        lines.append("  ".join(parts).rstrip())
    return lines


def _params(params: dict[str, Any] | None) -> str:
    items = (params or {}).items()
    return ", ".join(
        f"{name}={_number(value, 3) if isinstance(value, float) else value}"
        for name, value in items
    )


def _number(value: float | None, digits: int) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{value:.{digits}g}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
