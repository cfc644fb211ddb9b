"""Laws: seconds and memory by rows and settings, from probes and stated costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from automodel.families.base import ModelFamily
from automodel.search.spaces import proven_settings
from automodel.search.workers.own import slow_library
from automodel.task import Task
from automodel.training.planning.law import Belief, Law
from automodel.training.planning.probes import Probe, Probes
from automodel.training.planning.statement import Statement

# Standard deviations of logarithms, before anything is measured:
STATED = 0.5  # of a stated cost
UNSTATED = 1.5  # of the cost of a family that states none
EXPONENT = 0.12  # of the power of the rows by which a stated cost is wrong
UNSTATED_EXPONENT = 0.35
OF_STEPS = 0.6  # of the steps until early stopping
STEPS_EXPONENT = 0.3
SPEED = 0.5  # of the speed of a machine, which all families share
ALL_STEPS = 0.7  # of the steps of the families that choose rounds, which they share
STEPS_POWER = 0.5  # of the rows, with which rounds grow until early stopping
USUAL_START_SECONDS = 2.0  # of a process, where costs were stated
LEAST_BYTES = 4e6  # below which a measurement of memory says nothing
BYTES_RATIO = 3.0  # of a byte of stated memory, if nothing else is measured
ENCODE_SECONDS = 3e-8  # for each row and column, if nothing is known
PREDICT_SHARE = 0.02  # of the seconds of a fit, if nothing is known
UNKNOWN_MODEL_BYTES = 1e5
LAUNCH_SECONDS = 0.002  # of the kernels of a step on a GPU
GPU_FACTOR = 30.0  # by which a GPU is faster than a core, with large steps
EPOCHS, BATCH = 10, 128  # of a net of which nothing is known
GROWING_BYTES = 5e5  # of a model; larger ones grow with the rows


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
        steps: float = 0.0,
        imports: tuple[float, float] | None = None,
    ):
        self.family, self.task, self.probes = family, task, list(probes)
        self.stated = Statement(family, task)
        self.proven = _proven(family, task)
        self.states_cost = self.stated.has_cost(probes[0].params if probes else {})
        self.seconds = self._law_of_seconds(speed)
        self.steps = self._law_of_steps(steps)
        self._bytes_ratio = self._measured_ratio()
        stated = family.start_seconds, family.start_bytes
        self.import_seconds, self.import_bytes = imports or stated

    def _law_of_seconds(self, speed: float) -> Law:
        """Return the law of the seconds of given steps."""
        belief = Belief(speed, STATED, 0.0, EXPONENT)
        if not self.states_cost:
            belief = Belief(0.0, UNSTATED, 0.0, UNSTATED_EXPONENT)
        stated = [
            self.stated.seconds(p.params, p.n_rows, p.n_iterations or None)
            for p in self.probes
        ]
        values = [p.fit_seconds for p in self.probes]
        return Law.fitted(
            belief, list(map(self._share_of, self.probes)), stated, values
        )

    def _law_of_steps(self, steps: float) -> Law:
        """Return the law of the steps, which is read where the statement has any."""
        belief = Belief(0.0, OF_STEPS, 0.0, EXPONENT)
        if self.family.chooses_rounds:
            belief = Belief(steps, OF_STEPS, STEPS_POWER, STEPS_EXPONENT)
        stepped = [p for p in self.probes if self.stated.n_steps(p.params, p.n_rows)]
        stated = [self.stated.n_steps(p.params, p.n_rows) for p in stepped]
        values = [max(p.n_iterations, 1) for p in stepped]
        return Law.fitted(belief, list(map(self._share_of, stepped)), stated, values)

    def _share_of(self, probe: Probe) -> float:
        return probe.n_rows / self.task.n_samples

    def fit_seconds(
        self, params: Mapping[str, Any], n_rows: int, deviations: float = 0.0
    ) -> float:
        """Return the seconds of a fit, so many standard deviations above the mean."""
        share = n_rows / self.task.n_samples
        of_seconds, of_steps = (
            law.deviation(share) for law in (self.seconds, self.steps)
        )
        together = math.hypot(of_seconds, of_steps)
        n_steps = self._n_steps(params, n_rows, deviations * of_steps / together)
        seconds = self.stated.seconds(params, n_rows, n_steps)
        further = deviations * of_seconds**2 / together
        return seconds * math.exp(self.seconds.log_ratio(share) + further)

    def n_rounds(self, params: Mapping[str, Any], n_rows: int) -> int:
        """Return the steps of a fit; 0 if they are unknown, or if there are none."""
        n_steps = self._n_steps(params, n_rows)
        return self.n_iterations if n_steps is None else max(round(n_steps), 1)

    def _n_steps(
        self, params: Mapping[str, Any], n_rows: int, deviations: float = 0.0
    ) -> float | None:
        """Return how many steps a fit takes; None if the statement has none."""
        stated = self.stated.n_steps(params, n_rows)
        if not stated:
            return None
        share = n_rows / self.task.n_samples
        further = deviations * self.steps.deviation(share)
        n_steps = stated * math.exp(self.steps.log_ratio(share) + further)
        if not self.family.chooses_rounds:
            return min(n_steps, stated)
        most = params.get(self.family.iteration_param or "")
        return min(n_steps, float(most)) if isinstance(most, int) else n_steps

    def bytes_of(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the memory of a fit at its peak, without libraries.

        It is that of the largest probe, and what further rows add. What a probe uses
        beyond its rows, such as buffers of a library, does not grow with them.
        """
        stated = self.stated.memory(params, n_rows)
        if not self.probes:
            return max(BYTES_RATIO * stated, LEAST_BYTES)
        last = self.probes[-1]
        grown = stated - self.stated.memory(last.params, last.n_rows)
        return max(last.n_bytes + self._bytes_ratio * grown, LEAST_BYTES)

    def _measured_ratio(self) -> float:
        """Return how many bytes each byte of stated memory adds."""
        if len(self.probes) < 2:
            return BYTES_RATIO
        first, last = self.probes[0], self.probes[-1]
        stated = self.stated.memory(last.params, last.n_rows)
        stated -= self.stated.memory(first.params, first.n_rows)
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
        stated = self.stated.shared_seconds(params, n_rows)
        if not self.probes or not self.probes[-1].shared_seconds:
            return stated
        last = self.probes[-1]
        of_last = self.stated.shared_seconds(last.params, last.n_rows)
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
    last = [(family, good[family.name][-1]) for family in families if good[family.name]]
    speed = _speed(task, probes.start_seconds, last)
    steps = _steps(task, last)
    imports = _imports(families, task, probes, good)
    return {
        f.name: FamilyCosts(
            f, task, good[f.name], speed, steps, imports.get(f.requires)
        )
        for f in families
    }


