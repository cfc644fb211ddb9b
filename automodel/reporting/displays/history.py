"""SearchHistoryDisplay: the best score over time, and all trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from automodel.reporting.displays._plotting import (
    MOST_VECTORS,
    as_text,
    axes_for,
    check_searched,
    colors_of,
    legend_below,
)
from automodel.reporting.trials import trials_of

LEAST_TRIALS = 8  # for which some may be left out
ROOM = 1.5  # below the worst half of the trials, in interquartile ranges


class SearchHistoryDisplay:
    """Visualization of the scores of a search over time.

    It is recommended to use `SearchHistoryDisplay.from_estimator` to create a display.
    All parameters are stored as attributes.

    Parameters
    ----------
    seconds : array-like of shape (n_trials,)
        Seconds between the beginning of the fit and the end of each complete trial.
    scores : array-like of shape (n_trials,)
        Out-of-fold scores of these trials; greater is better.
    families : sequence of str of shape (n_trials,)
        Their families.
    metric_name : str, default="score"
        Name of the score.
    estimator_name : str, default=None
        Name of the estimator, for the legend.

    Attributes
    ----------
    line_ : matplotlib Artist
        The best score so far.
    points_ : matplotlib Artist
        The score of each trial.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that contains the axes.

    Examples
    --------
    >>> from automodel import SearchHistoryDisplay
    >>> display = SearchHistoryDisplay(
    ...     seconds=[1.0, 2.0, 5.0],
    ...     scores=[-0.4, -0.6, -0.3],
    ...     families=["linear", "knn", "linear"],
    ... )
    >>> display.best.tolist()
    [-0.4, -0.4, -0.3]
    """

    def __init__(
        self,
        *,
        seconds: Any,
        scores: Any,
        families: Sequence[str],
        metric_name: str = "score",
        estimator_name: str | None = None,
    ):
        self.seconds = seconds
        self.scores = scores
        self.families = families
        self.metric_name = metric_name
        self.estimator_name = estimator_name

    @property
    def best(self) -> np.ndarray:
        """The best score so far, in the order in which the trials ended."""
        scores = np.asarray(self.scores, dtype=float)
        return np.maximum.accumulate(scores[self._order])

    @property
    def _order(self) -> np.ndarray:
        return np.argsort(np.asarray(self.seconds, dtype=float), kind="stable")

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax=None, name=None, **kwargs) -> Self:
        """Plot the history of a fitted estimator.

        Parameters
        ----------
        estimator : AutoClassifier, AutoRegressor or another estimator of automodel
            A fitted estimator.
        ax : matplotlib Axes, default=None
            Axes to plot on; None for those of a new figure.
        name : str, default=None
            Name in the legend; None for that of the class.
        **kwargs : dict
            Keyword arguments for the line of the best score, as in
            `matplotlib.axes.Axes.step`.

        Returns
        -------
        SearchHistoryDisplay
            The display.
        """
        check_searched(estimator)
        trials = [t for t in trials_of(estimator) if t.status == "complete"]
        display = cls(
            seconds=[max(trial.end, 0.0) for trial in trials],  # 0 in an earlier fit
            scores=[trial.score for trial in trials],
            families=[trial.family for trial in trials],
            metric_name=estimator.metric_name_,
            estimator_name=type(estimator).__name__,
        )
        return display.plot(ax, name=name, **kwargs)

    def plot(self, ax=None, *, name=None, **kwargs) -> Self:
        """Plot the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; None for those of a new figure.
        name : str, default=None
            Name of the line in the legend; None for `estimator_name`.
        **kwargs : dict
            Keyword arguments for the line of the best score, as in
            `matplotlib.axes.Axes.step`.

        Returns
        -------
        SearchHistoryDisplay
            The display.

        Raises
        ------
        MissingLibraryError
            If matplotlib is not installed.
        """
        ax = axes_for(self, ax)
        seconds = np.asarray(self.seconds, dtype=float)
        scores = np.asarray(self.scores, dtype=float)
        colors = colors_of(self.families)
        self.points_ = ax.scatter(
            seconds,
            scores,
            c=[colors[family] for family in self.families],
            s=14,
            rasterized=len(scores) > MOST_VECTORS,
        )
        label = f"best of {as_text(name or self.estimator_name or 'the search')}"
        options = {"where": "post", "color": "#7a7a7a", "linewidth": 1.2, **kwargs}
        moments, best = self._improvements()
        (self.line_,) = ax.step(moments, best, label=label, **options)
        _leave_out_the_worst(ax, scores)
        ax.set_xlim(left=0.0)
        ax.set_xlabel("Seconds since the beginning of the fit")
        ax.set_ylabel(as_text(self.metric_name))
        families = [
            ax.scatter([], [], color=color, s=14, label=as_text(family))
            for family, color in colors.items()
        ]
        legend_below(ax, [self.line_, *families])
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _improvements(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the best scores where they change, and at both ends."""
        moments, best = np.asarray(self.seconds, dtype=float)[self._order], self.best
        kept = np.ones(len(best), dtype=bool)
        kept[1:-1] = np.diff(best)[:-1] > 0
        return moments[kept], best[kept]


def _leave_out_the_worst(ax: Any, scores: np.ndarray) -> None:
    """Let scores that are far below the others not squeeze these into a line."""
    if len(scores) < LEAST_TRIALS:
        return
    low, high = np.quantile(scores, [0.25, 0.75])
    least = low - ROOM * max(high - low, 1e-12)
    outside = int((scores < least).sum())
    if outside:
        inner = scores[scores >= least]
        margin = 0.05 * (inner.max() - inner.min()) or 1e-6
        ax.set_ylim(inner.min() - margin, inner.max() + margin)
        ax.set_title(f"Below this range: {outside} of {len(scores)} trials")
