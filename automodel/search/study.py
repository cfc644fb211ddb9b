"""FamilyStudy: the trials of one family, in a study of Optuna held in memory."""

from __future__ import annotations

import bisect
import copy
import math
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from automodel.clock import wall_time
from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.exceptions import describe_error
from automodel.families.base import ModelFamily
from automodel.search.allocation import FamilyState
from automodel.search.spaces import proven_settings, stated_cost, suggest
from automodel.search.window import StoppableStudy, WindowStorage
from automodel.task import Task

MAX_IN_VAIN = 3
MOST_ERROR = 10_000  # characters, which every database takes
MOST_SAMPLED, BEST_SAMPLED = 400, 100  # trials that our sampler sees, and the best
MOST_COMPARED = 200  # trials that a pruner sees
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)

Sampler = optuna.samplers.BaseSampler | Callable[[int], optuna.samplers.BaseSampler]


@dataclass(frozen=True)
class RunningTrial:
    """A trial that was asked for, here or in another process, and has not ended.

    Parameters
    ----------
    number : int
        The number of the trial in the whole search.
    study : FamilyStudy
        The study of its family.
    position : int
        The number of the trial in that study.
    candidate : Candidate
        What is evaluated.
    cost : float, default=nan
        Its cost, see `ModelFamily.cost`.
    error : str, default=""
        Why the trial cannot be run; "" if it can.
    is_of_sampler : bool, default=False
        Whether the error is one of the sampler.
    """

    number: int
    study: FamilyStudy
    position: int
    candidate: Candidate
    cost: float = math.nan
    error: str = ""
    is_of_sampler: bool = False


