"""FamilyStudy: the trials of one family, in a study of Optuna held in memory."""

from __future__ import annotations

import bisect
import copy
import math
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from automodel.evaluation.evaluate import LEARNED_LOSS, Candidate, Evaluation
from automodel.exceptions import describe_error
from automodel.families.base import ModelFamily
from automodel.search.allocation import FamilyState
from automodel.search.window import StoppableStudy, WindowStorage
from automodel.task import Task

MAX_IN_VAIN = 3
MOST_ERROR = 10_000  # characters, which every database takes
MOST_SAMPLED, BEST_SAMPLED = 400, 100  # trials that our sampler sees, and the best
MOST_COMPARED = 200  # trials that a pruner sees
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)

Sampler = optuna.samplers.BaseSampler | Callable[[int], optuna.samplers.BaseSampler]


@dataclass(frozen=True)
class Setting:
    """A trial that the study has given; `position` is its number there.

    `cost` is what the family says that it costs; `error` why it cannot be run, and
    `is_of_sampler` whether the sampler is to blame for that.
    """

    position: int
    params: dict[str, Any]
    cost: float = math.nan
    error: str = ""
    is_of_sampler: bool = False


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

    Attributes
    ----------
    study : StoppableStudy
        Asked and told; a sampler stops it when it has no more to give.
    shown : StoppableStudy
        The same trials for callbacks, which stop the whole search by it.
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
        self.n_in_vain = 0  # in a row: settings that were tried, or could not be made
        self.seconds: list[float] = []
        self.complete_seconds: list[float] = []
        self.seconds_per_cost: list[
            float
        ] = []  # seconds for a unit of `ModelFamily.cost`
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
        except Exception as error:  # noqa: BLE001  part of its trials, kept on them
            self._broken = describe_error(error)

    @property
    def is_exhausted(self) -> bool:
        """Whether the sampler gives nothing new, or nothing that can be run."""
        return self.n_in_vain >= MAX_IN_VAIN or self.study.is_stopped

    def state(self, predicted_seconds: float) -> FamilyState:
        """Return what the choice among the families is made from."""
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
        is_proven = bool(self._portfolio)
        with self._trials.window():
            setting = self._ask(seed)
        if not setting.error and self._key(setting.params) in self._seen:
            self._finish(setting.position, TrialState.FAIL)
            self.n_in_vain += not is_proven
            return None
        return setting

    def _ask(self, seed: int) -> Setting:
        error, self._failure = self._failure, ""
        if not error and not self._broken:
            try:
                self.study.sampler = self._fresh_sampler(seed)
                if self._portfolio:
                    self.study.enqueue_trial(self._portfolio.popleft())
                trial = self.study.ask()
                self._n_known = trial.number + 1
                return Setting(trial.number, *suggest(self.family, trial, self.task))
            except Exception as raised:  # noqa: BLE001  what a sampler raises is its own
                error = describe_error(raised)
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        begun = [t.number for t in trials if t.number >= self._n_known]
        position = begun[0] if begun else self._create(None)
        return Setting(
            position, {}, error=self._broken or error, is_of_sampler=not self._broken
        )

    def keep(self, setting: Setting) -> None:
        """Count a trial that will be run, or fails at once."""
        self.n_asked += 1
        if setting.error:
            self.n_in_vain += 1
            return
        self.n_in_vain = 0
        self._seen.add(self._key(setting.params))

    def give_up(self, setting: Setting) -> None:
        """Take a trial back: another process has asked for one in the meantime."""
        proven = self.frozen(setting).system_attrs.get("fixed_params")
        if proven is not None:
            self._portfolio.appendleft(proven)
        self._finish(setting.position, TrialState.FAIL)

    def add(self, trial: FrozenTrial) -> Setting:
        """Take in a trial that an earlier fit or another process has asked for."""
        position = self._create(trial)
        fixed = optuna.trial.FixedTrial(trial.params)
        setting = Setting(position, *suggest(self.family, fixed, self.task))
        self.keep(setting)
        if trial.state in ENDED:  # an error now is of a space that has changed
            self.n_in_vain = 0
        proven = trial.system_attrs.get("fixed_params")
        if proven is not None and proven in self._portfolio:
            self._portfolio.remove(proven)
        if isinstance(self.sampler, optuna.samplers.BaseSampler):
            self.sampler.reseed_rng()  # the same seed would repeat its draws
        return setting

    def again(self, setting: Setting) -> Setting:
        """Return a setting that was stopped as a trial of its own, to be run anew."""
        self.n_asked += 1
        return replace(setting, position=self._create(self.frozen(setting)))

    @property
    def cost_of_next(self) -> float:
        """Return the cost of the next proven setting, or of a usual one."""
        params = self._portfolio[0] if self._portfolio else {}
        try:
            return float(self.family.cost(params, self.task))
        except Exception:  # noqa: BLE001  the next trial fails with it
            return math.nan

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
        return self._trials.get_trial(self._id(setting.position))

    def tell(
        self, number: int, setting: Setting, evaluation: Evaluation
    ) -> FrozenTrial:
        """Book the result of a trial; `number` is its own in the whole search."""
        self._fill(number, setting, evaluation)
        if evaluation.status == "complete":
            self._finish(setting.position, None, evaluation.score)
        else:
            is_pruned = evaluation.status == "pruned"
            state = TrialState.PRUNED if is_pruned else TrialState.FAIL
            self._finish(setting.position, state)
        self._rank(self.frozen(setting))
        return copy.deepcopy(self.frozen(setting))  # a storage may write it later

    def restore(
        self, number: int, setting: Setting, evaluation: Evaluation, ended: FrozenTrial
    ) -> None:
        """Book what a trial came to elsewhere."""
        self._fill(number, setting, evaluation)
        trial_id = self._id(setting.position)
        state, values = ended.state, ended.values
        if evaluation.status == "failed":
            state, values = TrialState.FAIL, None
        self._trials.set_trial_state_values(trial_id, state, values)
        trial = self._trials.get_trial(trial_id)
        trial.datetime_complete = ended.datetime_complete
        self._rank(trial)

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

    def _fill(self, number: int, setting: Setting, evaluation: Evaluation) -> None:
        self.seconds.append(evaluation.seconds)
        self.n_failed += evaluation.status == "failed"
        if evaluation.status == "complete":
            self.n_complete += 1
            self.complete_seconds.append(evaluation.seconds)
            cost = setting.cost
            self.seconds_per_cost.append(
                evaluation.seconds / cost if cost else math.nan
            )
        self._trials.fill(
            self._id(setting.position),
            evaluation.reports,
            attributes(number, evaluation),
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
        except Exception as error:  # noqa: BLE001  what a sampler raises is its own
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
        """Hide the trials that our own sampler needs no longer, now that one has ended.

        The time of a sampler grows with the trials. It needs the best to know where to
        go, and a few hundred others to know where not to.
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

    @staticmethod
    def _key(params: dict[str, Any]) -> str:
        return repr(sorted(params.items()))


def suggest(
    family: ModelFamily, trial: Any, task: Task
) -> tuple[dict[str, Any], float, str]:
    """Return the parameters of a trial and their cost, or why the family gave none."""
    try:
        params = dict(_suggested(family, trial, task))
        return params, float(family.cost(params, task)), ""
    except Exception as error:  # noqa: BLE001  part of the trial, kept on it
        return {}, math.nan, describe_error(error)


def _suggested(family: ModelFamily, trial: Any, task: Task) -> dict[str, Any]:
    losses = family.losses(task)
    if not losses:
        return family.search_space(trial, task)
    loss = trial.suggest_categorical(LEARNED_LOSS, list(losses))
    params = family.search_space(trial, task.learning(loss))
    return {**params, LEARNED_LOSS: loss}


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
        "n_iterations": [
            np.asarray(n, dtype=int).tolist() for n in evaluation.n_iterations
        ],
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


def _place(trial: FrozenTrial) -> tuple[float, int]:
    """Return what a trial is ranked by: its score, then its number."""
    score = _score(trial)
    return (score if math.isfinite(score) else -math.inf), trial.number
