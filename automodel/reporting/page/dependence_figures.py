"""The figures of how predictions depend on single features."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np

from automodel.reporting.displays._plotting import COLORS, as_text
from automodel.reporting.one_line import one_line
from automodel.reporting.page.svg import figure


def dependence_figures(facts: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield a figure for each feature."""
    found = facts["dependence"]
    for i, feature in enumerate(found.get("features", [])):

        def draw(ax: Any, feature=feature) -> None:
            _draw(ax, feature, found)

        title = f"Dependence on {one_line(feature['name'], 60)}"
        svg = figure(f"dependence{i}", title, draw, width=4.2, height=2.8)
        yield {"caption": title, "svg": svg}


def _draw(ax: Any, feature: dict[str, Any], found: dict[str, Any]) -> None:
    has_order = feature["kind"] != "category"
    is_one = len(found["outputs"]) == 1
    given = [i for i, value in enumerate(feature["values"]) if value is not None]
    places = _places(feature, given)
    for i, output in enumerate(found["outputs"]):
        average, low, high = (
            np.array(feature[name][i], dtype=float)
            for name in ("average", "low", "high")
        )
        look = {"color": COLORS[i], "label": as_text(output, 24)}
        if not has_order:
            ax.plot(average, places, "o", **look)
        else:
            ax.plot(places, average[given], marker=".", **look)
            if len(given) < len(average):
                ax.axhline(average[-1], linestyle=":", color=COLORS[i], linewidth=1.0)
        if is_one and has_order:
            band = {"color": COLORS[i], "alpha": 0.15, "linewidth": 0}
            ax.fill_between(places, low[given], high[given], **band)
    kind = "Probability" if found["is_probability"] else "Prediction"
    label = f"{kind} of {as_text(found['outputs'][0], 24)}" if is_one else kind
    if feature["kind"] == "date":
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        ax.xaxis.set_major_locator(locator := AutoDateLocator(maxticks=6))
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    if has_order:
        missing = "" if len(given) == len(feature["values"]) else " (dotted: missing)"
        ax.set(ylabel=label, xlabel=as_text(feature["name"], 30) + missing)
    else:
        names = [as_text("missing" if v is None else v, 20) for v in feature["values"]]
        ax.set_yticks(places, names)
        ax.invert_yaxis()
        ax.set(xlabel=label, ylabel=as_text(feature["name"], 30))
    if not is_one:
        ax.legend()


def _places(feature: dict[str, Any], given: list[int]) -> Any:
    """Return where the values are on the axis."""
    if feature["kind"] == "category":
        return np.arange(len(feature["values"]))
    values = [feature["values"][i] for i in given]
    if feature["kind"] == "date":
        return [datetime.fromisoformat(value) for value in values]
    return np.array(values, dtype=float)
