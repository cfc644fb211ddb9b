"""Laws: seconds and memory by rows and settings, from probes and stated costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from automodel.families.base import ModelFamily
from automodel.search.spaces import proven_settings, stated_cost
from automodel.search.workers.own import slow_library
from automodel.task import Task
from automodel.training.planning.probes import Probe, Probes

# Standard deviations of logarithms, before anything is measured:
STATED = 0.5  # of a stated cost
UNSTATED = 1.5  # of the cost of a family that states none
EXPONENT = 0.2  # of the power of the stated cost, whose mean is 1
UNSTATED_EXPONENT = 0.35
MEASURED = 0.15  # of one measurement
OF_ROUNDS = 0.15  # of a measurement for each unit of the logarithm of missing rounds
SPEED = 0.5  # of the speed of a machine, which all families share
USUAL_START_SECONDS = 2.0  # of a process, where costs were stated
LEAST_BYTES = 4e6  # below which a measurement of memory says nothing
BYTES_RATIO = 3.0  # of a byte of stated memory, if nothing else is measured
UNSTATED_COST = 1e-6  # seconds for each row, column and output
ENCODE_SECONDS = 3e-8  # for each row and column, if nothing is known
PREDICT_SHARE = 0.02  # of the seconds of a fit, if nothing is known
UNKNOWN_MODEL_BYTES = 1e5
LAUNCH_SECONDS = 0.002  # of the kernels of a step on a GPU
GPU_FACTOR = 30.0  # by which a GPU is faster than a core, with large steps
EPOCHS, BATCH = 10, 128  # of a net of which nothing is known
ROUNDS_POWER = 0.9  # of the rows, with which the rounds grow until early stopping
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
        noises: Sequence[float] | None = None,
    ) -> Law:
        """Return the law after some measurements.

        Parameters
        ----------
        costs, values : sequence of float
            Stated costs, and what was measured.
        prior : tuple of float
            Mean and standard deviation of the offset, and that of the slope.
        noises : sequence of float, default=None
            Standard deviations of the logarithms of what was measured.
        """
        offset, of_offset, of_slope = prior
        precision = np.diag([of_offset**-2, of_slope**-2])
        mean = np.array([offset, 0.0])
        if not len(costs):
            return cls(mean, np.linalg.inv(precision), math.nan)
        x, y = np.log(costs), np.log(values)
        pivot = float(x.mean())
        design = np.column_stack([np.ones(len(x)), x - pivot])
        noise = np.full(len(x), MEASURED) if noises is None else np.asarray(noises)
        weighted = design.T / noise**2
        covariance = np.linalg.inv(precision + weighted @ design)
        right = precision @ mean + weighted @ (y - x)
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
    imports : tuple of float, default=None
        Seconds and bytes of its libraries, as another family has measured them; None
        for what the family states.
    """

    def __init__(
        self,
        family: ModelFamily,
        task: Task,
        probes: Sequence[Probe],
        speed: float = 0.0,
        imports: tuple[float, float] | None = None,
    ):
        self.family, self.task, self.probes = family, task, list(probes)
        self.proven = _proven(family, task)
        first = self.probes[0].params if self.probes else {}
        self.states_cost = math.isfinite(stated_cost(family, first, task))
        prior = (speed, STATED, EXPONENT)
        if not self.states_cost:
            prior = (0.0, UNSTATED, UNSTATED_EXPONENT)
        costs = [self.cost(p.params, p.n_rows) for p in self.probes]
        shares = np.array([self._share_of_rounds(p) for p in self.probes])
        spent = [p.fit_seconds for p in self.probes] / shares
        noises = np.hypot(MEASURED, OF_ROUNDS * np.log(shares))
        self.seconds = Law.fitted(costs, list(spent), prior, list(noises))
        self._bytes_ratio = self._measured_ratio()
        stated = family.start_seconds, family.start_bytes
        self.import_seconds, self.import_bytes = imports or stated

    def cost(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the stated cost of a setting, or one that is made up."""
        task = replace(self.task, n_samples=max(int(n_rows), 1))
        cost = stated_cost(self.family, params, task)
        return cost if math.isfinite(cost) and cost > 0 else UNSTATED_COST * task.cost

    def fit_seconds(
        self, params: Mapping[str, Any], n_rows: int, deviations: float = 0.0
    ) -> float:
        """Return the seconds of a fit, so many standard deviations above the mean.

        The law is that of fits with all rounds that are allowed. Early stopping allows
        the more of them, the more rows there are.
        """
        seconds = self.seconds.at(self.cost(params, n_rows), deviations)
        return seconds * self._share_at(n_rows)

    def n_rounds(self, params: Mapping[str, Any], n_rows: int) -> int:
        """Return the rounds of a fit; 0 if they are unknown, or if there are none."""
        if not self.n_iterations:
            return 0
        most = params.get(self.family.iteration_param or "")
        if not isinstance(most, int):
            return self.n_iterations
        return max(round(most * self._share_at(n_rows)), 1)

    def _share_at(self, n_rows: int) -> float:
        """Return the share of the allowed rounds that a fit of so many rows takes."""
        if not self.probes:
            return 1.0
        last = self.probes[-1]
        share = self._share_of_rounds(last)
        return min(share * (n_rows / last.n_rows) ** ROUNDS_POWER, 1.0)

    def _share_of_rounds(self, probe: Probe) -> float:
        """Return the share of the allowed rounds that a probe has taken."""
        most = probe.params.get(self.family.iteration_param or "")
        if not (isinstance(most, int) and most and probe.n_iterations):
            return 1.0
        return min(probe.n_iterations / most, 1.0)

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
        """Return the memory of a fit at its peak, without libraries.

        It is that of the largest probe, and what further rows add. What a probe uses
        beyond its rows, such as buffers of a library, does not grow with them.
        """
        stated = self.memory(params, n_rows)
        if not self.probes:
            return max(BYTES_RATIO * stated, LEAST_BYTES)
        last = self.probes[-1]
        grown = stated - self.memory(last.params, last.n_rows)
        return max(last.n_bytes + self._bytes_ratio * grown, LEAST_BYTES)

    def _measured_ratio(self) -> float:
        """Return how many bytes each byte of stated memory adds."""
        if len(self.probes) < 2:
            return BYTES_RATIO
        first, last = self.probes[0], self.probes[-1]
        stated = self.memory(last.params, last.n_rows)
        stated -= self.memory(first.params, first.n_rows)
        used = last.n_bytes - first.n_bytes
        if used < LEAST_BYTES or stated <= 0:
            return BYTES_RATIO
        return used / stated

    def predict_seconds(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the seconds to predict a row with a model of so many rows."""
        if self.probes:
            return self.probes[-1].predict_seconds
        seconds = self.fit_seconds(params, n_rows)
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
        seconds = self.fit_seconds(params, n_rows)
        epochs = self.n_rounds(params, n_rows)
        epochs = epochs or params.get(self.family.iteration_param, EPOCHS)
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
    speed = _speed(families, task, probes, good)
    imports = _imports(families, task, probes, good)
    return {
        f.name: FamilyCosts(f, task, good[f.name], speed, imports.get(f.requires))
        for f in families
    }


def _speed(
    families: Sequence[ModelFamily],
    task: Task,
    probes: Probes,
    good: Mapping[str, Sequence[Probe]],
) -> float:
    """Return the logarithm of the seconds that a stated second takes here.

    It is the mean over the start of a process and the last probe of each family, drawn
    towards 0.
    """
    offsets = [math.log(max(probes.start_seconds, 0.1) / USUAL_START_SECONDS)]
    for family in families:
        for last in good[family.name][-1:]:
            of_rows = replace(task, n_samples=max(last.n_rows, 1))
            cost = stated_cost(family, last.params, of_rows)
            if math.isfinite(cost) and cost > 0:
                offsets.append(math.log(last.fit_seconds / cost))
    weight = SPEED**2 / (SPEED**2 + STATED**2 / len(offsets))
    return weight * float(np.mean(offsets))


def _imports(
    families: Sequence[ModelFamily],
    task: Task,
    probes: Probes,
    good: Mapping[str, Sequence[Probe]],
) -> dict[tuple[str, ...], tuple[float, float]]:
    """Return the seconds and bytes of libraries, from the first probe that loads them.

    In later ones of the same process, they take nothing. A process that is forked from
    one with a slow library has that from the start.
    """
    forked = max(probes.server_bytes - probes.start_bytes, 0.0)
    found: dict[tuple[str, ...], tuple[float, float]] = {}
    for family in families:
        for probe in good[family.name]:
            n_bytes = probe.import_bytes
            n_bytes += forked if slow_library(family, task) else 0.0
            known = found.get(family.requires, (0.0, 0.0))
            most = max(known[0], probe.import_seconds), max(known[1], n_bytes)
            found[family.requires] = most
    return found
