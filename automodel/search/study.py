"""FamilyStudy: the trials of one family, in a study of Optuna held in memory."""

from __future__ import annotations

import copy
import math
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from automodel.evaluation import LEARNED_LOSS, Candidate, Evaluation
from automodel.families.base import ModelFamily
from automodel.search.allocation import FamilyState
from automodel.task import Task

MAX_DUPLICATES = 3
MOST_ERROR = 10_000  # characters, which every database takes
MOST_SAMPLED, BEST_SAMPLED = 500, 100  # trials that our sampler sees, and the best
MOST_COMPARED = 200  # trials that a pruner sees
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)

Sampler = optuna.samplers.BaseSampler | Callable[[int], optuna.samplers.BaseSampler]


@dataclass(frozen=True)
class Setting:
    """A trial that the study has given; `position` is its number there."""

    position: int
    params: dict[str, Any]
    error: str = ""


class WindowStorage(optuna.storages.InMemoryStorage):
    """Trials in memory, some of which can be hidden from a sampler.

    Attributes
    ----------
    hidden : set of int
        Numbers of the trials that are not shown.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hidden: set[int] = set()

    def get_all_trials(self, study_id, deepcopy=True, states=None):
        """Return the trials of a study that are not hidden."""
        trials = super().get_all_trials(study_id, deepcopy, states)
        if not self.hidden:
            return trials
        return [trial for trial in trials if trial.number not in self.hidden]


class FamilyStudy:
    """Asks for settings of one family and keeps what came of them.

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
        self.study = optuna.create_study(
            storage=self._trials,
            study_name=family.name,
            direction="maximize",
            pruner=pruner,
        )
        self.sampler = copy.deepcopy(sampler)
        self.n_asked = 0
        self.n_failed = 0
        self.n_duplicates = 0
        self.scores: list[float] = []
        self.seconds: list[float] = []
        self.complete_seconds: list[float] = []
        self.paces: list[float] = []  # seconds for a unit of `ModelFamily.cost`
        self._portfolio = deque(proven_settings(family, task))
        self._seen: set[str] = set()
        self._ended: list[FrozenTrial] = []

    @property
    def is_exhausted(self) -> bool:
        """Whether the sampler gives nothing but settings that were tried."""
        return self.n_duplicates >= MAX_DUPLICATES

    def state(self, predicted_seconds: float) -> FamilyState:
        """Return what the choice among the families is made from."""
        return FamilyState(
            self.family.name,
            self.family.rank,
            self.n_asked,
            len(self.scores),
            self.n_failed,
            max(self.scores, default=-math.inf),
            predicted_seconds,
            self.family.start_seconds,
            self.family.seldom_helps,
            self.family.least_share,
        )

    def ask(self, seed: int) -> Setting | None:
        """Ask for a setting: of the portfolio first, then of the sampler.

        Parameters
        ----------
        seed : int
            Seed of a fresh sampler, so that a search that goes on repeats no draw.

        Returns
        -------
        Setting or None
            None if the setting is one that was tried.
        """
        self.study.sampler = self._fresh_sampler(seed)
        is_proven = bool(self._portfolio)
        if is_proven:
            self.study.enqueue_trial(self._portfolio.popleft())
        self._trials.hidden = self._hidden()
        trial = self.study.ask()
        params, error = suggest(self.family, trial, self.task)
        self._trials.hidden = set()
        if not error and self._key(params) in self._seen:
            self.study.tell(trial, state=TrialState.FAIL)
            self.n_duplicates += not is_proven
            return None
        return Setting(trial.number, params, error)

    def keep(self, setting: Setting) -> None:
        """Count a trial that will be run."""
        self._seen.add(self._key(setting.params))
        self.n_duplicates = 0
        self.n_asked += 1

    def give_up(self, setting: Setting) -> None:
        """Take a trial back: another process has asked for one in the meantime."""
        proven = self.frozen(setting).system_attrs.get("fixed_params")
        if proven is not None:
            self._portfolio.appendleft(proven)
        self.study.tell(setting.position, state=TrialState.FAIL)

    def add(self, trial: FrozenTrial) -> Setting:
        """Take in a trial that an earlier fit or another process has asked for."""
        running = copy.copy(trial)
        running.state = TrialState.RUNNING
        self.study._storage.create_new_trial(self.study._study_id, running)
        params, error = suggest(
            self.family, optuna.trial.FixedTrial(trial.params), self.task
        )
        setting = Setting(len(self.study.get_trials(deepcopy=False)) - 1, params, error)
        self.keep(setting)
        proven = trial.system_attrs.get("fixed_params")
        if proven is not None and proven in self._portfolio:
            self._portfolio.remove(proven)
        if isinstance(self.sampler, optuna.samplers.BaseSampler):
            self.sampler.reseed_rng()  # the same seed would repeat its draws
        return setting

    @property
    def work_of_next(self) -> float:
        """Return the cost of the next proven setting, or of a usual one."""
        params = self._portfolio[0] if self._portfolio else {}
        return self.family.cost(params, self.task)

    @property
    def seconds_of_next(self) -> float:
        """Predict a trial from the complete ones, else as more than the others had.

        Pruned trials do not count: a family does not become a bargain by settings that
        bring nothing.
        """
        if self.complete_seconds:
            return statistics.fmean(self.complete_seconds)
        return 2 * max(self.seconds)

    def frozen(self, setting: Setting) -> FrozenTrial:
        """Return the trial as it is in the study."""
        return self.study.get_trials(deepcopy=False)[setting.position]

    def tell(
        self, number: int, setting: Setting, evaluation: Evaluation
    ) -> FrozenTrial:
        """Book the result of a trial; `number` is its own in the whole search."""
        self.seconds.append(evaluation.seconds)
        self.n_failed += evaluation.status == "failed"
        if evaluation.status == "complete":
            self.scores.append(evaluation.score)
            self.complete_seconds.append(evaluation.seconds)
            work = self.family.cost(setting.params, self.task)
            self.paces.append(evaluation.seconds / work if work else math.nan)
        storage, trial_id = self.study._storage, self.frozen(setting)._trial_id
        for step, value in evaluation.reports.items():
            storage.set_trial_intermediate_value(trial_id, step, value)
        for name, value in attributes(number, evaluation).items():
            storage.set_trial_user_attr(trial_id, name, value)
        if evaluation.status == "complete":
            trial = self.study.tell(setting.position, evaluation.score)
        else:
            state = STATES.get(evaluation.status, TrialState.FAIL)
            trial = self.study.tell(setting.position, state=state)
        if trial.state in ENDED:
            self._ended.append(trial)
        return trial

    def compared(self) -> list[FrozenTrial]:
        """Return the trials that a pruner compares with: the best and the latest."""
        latest = self._ended[-MOST_COMPARED:]
        if len(latest) == len(self._ended):
            return latest
        older = self._ended[:-MOST_COMPARED]
        complete = [trial for trial in older if math.isfinite(_score(trial))]
        return sorted(complete, key=_score)[-1:] + latest

    def _hidden(self) -> set[int]:
        """Return the trials that our own sampler does without.

        Its time grows with the trials. It needs the best to know where to go, and a
        few hundred others to know where not to.
        """
        if self.sampler is not None or len(self._ended) <= MOST_SAMPLED:
            return set()
        order = sorted(self._ended, key=lambda trial: trial.number)
        shown = order[-(MOST_SAMPLED - BEST_SAMPLED) :]
        shown += sorted(order, key=_sortable)[-BEST_SAMPLED:]
        return {trial.number for trial in order} - {trial.number for trial in shown}

    def _fresh_sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        if self.sampler is None:
            return optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=5, multivariate=True, constant_liar=True
            )
        if isinstance(self.sampler, optuna.samplers.BaseSampler):
            return self.sampler
        return self.sampler(seed)

    @staticmethod
    def _key(params: dict[str, Any]) -> str:
        return repr(sorted(params.items()))


