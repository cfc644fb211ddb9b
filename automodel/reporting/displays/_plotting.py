"""What the displays share: axes, colours and names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sklearn.utils.validation import check_is_fitted

from automodel.exceptions import MissingLibraryError
from automodel.reporting.one_line import one_line

# Of Okabe and Ito (2008) without black and yellow, and further ones that can be told
# from them. All are readable on white and on dark pages.
COLORS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8f6bb8"),
    *("#a0522d", "#7f9c1e", "#d0436a", "#2fa4a0", "#8c8c8c", "#5b7fd6", "#b8860b"),
)
ROOM_FOR_TICKS = 0.48  # inches, and for the label of x
MOST_VECTORS = 1_000  # marks that are drawn one by one; more become an image


def axes_for(caller: Any, ax: Any) -> Any:
    """Return axes, new ones if there are none.

    Raises
    ------
    MissingLibraryError
        If matplotlib is not installed.
    """
    name = f"{type(caller).__name__}.plot"
    try:
        if ax is not None:
            import matplotlib  # noqa: F401

            return ax
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingLibraryError(
            f"{name} needs matplotlib. Run: pip install matplotlib"
        ) from error
    return plt.subplots()[1]


def check_searched(estimator: Any) -> None:
    """Raise NotFittedError unless the estimator is fitted."""
    check_is_fitted(estimator, "ensemble_")


def colors_of(families: Iterable[str]) -> dict[str, str]:
    """Return a colour for each family, the same for the same set of families."""
    names = sorted(set(families))
    return {name: COLORS[i % len(COLORS)] for i, name in enumerate(names)}


def as_text(name: Any, most: int = 40) -> str:
    """Return a name in one line, so that matplotlib shows it as it is.

    It would read dollars as formulas, and leave names with a first underscore out of
    legends.
    """
    text = one_line(name, most).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def legend_below(ax: Any, handles: list[Any], n_columns: int = 3) -> None:
    """Draw a legend below the axes, where it hides no data."""
    from matplotlib.transforms import ScaledTranslation

    below = ScaledTranslation(0.0, -ROOM_FOR_TICKS, ax.figure.dpi_scale_trans)
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, 0.0),
        bbox_transform=ax.transAxes + below,
        ncols=n_columns,
        frameon=False,
        handlelength=1.2,
        columnspacing=1.2,
        borderaxespad=0.0,
    )