def _speed(
    task: Task, start_seconds: float, last: Sequence[tuple[ModelFamily, Probe]]
) -> float:
    """Return the logarithm of the seconds that a stated second takes here.

    It is the mean over the start of a process and the last probe of each family, drawn
    towards 0.
    """
    offsets = [math.log(max(start_seconds, 0.1) / USUAL_START_SECONDS)]
    for family, probe in last:
        own = Statement(family, task)
        if own.has_cost(probe.params):
            n_steps = probe.n_iterations or None
            stated = own.seconds(probe.params, probe.n_rows, n_steps)
            offsets.append(math.log(probe.fit_seconds / stated))
    return _drawn_to_zero(offsets, SPEED, STATED)


def _steps(task: Task, last: Sequence[tuple[ModelFamily, Probe]]) -> float:
    """Return the logarithm of the rounds until early stopping, for each stated one.

    Some data can be learned in a few rounds by any kind of boosting, and others take
    many. Rounds are those with all rows. Their mean is drawn towards 0.
    """
    offsets = []
    for family, probe in last:
        stated = Statement(family, task).n_steps(probe.params, probe.n_rows)
        if family.chooses_rounds and stated:
            growth = STEPS_POWER * math.log(task.n_samples / probe.n_rows)
            offsets.append(math.log(max(probe.n_iterations, 1) / stated) + growth)
    return _drawn_to_zero(offsets, ALL_STEPS, OF_STEPS)


def _drawn_to_zero(values: Sequence[float], of_mean: float, of_value: float) -> float:
    """Return the mean of values, given the deviations of the mean and of each value."""
    if not values:
        return 0.0
    weight = of_mean**2 / (of_mean**2 + of_value**2 / len(values))
    return weight * float(np.mean(values))


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
