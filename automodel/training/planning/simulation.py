"""Simulate a fit: its search and its ensemble on a clock that probes have set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automodel.ensemble.blend import Member
from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.evaluation.folds import Folds
from automodel.families.base import ModelFamily
from automodel.quiet import no_warnings
from automodel.search.allocation import has_converged, noise_of
from automodel.search.budget import Budget
from automodel.search.search import SearchSettings
from automodel.search.workers.own import may_start_here
from automodel.search.workers.simulated import SimulatedClock, SimulatedWorkers
from automodel.search.workers.simulated_trial import Course
from automodel.training.assembly import Trained
from automodel.training.planning.cost_model import FamilyCosts
from automodel.training.planning.machine import Machine
from automodel.training.planning.probes import Probes
from automodel.training.planning.stand_ins import StandInPredictions
from automodel.training.train import BASELINE, TrainingSettings, train

# Standard deviations of the logarithm of the seconds of settings of equal cost
OF_PROVEN, OF_DRAWN = 0.15, 0.4
LEVEL = 0.5  # error of the best family, of values whose standard deviation is 1
UNKNOWN_GAP, SELDOM_GAP = 0.2, 0.2  # between the error of a family and the least
UNSURE_ROWS = 1500  # at which a probe says as much as is known without one
PROVEN_GAP, DRAWN_GAP = 0.015, 0.05  # between settings of a family
TUNED, TUNED_TRIALS = 0.02, 25.0  # what a sampler learns, and in how many trials
TRIAL_SECONDS = 0.02  # to ask for a trial, to send it, and to take its result
SELECT_SECONDS, SELECT_CELL = 0.3, 2e-8  # for each row, output and evaluation
WORKER_BYTES = 4e7  # of what a worker keeps between trials, such as encoded rows
KEPT_BYTES = 5e7  # that libraries do not give back after the trials of a worker
OOF_BYTES = 8  # of a prediction that the search keeps, with a copy for the ensemble
CONVERGENCE_STEP = 5  # trials
ENSEMBLE_SIZE = 5  # steps of the selection at most, since more take long
BAND = 0.8  # standard deviations of all costs together, for the ends of a band


@dataclass(frozen=True)
class SimulatedFit:
    """What a simulated fit has taken; the names are those of `TrainingPlan`."""

    seconds: float
    seconds_to_first_model: float
    seconds_to_convergence: float
    n_trials: Mapping[str, int]
    peak_memory: float
    memory_parent: float
    memory_worker: float
    seconds_per_row: float
    too_large: frozenset[str]  # families whose trials all exceed the memory limit
    too_slow: frozenset[str]  # families with trials of which none has ended in time


@dataclass(frozen=True)
class Scene:
    """What is simulated: the data, the families, and what probes have found out.

    Parameters
    ----------
    folds, stand_ins : Folds
        The data of the search, and stand-ins for them.
    families : sequence of ModelFamily
        What is searched.
    costs : mapping of str to FamilyCosts
        Seconds and memory of each family.
    probes : Probes
        What was measured.
    settings : TrainingSettings
        The settings of the fit.
    setup_seconds : float
        Seconds of the fit before the search.
    parent_bytes : float
        Memory of this process.
    has_gpu : bool, default=False
        Whether the probes could use a GPU.
    perfect : float, default=0.0
        The score of predictions without errors.
    """

    folds: Folds
    stand_ins: Folds
    families: Sequence[ModelFamily]
    costs: Mapping[str, FamilyCosts]
    probes: Probes
    settings: TrainingSettings
    setup_seconds: float
    parent_bytes: float
    has_gpu: bool = False
    perfect: float = 0.0

    def seed(self, number: int) -> int:
        """Return the seed of one of several simulated fits.

        It depends on the data, so that it is not always the same families that do well.
        """
        key = self.settings.search.seed, number, len(self.folds.y)
        return int(np.random.SeedSequence(key).generate_state(1)[0]) >> 1


@dataclass(frozen=True)
class Conditions:
    """What a fit may use: seconds, trials, and how many of these run at a time."""

    time_budget: float | None
    n_trials: int | None
    n_jobs: int
    machine: Machine

    @property
    def slowness(self) -> float:
        """By which factor trials are slower than probes, which also share the cores."""
        return max(self.n_jobs / self.machine.n_cores, 1.0)


def simulate(
    scene: Scene, conditions: Conditions, shift: int = 0, number: int = 0
) -> SimulatedFit:
    """Simulate a fit.

    Parameters
    ----------
    scene : Scene
        What is simulated.
    conditions : Conditions
        What the fit may use.
    shift : int, default=0
        -1 if costs are as low as they may well be, and 1 if they are as high.
    number : int, default=0
        Number of the fit among those that are simulated, which differ by chance.
    """
    import optuna

    own, n_jobs = scene.settings, conditions.n_jobs
    has_processes = n_jobs > 1 or own.memory_limit is not None
    clock = SimulatedClock()
    budget = Budget(conditions.time_budget, conditions.n_trials, clock)
    seed = scene.seed(number)
    costs = DrawnCosts(scene, conditions, shift, seed)
    workers: list[SimulatedWorkers] = []

    def open_workers(n_jobs, folds, memory_limit, model_folder) -> SimulatedWorkers:
        may_start = may_start_here(scene.folds, memory_limit)
        workers.append(
            SimulatedWorkers(
                n_jobs, folds, clock, costs, memory_limit, has_processes, may_start
            )
        )
        return workers[-1]

    sampler = optuna.samplers.RandomSampler
    search = SearchSettings(sampler, own.search.pruner, (), seed)
    settings = TrainingSettings(
        search,
        n_jobs,
        own.memory_limit,
        min(own.ensemble_size, ENSEMBLE_SIZE),
        own.refit,
        limits=own.limits,
        open_workers=open_workers,
    )
    clock.wait(scene.setup_seconds)
    with no_warnings():
        trained = train(scene.stand_ins, scene.families, budget, settings)
    return _summary(scene, trained, workers[0], budget)


def _summary(
    scene: Scene, trained: Trained, workers: SimulatedWorkers, budget: Budget
) -> SimulatedFit:
    counts = {name: len(trials) for name, trials in trained.studies.items()}
    ended = [e for _, e in workers.ended]
    n_complete = sum(e.status == "complete" for e in ended)
    per_row, n_bytes = _of_ensemble(scene, trained.ensemble.members)
    folds = scene.folds
    kept = min(n_complete, 3 * 40) * len(folds.y) * folds.target.n_outputs * OOF_BYTES
    searching = scene.parent_bytes + kept
    parent = searching + n_bytes  # which are loaded once the workers have ended
    others = workers.peak_bytes
    if workers.are_isolated:
        others += scene.probes.server_bytes + workers.n_jobs * KEPT_BYTES
    causes: dict[str, set[str]] = {}
    for evaluation in ended:
        cause = evaluation.error.partition(":")[0] or evaluation.status
        causes.setdefault(evaluation.candidate.family.name, set()).add(cause)
    late = {"stopped", "TimeoutError"}
    too_large = frozenset(n for n, own in causes.items() if own == {"MemoryError"})
    too_slow = frozenset(n for n, own in causes.items() if own <= late)
    return SimulatedFit(
        budget.elapsed,
        workers.first_end,
        _convergence(workers, scene),
        counts,
        max(searching + others, parent),
        parent,
        workers.worker_bytes,
        per_row,
        too_large,
        too_slow,
    )


def _of_ensemble(scene: Scene, members: Iterable[Member]) -> tuple[float, float]:
    """Return the seconds in which members predict a row, and their bytes.

    What is encoded once for all trials is also encoded once for all members.
    """
    n_all, per_row, n_bytes = scene.folds.task.n_samples, 0.0, 0.0
    shared: dict[Any, float] = {}
    libraries: dict[Any, float] = {}
    for member in members:
        if member.number == BASELINE:
            continue
        own = scene.costs[member.family]
        models: list[Any] = member.models
        per_row += len(models) * own.predict_seconds(member.params, n_all)
        n_bytes += sum(model.n_bytes for model in models)
        of_rows = own.shared_seconds(member.params, n_all)
        shared[round(of_rows, 6)] = of_rows / n_all
        if own.family.predict_requires != ():
            libraries[own.family.requires] = own.import_bytes
    return per_row + sum(shared.values()), n_bytes + sum(libraries.values())


def _convergence(workers: SimulatedWorkers, scene: Scene) -> float:
    """Return when the search had converged; infinite if it had not."""
    scores = [e.score for _, e in workers.ended]
    best: Evaluation | None = None
    for n, (moment, evaluation) in enumerate(workers.ended, 1):
        if best is None or evaluation.score > best.score:
            best = evaluation if evaluation.status == "complete" else best
        if best is None or (n % CONVERGENCE_STEP and n < len(scores)):
            continue
        noise, n_rows = noise_of(best.fold_scores), scene.folds.task.n_samples
        if has_converged(scores[:n], noise, n_rows, len(scene.families)):
            return moment
    return math.inf


class DrawnCosts:
    """The costs of one simulated fit, for its workers.

    Parameters
    ----------
    scene : Scene
        What is simulated.
    conditions : Conditions
        What the fit may use.
    shift : int, default=0
        See `simulate`.
    seed : int, default=0
        Seed of what is drawn.
    """

    def __init__(
        self, scene: Scene, conditions: Conditions, shift: int = 0, seed: int = 0
    ):
        self.scene, self.slowness = scene, conditions.slowness
        self.has_gpu = bool(conditions.machine.gpu)
        self.start_seconds = scene.probes.start_seconds
        self.start_bytes = scene.probes.start_bytes + WORKER_BYTES
        self.trial_seconds = TRIAL_SECONDS
        self._predictions = StandInPredictions(scene.stand_ins, seed)
        rng = np.random.default_rng(seed)
        self._deviations = BAND * shift
        self._levels = {
            f.name: LEVEL * (1 + gap)
            for f, gap in zip(scene.families, _gaps(scene, rng), strict=True)
        }
        self._n_drawn: Counter[str] = Counter()
        self._n_proven = {n: len(c.proven) for n, c in scene.costs.items()}

    def course(self, candidate: Candidate) -> Course:
        """Return how a trial goes."""
        own, folds = self.scene.costs[candidate.family.name], self.scene.folds
        name, params = candidate.family.name, candidate.params
        rng = np.random.default_rng(candidate.seed)
        n = self._n_drawn[name]
        self._n_drawn[name] += 1
        is_proven = n < self._n_proven[name]
        noise = rng.normal(0.0, OF_PROVEN if is_proven else OF_DRAWN)
        n_rows = int(np.mean([len(train) for train, _ in folds.splits]))
        n_all = folds.task.n_samples
        seconds = self._seconds(own.fold_seconds, candidate, n_rows) * math.exp(noise)
        gap = abs(rng.normal(0.0, PROVEN_GAP if is_proven else DRAWN_GAP))
        gap -= TUNED * (1 - math.exp(-n / TUNED_TRIALS))
        level = self._levels[name] * math.exp(gap)
        spread = np.exp(rng.normal(0.0, OF_PROVEN, len(folds)))
        return Course(
            fold_seconds=list(seconds * spread),
            predict_seconds=own.predict_share * seconds * len(folds),
            oof=self._predictions.of(name, level, candidate.seed),
            n_iterations=own.n_rounds(params, n_rows),
            n_bytes=own.bytes_of(params, n_rows),
            model_bytes=own.model_bytes(n_rows),
            encode_seconds=own.encode_seconds(n_rows) * len(folds) * self.slowness,
            shared_seconds=own.shared_seconds(params, n_all) * self.slowness,
        )

    def refit_seconds(self, candidate: Candidate) -> float:
        """Return the seconds of a fit on all rows."""
        own = self.scene.costs[candidate.family.name]
        return self._seconds(
            own.refit_seconds, candidate, self.scene.folds.task.n_samples
        )

    def import_seconds(self, family: ModelFamily) -> float:
        """Return the seconds until the libraries of a family are loaded."""
        return self.scene.costs[family.name].import_seconds * self.slowness

    def import_bytes(self, family: ModelFamily) -> float:
        """Return the memory that the libraries of a family take."""
        return self.scene.costs[family.name].import_bytes

    def ensemble_seconds(self, n_evaluations: int) -> float:
        """Return the seconds in which members are chosen and judged."""
        n_rows = min(len(self.scene.folds.y), 10_000)
        cells = n_rows * self.scene.folds.target.n_outputs
        return SELECT_SECONDS + SELECT_CELL * cells * min(n_evaluations, 120)

    def _seconds(self, of, candidate: Candidate, n_rows: int) -> float:
        own = self.scene.costs[candidate.family.name]
        seconds = of(candidate.params, n_rows, self._deviations)
        seconds *= self.slowness
        if self.has_gpu == self.scene.has_gpu:
            return seconds
        factor = max(own.gpu_factor(candidate.params, n_rows), 1.0)
        return seconds / factor if self.has_gpu else seconds * factor


def _gaps(scene: Scene, rng: np.random.Generator) -> list[float]:
    """Return by how much the error of each family is above the least, relatively.

    What a probe says counts less if it had few rows.
    """
    most = max(len(train) for train, _ in scene.folds.splits)
    gaps = []
    for family in scene.families:
        gap = abs(rng.normal(0.0, UNKNOWN_GAP)) + SELDOM_GAP * family.seldom_helps
        behind = []
        for probe in scene.costs[family.name].probes:
            alike = [p for p in scene.probes.of_trials if p.n_rows == probe.n_rows]
            best = max((p.score for p in alike if math.isfinite(p.score)), default=0.0)
            if math.isfinite(probe.score):
                error = max(abs(scene.perfect - best), 1e-9)
                behind.append(min((best - probe.score) / error, 1.0))
                n_rows = probe.n_rows
        if behind:
            trust = math.sqrt(min(n_rows / most, 1.0)) * n_rows / (n_rows + UNSURE_ROWS)
            gap = trust * float(np.mean(behind)) + (1 - trust) * gap
        gaps.append(gap)
    least = min(gaps)
    return [gap - least for gap in gaps]
