"""Fine-tune an encoder: linear probing first, then the layers below the head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from automodel.nets._device import choose_device, choose_precision, one_thread
from automodel.nets._objective import Objective
from automodel.nets._planner import StepPlanner, check_time
from automodel.nets._recipe import Hooks, Recipe, Trained
from automodel.nets._training import (
    Course,
    course_of,
    give_generator,
    initialized,
    net_parameters,
    result_of,
    run,
)
from automodel.nets.bert._batches import TextNet, TokenBatches, TokenDataset, outputs_of
from automodel.nets.bert._module import BertModule
from automodel.nets.bert._probe import MOST_ROWS, fit_head
from automodel.nets.bert._tokens import Tokens

USUAL_LENGTH = 16  # tokens of a text, by which "auto" chooses the precision
VALIDATIONS_AFTER = 3  # that must fit after the last step: our own, and predictions


@dataclass(frozen=True)
class TextRows:
    """Tokens of texts, their target, and weights if there are some."""

    tokens: Tokens
    target: np.ndarray
    weight: np.ndarray | None = None


class SlowStepPlanner(StepPlanner):
    """A `StepPlanner` for steps of a second, of which none may outlast the time."""

    first_look = 3

    def __init__(self, n_steps, seconds_left=None, step_plan=None):
        super().__init__(n_steps, seconds_left, step_plan)
        self._longest, self._before = 0.0, self._limit

    def _look(self, left):
        if self.taken:
            self._longest = max(self._longest, self._before - left)
        self._before = left
        super()._look(left - self._longest)


@one_thread()
def finetune(
    module: BertModule,
    rows: TextRows,
    valid: TextRows | None,
    recipe: Recipe,
    objective: Objective,
    hooks: Hooks,
    *,
    n_parts: int,
    probes: bool,
) -> Trained:
    """Train a module that has the weights of an encoder, and return what has changed.

    Parameters
    ----------
    module : BertModule
        Encoder and head.
    rows, valid : TextRows
        The texts to train on, and those to choose the best weights on, if any.
    recipe : Recipe
        How to train, `settled`. Its patience counts parts of an epoch.
    objective : Objective
        The loss per row, and the judgement of an epoch.
    hooks : Hooks
        How a search follows and limits the training.
    n_parts : int
        Parts of an epoch. skorch and the hooks take each of them for an epoch.
    probes : bool
        Whether the head starts from linear probing.

    Raises
    ------
    DeadlineReached
        If time is up before the head has been found.
    """
    dataset = dataset_of(rows, recipe.device)
    valid_set = None if valid is None else dataset_of(valid, recipe.device)
    module.to(recipe.device)
    check = partial(check_time, hooks.seconds_left)
    embed = partial(_features, module, precision=recipe.precision, check=check)
    seconds, features = _timed(embed, valid_set, hooks.seconds_left)
    if probes:
        _probe(module, dataset, valid_set, features, objective, embed, check)
    batches = TokenBatches(dataset, recipe.batch_size, None, n_parts)
    planner = SlowStepPlanner(
        batches.n_batches * recipe.max_epochs,
        _less(hooks.seconds_left, VALIDATIONS_AFTER * seconds),
        hooks.step_plan,
    )
    recipe = replace(recipe, max_epochs=recipe.max_epochs * batches.n_parts)
    course = course_of(planner, valid_set, recipe, objective, hooks)
    net = _net(module, dataset, valid_set, recipe, objective, course, batches.n_parts)
    if features is not None:
        with torch.no_grad():
            course.epochs.judge_outputs(module, module.head(features), valid_set)
    run(net, dataset, valid_set, recipe, course.epochs)
    n_batches = batches.n_batches / batches.n_parts
    return result_of(net, dataset, n_batches, planner, course.epochs)


def _net(module, dataset, valid, recipe: Recipe, objective, course: Course, n_parts):
    """Return a net that is ready to be trained."""
    give_generator(module, torch.Generator(recipe.device).manual_seed(recipe.seed))
    net = TextNet(
        module,
        iterator_train=TokenBatches,
        iterator_train__generator=torch.Generator().manual_seed(recipe.seed),
        iterator_train__n_parts=n_parts,
        **net_parameters(valid, recipe, objective, course),
    )
    return initialized(net, dataset.y)


def settled(recipe: Recipe) -> Recipe:
    """Return the recipe with the device and the precision that "auto" stands for."""
    device = choose_device(recipe.device)
    n_rows = recipe.batch_size * USUAL_LENGTH
    precision = choose_precision(recipe.precision, device, recipe.width, n_rows)
    return replace(recipe, device=device, precision=precision)


def dataset_of(rows: TextRows, device: str) -> TokenDataset:
    """Return the texts as tensors; weights have a mean of one."""
    weight = None
    if rows.weight is not None:
        weight = torch.as_tensor((rows.weight / rows.weight.mean()).astype(np.float32))
    return TokenDataset(rows.tokens, torch.as_tensor(rows.target), weight, device)


def load_encoder(module: BertModule, state: dict[str, np.ndarray]) -> None:
    """Give a module a copy of the weights of an encoder."""
    tensors = {name: torch.tensor(value) for name, value in state.items()}
    missing, unexpected = module.load_state_dict(tensors, strict=False)
    unknown = [*unexpected, *(name for name in missing if name.startswith("encoder."))]
    if unknown:
        raise RuntimeError(f"These weights do not fit the encoder: {unknown[:3]}.")


def _probe(module, dataset, valid, features, objective, embed, check) -> None:
    """Give the head the weights of a linear model of the frozen encoder's features."""
    part = dataset
    if len(dataset) > MOST_ROWS:
        part = dataset.take(np.linspace(0, len(dataset) - 1, MOST_ROWS).astype(int))
    train = embed(part).cpu(), part.y, part.weight
    held_out = None if valid is None else (features.cpu(), valid.y, valid.weight)
    n_outputs = module.head.weight.shape[0]
    weight, bias = fit_head(train, held_out, n_outputs, objective, check)
    with torch.no_grad():
        module.head.weight.copy_(weight)
        module.head.bias.copy_(bias)


def _features(module, dataset, *, precision: str, check) -> torch.Tensor:
    return outputs_of(module, dataset, precision, module.embed, check)


def _timed(embed, dataset, seconds_left) -> tuple[float, torch.Tensor | None]:
    """Return the seconds that the features of some texts take, and the features."""
    if dataset is None:
        return 0.0, None
    if seconds_left is None:
        return 0.0, embed(dataset)
    before = seconds_left()
    features = embed(dataset)
    return before - seconds_left(), features


def _less(seconds_left, seconds: float) -> Callable[[], float] | None:
    return None if seconds_left is None else lambda: seconds_left() - seconds
