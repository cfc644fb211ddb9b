"""How many models each member of an ensemble has: seeds, and models of folds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from automodel.training.allowance import Allowance

MOST_NOISE = 1e9  # of a member of which nothing is known
LEAST_EXPENSE = 1e-9
OF_FOLD = 2.0  # times the expense of a refit: a model of a fold has its own encoder


@dataclass(frozen=True)
class Counts:
    """Numbers of models of a member: refits on all rows, and models of folds."""

    refits: int
    folds: int

    @property
    def total(self) -> int:
        """The number of all models."""
        return self.refits + self.folds

    @property
    def expense(self) -> float:
        """What they cost, in refits."""
        return self.refits + OF_FOLD * self.folds

    @property
    def variance(self) -> float:
        """The variance of their mean, of which refits and folds have a half each.

        That of a single model is 1.
        """
        if not self.refits or not self.folds:
            return 1 / max(self.total, 1)
        return (1 / self.refits + 1 / self.folds) / 4


def add_models(
    start: Mapping[int, Counts],
    most: Mapping[int, Counts],
    noise: Mapping[int, float],
    allowance: Allowance,
    tolerance: float,
) -> dict[int, Counts]:
    """Add models to the members of an ensemble as long as that is worth their cost.

    The mean of several models has less noise than one of them. Models are added one at
    a time, each time the one that gains most for its cost, until all others together
    would gain no more than the tolerance.

    Parameters
    ----------
    start : mapping of int to Counts
        The models that each member has in any case, by its number. The most important
        member comes first.
    most : mapping of int to Counts
        The models that each member may have.
    noise : mapping of int to float
        By how much the noise of a single model of each member lowers the score.
    allowance : Allowance
        What all models may cost.
    tolerance : float
        Gain that is not worth any cost.
    """
    counts = dict(start)
    noise = {number: min(noise[number], MOST_NOISE) for number in counts}

    def gain(number: int, more: Counts) -> float:
        return noise[number] * (counts[number].variance - more.variance)

    def value(step: tuple[int, Counts]) -> float:
        number, more = step
        added = more.expense - counts[number].expense
        expense = added * max(allowance.expense(number), LEAST_EXPENSE)
        return gain(number, more) / expense

    while sum(gain(number, most[number]) for number in counts) > tolerance:
        # Stable: of equal values, that of the most important member comes first.
        for step in sorted(_steps(counts, most), key=lambda own: -value(own)):
            number, more = step
            totals = {n: own.total for n, own in counts.items()}
            if value(step) > 0 and allowance.allows({**totals, number: more.total}):
                counts[number] = more
                break
        else:
            break
    return counts


def _steps(
    counts: Mapping[int, Counts], most: Mapping[int, Counts]
) -> Iterator[tuple[int, Counts]]:
    """Yield which member may have more models: as few as make it better."""
    for number, own in counts.items():
        if 0 < own.refits < most[number].refits:
            yield number, replace(own, refits=own.refits + 1)
        more = (
            replace(own, folds=n) for n in range(own.folds + 1, most[number].folds + 1)
        )
        better = next((c for c in more if c.variance < own.variance), None)
        if better is not None:
            yield number, better
