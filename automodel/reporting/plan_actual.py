"""A plan beside what the fit has taken."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sklearn.utils import _safe_indexing

from automodel.clock import SYSTEM_CLOCK
from automodel.reporting.quantities import count, duration, size
from automodel.reporting.trials import TrialFacts, trials_of

if TYPE_CHECKING:
    from automodel.training.planning.ranges import Range
    from automodel.training.planning.training_plan import TrainingPlan

PREDICT_SECONDS, MOST_ROWS = 1.0, 10_000  # of the rows whose prediction is timed
SHOWS: dict[str, Callable[[float], str]] = {
    **{"seconds": duration, "trials": count, "bytes": size}
}
COLUMNS = ("plan and fit", "planned", "low", "high", "actual")


@dataclass(frozen=True)
class PlanLine:
    """A figure of a plan, and what it came to.

    Parameters
    ----------
    what : str
        What is measured.
    unit : str
        "seconds", "trials" or "bytes".
    low, likely, high : float
        The estimate, as in a `Range`.
    actual : float
        What the fit has taken; NaN if that is not known.
    """

    what: str
    unit: str
    low: float
    likely: float
    high: float
    actual: float

    @property
    def cells(self) -> dict[str, str]:
        """The line as texts, by the names of the columns of a table."""
        values = self.likely, self.low, self.high, self.actual
        texts = self.what, *map(SHOWS[self.unit], values)
        return dict(zip(COLUMNS, texts, strict=True))


def plan_of(estimator: Any) -> TrainingPlan | None:
    """Return the plan that an estimator has kept for its fit, if there is one."""
    return vars(estimator).get("_plan_of_fit")


def plan_facts(estimator: Any, plan: TrainingPlan | None, X: Any) -> dict[str, Any]:
    """Return the lines of a plan and a fit as plain values; none without a plan."""
    plan = plan_of(estimator) if plan is None else plan
    lines = [] if plan is None else compared(plan, estimator, X)
    return {"lines": [vars(line) for line in lines]}


def compared(plan: TrainingPlan, estimator: Any, X: Any = None) -> list[PlanLine]:
    """Return the figures of a plan beside those of the fit.

    Parameters
    ----------
    plan : TrainingPlan
        The plan.
    estimator : AutoEstimator
        The fitted estimator.
    X : array-like of shape (n_samples, n_features) or (n_samples,), default=None
        Rows, of which some are predicted to measure how long that takes. Without them,
        it is not known.
    """
    trials = [trial for trial in trials_of(estimator) if trial.ran_here]
    ends = [trial.end for trial in trials if trial.status == "complete"]
    first = min(ends, default=math.nan)
    counts = Counter(trial.family for trial in trials)
    lines = [
        _line("whole fit", "seconds", plan.seconds, estimator.fit_report_["total"]),
        _line("first model after", "seconds", plan.seconds_to_first_model, first),
        _line("trials", "trials", plan.total_trials, len(trials)),
    ]
    names = sorted(plan.n_trials, key=lambda name: -plan.n_trials[name].likely)
    for name in names:
        if plan.n_trials[name].high or counts[name]:
            lines.append(
                _line(f"trials of {name}", "trials", plan.n_trials[name], counts[name])
            )
    for name in counts.keys() - plan.n_trials.keys():
        lines.append(PlanLine(f"trials of {name}", "trials", 0, 0, 0, counts[name]))
    memory = _peak_memory(estimator, trials)
    lines.append(_line("memory of all processes", "bytes", plan.peak_memory, memory))
    rate = math.nan if X is None else _seconds_per_row(estimator, X, plan)
    lines.append(_line("time to predict a row", "seconds", plan.seconds_per_row, rate))
    return lines


def _line(what: str, unit: str, planned: Range, actual: float) -> PlanLine:
    return PlanLine(what, unit, planned.low, planned.likely, planned.high, actual)


def _peak_memory(estimator: Any, trials: list[TrialFacts]) -> float:
    """Return the sum of the peaks of all processes, NaN if they are not known.

    The peaks need not have come at the same time, so the processes held at most as much
    together.
    """
    own = vars(estimator).get("_provenance", {}).get("peak_memory", math.nan)
    workers: dict[int, float] = {}
    for trial in trials:
        if trial.worker:
            known = workers.get(trial.worker, 0.0)
            workers[trial.worker] = max(known, trial.peak_memory)
    return own + sum(workers.values())


def _seconds_per_row(estimator: Any, X: Any, plan: TrainingPlan) -> float:
    """Return the seconds to predict a row, measured on as many as take a second."""
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    likely = max(plan.seconds_per_row.likely, PREDICT_SECONDS / MOST_ROWS)
    n_used = min(n_rows, max(round(PREDICT_SECONDS / likely), 1))
    rows = _safe_indexing(X, list(range(n_used)))
    start = SYSTEM_CLOCK.now()
    estimator._predict_outputs(rows)
    return (SYSTEM_CLOCK.now() - start) / n_used
