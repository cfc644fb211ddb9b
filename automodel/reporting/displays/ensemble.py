"""EnsembleDisplay: the weights of the members of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from automodel.reporting.displays._plotting import (
    as_text,
    axes_for,
    check_searched,
    colors_of,
)


class EnsembleDisplay:
    """Visualization of the weights of the members of an ensemble.

    It is recommended to use `EnsembleDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    numbers : sequence of int of shape (n_members,)
        Numbers of the trials that the members come from; -1 for the baseline.
    families : sequence of str of shape (n_members,)
        Families of the members.
    weights : array-like of shape (n_members,)
        Weights in the mean.
    stacking_coefficients : array-like of shape (n_members,), default=None
        Coefficients in the linear model on top of the mean. None if there is none.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        The weights.
    coefficients_ : matplotlib Artist or None
        The stacking coefficients.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that contains the axes.

    Examples
    --------
    >>> from automodel import EnsembleDisplay
    >>> display = EnsembleDisplay(
    ...     numbers=[4, 1], families=["linear", "knn"], weights=[0.75, 0.25]
    ... )
    >>> display.names
    ['linear (trial 4)', 'knn (trial 1)']
    """

    def __init__(
        self,
        *,
        numbers: Sequence[int],
        families: Sequence[str],
        weights: Any,
        stacking_coefficients: Any = None,
    ):
        self.numbers = numbers
        self.families = families
        self.weights = weights
        self.stacking_coefficients = stacking_coefficients

    @property
    def names(self) -> list[str]:
        """The names of the members, with the numbers of their trials."""
        pairs = zip(self.families, self.numbers, strict=True)
        return [f"{name} (trial {n})" if n >= 0 else name for name, n in pairs]

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax=None, name=None, **kwargs) -> Self:
        """Plot the members of a fitted estimator, the heaviest first.

        Parameters
        ----------
        estimator : AutoClassifier, AutoRegressor or another estimator of automodel
            A fitted estimator.
        ax : matplotlib Axes, default=None
            Axes to plot on; None for those of a new figure.
        name : str, default=None
            Title of the axes; None for no title.
        **kwargs : dict
            Keyword arguments for the bars, as in `matplotlib.axes.Axes.barh`.

        Returns
        -------
        EnsembleDisplay
            The display.
        """
        check_searched(estimator)
        members = sorted(estimator.ensemble_.members, key=lambda m: -m.weight)
        coefficients = [member.stacking_coefficient for member in members]
        display = cls(
            numbers=[member.number for member in members],
            families=[member.family for member in members],
            weights=[member.weight for member in members],
            stacking_coefficients=coefficients if any(coefficients) else None,
        )
        return display.plot(ax, name=name, **kwargs)

    def plot(self, ax=None, *, name=None, **kwargs) -> Self:
        """Plot the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; None for those of a new figure.
        name : str, default=None
            Title of the axes; None for no title.
        **kwargs : dict
            Keyword arguments for the bars, as in `matplotlib.axes.Axes.barh`.

        Returns
        -------
        EnsembleDisplay
            The display.

        Raises
        ------
        MissingLibraryError
            If matplotlib is not installed.
        """
        ax = axes_for(self, ax)
        colors = colors_of(self.families)
        places = np.arange(len(self.numbers))
        options = {"color": [colors[family] for family in self.families], **kwargs}
        self.bars_ = ax.barh(places, self.weights, **options)
        self.coefficients_ = None
        if self.stacking_coefficients is not None:
            self.coefficients_ = ax.scatter(
                self.stacking_coefficients,
                places,
                marker="D",
                s=22,
                color="#7a7a7a",
                zorder=3,
                label="stacking coefficient",
            )
            ax.legend(frameon=False)
        ax.set_yticks(places, [as_text(member) for member in self.names])
        ax.invert_yaxis()  # the first member is at the top
        ax.set_xlabel("Weight")
        if name is not None:
            ax.set_title(as_text(name))
        self.ax_, self.figure_ = ax, ax.figure
        return self
