"""The net of skorch that trains our modules: data, loss, groups of parameters, loop."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.utils import ClassifierTags, RegressorTags
from skorch import NeuralNet
from skorch.dataset import Dataset
from skorch.utils import TeeGenerator
from torch import nn

from automodel.nets._device import precision_context

VALID_ROWS = 8192  # of the validation part that are predicted at a time


class TableDataset(Dataset):
    """Encoded rows on a device.

    Parameters
    ----------
    dense, codes, target : Tensor
        Inputs and target of the rows.
    weight : Tensor, default=None
        Weights of the rows.
    """

    def __init__(self, dense, codes, target, weight=None):
        super().__init__({"dense": dense, "codes": codes}, target, length=len(target))
        self.weight = weight


class TensorBatches:
    """Iterate over a `TableDataset` in batches of equal size, give or take one.

    A batch is a pair of inputs and target, as in skorch. The inputs are a dict. If rows
    have weights, they have the key "weight"; if rows are mixed, a `Mixture` has the key
    "mixture".

    Parameters
    ----------
    dataset : TableDataset
        The rows.
    batch_size : int
        The most rows of a batch. No batch has a single row, which batch normalisation
        could not take.
    generator : torch.Generator
        Shuffles the rows.
    changer : RowChanger, default=None
        Changes the rows of a batch at random.
    """

    def __init__(self, dataset, batch_size, generator, changer=None):
        inputs = {**dataset.X, "target": dataset.y}
        if dataset.weight is not None:
            inputs["weight"] = dataset.weight
        self.tensors = inputs
        self.generator = generator
        self.changer = changer
        n_rows = len(dataset)
        n_batches = max(min(-(-n_rows // batch_size), n_rows // 2), 1)
        edges = [n_rows * i // n_batches for i in range(n_batches + 1)]
        self.parts = list(zip(edges[:-1], edges[1:], strict=True))

    def __len__(self):
        return len(self.parts)

    def __iter__(self):
        device = self.tensors["target"].device
        n_rows = self.parts[-1][1]
        order = torch.randperm(n_rows, generator=self.generator, device=device)
        shuffled = {name: tensor[order] for name, tensor in self.tensors.items()}
        for start, end in self.parts:
            X = {name: tensor[start:end] for name, tensor in shuffled.items()}
            target = X.pop("target")
            if self.changer is not None:
                changed = self.changer(X["dense"], X["codes"])
                X["dense"], X["codes"], mixture = changed
                if mixture is not None:
                    X["mixture"] = mixture
            yield X, target


class Criterion(nn.Module):
    """A loss as a module of torch, which callbacks of skorch expect.

    Parameters
    ----------
    loss : callable
        `loss(output, target)` returns one loss per row.
    """

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, output, target):
        """Return the loss of each row."""
        return self.loss(output, target)


class LeanNet(NeuralNet):
    """A net of skorch that skips the bookkeeping of batches where nobody reads it.

    Parameters
    ----------
    *args, **kwargs
        Those of skorch's `NeuralNet`.
    records_batches : bool, default=False
        Whether the history holds each batch, for callbacks that read it.
    """

    def __init__(self, *args, records_batches=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.records_batches = records_batches

    @property
    def _default_callbacks(self):
        return []

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Train for one epoch; callbacks validate all rows at once.

        skorch notes each batch in the history and asks the device for its loss. That is
        five percent of a step of a small net, so it is left out where no callback of
        the user can read it.
        """
        if not training:
            return
        self._set_training(True)
        if self.records_batches:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            batches = self.history[-1]["batches"]
            losses = [batch["train_loss"] for batch in batches]
            sizes = [batch["train_batch_size"] for batch in batches]
            self.history.record("train_loss", float(np.average(losses, weights=sizes)))
            return
        total, n_rows = 0.0, 0
        for batch in iterator:
            for _, callback in self.callbacks_:
                callback.on_batch_begin(self, batch=batch, training=True)
            loss = step_fn(batch)["loss"].detach()
            n_batch = len(batch[1])
            total += loss * n_batch
            n_rows += n_batch
        self.history.record("train_loss", float(total) / n_rows)

    def train_step(self, batch, **fit_params):
        """Take one step.

        skorch hands the optimizer a closure. Without it a step of a small net is two
        percent faster, and no optimizer of groups of parameters needs it.
        """
        self.optimizer_.zero_grad()
        step = self.train_step_single(batch, **fit_params)
        self.notify(
            "on_grad_computed",
            named_parameters=TeeGenerator(self.get_all_learnable_params()),
            batch=batch,
            training=True,
        )
        self.optimizer_.step()
        return step

    def train_step_single(self, batch, **fit_params):
        """Compute the loss of a batch and the gradients."""
        X, target = batch
        output = self.infer(X)
        loss = self.get_loss(output, target, X=X, training=True)
        loss.backward()
        return {"loss": loss, "y_pred": output}