class FamilyStudy:
    """Asks for the trials of one family, and is told their results.

    Parameters
    ----------
    family : ModelFamily
        What is searched.
    task : Task
        The facts about the problem.
    sampler : BaseSampler, callable or None
        A sampler is copied; a callable `seed -> sampler` makes one for each trial;
        None is Optuna's TPE.
    pruner : BasePruner
        Pruner of the study.

    Attributes
    ----------
    study : StoppableStudy
        The study that is asked and told; a sampler stops it when it is exhausted.
    shown : StoppableStudy
        The same trials for callbacks, which can stop the whole search with it.
    """

    def __init__(
        self,
        family: ModelFamily,
        task: Task,
        sampler: Sampler | None,
        pruner: optuna.pruners.BasePruner,
    ):
        self.family = family
        self.task = task
        self._trials = WindowStorage()
        optuna.create_study(
            storage=self._trials, study_name=family.name, direction="maximize"
        )
        self.sampler = copy.deepcopy(sampler)
        is_one = isinstance(sampler, optuna.samplers.BaseSampler)
        shown: Any = self.sampler if is_one else None
        self.study = StoppableStudy(family.name, self._trials, shown, pruner)
        self.shown = StoppableStudy(family.name, self._trials, shown, pruner)
        self.n_asked = 0
        self.n_complete = 0
        self.n_failed = 0
        self.n_in_vain = 0  # settings in a row that are not new, or cannot be run
        self.seconds: list[float] = []
        self.complete_seconds: list[float] = []
        self.seconds_per_cost: list[float] = []  # of a unit of `ModelFamily.cost`
        self._n_known = 0  # trials of the study that have become settings
        self._seen: set[str] = set()
        nothing = Evaluation(Candidate(family, {}), "failed")
        self._of_the_end = {*attributes(0, nothing), "arrays"}
        self._ended: list[FrozenTrial] = []  # by number, whichever ended first
        self._ranked: list[tuple[float, int]] = []  # scores and numbers of these
        self._portfolio: deque[dict[str, Any]] = deque()
        self._broken = ""  # why the family has no proven settings
        self._failure = ""  # of the sampler, when it was told a result
        try:
            self._portfolio.extend(proven_settings(family, task))
        except Exception as error:  # noqa: BLE001  kept as the error of its trials
            self._broken = describe_error(error)

    @property
    def is_exhausted(self) -> bool:
        """Whether the sampler gives nothing new, or nothing that can be run."""
        return self.n_in_vain >= MAX_IN_VAIN or self.study.is_stopped

    def state(self, predicted_seconds: float) -> FamilyState:
        """Return the facts from which the family of the next trial is chosen."""
        return FamilyState(
            self.family.name,
            self.family.rank,
            self.n_asked,
            self.n_asked - len(self.seconds),
            self.n_complete,
            self.n_failed,
            self._ranked[-1][0] if self._ranked else -math.inf,
            predicted_seconds,
            self.family.start_seconds,
            self.family.seldom_helps,
            self.family.least_share,
            self.family.most_share,
        )

    def ask(self, number: int, seed: int) -> RunningTrial | None:
        """Ask for a trial: with a proven setting first, then with one of the sampler.

        Parameters
        ----------
        number : int
            The number that the trial will have in the whole search.
        seed : int
            Seed of the models, and of a fresh sampler: a search that goes on draws
            nothing twice.

        Returns
        -------
        RunningTrial or None
            None if its setting was tried before.
        """
        is_proven = bool(self._portfolio)
        with self._trials.window():
            trial = self._ask(number, seed)
        if not trial.error and self._key(trial) in self._seen:
            self._finish(trial.position, TrialState.FAIL)
            self.n_in_vain += not is_proven
            return None
        return trial

    def _ask(self, number: int, seed: int) -> RunningTrial:
        error, self._failure = self._failure, ""
        if not error and not self._broken:
            try:
                self.study.sampler = self._fresh_sampler(seed)
                if self._portfolio:
                    self.study.enqueue_trial(self._portfolio.popleft())
                trial = self.study.ask()
                self._n_known = trial.number + 1
                said = suggest(self.family, trial, self.task)
                return self._running(number, seed, trial.number, *said)
            except Exception as raised:  # noqa: BLE001  a sampler may raise anything
                error = describe_error(raised)
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        begun = [t.number for t in trials if t.number >= self._n_known]
        position = begun[0] if begun else self._create(None)
        broken = self._running(number, seed, position, {}, error=self._broken or error)
        return replace(broken, is_of_sampler=not self._broken)

    def keep(self, trial: RunningTrial) -> None:
        """Count a trial that will be run, or that fails before."""
        self.n_asked += 1
        if trial.error:
            self.n_in_vain += 1
            return
        self.n_in_vain = 0
        self._seen.add(self._key(trial))

    def give_up(self, trial: RunningTrial) -> None:
        """Take a trial back, since another process has taken its number."""
        proven = self.frozen(trial).system_attrs.get("fixed_params")
        if proven is not None:
            self._portfolio.appendleft(proven)
        self._finish(trial.position, TrialState.FAIL)

    def add(self, number: int, seed: int, asked: FrozenTrial) -> RunningTrial:
        """Add a trial that an earlier fit or another process has asked for."""
        position = self._create(asked)
        fixed = optuna.trial.FixedTrial(asked.params)
        said = suggest(self.family, fixed, self.task)
        trial = self._running(number, seed, position, *said)
        self.keep(trial)
        if asked.state in ENDED:  # it ran, and the space has changed since
            self.n_in_vain = 0
        proven = asked.system_attrs.get("fixed_params")
        if proven is not None and proven in self._portfolio:
            self._portfolio.remove(proven)
        if isinstance(self.sampler, optuna.samplers.BaseSampler):
            self.sampler.reseed_rng()  # the same seed would repeat its draws
        return trial

    def again(self, trial: RunningTrial) -> RunningTrial:
        """Return a trial that was stopped as a new trial of the study."""
        self.n_asked += 1
        return replace(trial, position=self._create(self.frozen(trial)))

    @property
    def cost_of_next(self) -> float:
        """The cost of the next proven setting, or that of the default parameters."""
        params = self._portfolio[0] if self._portfolio else {}
        return stated_cost(self.family, params, self.task)

    @property
    def seconds_of_next(self) -> float:
        """Predict the time of the next trial as the mean of the complete ones.

        Without any, it is twice the longest time of the others. Pruned trials do not
        count, so that poor settings do not make a family look cheap.
        """
        if self.complete_seconds:
            return statistics.fmean(self.complete_seconds)
        return 2 * max(self.seconds)

    def frozen(self, trial: RunningTrial) -> FrozenTrial:
        """Return a trial as it is in the study."""
        return self._trials.get_trial(self._id(trial.position))

    def start(self, trial: RunningTrial) -> None:
        """Note when a trial begins to run, which may be long after it was asked for."""
        self.frozen(trial).datetime_start = datetime.fromtimestamp(wall_time())

    def tell(self, trial: RunningTrial, evaluation: Evaluation) -> FrozenTrial:
        """Tell the study the result of a trial; return a copy of the ended trial."""
        self._fill(trial, evaluation)
        if evaluation.status == "complete":
            self._finish(trial.position, None, evaluation.score)
        else:
            is_pruned = evaluation.status == "pruned"
            state = TrialState.PRUNED if is_pruned else TrialState.FAIL
            self._finish(trial.position, state)
        self._rank(self.frozen(trial))
        return copy.deepcopy(self.frozen(trial))  # a storage may write it later

    def restore(
        self, trial: RunningTrial, evaluation: Evaluation, ended: FrozenTrial
    ) -> FrozenTrial:
        """Enter the end of a trial in another process or an earlier fit; return it."""
        self._fill(trial, evaluation)
        state, values = ended.state, ended.values
        if evaluation.status == "failed":
            state, values = TrialState.FAIL, None
        self._trials.set_trial_state_values(self._id(trial.position), state, values)
        own = self.frozen(trial)
        own.datetime_start = ended.datetime_start
        own.datetime_complete = ended.datetime_complete
        self._rank(own)
        return own

    def compared(self) -> list[FrozenTrial]:
        """Return the trials that a pruner compares with: the best and the latest."""
        latest = self._ended[-MOST_COMPARED:]
        if len(latest) == len(self._ended):
            return latest
        first = latest[0].number
        older = (pair for pair in reversed(self._ranked) if pair[1] < first)
        score, number = next(older)
        if not math.isfinite(score):
            return latest
        return [self._trials.get_trial(self._id(number)), *latest]

    def _fill(self, trial: RunningTrial, evaluation: Evaluation) -> None:
        self.seconds.append(evaluation.seconds)
        self.n_failed += evaluation.status == "failed"
        if evaluation.status == "complete":
            self.n_complete += 1
            self.complete_seconds.append(evaluation.seconds)
            cost = trial.cost
            self.seconds_per_cost.append(
                evaluation.seconds / cost if cost else math.nan
            )
        self._trials.fill(
            self._id(trial.position),
            evaluation.reports,
            attributes(trial.number, evaluation),
        )

    def _rank(self, trial: FrozenTrial) -> None:
        if trial.state in ENDED:
            bisect.insort(self._ended, trial, key=lambda t: t.number)
            bisect.insort(self._ranked, _place(trial))
            if self.sampler is None and len(self._ended) > MOST_SAMPLED:
                self._hide(trial)

    def _finish(
        self, position: int, state: TrialState | None, score: float | None = None
    ) -> None:
        """Tell the study; an error of its sampler fails the trial that comes next."""
        try:
            self.study.tell(position, score, state)
        except Exception as error:  # noqa: BLE001  a sampler may raise anything
            if not self._trials.get_trial(self._id(position)).state.is_finished():
                raise
            self._failure = describe_error(error)

    def _create(self, trial: FrozenTrial | None) -> int:
        """Make a running trial with the parameters of another, or with none."""
        if trial is not None:
            trial = copy.copy(trial)
            trial.state, trial.values = TrialState.RUNNING, None
            trial.intermediate_values, trial.datetime_complete = {}, None
            said = trial.user_attrs.items()
            trial.user_attrs = {k: v for k, v in said if k not in self._of_the_end}
        trial_id = self._trials.create_new_trial(self.study._study_id, trial)
        position = self._trials.get_trial_number_from_id(trial_id)
        self._n_known = position + 1
        return position

    def _id(self, position: int) -> int:
        return self._trials.get_trial_id_from_study_id_trial_number(
            self.study._study_id, position
        )

    def _hide(self, ended: FrozenTrial) -> None:
        """Hide the trials that our own sampler no longer needs, now that one has ended.

        The time of a sampler grows with the number of trials. The best ones show it
        where good settings are, and a few hundred others where they are not.
        """
        n_latest = MOST_SAMPLED - BEST_SAMPLED
        first, worst = self._ended[-n_latest].number, self._ranked[-BEST_SAMPLED]
        places = [_place(ended), _place(self._ended[-n_latest - 1])]
        places.append(self._ranked[-BEST_SAMPLED - 1])
        if len(self._ended) == MOST_SAMPLED + 1:
            places = self._ranked
        for place in places:
            if place[1] < first and place < worst:
                self._trials.hide(self._id(place[1]))

    def _fresh_sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        if self.sampler is None:
            return optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=5, multivariate=True, constant_liar=True
            )
        if isinstance(self.sampler, optuna.samplers.BaseSampler):
            return self.sampler
        return self.sampler(seed)

    def _running(
        self,
        number: int,
        seed: int,
        position: int,
        params: dict[str, Any],
        cost: float = math.nan,
        error: str = "",
    ) -> RunningTrial:
        candidate = Candidate(self.family, params, seed)
        return RunningTrial(number, self, position, candidate, cost, error)

    @staticmethod
    def _key(trial: RunningTrial) -> str:
        return repr(sorted(trial.candidate.params.items()))


