"""LearningCurvesDisplay: what trials that train in steps have reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from automodel.reporting.displays._plotting import (
    as_text,
    axes_for,
    check_searched,
    colors_of,
)
from automodel.reporting.trials import TrialFacts, trials_of

MOST_CURVES = 60


class LearningCurvesDisplay:
    """Visualization of the scores that trials of one family report while they train.

    It is recommended to use `LearningCurvesDisplay.from_estimator` to create a display.
    All parameters are stored as attributes.

    Reports come after 1, 2, 4, 8 and so on steps of the first fold. Within a family
    they are comparable; one family may report the score and another one its loss.

    Parameters
    ----------
    steps : sequence of array-like
        Steps of each trial, such as epochs, boosting rounds or trees.
    values : sequence of array-like
        Values that each trial reported after these steps; greater is better.
    numbers : sequence of int of shape (n_trials,)
        Numbers of the trials.
    is_pruned : sequence of bool of shape (n_trials,)
        Whether each trial was pruned.
    family : str, default=None
        The family.

    Attributes
    ----------
    lines_ : list of matplotlib Artist
        One line for each trial.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that contains the axes.

    Examples
    --------
    >>> from automodel import LearningCurvesDisplay
    >>> display = LearningCurvesDisplay(
    ...     steps=[[1, 2, 4], [1, 2]],
    ...     values=[[-0.7, -0.5, -0.4], [-0.9, -0.8]],
    ...     numbers=[3, 7],
    ...     is_pruned=[False, True],
    ...     family="mlp",
    ... )
    >>> display.best
    3
    """

    def __init__(
        self,
        *,
        steps: Sequence[Any],
        values: Sequence[Any],
        numbers: Sequence[int],
        is_pruned: Sequence[bool],
        family: str | None = None,
    ):
        self.steps = steps
        self.values = values
        self.numbers = numbers
        self.is_pruned = is_pruned
        self.family = family

    @property
    def best(self) -> int | None:
        """The number of the trial with the greatest last value; None without trials."""
        last = [
            (values[-1], number)
            for values, number, is_pruned in zip(
                self.values, self.numbers, self.is_pruned, strict=True
            )
            if not is_pruned
        ]
        return max(last)[1] if last else None

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, family=None, ax=None, name=None, **kwargs
    ) -> Self:
        """Plot the learning curves of one family of a fitted estimator.

        Parameters
        ----------
        estimator : AutoClassifier, AutoRegressor or another estimator of automodel
            A fitted estimator.
        family : str, default=None
            The family; None for the one with the best trial among those that train in
            steps.
        ax : matplotlib Axes, default=None
            Axes to plot on; None for those of a new figure.
        name : str, default=None
            Title of the axes; None for the family.
        **kwargs : dict
            Keyword arguments for the lines, as in `matplotlib.axes.Axes.plot`.

        Returns
        -------
        LearningCurvesDisplay
            The display.

        Raises
        ------
        ValueError
            If no trial of the family has reported values.
        """
        check_searched(estimator)
        curves = curves_of(trials_of(estimator))
        if not curves or (family is not None and family not in curves):
            which = "No trial" if family is None else f"No trial of {family!r}"
            raise ValueError(
                f"{which} has reported values while it trained. Families with such "
                f"trials: {', '.join(curves) or 'none'}."
            )
        family = next(iter(curves)) if family is None else family
        return cls.of_trials(curves[family]).plot(ax, name=name, **kwargs)

    @classmethod
    def of_trials(cls, trials: Sequence[TrialFacts]) -> Self:
        """Return the display of trials of one family, without plotting it."""
        return cls(
            steps=[[step for step, _ in trial.curve] for trial in trials],
            values=[[value for _, value in trial.curve] for trial in trials],
            numbers=[trial.number for trial in trials],
            is_pruned=[trial.status != "complete" for trial in trials],
            family=trials[0].family,
        )

    def plot(self, ax=None, *, name=None, **kwargs) -> Self:
        """Plot the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; None for those of a new figure.
        name : str, default=None
            Title of the axes; None for the family.
        **kwargs : dict
            Keyword arguments for the lines, as in `matplotlib.axes.Axes.plot`.

        Returns
        -------
        LearningCurvesDisplay
            The display.

        Raises
        ------
        MissingLibraryError
            If matplotlib is not installed.
        """
        ax = axes_for(self, ax)
        color = colors_of(["best"])["best"]
        curves = zip(self.numbers, self.steps, self.values, self.is_pruned, strict=True)
        self.lines_ = []
        for number, steps, values, is_pruned in curves:
            is_best = number == self.best
            options = {
                "color": color if is_best else "#8c8c8c",
                "linewidth": 2.0 if is_best else 0.9,
                "linestyle": ":" if is_pruned else "-",
                "marker": "." if len(steps) == 1 else None,
                "label": f"trial {number}" if is_best else None,
                "zorder": 3 if is_best else 2,
            }
            self.lines_ += ax.plot(steps, values, **{**options, **kwargs})
        ax.set_xscale("log", base=2)
        most = max((max(steps) for steps in self.steps), default=1)
        powers = [1 << i for i in range(int(most).bit_length())]
        ax.set_xticks(powers[:: len(powers) // 8 + 1], minor=False)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
        ax.set_xlabel("Steps of the training on the first fold (dotted: pruned)")
        ax.set_ylabel("Reported value")
        title = self.family if name is None else name
        if title is not None:
            ax.set_title(as_text(title))
        if self.best is not None:
            ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def curves_of(trials: Sequence[TrialFacts]) -> dict[str, list[TrialFacts]]:
    """Return the trials of each family that have reported values, the best first.

    Families come in the order of their best scores. Of many trials of a family, only
    the best and the latest are returned.
    """
    found: dict[str, list[TrialFacts]] = {}
    ranked = sorted(trials, key=lambda t: (t.status != "complete", -t.score))
    for trial in ranked:
        if trial.curve:
            found.setdefault(trial.family, []).append(trial)
    for family, own in found.items():
        latest = sorted(own[MOST_CURVES // 2 :], key=lambda t: -t.number)
        found[family] = own[: MOST_CURVES // 2] + latest[: MOST_CURVES // 2]
    return found
