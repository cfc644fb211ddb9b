"""Find out whether a flip keeps the meaning of images, by the predictions of a net."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from skorch.callbacks import Callback

from automodel.nets._objective import LEAST_VALUE, Deviance, Objective
from automodel.nets._planner import StepPlanner
from automodel.nets.image._batches import ImageDataset
from automodel.nets.image._transforms import Augmenter
from automodel.nets.image.augment import FLIPS

MOST_IMAGES = 1000  # that are predicted with and without a flip
LEAST_GAIN = 0.1  # of the loss of a constant, after which a net can tell
KEPT_GAIN = 0.9  # of what a net knows, that flipped images have to leave


class FlipGuard(Callback):
    """Let a net learn from flipped images once it predicts them as well as others.

    At first, images are not flipped. A net that confuses the flipped images, such as
    those of digits, is trained without flips to the end.

    Parameters
    ----------
    augmenter : Augmenter
        Flips the images, when it is allowed to.
    dataset : ImageDataset
        The images that are predicted, if possible others than those that are learned.
    objective : Objective
        Judges the predictions.
    planner : StepPlanner
        Says how far the training is.
    after : float
        The progress after which the net is asked for the first time.
    """

    def __init__(self, augmenter, dataset, objective, planner, after):
        self.augmenter: Augmenter = augmenter
        self.dataset: ImageDataset = dataset
        self.objective: Objective = objective
        self.planner: StepPlanner = planner
        self.after = after
        self.is_decided = False

    def on_train_begin(self, net, **kwargs):
        """Ask a net that has been trained before."""
        if self.after == 0:
            self._ask(net)

    def on_epoch_end(self, net, **kwargs):
        """Ask the net, if it may know enough and has not been asked."""
        if not self.is_decided and self.planner.progress >= self.after:
            self._ask(net)

    def _ask(self, net) -> None:
        kept = kept_flips(net.outputs, self.dataset, self.objective)
        if kept is not None:
            self.augmenter.flips = kept
            self.is_decided = True


def kept_flips(
    predict: Callable[[ImageDataset], torch.Tensor],
    dataset: ImageDataset,
    objective: Objective,
) -> tuple[str, ...] | None:
    """Return the flips that keep the meaning of images; None if that is not known.

    A net that can tell images apart, but not when they are flipped, shows that a flip
    changes what they are. It is not known while a net is hardly better than a constant.

    Parameters
    ----------
    predict : callable
        Returns the outputs for a data set.
    dataset : ImageDataset
        Images with their target.
    objective : Objective
        Judges the outputs.
    """
    n = len(dataset)
    some = dataset.take(np.linspace(0, n - 1, min(n, MOST_IMAGES)).astype(int))

    def loss_of(outputs):
        return objective.judge(outputs.cpu(), some.y, some.weight)[0]

    outputs = predict(some)
    constant = _constant(some.y, outputs.shape[1], objective)
    worst = loss_of(constant.expand(len(some), -1))
    gain = worst - loss_of(outputs)
    if not gain > LEAST_GAIN * abs(worst):
        return None
    return tuple(
        name
        for name, axis in zip(FLIPS, (2, 1), strict=True)
        if worst - loss_of(predict(some.flipped(axis))) >= KEPT_GAIN * gain
    )


def _constant(target: torch.Tensor, n_outputs: int, objective: Objective):
    """Return the outputs of a net that has learned the frequencies or the mean."""
    if not target.is_floating_point():
        return (torch.bincount(target, minlength=n_outputs) + 1.0).log()[None]
    mean = target.float().reshape(len(target), -1).mean(0, keepdim=True)
    if isinstance(objective, Deviance):  # whose outputs are logarithms
        return mean.clamp_min(LEAST_VALUE).log()
    return torch.logit(mean, 1e-3) if objective.is_classifier else mean
