"""Laws: seconds and memory by rows and settings, from probes and stated costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from automodel.families.base import ModelFamily
from automodel.search.spaces import proven_settings, stated_cost
from automodel.task import Task
from automodel.training.planning.probes import Probe, Probes

# Standard deviations of logarithms, before anything is measured:
STATED = 0.5  # of a stated cost
UNSTATED = 1.5  # of the cost of a family that states none
EXPONENT = 0.2  # of the power of the stated cost, whose mean is 1
UNSTATED_EXPONENT = 0.35
MEASURED = 0.15  # of one measurement
SPEED = 0.5  # of the speed of a machine, which all families share
USUAL_START_SECONDS = 2.0  # of a process, where costs were stated
LEAST_BYTES = 4e6  # below which a measurement of memory says nothing
UNSTATED_COST = 1e-6  # seconds for each row, column and output
ENCODE_SECONDS = 3e-8  # for each row and column, if nothing is known
PREDICT_SHARE = 0.02  # of the seconds of a fit, if nothing is known
UNKNOWN_MODEL_BYTES = 1e5
LAUNCH_SECONDS = 0.002  # of the kernels of a step on a GPU
GPU_FACTOR = 30.0  # by which a GPU is faster than a core, with large steps
EPOCHS, BATCH = 10, 128  # of a net of which nothing is known
GROWING_BYTES = 5e5  # of a model; larger ones grow with the rows


@dataclass(frozen=True)
class Law:
    """A power law of the stated cost, with a normal distribution of its logarithms.

    ``log(value) = log(cost) + offset + slope * (log(cost) - pivot)``

    Parameters
    ----------
    mean : ndarray of shape (2,)
        Offset and slope.
    covariance : ndarray of shape (2, 2)
        Their covariance.
    pivot : float
        Where the offset holds.
    """

    mean: np.ndarray
    covariance: np.ndarray
    pivot: float = 0.0

    @classmethod
    def fitted(
        cls,
        costs: Sequence[float],
        values: Sequence[float],
        prior: tuple[float, float, float],
    ) -> Law:
        """Return the law after some measurements.

        Parameters
        ----------
        costs, values : sequence of float
            Stated costs, and what was measured.
        prior : tuple of float
            Mean and standard deviation of the offset, and that of the slope.
        """
        offset, of_offset, of_slope = prior
        precision = np.diag([of_offset**-2, of_slope**-2])
        mean = np.array([offset, 0.0])
        if not len(costs):
            return cls(mean, np.linalg.inv(precision), math.nan)
        x, y = np.log(costs), np.log(values)
        pivot = float(x.mean())
        design = np.column_stack([np.ones(len(x)), x - pivot])
        posterior = precision + design.T @ design / MEASURED**2
        covariance = np.linalg.inv(posterior)
        right = precision @ mean + design.T @ (y - x) / MEASURED**2
        return cls(covariance @ right, covariance, pivot)

    def at(self, cost: float, deviations: float = 0.0) -> float:
        """Return the value at a cost, so many standard deviations above the mean."""
        x = math.log(max(cost, 1e-12))
        terms = np.array([1.0, 0.0 if math.isnan(self.pivot) else x - self.pivot])
        deviation = math.sqrt(terms @ self.covariance @ terms)
        return math.exp(x + terms @ self.mean + deviations * deviation)


class FamilyCosts:
    """Seconds and memory of a family, as functions of a setting and of rows.

    Parameters
    ----------
    family : ModelFamily
        The family.
    task : Task
        The problem.
    probes : sequence of Probe
        Those of the family that have not failed.
    speed : float
        Logarithm of the seconds for each second of a stated cost, from all families.
    """

    def __init__(
        self,
        family: ModelFamily,
        task: Task,
        probes: Sequence[Probe],
        speed: float = 0.0,
    ):
        self.family, self.task, self.probes = family, task, list(probes)
        self.proven = _proven(family, task)
        first = self.probes[0].params if self.probes else {}
        self.states_cost = math.isfinite(stated_cost(family, first, task))
        prior = (speed, STATED, EXPONENT)
        if not self.states_cost:
            prior = (0.0, UNSTATED, UNSTATED_EXPONENT)
        costs = [self.cost(p.params, p.n_rows) for p in self.probes]
        self.seconds = Law.fitted(costs, [p.fit_seconds for p in self.probes], prior)
        large = [p for p in self.probes if p.n_bytes > LEAST_BYTES]
        costs = [self.memory(p.params, p.n_rows) for p in large]
        used = [p.n_bytes for p in large]
        self.n_bytes = Law.fitted(costs, used, (0.0, UNSTATED, EXPONENT))

    def cost(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the stated cost of a setting, or one that is made up."""
        task = replace(self.task, n_samples=max(int(n_rows), 1))
        cost = stated_cost(self.family, params, task)
        return cost if math.isfinite(cost) and cost > 0 else UNSTATED_COST * task.cost

    def memory(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the stated memory of a setting."""
        task = replace(self.task, n_samples=max(int(n_rows), 1))
        try:
            n_bytes = float(self.family.memory(dict(params), task))
        except Exception:  # noqa: BLE001  the trial fails with its own error
            n_bytes = math.nan
        if not math.isfinite(n_bytes):
            n_bytes = ModelFamily.memory(self.family, dict(params), task)
        return max(n_bytes, 1.0)

    def bytes_of(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the memory of a fit at its peak, without libraries."""
        return max(self.n_bytes.at(self.memory(params, n_rows)), LEAST_BYTES)

    def predict_seconds(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the seconds to predict a row with a model of so many rows."""
        if self.probes:
            return self.probes[-1].predict_seconds
        seconds = self.seconds.at(self.cost(params, n_rows))
        return PREDICT_SHARE * seconds / max(n_rows, 1)

    def encode_seconds(self, n_rows: int) -> float:
        """Return the seconds to encode the rows of a fold."""
        if self.probes:
            return self.probes[-1].encode_seconds * n_rows / self.probes[-1].n_rows
        return ENCODE_SECONDS * replace(self.task, n_samples=n_rows).cost

    def shared_seconds(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the seconds of what is encoded once for all trials with a setting."""
        stated = self._shared_cost(params, n_rows)
        if not self.probes or not self.probes[-1].shared_seconds:
            return stated
        last = self.probes[-1]
        of_last = self._shared_cost(last.params, last.n_rows)
        growth = stated / of_last if of_last else n_rows / last.n_rows
        return last.shared_seconds * growth

    def gpu_factor(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return how many times faster a GPU trains a setting; 1 if it does not.

        It is what was measured, if that was possible. Otherwise, it follows from the
        seconds of a step on a core: on a GPU, a step takes as long as the launches of
        its kernels, and a small part of the seconds on a core.
        """
        measured = [p.cpu_seconds / p.fit_seconds for p in self.probes]
        measured = [ratio for ratio in measured if math.isfinite(ratio)]
        if measured:
            return measured[-1]
        step = self.step_seconds(params, n_rows)
        return step / (LAUNCH_SECONDS + step / GPU_FACTOR) if step else 1.0

    def usual_step(self) -> tuple[float, float, str]:
        """Return `step_seconds` and `gpu_factor` of the default, and the family."""
        params = self.proven[0] if self.proven else {}
        n_rows = self.task.n_samples
        seconds = self.step_seconds(params, n_rows)
        return seconds, self.gpu_factor(params, n_rows), self.family.name

    def step_seconds(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the seconds of a step of a net on a core; 0 if it is no net."""
        if "torch" not in self.family.requires or self.family.iteration_param is None:
            return 0.0
        seconds = self.seconds.at(self.cost(params, n_rows))
        epochs = self.n_iterations or params.get(self.family.iteration_param, EPOCHS)
        batch = params.get("batch_size", BATCH)
        batch = batch if isinstance(batch, int) else BATCH
        return seconds / max(epochs * n_rows / batch, 1.0)

    def model_bytes(self, n_rows: int) -> float:
        """Return the size of the model of a fold."""
        if not self.probes:
            return UNKNOWN_MODEL_BYTES
        last = self.probes[-1]
        growth = n_rows / last.n_rows if last.model_bytes > GROWING_BYTES else 1.0
        return last.model_bytes * growth

    def _shared_cost(self, params: Mapping[str, Any], n_rows: int) -> float:
        task = replace(self.task, n_samples=max(int(n_rows), 1))
        try:
            return float(self.family.shared_cost(dict(params), task))
        except Exception:  # noqa: BLE001  the trial fails with its own error
            return 0.0

    @property
    def n_iterations(self) -> int:
        """Steps of a model; 0 if it does not train in steps, or if that is unknown."""
        return self.probes[-1].n_iterations if self.probes else 0

    @property
    def import_seconds(self) -> float:
        """Seconds until the libraries are loaded."""
        if self.probes:
            return self.probes[0].import_seconds
        return self.family.start_seconds

    @property
    def import_bytes(self) -> float:
        """Memory that the libraries take."""
        if self.probes:
            return self.probes[0].import_bytes
        return self.family.start_bytes


def _proven(family: ModelFamily, task: Task) -> list[dict[str, Any]]:
    try:
        return proven_settings(family, task)
    except Exception:  # noqa: BLE001  the trials fail with this error
        return []


def fit_costs(
    families: Sequence[ModelFamily], task: Task, probes: Probes
) -> dict[str, FamilyCosts]:
    """Return the costs of all families.

    The others have the speed of those that were probed, and of the start of a process.
    """
    good: dict[str, list[Probe]] = {family.name: [] for family in families}
    for probe in probes.of_trials:
        if not probe.error:
            good[probe.family].append(probe)
    alone = {f.name: FamilyCosts(f, task, good[f.name]) for f in families}
    offsets = [math.log(max(probes.start_seconds, 0.1) / USUAL_START_SECONDS)]
    offsets += [
        float(own.seconds.mean[0])
        for own in alone.values()
        if own.states_cost and own.probes
    ]
    weight = SPEED**2 / (SPEED**2 + STATED**2 / len(offsets))
    speed = weight * float(np.mean(offsets))
    return {f.name: FamilyCosts(f, task, good[f.name], speed) for f in families}
