"""Costs: seconds and memory by rows and settings, from probes and statements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from automodel.families.base import ModelFamily
from automodel.search.spaces import proven_settings
from automodel.task import Task
from automodel.training.allowance import ROWS_OF_CALL
from automodel.training.planning.law import Belief, Law
from automodel.training.planning.probe import Probe
from automodel.training.planning.probes import Probes
from automodel.training.planning.statement import Statement

# Standard deviations of logarithms, before anything is measured:
STATED = 0.5  # of a stated cost
UNSTATED, UNSTATED_EXPONENT = 1.5, 0.35  # where none is stated
OF_STEPS, MEASURED_STEPS = 0.6, 0.3  # of the steps until early stopping
OF_GROWTH, OF_NO_GROWTH = 0.3, 0.12  # of the power of the rows by which steps grow
SPEED = 0.5  # of the speed of a machine, which all families share
ALL_STEPS = 0.7  # of the steps of the families that choose rounds, which they share
USUAL_START_SECONDS = 2.0  # of a process, where costs were stated
LEAST_BYTES = 4e6  # below which a measurement of memory says nothing
ENCODE_SECONDS = 3e-8  # for each row and column, if nothing is known
PREDICT_SHARE, VALID_SHARE = 0.02, 0.25  # of a fold, if nothing is known
BEST_SHARE = 0.7  # of the rounds, until the best one
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
    steps : float
        Logarithm of the steps for each stated one, from all families of its kind.
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
        belief = Belief(speed, STATED)
        if not self.states_cost:
            belief = Belief(0.0, UNSTATED, 0.0, UNSTATED_EXPONENT)
        stated = [_stated_for(self.stated, probe) for probe in self.probes]
        values = list(map(_seconds_of_fold, self.probes))
        return Law.fitted(
            belief, list(map(self._share_of, self.probes)), stated, values
        )

    def _law_of_steps(self, steps: float) -> Law:
        """Return the law of the steps, which is read where the statement has any."""
        growth = self.family.growth_of_steps(self.task)
        of_growth = OF_GROWTH if growth else OF_NO_GROWTH
        belief = Belief(steps, OF_STEPS, growth, of_growth, MEASURED_STEPS)
        stepped = [p for p in self.probes if self._tells_steps(p, belief)]
        stated = [self.stated.n_steps(p.params, p.n_rows) for p in stepped]
        values = [max(p.n_iterations, 1) for p in stepped]
        return Law.fitted(belief, list(map(self._share_of, stepped)), stated, values)

    def _tells_steps(self, probe: Probe, before: Belief) -> bool:
        """Whether a probe tells how many steps a training takes.

        One that was cut does if it had already taken more than was believed.
        """
        stated = self.stated.n_steps(probe.params, probe.n_rows)
        believed = stated * math.exp(before.log_ratio(self._share_of(probe)))
        return stated > 0 and (not probe.is_cut or probe.n_iterations > believed)

    def _share_of(self, probe: Probe) -> float:
        return probe.n_rows / self.task.n_samples

    def fold_seconds(
        self, params: Mapping[str, Any], n_rows: int, deviations: float = 0.0
    ) -> float:
        """Return the seconds of a fit, and of predicting the validation rows.

        Parameters
        ----------
        params : mapping
            The setting.
        n_rows : int
            Rows that the model is trained on.
        deviations : float, default=0.0
            How many standard deviations above the mean they are to be.
        """
        share = n_rows / self.task.n_samples
        of_seconds, of_steps = (
            law.deviation(share) for law in (self.seconds, self.steps)
        )
        together = math.hypot(of_seconds, of_steps)
        n_steps = self._n_steps(params, n_rows, deviations * of_steps / together)
        seconds = self.stated.seconds(params, n_rows, n_steps)
        further = deviations * of_seconds**2 / together
        return seconds * math.exp(self.seconds.log_ratio(share) + further)

    def fit_seconds(
        self, params: Mapping[str, Any], n_rows: int, deviations: float = 0.0
    ) -> float:
        """Return the seconds of a fit alone; see `fold_seconds`."""
        seconds = self.fold_seconds(params, n_rows, deviations)
        return (1 - self.predict_share) * seconds

    def refit_seconds(
        self, params: Mapping[str, Any], n_rows: int, deviations: float = 0.0
    ) -> float:
        """Return the seconds of a fit with the steps that the folds have chosen."""
        share = BEST_SHARE if self.family.chooses_rounds else 1.0
        return share * self.fit_seconds(params, n_rows, deviations)

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
        most: Any = stated
        if self.family.chooses_rounds:
            most = params.get(self.family.iteration_param or "")
        elif not self.family.may_stop_early(self.task):
            return stated
        share = n_rows / self.task.n_samples
        spread = self.steps.deviation(share)
        offset = self.steps.log_ratio(share) + deviations * spread
        if isinstance(most, int | float):
            offset = _mean_below(math.log(most / stated), offset, spread)
        return stated * math.exp(offset)

    def bytes_of(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the memory of a fit at its peak, without libraries.

        It is that of the largest probe, and what further rows add. What a probe uses
        beyond its rows, such as buffers of a library, does not grow with them.
        """
        stated = self.stated.memory(params, n_rows)
        if not self.probes:
            return max(stated, LEAST_BYTES)
        last = self.probes[-1]
        grown = stated - self.stated.memory(last.params, last.n_rows)
        return max(last.n_bytes + self._bytes_ratio * grown, LEAST_BYTES)

    def _measured_ratio(self) -> float:
        """Return how many bytes each byte of stated memory adds."""
        if len(self.probes) < 2:
            return 1.0
        first, last = self.probes[0], self.probes[-1]
        stated = self.stated.memory(last.params, last.n_rows)
        stated -= self.stated.memory(first.params, first.n_rows)
        used = last.n_bytes - first.n_bytes
        if used < LEAST_BYTES or stated <= 0:
            return 1.0
        return used / stated

    @property
    def predict_share(self) -> float:
        """The share of the seconds of a fold in which its rows are predicted."""
        if not self.probes:
            return PREDICT_SHARE
        last = self.probes[-1]
        return last.predict_seconds * last.n_valid / _seconds_of_fold(last)

    def predict_seconds(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the seconds to predict a row with a model of so many rows.

        It is a row of many. A call with few rows counts as one with `ROWS_OF_CALL`,
        since each call has a fixed cost.
        """
        valid_share = VALID_SHARE
        if self.probes:
            valid_share = self.probes[-1].n_valid / self.probes[-1].n_rows
        seconds = self.predict_share * self.fold_seconds(params, n_rows)
        return seconds / max(valid_share * n_rows, ROWS_OF_CALL)

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


def _mean_below(limit: float, mean: float, deviation: float) -> float:
    """Return the mean of the lesser of a limit and a normally distributed value."""
    z = (limit - mean) / deviation
    density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    above = math.erfc(z / math.sqrt(2)) / 2
    return mean + deviation * (z * above - density)


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
    probed = [(f, probe) for f in families for probe in good[f.name]]
    steps = {chooses: _steps(task, probed, chooses) for chooses in (False, True)}
    imports = _imports(families, good)
    return {
        f.name: FamilyCosts(
            f,
            task,
            good[f.name],
            speed,
            steps[f.chooses_rounds],
            imports.get(f.requires),
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
            ratio = _seconds_of_fold(probe) / _stated_for(own, probe)
            offsets.append(math.log(ratio))
    return _drawn_to_zero(offsets, SPEED, STATED)


def _steps(
    task: Task, probed: Sequence[tuple[ModelFamily, Probe]], chooses_rounds: bool
) -> float:
    """Return the logarithm of the steps until early stopping, for each stated one.

    Some data can be learned in a few rounds by any kind of boosting, and others take
    many; likewise for nets. Steps are those with all rows. Their mean is drawn to 0.
    """
    known, least = list[float](), list[float]()
    for family, probe in probed:
        stated = Statement(family, task).n_steps(probe.params, probe.n_rows)
        if family.chooses_rounds == chooses_rounds and stated:
            growth = math.log(task.n_samples / probe.n_rows)
            offset = math.log(max(probe.n_iterations, 1) / stated)
            offset += family.growth_of_steps(task) * growth
            (least if probe.is_cut else known).append(offset)
    mean = _drawn_to_zero(known, ALL_STEPS, OF_STEPS)
    larger = [offset for offset in least if offset > mean]
    return _drawn_to_zero([*known, *larger], ALL_STEPS, OF_STEPS)


def _stated_for(own: Statement, probe: Probe) -> float:
    """Return the seconds that are stated for the steps that a probe has taken."""
    return own.seconds(probe.params, probe.n_rows, probe.n_iterations or None)


def _seconds_of_fold(probe: Probe) -> float:
    return probe.fit_seconds + probe.n_valid * probe.predict_seconds


def _drawn_to_zero(values: Sequence[float], of_mean: float, of_value: float) -> float:
    """Return the mean of values, given the deviations of the mean and of each value."""
    if not values:
        return 0.0
    weight = of_mean**2 / (of_mean**2 + of_value**2 / len(values))
    return weight * float(np.mean(values))


def _imports(
    families: Sequence[ModelFamily], good: Mapping[str, Sequence[Probe]]
) -> dict[tuple[str, ...], tuple[float, float]]:
    """Return the seconds and bytes of libraries, from the first probe that loads them.

    In later ones of the same process, they take nothing. Of what a process shares with
    the one that it is forked from, hardly anything is in its resident memory.
    """
    found: dict[tuple[str, ...], tuple[float, float]] = {}
    for family in families:
        for probe in good[family.name]:
            known = found.get(family.requires, (0.0, 0.0))
            own = probe.import_seconds, probe.import_bytes
            found[family.requires] = max(known[0], own[0]), max(known[1], own[1])
    return found
