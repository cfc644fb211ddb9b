"""Fine-tune an encoder: linear probing first, then the layers below the head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from automodel.nets._device import choose_device, choose_precision, one_thread
from automodel.nets._objective import Objective
from automodel.nets._parts import finetune_in_parts, weight_of
from automodel.nets._recipe import Hooks, Recipe, Trained
from automodel.nets._training import (
    Course,
    give_generator,
    initialized,
    net_parameters,
)
from automodel.nets.bert._batches import TextNet, TokenBatches, TokenDataset, outputs_of
from automodel.nets.bert._module import BertModule
from automodel.nets.bert._tokens import Tokens

USUAL_LENGTH = 16  # tokens of a text, by which "auto" chooses the precision


@dataclass(frozen=True)
class TextRows:
    """Tokens of texts, their target, and weights if there are some."""

    tokens: Tokens
    target: np.ndarray
    weight: np.ndarray | None = None


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
    batches = TokenBatches(dataset, recipe.batch_size, None, n_parts)

    def build(recipe: Recipe, course: Course) -> TextNet:
        sets = dataset, valid_set
        return _net(module, *sets, recipe, objective, course, batches.n_parts)

    return finetune_in_parts(
        partial(_features, module, precision=recipe.precision),
        module.head,
        build,
        batches,
        valid_set,
        recipe,
        objective,
        hooks,
        probes=probes,
    )


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
    target = torch.as_tensor(rows.target)
    return TokenDataset(rows.tokens, target, weight_of(rows.weight), device)


def load_encoder(module: BertModule, state: dict[str, np.ndarray]) -> None:
    """Give a module a copy of the weights of an encoder."""
    tensors = {name: torch.tensor(value) for name, value in state.items()}
    missing, unexpected = module.load_state_dict(tensors, strict=False)
    unknown = [*unexpected, *(name for name in missing if name.startswith("encoder."))]
    if unknown:
        raise RuntimeError(f"These weights do not fit the encoder: {unknown[:3]}.")


def _features(module, dataset, *, precision: str, check) -> torch.Tensor:
    return outputs_of(module, dataset, precision, module.embed, check)
