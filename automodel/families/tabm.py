"""Ensembles of perceptrons in one net: `TabMClassifier` and `TabMRegressor`."""

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

SECONDS_PER_STEP = 1e-3
SECONDS_PER_UNIT = 4e-9  # per row: activation, dropout and the scalings


class TabMFamily(NetFamily):
    """TabM and TabM-mini (Gorishniy et al., 2024) of a size that a processor affords.

    A classifier stops early, and so does a regressor that learns a deviance; others
    train on all rows for a whole schedule.
    """

    name = "tabm"
    rank = 55
    classifier = "TabMClassifier"
    regressor = "TabMRegressor"

    def search_space(self, trial, task):
        """Suggest kind, size, regularisation and training of the net.

        The ranges are those of TabM in TabArena, with fewer and smaller members and
        the larger learning rates of short schedules.
        """
        params = {
            "kind": trial.suggest_categorical("kind", ["tabm", "tabm-mini"]),
            "k": trial.suggest_categorical("k", [8, 16, 24]),
            "n_layers": trial.suggest_int("n_layers", 1, 4),
            "width": trial.suggest_int("width", 64, 256, step=64),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "learning_rate": trial.suggest_float("learning_rate", 1e-3, 0.03, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-5, 0.1, log=True),
            "batch_size": trial.suggest_categorical("batch_size", ["auto", 128, 256]),
            "max_epochs": trial.suggest_int("max_epochs", 20, 100, step=20),
        }
        params |= suggest_embedding(trial)
        params |= suggest_training(trial, task)
        return params

    def portfolio(self, task):
        """Return the default, one with bins, one of more members, a wide TabM-mini."""
        default = {
            "kind": "tabm",
            "k": 8,
            "n_layers": 2,
            "width": 128,
            "dropout": 0.1,
            "learning_rate": 0.005 if task.is_classification else 0.01,
            "weight_decay": 3e-4,
            "batch_size": "auto",
            "max_epochs": 40 if task.is_classification else 60,
            "embedding": "periodic",
            "embedding_sigma": 0.1,
            **usual_training(task),
        }
        bins = {**default, "embedding": "piecewise", "n_bins": 32}
        del bins["embedding_sigma"]
        return [
            default,
            bins,
            {**default, "k": 16},
            {**default, "kind": "tabm-mini", "n_layers": 3, "width": 256},
        ]

    def cost(self, params, task):
        """Return the seconds of one fit on one core, measured on tables of numbers."""
        k, n_layers = params.get("k", 8), params.get("n_layers", 2)
        width = params.get("width", 128)
        n_inputs = net_inputs(params, task)
        n_weights = width * (n_inputs + (n_layers - 1) * width + task.n_outputs)
        seconds_per_row = (
            SECONDS_PER_STEP
            / choose_batch_size(params.get("batch_size", "auto"), task.n_samples)
            + k * SECONDS_PER_WEIGHT * n_weights
            + k * SECONDS_PER_UNIT * width * n_layers
            + wave_seconds(params, task)
        )
        max_epochs = params.get("max_epochs", 40 if task.is_classification else 60)
        return max_epochs * task.n_samples * seconds_per_row
