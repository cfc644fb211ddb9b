"""DetectionFamily: the base of families that detect objects in images."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from automodel.exceptions import DeadlineReached
from automodel.families._net import WHOLE_TRAINING, clock_of
from automodel.families._pretrained import PretrainedFamily
from automodel.families.base import Resources
from automodel.families.image._nets import N_FOLDS, START_SHARE, TRAINED_SHARE

if TYPE_CHECKING:
    from automodel.task import Task

SIDES = (320, 256, 192)  # the first one in which the heads are trained in time is usual
OTHER_SIDES = (256, 416, 512)
MOST_ENLARGED = 2.0  # of images, whose shorter side is usually larger
LEAST_SIDE = 64
MOST_RATIO = 2.5  # of the sides of a canvas
HEADS_SHARE = (
    0.5  # of the time, in which the heads have to be trained at the usual size
)
FOLDS_SHARE = 0.15  # of the time, for a trial in all folds
FIRST_REPORT = WHOLE_TRAINING // 8  # before it, hardly any object is found
BYTES, BYTES_PER_PIXEL = 2.9e8, 1.4e3  # of memory of a training
FEWEST_STEPS = 10  # after fewer, a detector finds nothing


class DetectionFamily(PretrainedFamily):
    """A net of `automodel.nets.detection`, on canvases of one shape.

    In all methods, `task.facts` is an `ImageFacts`. A trial that ends by the clock is
    usable, since its schedules adapt to the time.
    """

    modality = "detection"
    tasks = ("detection",)
    requires = ("torch", "skorch", "torchvision")
    model_requires = ()  # a fitted net holds arrays
    iteration_param = "full_epochs"
    encoder_param = "short_side"
    least_share = 0.05
    most_share = 0.92
    start_seconds = 5.0  # to import torch, skorch and torchvision
    start_bytes = 8e8  # most of it for the builds of torch that can use a GPU

    def heads_seconds(self, side: int, task: Task) -> float:
        """Return the seconds in which the heads of the default are trained."""
        raise NotImplementedError

    def is_slow(self, task: Task) -> bool:
        """Tell whether a trial of the default in all folds would take long.

        Without a clock, it would take many minutes.
        """
        budget = task.time_budget
        if budget is None or not self.supports(task):
            return self.supports(task)
        seconds = TRAINED_SHARE * self.cost(self.portfolio(task)[0], task)
        return N_FOLDS * seconds > FOLDS_SHARE * budget

    def encodings(self, task: Task) -> Sequence[int]:
        """Return the shorter sides of a canvas to choose from, the usual one first."""
        short = min(task.facts.heights[2], task.facts.widths[2])
        largest = max(MOST_ENLARGED * short, LEAST_SIDE)
        usual = int(min(self._usual_side(task), largest))
        others = [side for side in OTHER_SIDES if side != usual and side <= largest]
        return task.facts.sizes([usual, *(s for s in others if self._fits(s, task))])

    def _usual_side(self, task: Task) -> int:
        budget = task.time_budget
        if budget is None:
            return SIDES[0]
        n_splits = 1 if task.is_slow else N_FOLDS
        for side in SIDES:
            seconds = TRAINED_SHARE * n_splits * self.heads_seconds(side, task)
            if seconds <= HEADS_SHARE * budget:
                return side
        return SIDES[-1]

    def _fits(self, side: int, task: Task) -> bool:
        """Tell whether the default is trained in time on canvases of a size."""
        budget = task.time_budget
        if budget is None:
            return True
        setting = self.portfolio(task)[0] | {self.encoder_param: side}
        return TRAINED_SHARE * self.cost(setting, task) <= self.most_share * budget

    def side_of(self, params: dict[str, Any], task: Task) -> int:
        """Return the shorter side of the canvas of a setting."""
        return params.get(self.encoder_param) or self.encodings(task)[0]

    def pixels_of(self, side: int, task: Task) -> float:
        """Return the number of pixels of a canvas."""
        shape = canvas_of(task)
        return side**2 * max(shape) / min(shape)

    def memory(self, params: dict[str, Any], task: Task) -> float:
        """Estimate the bytes of a training, which hardly grow with the batches."""
        pixels = self.pixels_of(self.side_of(params, task), task)
        return BYTES + BYTES_PER_PIXEL * pixels

    def resources(self, task: Task) -> Resources:
        """Let each worker load torch, unless that takes much of the time."""
        budget = task.time_budget
        if budget is not None and self.start_seconds <= START_SHARE * budget:
            return Resources()
        return super().resources(task)

    def preprocessor(self, estimator, task: Task):
        from automodel.preprocessing.image.canvas import ImageCanvas

        # Before the time of the fold.
        import_module("automodel.nets.detection._training")
        import_module("torchvision.models.detection.roi_heads")
        return ImageCanvas(self.encodings(task)[0], canvas_of(task))

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        """Train inside the time that is left, to which the schedules adapt.

        It reports scores within epochs, at the same shares of the training.

        Raises
        ------
        DeadlineReached
            If time is up before the net has learned anything.
        """
        monitor.check_time()
        step_plan: Sequence = ()
        if monitor.step_plan:
            frozen, full, *step_plan = monitor.step_plan
            estimator.set_params(frozen_epochs=frozen, full_epochs=full)
        elif monitor.n_iterations:
            frozen = min(estimator.frozen_epochs, int(monitor.n_iterations))
            full = int(monitor.n_iterations) - frozen
            estimator.set_params(frozen_epochs=frozen, full_epochs=full)

        def report(progress, net):
            step = int(WHOLE_TRAINING * progress)
            if FIRST_REPORT <= step < WHOLE_TRAINING and monitor.is_due(step):
                monitor.report(step, monitor.score(net))
            return monitor.expired

        estimator._fit(
            X,
            y,
            n_predicted=len(monitor.X_valid) if monitor.has_validation else 0,
            on_epoch=report if monitor.has_validation else None,
            seconds_left=clock_of(monitor),
            step_plan=step_plan,
        )
        if estimator.n_steps_ < FEWEST_STEPS and estimator.step_plan_:
            raise DeadlineReached
        monitor.steps_used = estimator.n_iter_
        monitor.step_plan_used = [
            estimator.frozen_epochs,
            estimator.full_epochs,
            *map(list, estimator.step_plan_),
        ]
        return estimator


def canvas_of(task: Task) -> tuple[int, int]:
    """Return the height and the width of an image that most others fit on.

    If some images are upright and others are not, it is a square.
    """
    facts = task.facts
    if facts.is_uniform:
        height, width = facts.heights[0], facts.widths[0]
    else:
        height, width = facts.heights[3], facts.widths[3]
    least = max(height, width) / MOST_RATIO
    return round(max(height, least)), round(max(width, least))
