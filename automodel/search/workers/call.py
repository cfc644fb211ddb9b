"""Call: a trial or a refit on its way to a worker that is not this process."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Evaluation
from automodel.search.models import ModelFolder
from automodel.search.workers.work import WorkItem, refit, work
from automodel.search.workers.worker_process import Outcome

GRACE_SECONDS = 0.2  # between the deadline and the end of a worker that missed it
REFIT_GRACE_SECONDS = GRACE_SECONDS / 2


@dataclass(frozen=True)
class Call:
    """A trial or a refit on its way to a worker, and what keeps its models.

    The keys of running calls are different. `start` is the moment at which the call was
    sent. A call that was lost when its worker died is sent a second time.
    """

    key: Hashable
    order: Any  # WorkItem or Refit
    keep_model: ModelFolder | None = None
    start: float = 0.0
    is_second: bool = False

    @property
    def is_trial(self) -> bool:
        """Whether it is a trial, and no refit."""
        return isinstance(self.order, WorkItem)

    @property
    def function(self) -> Callable[..., Any]:
        """The function that the worker calls with the order, data and `keep_model`."""
        return work if self.is_trial else refit

    @property
    def deadline(self) -> Deadline:
        """The moment from which the call is no longer waited for."""
        grace = GRACE_SECONDS if self.is_trial else REFIT_GRACE_SECONDS
        return self.order.deadline.later(grace)


Ended = Iterable[tuple[Call, Outcome]]


def evaluations(ended: Ended) -> Iterator[tuple[WorkItem, Evaluation]]:
    """Yield the items of trials with their evaluations, as they end."""
    for call, outcome in ended:
        if outcome.cause and call.keep_model is not None:
            call.keep_model.drop()  # the process itself could not
        evaluation = _evaluation_from(call.order, outcome)
        evaluation.worker = outcome.worker
        yield call.order, evaluation


def values_of(calls: Sequence[Call], ended: Ended) -> list[Any]:
    """Return the value of each call once all have ended; None if a call failed."""
    values = {call.key: outcome.value for call, outcome in ended}
    return [values.get(call.key) for call in calls]


def _evaluation_from(item: WorkItem, outcome: Outcome) -> Evaluation:
    """Return the evaluation that the worker sent, or one that says why it sent none."""
    if not outcome.cause:
        return outcome.value
    if outcome.cause == "time":
        if item.deadline.is_over:
            return Evaluation(item.candidate, "stopped", seconds=outcome.seconds)
        error = f"TimeoutError: it did not stop at its limit of {item.time_limit:.3g} s"
    elif outcome.cause == "died":
        error = f"{outcome.error}, twice"
    else:
        error = outcome.error
    return Evaluation(item.candidate, "failed", error=error, seconds=outcome.seconds)
