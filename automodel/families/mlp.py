"""Multilayer perceptrons: `RealMLPClassifier` and `RealMLPRegressor` of the nets."""

from __future__ import annotations

from automodel.families._net import (
    SECONDS_PER_WEIGHT,
    NetFamily,
    net_inputs,
    seldom,
    suggest_embedding,
    suggest_training,
    usual_training,
    wave_seconds,
)
from automodel.nets._rows import choose_batch_size

SECONDS_PER_STEP = 8e-4
OF_VALUES = 1.3  # by which nets of values take longer than those of classes
MANY_ROWS = 5000  # of which half the epochs are as good


class MLPFamily(NetFamily):
    """Perceptrons after RealMLP (Holzmüller et al., 2024), cut to a processor's size.

    A classifier stops early, and so does a regressor that learns a deviance; others
    train on all rows for a whole schedule.
    """

    name = "mlp"
    rank = 38
    classifier = "RealMLPClassifier"
    regressor = "RealMLPRegressor"

    def search_space(self, trial, task):
        """Suggest size, regularisation and training of the net.

        The ranges are those of RealMLP in TabArena, narrowed to what a processor
        trains in seconds. What seldom helps is suggested seldom.
        """
        params = {
            "n_layers": trial.suggest_int("n_layers", 1, 4),
            "width": trial.suggest_int("width", 64, 384, step=64),
            "block": trial.suggest_categorical("block", ["plain", "residual"]),
            "activation": trial.suggest_categorical(
                "activation", ["selu", "silu", "mish", "relu"]
            ),
            "parametric_activation": seldom(
                trial, "parametric_activation", False, True
            ),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "normalization": seldom(trial, "normalization", "none", "layer", "batch"),
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.1, log=True),
            "batch_size": trial.suggest_categorical("batch_size", ["auto", 128, 256]),
            "max_epochs": trial.suggest_int("max_epochs", 32, 256, step=32),
        }
        params |= suggest_embedding(trial)
        params |= suggest_training(trial, task)
        return params

    def portfolio(self, task):
        """Return the default, a wide net, a plain one, and a strongly regular one."""
        default = {
            "n_layers": 2,
            "width": 128,
            "block": "plain",
            "activation": "selu",
            "dropout": 0.15,
            "normalization": "none",
            "learning_rate": 0.04 if task.is_classification else 0.1,
            "parametric_activation": False,
            "weight_decay": 0.02,
            "batch_size": "auto",
            "max_epochs": 128 if task.n_samples <= MANY_ROWS else 64,
            "embedding": "periodic",
            "embedding_sigma": 0.1,
            **usual_training(task),
            "schedule": "coslog",
        }
        plain = {**default, "embedding": "none", "activation": "relu"}
        del plain["embedding_sigma"]
        return [
            default,
            {
                **default,
                "n_layers": 3,
                "width": 256,
                "activation": "mish",
                "max_epochs": 64,
            },
            plain,
            {
                **default,
                "dropout": 0.35,
                "weight_decay": 0.1,
                "schedule": "one-cycle",
                "embedding_sigma": 0.5,
            },
        ]

    def cost(self, params, task):
        """Return the seconds of one fit on one core, measured on tables of numbers."""
        width, n_layers = params.get("width", 128), params.get("n_layers", 2)
        n_inputs = net_inputs(params, task)
        n_weights = width * (n_inputs + (n_layers - 1) * width + task.n_outputs)
        seconds_per_row = (
            SECONDS_PER_STEP
            / choose_batch_size(params.get("batch_size", "auto"), task.n_samples)
            + SECONDS_PER_WEIGHT * n_weights
            + wave_seconds(params, task)
        )
        if not self.may_stop_early(task):  # and trains on all rows
            seconds_per_row *= OF_VALUES
        return params.get("max_epochs", 128) * task.n_samples * seconds_per_row
