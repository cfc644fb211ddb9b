"""What a training is given and what it returns, in plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from automodel.nets._schedules import WARM


@dataclass(frozen=True)
class Rows:
    """Encoded rows: inputs, target, and weight if there is one."""

    dense: np.ndarray
    codes: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.target)


class FoldPart(NamedTuple):
    """The training and validation part of a fold, as estimators take them.

    In a search, classes are numbered among all classes, also those that the training
    part lacks. `valid_rows` are the positions of the validation rows, some of which
    several folds have in common if the folds are repeated. `groups` are those of the
    training rows.
    """

    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None
    X_valid: Any
    y_valid: np.ndarray
    sample_weight_valid: np.ndarray | None
    valid_rows: np.ndarray | None = None
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Augmentation:
    """How rows are changed in training.

    Parameters
    ----------
    noise : float
        Standard deviation of the noise that is added to numbers.
    mixup : float
        Parameter alpha of the Beta distribution of shares (Zhang et al., 2018,
        *mixup: Beyond Empirical Risk Minimization*). Categories cannot be mixed:
        those in `codes` come from either row, with the shares as probabilities.
    swap : float
        Probability that a column's value is replaced by that of another row of the
        batch (Bahri et al., 2022, *SCARF*; after VIME, Yoon et al., 2020). Columns of
        `dense` that stem from one column of X are replaced together.
    n_continuous : int
        The number of columns of `dense` that hold numbers; they come first.
    feature_of_dense : ndarray of int
        The column of X from which each column of `dense` stems.
    """

    noise: float
    mixup: float
    swap: float
    n_continuous: int
    feature_of_dense: np.ndarray


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Most fields are the parameters of the nets that have the same names.

    Parameters
    ----------
    seed : int
        Seed of the generator that every random draw comes from.
    width : int, default=0
        Width of the net, by which "auto" chooses the precision.
    callbacks : sequence, default=()
        Callbacks of skorch, given by the user.
    warm_up : float, default=0.1
        Share of the schedule "one-cycle" in which the learning rate grows.
    """

    learning_rate: float
    weight_decay: float
    schedule: str
    batch_size: int
    max_epochs: int
    patience: int
    device: str
    seed: int
    verbose: int = 0
    optimizer: str | Callable = "adamw"
    averaging: float = 0.0
    regularization: str = "constant"
    augmentation: Augmentation | None = None
    precision: str = "float32"
    width: int = 0
    clip_norm: float = 0.0
    criterion: Callable | None = None
    callbacks: Sequence[Any] = ()
    warm_up: float = WARM


@dataclass(frozen=True)
class Hooks:
    """How a search follows and limits a training.

    Parameters
    ----------
    on_epoch : callable, default=None
        `on_epoch(epoch, get_weights)` is called after each epoch; training stops if it
        returns True.
    seconds_left : callable, default=None
        Returns the seconds until training has to end.
    step_plan : sequence, default=None
        The revisions of an earlier training, to repeat it; see `StepPlanner`.
    """

    on_epoch: Callable | None = None
    seconds_left: Callable[[], float] | None = None
    step_plan: Sequence[Sequence[int]] | None = None


@dataclass
class Trained:
    """What a training returns: weights, epochs and steps, and the losses.

    The outputs of the module are multiplied by `factor`; `step_plan` is that of the
    `StepPlanner`.
    """

    state: dict[str, np.ndarray]
    factor: float
    n_epochs: int
    n_steps: int
    step_plan: list[tuple[int, int]]
    history: dict[str, list[float]]
