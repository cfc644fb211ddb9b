"""The figures of errors, drawn by the displays of scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from automodel.reporting.displays._plotting import COLORS, as_text
from automodel.reporting.one_line import one_line
from automodel.reporting.page.svg import figure

MOST_WITH_NUMBERS = 10  # classes, in the cells of a confusion matrix
POINTS = {"alpha": 0.5, "s": 9, "color": COLORS[0], "rasterized": True}
GREY = {"color": "#7a7a7a", "linestyle": "--", "linewidth": 1.0}


def error_figures(facts: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the figures of the errors; none if there are no honest predictions."""
    errors = facts["errors"]
    if "message" in errors:
        return
    if errors["kind"] == "values":
        yield from _of_values(errors)
        return
    if errors["confusion"] is not None:
        yield _confusion(errors)
    curves = errors["curves"]
    if curves["roc"]:
        yield _roc(curves["roc"])
        yield _precision_recall(curves["precision_recall"])
    if errors["calibration"]["observed"]:
        yield _calibration(errors["calibration"])


def _confusion(errors: dict[str, Any]) -> dict[str, str]:
    from sklearn.metrics import ConfusionMatrixDisplay

    counts = np.asarray(errors["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [as_text(name, 18) for name in errors["classes"]]
    n = len(names)

    def draw(ax: Any) -> None:
        display = ConfusionMatrixDisplay(shares, display_labels=names)
        display.plot(
            ax=ax,
            cmap="Blues",
            colorbar=False,
            include_values=n <= MOST_WITH_NUMBERS,
            xticks_rotation="horizontal" if n <= 3 else "vertical",
            im_kw={"vmin": 0.0, "vmax": 1.0},
        )
        ax.grid(visible=False)
        for text, count in zip(_texts(display), counts.ravel(), strict=False):
            text.set_text(f"{count}")

    title = "Confusion matrix: counts, coloured by the share of the true class"
    side = min(2.4 + 0.16 * n, 5.0)
    svg = figure("confusion", title, draw, width=side, height=side)
    return {"caption": title, "svg": svg}


def _texts(display: Any) -> list[Any]:
    return [] if display.text_ is None else list(display.text_.ravel())


def _roc(curves: list[dict[str, Any]]) -> dict[str, str]:
    from sklearn.metrics import RocCurveDisplay

    def draw(ax: Any) -> None:
        for i, curve in enumerate(curves):
            display = RocCurveDisplay(
                fpr=np.array(curve["x"]),
                tpr=np.array(curve["y"]),
                roc_auc=curve["area"],
            )
            display.plot(
                ax,
                name=as_text(curve["name"], 24),
                curve_kwargs={"color": COLORS[i]},
                plot_chance_level=i == len(curves) - 1,
                chance_level_kw=GREY,
            )
        ax.set(xlabel="False positive rate", ylabel="True positive rate")

    title = _of("ROC curve", curves)
    svg = figure("roc", title, draw, width=3.6, height=3.4)
    return {"caption": title, "svg": svg}


def _precision_recall(curves: list[dict[str, Any]]) -> dict[str, str]:
    from sklearn.metrics import PrecisionRecallDisplay

    def draw(ax: Any) -> None:
        for i, curve in enumerate(curves):
            display = PrecisionRecallDisplay(
                precision=np.array(curve["y"]),
                recall=np.array(curve["x"]),
                average_precision=curve["area"],
                prevalence_pos_label=curve["share"],
            )
            display.plot(
                ax,
                name=as_text(curve["name"], 24),
                curve_kwargs={"color": COLORS[i]},
                plot_chance_level=len(curves) == 1,
                chance_level_kw=GREY,
            )
        ax.set(xlabel="Recall", ylabel="Precision")

    title = _of("Precision-recall curve", curves)
    svg = figure("precision-recall", title, draw, width=3.6, height=3.4)
    return {"caption": title, "svg": svg}


def _of(kind: str, curves: list[dict[str, Any]]) -> str:
    if len(curves) == 1:
        return f"{kind} of {one_line(curves[0]['name'], 40)}"
    return f"{kind}s of the most frequent classes, each against the others"


def _calibration(found: dict[str, Any]) -> dict[str, str]:
    from sklearn.calibration import CalibrationDisplay

    observed, predicted = (np.array(found[k]) for k in ("observed", "predicted"))

    def draw(ax: Any) -> None:
        display = CalibrationDisplay(observed, predicted, predicted)
        display.plot(ax=ax, name="predictions", color=COLORS[0])
        ax.set(xlabel="Mean predicted probability", ylabel="Observed share")

    title = f"Calibration of {one_line(found['of'], 60)}"
    svg = figure("calibration", title, draw, width=3.6, height=3.4)
    return {"caption": title, "svg": svg}


def _of_values(errors: dict[str, Any]) -> Iterator[dict[str, str]]:
    from sklearn.metrics import PredictionErrorDisplay

    kinds = {
        "actual_vs_predicted": "Actual against predicted values",
        "residual_vs_predicted": "Residuals against predicted values",
    }
    for i, points in enumerate(errors["points"]):
        actual, found = (np.array(points[k]) for k in ("actual", "predicted"))
        display = PredictionErrorDisplay(y_true=actual, y_pred=found)
        for kind, words in kinds.items():

            def draw(ax: Any, display=display, kind=kind) -> None:
                display.plot(
                    ax, kind=kind, scatter_kwargs=POINTS, line_kwargs={"alpha": 0.6}
                )

            title = f"{words} of {one_line(points['name'], 60)}"
            name = f"{kind.partition('_')[0]}{i}"
            svg = figure(name, title, draw, width=3.8, height=3.4)
            yield {"caption": title, "svg": svg}
