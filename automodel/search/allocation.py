"""Choose the family of the next trial, and tell when a search has converged.

These are pure functions of the trials so far, so that a search can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EXPLORATION = 0.35
COST_EXPONENT = 0.3  # between ignoring the cost (0) and gain per second (1)
FLOOR_SHARE = 0.03  # of the trials, that each family gets at least
MAX_FAILURES = 2
TRIAL_SHARE = 0.3  # of the time left, for one trial of most families
SELDOM_SHARE = 0.02  # of the time left, for the first trial of what seldom helps


@dataclass(frozen=True)
class FamilyState:
    """The facts about one family at a moment of the search.

    Parameters
    ----------
    name : str
        The family.
    rank : int
        Order of the first try.
    n_asked, n_running, n_complete, n_failed : int
        Trials so far; those that are running count as asked, too.
    best_score : float
        Best score of its complete trials, -inf without one.
    seconds : float
        Predicted seconds of its next trial, or relative cost where no clock is
        read; NaN if nothing is known.
    start_seconds : float
        Seconds for the first import.
    seldom_helps : bool
        Whether the family is tried only if that costs little.
    least_share : float
        Share of its seconds in which a first trial is still worthwhile.
    most_share : float
        Largest share of the time left that a trial may take.
    """

    name: str
    rank: int
    n_asked: int = 0
    n_running: int = 0
    n_complete: int = 0
    n_failed: int = 0
    best_score: float = -math.inf
    seconds: float = math.nan
    start_seconds: float = 0.0
    seldom_helps: bool = False
    least_share: float = 1.0
    most_share: float = TRIAL_SHARE

    @property
    def is_hopeless(self) -> bool:
        """Whether too many trials have failed, and none is complete.

        Each running trial allows for one more failure, since with many workers the
        first two trials to end may be the ones that fail.
        """
        most = MAX_FAILURES + self.n_running
        return self.n_complete == 0 and self.n_failed >= most


def choose_family(
    states: Sequence[FamilyState], seconds_left: float = math.inf
) -> str | None:
    """Choose the family of the next trial.

    Every family gets one trial first, in the order of their ranks, and a small share
    of all later ones. The others go to the family with the largest upper confidence
    bound of its quality, divided by a power of its cost. A family whose trial would
    not end in time is left out, and so is one that seldom helps while its first trial
    would cost much of the time.

    Returns
    -------
    str or None
        Name of the family; None if no one fits into the time left.
    """
    able = [s for s in states if not s.is_hopeless and _fits(s, seconds_left)]
    able = [s for s in able if not _is_too_costly(s, seconds_left)] or able
    new = [s for s in able if s.n_asked == 0]
    if new:
        return min(new, key=lambda s: s.rank).name
    if not able:
        return None
    n_total = sum(s.n_asked for s in able)
    starved = [s for s in able if s.n_asked < FLOOR_SHARE * n_total]
    if starved:
        return min(starved, key=lambda s: (s.n_asked, s.rank)).name
    quality = _qualities([s.best_score for s in able])
    seconds = np.array([s.seconds for s in able])
    known = seconds[np.isfinite(seconds) & (seconds > 0)]
    typical = np.median(known) if len(known) else 1.0
    seconds = np.where(np.isfinite(seconds) & (seconds > 0), seconds, typical)
    n_own = np.array([s.n_asked for s in able])
    bound = quality + EXPLORATION * np.sqrt(2 * math.log(n_total + 1) / n_own)
    value = bound / (0.2 + seconds / typical) ** COST_EXPONENT
    return able[int(np.argmax(value))].name


def patience(n_samples: int) -> int:
    """Return how many trials without improvement end a search.

    Few rows cannot tell many candidates apart: 25 at 100 rows, 40 at 500, 80 at
    2,500, 200 from 10,000 on.
    """
    rows = np.log([100, 500, 2500, 10_000])
    trials = np.log([25, 40, 80, 200])
    return round(float(np.exp(np.interp(math.log(max(n_samples, 1)), rows, trials))))


def noise_of(fold_scores: Sequence[float]) -> float:
    """Return the standard error of a score from those of its folds; 0 for one fold."""
    scores = np.array(fold_scores, dtype=float)
    scores = scores[np.isfinite(scores)]
    return float(scores.std()) / math.sqrt(len(scores)) if len(scores) > 1 else 0.0


def has_converged(
    scores: Sequence[float], noise: float, n_samples: int, n_families: int
) -> bool:
    """Tell whether the last trials improved the best score by less than its noise.

    Parameters
    ----------
    scores : sequence of float
        Score of each ended trial in order; NaN without one.
    noise : float
        Standard error of the best score.
    n_samples : int
        Rows of the data.
    n_families : int
        Families in the search; each has its first trial in any case.
    """
    wait = patience(n_samples)
    if len(scores) < n_families + wait:
        return False
    finite = np.where(np.isfinite(scores), scores, -math.inf)
    before, best = finite[:-wait].max(), finite.max()
    return bool(np.isfinite(before) and best - before <= 0.05 * noise)


def _fits(state: FamilyState, seconds_left: float) -> bool:
    needed = state.seconds if math.isfinite(state.seconds) else 0.0
    if state.n_asked == 0:
        needed *= min(state.least_share / state.most_share, 1.0)
        needed = max(needed, 2 * state.start_seconds) + state.start_seconds
    return needed < seconds_left


def _is_too_costly(state: FamilyState, seconds_left: float) -> bool:
    """Tell whether a first trial costs too much for a family that seldom helps."""
    is_known = math.isfinite(state.seconds) and state.seldom_helps
    is_new = state.n_asked == 0
    return is_new and is_known and state.seconds > SELDOM_SHARE * seconds_left


def _qualities(best_scores: Sequence[float]) -> np.ndarray:
    """Map the best scores to (0, 1]: 1 for the best, a half at the median gap."""
    scores = np.array(best_scores)
    finite = np.isfinite(scores)
    if not finite.any():
        return np.full(len(scores), 0.5)
    gap = np.where(finite, scores[finite].max() - scores, np.nan)
    positive = gap[gap > 0]
    scale = np.median(positive) if len(positive) else 1.0
    return np.where(finite, 1.0 / (1.0 + gap / scale), 0.0)
