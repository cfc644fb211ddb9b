"""skorch without its costs for small nets: no loader, no per-batch bookkeeping."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import contextmanager

import torch
from skorch import NeuralNet

from automodel.nets._device import precision_context
from automodel.nets._layers import Dropout
from automodel.nets._optimizers import clip_gradients
from automodel.nets._schedules import learning_rate_factor, regularization_factor
from automodel.shared_context import SharedContext


class StopTraining(Exception):
    """End training; the weights stay as they are."""


class StepPlanner:
    """Say how far training is, and plan for fewer steps where time is short.

    The learning rate follows it, so a schedule completes inside a time limit that
    allows fewer steps than planned. Without a limit no clock is read.

    Parameters
    ----------
    n_steps : int
        Steps planned.
    seconds_left : callable, default=None
        Returns the seconds until training has to end.
    step_plan : list of (int, int), default=None
        Revisions of an earlier training, to repeat it without a clock.

    Attributes
    ----------
    taken : int
        Steps so far.
    step_plan : list of (int, int)
        Revisions: after how many steps, and how many there are to be in all.
    """

    reserve = 0.05  # share of the time that storing and predicting may take
    first_look = 8  # steps, from which their time tells how many there can be
    look_growth = 1.15  # growth of the steps from one look at the clock to the next
    tolerance = 0.02  # change of the steps in all that is none

    def __init__(
        self,
        n_steps: int,
        seconds_left: Callable[[], float] | None = None,
        step_plan: Sequence[Sequence[int]] | None = None,
    ):
        self.n_steps = n_steps
        self.taken = 0
        self.step_plan: list[tuple[int, int]] = []
        self._given = deque(step_plan or ())
        self._end = n_steps
        self._bend = 0, 0.0  # step and progress since which progress is straight
        limit = math.inf if seconds_left is None else seconds_left()
        self._seconds_left = seconds_left if math.isfinite(limit) else None
        self._limit = limit
        self._next_look = self.first_look

    def advance(self) -> float:
        """Return the progress and count a step; training is over at 1."""
        while self._given and self._given[0][0] == self.taken:
            self._revise(self._given.popleft()[1])
        if self._seconds_left is not None:
            self._look(self._seconds_left() - self.reserve * self._limit)
        if self.taken >= self._end:
            return 1.0
        self.taken += 1
        return self._progress(self.taken - 0.5)

    def stop(self) -> None:
        """End training after the steps so far."""
        self._revise(self.taken)

    def _look(self, left: float) -> None:
        if left <= 0:
            self.stop()
        elif self.taken >= self._next_look:
            self._next_look = math.ceil(self.look_growth * self.taken)
            spent = (1 - self.reserve) * self._limit - left
            affordable = int(self.taken * (1 + left / max(spent, 1e-9)))
            end = min(self.n_steps, affordable)
            if abs(end - self._end) > self.tolerance * self._end:
                self._revise(end)

    def _revise(self, end: int) -> None:
        self.step_plan.append((self.taken, end))
        self._bend = self.taken, self._progress(self.taken)
        self._end = end

    @property
    def progress(self) -> float:
        """How far training is, from 0 to 1."""
        return self._progress(self.taken)

    def _progress(self, step: float) -> float:
        start, progress = self._bend
        left = max(self._end - start, 1)
        return progress + (1 - progress) * (step - start) / left


class TensorBatches:
    """Iterate over a dataset of tensors in batches of equal size, give or take one.

    Parameters
    ----------
    dataset : TensorDataset
        dense, codes, target and, if the rows are weighted, weight.
    batch_size : int
        Most rows of a batch. No batch is left with a single row, which batch
        normalisation could not take.
    generator : torch.Generator
        Shuffles the rows.
    """

    def __init__(self, dataset, batch_size, generator):
        self.tensors = dataset.tensors
        self.generator = generator
        n_rows = len(dataset)
        n_batches = max(min(-(-n_rows // batch_size), n_rows // 2), 1)
        edges = [n_rows * i // n_batches for i in range(n_batches + 1)]
        self.parts = list(zip(edges[:-1], edges[1:], strict=True))

    def __len__(self):
        return len(self.parts)

    def __iter__(self):
        device = self.tensors[0].device
        n_rows = self.parts[-1][1]
        order = torch.randperm(n_rows, generator=self.generator, device=device)
        shuffled = [tensor[order] for tensor in self.tensors]
        for start, end in self.parts:
            yield [tensor[start:end] for tensor in shuffled]


class LeanNet(NeuralNet):
    """A skorch net whose training step costs little more than torch's own.

    The module is called with dense and codes; its parameters may carry `lr_factor`
    and `decays`. The criterion returns one loss per row.

    Parameters
    ----------
    planner : StepPlanner
        How far training is.
    schedule, regularization : str
        Courses of the learning rate, and of dropout and weight decay.
    changer : RowChanger, default=None
        What changes the rows of a batch.
    precision : {"float32", "bfloat16"}, default="float32"
        In which the module is called.
    clip_norm : float, default=0
        Largest norm of all gradients together; 0 is no limit.
    """

    def __init__(
        self,
        *args,
        planner=None,
        schedule="constant",
        regularization="constant",
        changer=None,
        precision="float32",
        clip_norm=0.0,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.planner = planner
        self.schedule = schedule
        self.regularization = regularization
        self.changer = changer
        self.precision = precision
        self.clip_norm = clip_norm

    @property
    def _default_callbacks(self):
        return []

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Group the parameters by learning rate and decay."""
        _, options = super().get_params_for_optimizer(prefix, named_parameters)
        lr, decay = options.pop("lr"), options.pop("weight_decay")
        groups: dict = {}
        for parameter in self.module_.parameters():
            factor = getattr(parameter, "lr_factor", 1.0)
            decays = getattr(parameter, "decays", False)
            groups.setdefault((factor, decays), []).append(parameter)
        rates = [
            {"lr": factor * lr, "weight_decay": decay / factor if decays else 0.0}
            for factor, decays in groups
        ]
        return (
            [
                {
                    "params": parameters,
                    **rate,
                    **{f"initial_{name}": value for name, value in rate.items()},
                }
                for parameters, rate in zip(groups.values(), rates, strict=True)
            ],
        ), {**options, "lr": lr}

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the mean loss, weighted if there is a weight."""
        target, *weight = y_true
        loss = self.criterion_(y_pred, target)
        return (loss * weight[0]).mean() if weight else loss.mean()

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Train for one epoch; raise `StopTraining` when the planner says so."""
        if iterator is None:
            return
        module, optimizer = self.module_, self.optimizer_
        module.train()
        dropouts = [part for part in module.modules() if isinstance(part, Dropout)]
        total, n_rows = 0.0, 0
        for dense, codes, *y_true in iterator:
            progress = self.planner.advance()
            if progress >= 1:
                raise StopTraining
            self._follow_schedules(progress, dropouts)
            loss = self._batch_loss(dense, codes, y_true)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if self.clip_norm:
                clip_gradients(module.parameters(), self.clip_norm)
            optimizer.step()
            total += loss.detach() * len(dense)
            n_rows += len(dense)
        self.history.record(f"{prefix}_loss", float(total) / n_rows)

    def _follow_schedules(self, progress, dropouts) -> None:
        rate = learning_rate_factor(self.schedule, progress)
        strength = regularization_factor(self.regularization, progress)
        for group in self.optimizer_.param_groups:
            group["lr"] = group["initial_lr"] * rate
            group["weight_decay"] = group["initial_weight_decay"] * strength
        for dropout in dropouts:
            dropout.scale = strength

    def _batch_loss(self, dense, codes, y_true):
        mixture = None
        if self.changer is not None:
            dense, codes, mixture = self.changer(dense, codes)
        with precision_context(self.precision, self.device):
            outputs = self.module_(dense, codes)
        outputs = outputs.float()
        loss = self.get_loss(outputs, y_true)
        if mixture is not None:
            other = self.get_loss(outputs, [part[mixture.order] for part in y_true])
            loss = mixture.share * loss + (1 - mixture.share) * other
        return loss


def one_thread() -> SharedContext:
    """Return a context in which torch uses one thread.

    Small nets lose by more threads, by a factor of 200 where cores are busy.
    """
    return _ONE_THREAD


@contextmanager
def _limited_to_one():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_ONE_THREAD = SharedContext(_limited_to_one)
