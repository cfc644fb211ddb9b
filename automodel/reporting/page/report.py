"""Report: the page about a fitted estimator, to be shown or saved."""

from __future__ import annotations

import json
import tempfile
from html import escape
from numbers import Real
from pathlib import Path
from typing import Any

from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from automodel.exceptions import MissingLibraryError

FRAME_HEIGHT = 720  # pixels, in notebooks


class Report:
    """A report about a fitted estimator, as one page of HTML.

    The method `report` of the estimators returns it. Notebooks show it in a frame.

    Parameters
    ----------
    facts : dict
        All numbers and texts of the report, as plain values.
    html : str
        The page, without scripts or external resources.

    Attributes
    ----------
    facts : dict
        All numbers and texts of the report.
    html : str
        The page.

    Examples
    --------
    >>> from automodel import AutoClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = AutoClassifier(families=["linear"], n_trials=1, time_budget=None)
    >>> report = model.fit(X, y).report()
    >>> report.facts["problem"]["n_rows"], "Leaderboard" in report.html
    (150, True)
    """

    def __init__(self, facts: dict[str, Any], html: str):
        self.facts = facts
        self.html = html

    def save(self, path: Any) -> Report:
        """Save the page, and its facts as JSON beside it.

        Parameters
        ----------
        path : str or Path
            The file of the page. The facts are saved with the same name and the
            extension ".json": "report.html" comes with "report.json".

        Returns
        -------
        Report
            The report itself.

        Raises
        ------
        ValueError
            If the extension of the path is ".json", or if the path is a folder or lies
            in none.
        OSError
            If a file cannot be written.
        """
        path = check_path(path)
        facts = json.dumps(self.facts, ensure_ascii=False, allow_nan=False, indent=1)
        _write(path, self.html)
        _write(path.with_suffix(".json"), facts)
        return self

    def __repr__(self) -> str:
        name, size = self.facts["estimator"], len(self.html.encode("utf-8", "replace"))
        return f"<Report of {name}, {size / 1000:.0f} kB>"

    def _repr_html_(self) -> str:
        """Return the page in a frame, so that its style stays within it."""
        page = escape(self.html, quote=True)
        return (
            f'<iframe srcdoc="{page}" title="Report" sandbox="" '
            f'style="width:100%;height:{FRAME_HEIGHT}px;border:0"></iframe>'
        )


def make_report(
    estimator: Any,
    path: Any = None,
    X: Any = None,
    y: Any = None,
    *,
    seconds: float = 20.0,
    show_examples: bool = False,
    plan: Any = None,
) -> Report:
    """Return the report of an estimator; see its method `report`."""
    check_is_fitted(estimator, "ensemble_")
    check_scalar(seconds, "seconds", Real, min_val=0)
    check_libraries()
    if path is not None:
        check_path(path)
    _check_data(estimator, X, y)
    from automodel.reporting.page.facts import gather
    from automodel.reporting.page.render import render

    options = {"seconds": seconds, "show_examples": show_examples, "plan": plan}
    facts = gather(estimator, X, y, **options)
    report = Report(facts, render(facts))
    return report if path is None else report.save(path)


def check_libraries() -> None:
    """Raise MissingLibraryError if a library that reports need is not installed."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingLibraryError(
            f"A report needs jinja2 and matplotlib ({error}). "
            "Run: pip install matplotlib jinja2"
        ) from error


def check_path(path: Any) -> Path:
    """Return the path of a page, or raise ValueError if none can be there."""
    path = Path(path)
    if path.suffix.lower() == ".json":
        raise ValueError(
            f"The path of a report is that of its page, such as 'report.html'. Got "
            f"{str(path)!r}, where its facts would be saved."
        )
    if path.is_dir():
        raise ValueError(f"{path} is a folder. Name a file, such as 'report.html'.")
    if not path.parent.is_dir():
        raise ValueError(f"There is no folder {path.parent} for {path.name}.")
    return path


def _check_data(estimator: Any, X: Any, y: Any) -> None:
    """Raise ValueError if X or y do not suit the estimator or each other."""
    if X is None:
        if y is not None:
            raise ValueError("`report` was given y without X. Pass both, or neither.")
        return
    estimator._check_X(X, reset=False)
    if y is not None and _length(X) != _length(y):
        raise ValueError(f"X has {_length(X)} rows, but y has {_length(y)}.")


def _length(rows: Any) -> int:
    return rows.shape[0] if hasattr(rows, "shape") else len(rows)


def _write(path: Path, text: str) -> None:
    """Write a file completely or not at all."""
    with tempfile.TemporaryDirectory(prefix=".automodel-", dir=path.parent) as folder:
        draft = Path(folder, path.name)
        draft.write_text(text, encoding="utf-8", errors="replace", newline="\n")
        draft.replace(path)