def suggest(family: ModelFamily, trial: Any, task: Task) -> tuple[dict[str, Any], str]:
    """Return the parameters of a trial, or why the space of the family gave none."""
    try:
        losses = family.losses(task)
        if not losses:
            return family.search_space(trial, task), ""
        loss = trial.suggest_categorical(LEARNED_LOSS, list(losses))
        return {
            **family.search_space(trial, task.learning(loss)),
            LEARNED_LOSS: loss,
        }, ""
    except Exception as error:  # noqa: BLE001  part of the trial, kept on it
        return {}, f"{type(error).__name__}: {error}"


def proven_settings(family: ModelFamily, task: Task) -> list[dict[str, Any]]:
    """Return the proven settings of a family, each with all losses it chooses from."""
    losses = family.losses(task)
    if not losses:
        return list(family.portfolio(task))
    of_losses = [
        [
            {**setting, LEARNED_LOSS: loss}
            for setting in family.portfolio(task.learning(loss))
        ]
        for loss in losses
    ]
    return [
        setting for settings in zip(*of_losses, strict=True) for setting in settings
    ]


def attributes(number: int, evaluation: Evaluation) -> dict[str, Any]:
    """Return what a trial says of its evaluation, in values that JSON can hold."""
    return {
        "number": number,
        "family": evaluation.candidate.family.name,
        "status": evaluation.status,
        "seconds": evaluation.seconds,
        "error": evaluation.error[:MOST_ERROR],
        "fold_scores": [float(score) for score in evaluation.fold_scores],
        "n_iterations": [int(n) for n in evaluation.n_iterations],
        "predict_seconds": evaluation.predict_seconds,
    }


def evaluation_of(trial: FrozenTrial, candidate: Candidate) -> Evaluation:
    """Return the evaluation that `attributes` took apart, without its arrays."""
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
    )


def _score(trial: FrozenTrial) -> float:
    if trial.state != TrialState.COMPLETE or trial.value is None:
        return math.nan
    return trial.value


def _sortable(trial: FrozenTrial) -> float:
    score = _score(trial)
    return score if math.isfinite(score) else -math.inf