def attributes(number: int, evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as attributes of its trial, in values that JSON can hold."""
    return {
        "number": number,
        "family": evaluation.candidate.family.name,
        "status": evaluation.status,
        "seconds": evaluation.seconds,
        "error": evaluation.error[:MOST_ERROR],
        "fold_scores": [float(score) for score in evaluation.fold_scores],
        "n_iterations": [
            np.asarray(n, dtype=int).tolist() for n in evaluation.n_iterations
        ],
        "predict_seconds": evaluation.predict_seconds,
        "worker": evaluation.worker,
        "peak_memory": evaluation.peak_memory,
    }


def evaluation_of(trial: FrozenTrial, candidate: Candidate) -> Evaluation:
    """Return the evaluation that a trial has in its `attributes`, without arrays."""
    said = trial.user_attrs
    return Evaluation(
        candidate,
        said["status"],
        score=_score(trial),
        fold_scores=said["fold_scores"],
        seconds=said["seconds"],
        n_iterations=said["n_iterations"],
        error=said["error"],
        reports=dict(trial.intermediate_values),
        predict_seconds=said["predict_seconds"],
        worker=said.get("worker"),
        peak_memory=said.get("peak_memory", 0),
    )


def _score(trial: FrozenTrial) -> float:
    if trial.state != TrialState.COMPLETE or trial.value is None:
        return math.nan
    return trial.value


def _place(trial: FrozenTrial) -> tuple[float, int]:
    """Return the key by which trials are ranked: the score, then the number."""
    score = _score(trial)
    return (score if math.isfinite(score) else -math.inf), trial.number
