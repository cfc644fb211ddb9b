"""Residual nets: `TabularResNetClassifier` and `TabularResNetRegressor`."""

from __future__ import annotations

from automodel.families._net import (
    SECONDS_PER_WEIGHT,
    NetFamily,
    net_inputs,
    suggest_embedding,
    suggest_training,
    usual_training,
    wave_seconds,
)
from automodel.nets._rows import choose_batch_size

SECONDS_PER_STEP = 8e-4


class ResNetFamily(NetFamily):
    """The residual net of Gorishniy et al. (2021), tried where it is named.

    It costs more than a perceptron, and is seldom better than both that and TabM.
    """

    name = "resnet"
    rank = 80
    by_default = False
    classifier = "TabularResNetClassifier"
    regressor = "TabularResNetRegressor"

    def search_space(self, trial, task):
        """Suggest size, regularisation and training of the net.

        The ranges are those of the paper, narrowed to what a processor trains in
        seconds.
        """
        params = {
            "n_blocks": trial.suggest_int("n_blocks", 1, 6),
            "width": trial.suggest_int("width", 64, 320, step=64),
            "hidden_factor": trial.suggest_float("hidden_factor", 1.0, 4.0),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "residual_dropout": trial.suggest_float("residual_dropout", 0.0, 0.3),
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 0.02, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-6, 0.1, log=True),
            "batch_size": trial.suggest_categorical("batch_size", ["auto", 128, 256]),
            "max_epochs": trial.suggest_int("max_epochs", 32, 128, step=32),
        }
        params |= suggest_embedding(trial)
        params |= suggest_training(trial, task)
        return params

    def portfolio(self, task):
        """Return the default, one without embeddings, and a wide one."""
        default = {
            "n_blocks": 2,
            "width": 128,
            "hidden_factor": 2.0,
            "dropout": 0.25,
            "residual_dropout": 0.1,
            "learning_rate": 0.003,
            "weight_decay": 1e-4,
            "batch_size": "auto",
            "max_epochs": 64,
            "embedding": "periodic",
            "embedding_sigma": 0.1,
            **usual_training(task),
        }
        plain = {**default, "embedding": "none"}
        del plain["embedding_sigma"]
        wide = {"n_blocks": 3, "width": 256, "dropout": 0.4, "learning_rate": 0.001}
        return [default, plain, {**default, **wide}]

    def cost(self, params, task):
        """Return the seconds of one fit on one core, measured on tables of numbers."""
        width, n_blocks = params.get("width", 128), params.get("n_blocks", 2)
        inside = 2 * n_blocks * params.get("hidden_factor", 2.0) * width
        n_weights = width * (net_inputs(params, task) + inside + task.n_outputs)
        seconds_per_row = (
            SECONDS_PER_STEP
            / choose_batch_size(params.get("batch_size", "auto"), task.n_samples)
            + SECONDS_PER_WEIGHT * n_weights
            + wave_seconds(params, task)
        )
        return params.get("max_epochs", 64) * task.n_samples * seconds_per_row