class ObjectiveNet(LeanNet):
    """A net that learns an objective: the base of nets for each kind of rows.

    The criterion returns one loss per row. Parameters of the module may carry
    `lr_factor` and `decays`; without `decays`, matrices decay and vectors do not.

    Parameters
    ----------
    *args, **kwargs
        Those of `LeanNet`.
    precision : {"float32", "bfloat16"}, default="float32"
        The precision in which the module is called.
    objective : Objective, default=None
        Turns outputs into predictions, for callbacks that score them.
    """

    def __init__(self, *args, precision="float32", objective=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.precision = precision
        self.objective = objective

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Group the parameters by learning rate and decay."""
        _, options = super().get_params_for_optimizer(prefix, named_parameters)
        lr, decay = options.pop("lr"), options.pop("weight_decay")
        groups: dict = {}
        for parameter in self.module_.parameters():
            if not parameter.requires_grad:
                continue
            factor = getattr(parameter, "lr_factor", 1.0)
            decays = getattr(parameter, "decays", parameter.dim() > 1)
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
        """Return the mean loss of rows that may be weighted and mixed."""
        loss = self._mean_loss(y_pred, y_true, X.get("weight"))
        mixture = X.get("mixture")
        if mixture is None:
            return loss
        weight = X["weight"][mixture.order] if "weight" in X else None
        other = self._mean_loss(y_pred, y_true[mixture.order], weight)
        return mixture.share * loss + (1 - mixture.share) * other

    def _mean_loss(self, output, target, weight):
        loss = self.criterion_(output, target)
        if weight is None:
            return loss.mean()
        if loss.dim() == 0:
            raise ValueError(
                "The criterion returns one loss for all rows, and these have weights. "
                'Give it reduction="none", so that it returns the loss of each row.'
            )
        return (loss * weight).mean()

    @abstractmethod
    def outputs(self, rows) -> torch.Tensor:
        """Return the outputs for the rows of a data set, without training."""

    def some_inputs(self, rows) -> Iterator[dict[str, torch.Tensor]]:
        """Yield inputs of some rows of a data set, for the statistics of norms."""
        return iter(())

    def predict_proba(self, X):
        """Return probabilities, or values in the units of the training."""
        return self.objective.predictions(self.outputs(X)).cpu().numpy()

    def predict(self, X):
        """Return the numbers of classes, 1 or 0 for each label, or values."""
        return self.objective.decide(self.predict_proba(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.objective.is_classifier:
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        else:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags


class TableNet(ObjectiveNet):
    """A net whose module is called with dense and codes."""

    def infer(self, x, **fit_params):
        """Return the outputs of the module."""
        with precision_context(self.precision, self.device):
            output = self.module_(x["dense"], x["codes"])
        return output.float()

    def some_inputs(self, rows):
        """Yield the inputs of `VALID_ROWS` rows at most."""
        step = -(-len(rows) // VALID_ROWS)
        yield {name: value[::step] for name, value in rows.X.items()}

    def outputs(self, rows):
        """Return the outputs for the rows of a `TableDataset`, or for its inputs."""
        X = rows.X if isinstance(rows, TableDataset) else rows
        return outputs_of(self.module_, X["dense"], X["codes"])


def outputs_of(module: Any, dense, codes) -> torch.Tensor:
    """Return the outputs of a module that does not train, in bounded memory."""
    module.eval()
    with torch.inference_mode():
        parts = zip(dense.split(VALID_ROWS), codes.split(VALID_ROWS), strict=True)
        return torch.cat([module(*part) for part in parts])
