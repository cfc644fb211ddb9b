"""TimelineDisplay: when each worker ran which trial."""

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
from automodel.reporting.trials import lanes, trials_of

HEIGHT = 0.8  # of a bar, in lanes
FAILED = "#c0182b"
LOOKS: dict[str, dict[str, Any]] = {  # of the trials that are not complete
    "pruned": {"alpha": 0.4},
    "stopped": {"alpha": 0.4, "hatch": "...."},
    "failed": {"edgecolor": FAILED, "linewidth": 1.6, "hatch": "xxxx"},
}


class TimelineDisplay:
    """Visualization of when each worker of a search ran which trial.

    It is recommended to use `TimelineDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    workers : sequence of str of shape (n_trials,)
        Name of the worker that ran each trial.
    starts, ends : array-like of shape (n_trials,)
        Seconds since the beginning of the fit.
    families : sequence of str of shape (n_trials,)
        Families of the trials, which give the colours.
    statuses : sequence of str of shape (n_trials,)
        "complete", "pruned", "stopped" or "failed".

    Attributes
    ----------
    bars_ : list of matplotlib Artist
        The bars of each family and status.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that contains the axes.

    Examples
    --------
    >>> from automodel import TimelineDisplay
    >>> display = TimelineDisplay(
    ...     workers=["worker 1", "worker 2", "worker 1"],
    ...     starts=[0.0, 0.0, 2.5],
    ...     ends=[2.5, 4.0, 3.0],
    ...     families=["linear", "knn", "linear"],
    ...     statuses=["complete", "complete", "failed"],
    ... )
    >>> display.lane_names
    ['worker 1', 'worker 2']
    """

    def __init__(
        self,
        *,
        workers: Sequence[str],
        starts: Any,
        ends: Any,
        families: Sequence[str],
        statuses: Sequence[str],
    ):
        self.workers = workers
        self.starts = starts
        self.ends = ends
        self.families = families
        self.statuses = statuses

    @property
    def lane_names(self) -> list[str]:
        """The names of the workers, sorted by their numbers."""
        return sorted(set(self.workers), key=lambda name: (len(name.split()[0]), name))

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax=None, name=None, **kwargs) -> Self:
        """Plot the timeline of a fitted estimator.

        Trials of earlier fits with the same storage are left out.

        Parameters
        ----------
        estimator : AutoClassifier, AutoRegressor or another estimator of automodel
            A fitted estimator.
        ax : matplotlib Axes, default=None
            Axes to plot on; None for those of a new figure.
        name : str, default=None
            Title of the axes; None for no title.
        **kwargs : dict
            Keyword arguments for the bars, as in `matplotlib.axes.Axes.broken_barh`.

        Returns
        -------
        TimelineDisplay
            The display.
        """
        check_searched(estimator)
        trials = [trial for trial in trials_of(estimator) if trial.ran_here]
        display = cls(
            workers=lanes(trials),
            starts=[trial.start for trial in trials],
            ends=[trial.end for trial in trials],
            families=[trial.family for trial in trials],
            statuses=[trial.status for trial in trials],
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
            Keyword arguments for the bars, as in `matplotlib.axes.Axes.broken_barh`.

        Returns
        -------
        TimelineDisplay
            The display.

        Raises
        ------
        MissingLibraryError
            If matplotlib is not installed.
        """
        ax = axes_for(self, ax)
        names, colors = self.lane_names, colors_of(self.families)
        options: dict[str, Any] = {
            "linewidth": 0.4,
            "rasterized": len(self.workers) > MOST_VECTORS,
            **kwargs,
        }
        self.bars_ = [
            ax.broken_barh(
                bars,
                (names.index(worker) - HEIGHT / 2, HEIGHT),
                **{"facecolors": colors[family], **options, **LOOKS.get(status, {})},
            )
            for (worker, family, status), bars in self._bars().items()
        ]
        ax.set_yticks(range(len(names)), [as_text(lane) for lane in names])
        ax.set_ylim(len(names) - 0.4, -0.6)  # the first worker is at the top
        ax.set_xlim(left=0.0)
        ax.set_xlabel("Seconds since the beginning of the fit")
        if name is not None:
            ax.set_title(as_text(name))
        legend_below(ax, self._handles(colors))
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _bars(self) -> dict[tuple[str, str, str], list[tuple[float, float]]]:
        """Return the starts and lengths of the bars that look alike."""
        starts, ends = (np.asarray(v, dtype=float) for v in (self.starts, self.ends))
        keys = zip(self.workers, self.families, self.statuses, strict=True)
        bars: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
        for key, start, end in zip(keys, starts, ends, strict=True):
            bars.setdefault(key, []).append((float(start), float(end - start)))
        return dict(sorted(bars.items(), key=lambda item: item[0][2] == "failed"))

    def _handles(self, colors: dict[str, str]) -> list[Any]:
        from matplotlib.patches import Patch

        families = [
            Patch(facecolor=color, label=as_text(family))
            for family, color in colors.items()
        ]
        said = [status for status in LOOKS if status in set(self.statuses)]
        grey = {"facecolor": "#8c8c8c"}
        return families + [Patch(label=s, **{**grey, **LOOKS[s]}) for s in said]
