"""The text of a model of LightGBM, without what prediction does not need."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from automodel.families._compact_trees import rounded_down

# Lines of a tree that may be left out. The numbers of rows are kept for SHAP values.
UNUSED = re.compile(
    r"^(tree_sizes|internal_value|internal_weight|leaf_weight)=.*\n", re.M
)
LARGE = 1e30  # thresholds that stand for infinity


def lean_text(text: str) -> str:
    """Return the text of a model that predicts rows in single precision the same.

    Values of leaves have nine digits, gains of splits three.

    Parameters
    ----------
    text : str
        The model, as `Booster.model_to_string` returns it.
    """
    text = UNUSED.sub("", text)
    for name, shortened in SHORTENED.items():
        text = re.sub(f"^{name}=(.*)$", _of_line(name, shortened), text, flags=re.M)
    return text


def _of_line(name: str, shortened: Callable) -> Callable[[re.Match], str]:
    def replaced(line: re.Match) -> str:
        numbers = np.array(line[1].split(), dtype=np.float64)
        return f"{name}={' '.join(shortened(numbers))}"

    return replaced


def _thresholds(values: np.ndarray) -> list[str]:
    """Return thresholds that separate the same numbers in single precision.

    A short number that lies between two neighbours in single precision separates them.
    """
    below = rounded_down(values)
    with np.errstate(over="ignore"):
        above = np.nextafter(below, np.float32(np.inf))
    middle = (below.astype(float) + above) / 2
    is_exact = (below == values) | (np.abs(values) > LARGE)
    return [
        f"{value:.17g}" if exact else f"{between:.9g}"
        for value, between, exact in zip(
            values.tolist(), middle.tolist(), is_exact, strict=True
        )
    ]


def _digits(n_digits: int) -> Callable[[np.ndarray], list[str]]:
    return lambda values: [f"{value:.{n_digits}g}" for value in values.tolist()]


SHORTENED = {
    "threshold": _thresholds,
    "leaf_value": _digits(9),
    "split_gain": _digits(3),
}
