"""Transformers: `FTTransformerClassifier` and `FTTransformerRegressor`."""

from __future__ import annotations

from automodel.families._cost import encoded_columns
from automodel.families._net import (
    SECONDS_PER_WEIGHT,
    NetFamily,
    seldom,
    suggest_training,
    usual_training,
)
from automodel.nets._rows import choose_batch_size

MOST_COLUMNS = 200  # attention grows with their square
SECONDS_PER_STEP = 1e-3
SECONDS_PER_UNIT = 1e-8  # per row, column and block
SECONDS_PER_PAIR = 2e-10  # of columns, per row, unit and block


class FTTransformerFamily(NetFamily):
    """FT-Transformer (Gorishniy et al., 2021), tried where it is named.

    On a processor it takes about a hundred times as long as a perceptron.
    """

    name = "ft_transformer"
    rank = 90
    by_default = False
    classifier = "FTTransformerClassifier"
    regressor = "FTTransformerRegressor"

    def supports(self, task):
        """Leave out wide tables, on which attention takes too much memory and time."""
        return super().supports(task) and encoded_columns(task) <= MOST_COLUMNS

    def search_space(self, trial, task):
        """Suggest size, regularisation and training of the net.

        The ranges are those of the paper, narrowed to small nets and to the larger
        learning rates of short schedules.
        """
        params = {
            "n_blocks": trial.suggest_int("n_blocks", 1, 3),
            "width": trial.suggest_int("width", 32, 128, step=32),
            "hidden_factor": trial.suggest_float("hidden_factor", 2 / 3, 8 / 3),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "attention_dropout": seldom(trial, "attention_dropout", 0.0, 0.1, 0.3),
            "residual_dropout": seldom(trial, "residual_dropout", 0.0, 0.1),
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 0.01, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True),
            "batch_size": trial.suggest_categorical("batch_size", [64, 128, 256]),
            "max_epochs": trial.suggest_int("max_epochs", 16, 64, step=16),
        }
        params |= suggest_training(trial, task)
        return params

    def portfolio(self, task):
        """Return the default, and one of a single small block."""
        default = {
            "n_blocks": 2,
            "width": 64,
            "hidden_factor": 4 / 3,
            "dropout": 0.1,
            "attention_dropout": 0.0,
            "residual_dropout": 0.0,
            "learning_rate": 0.001,
            "weight_decay": 1e-5,
            "batch_size": 64 if task.n_samples <= 2000 else 128,
            "max_epochs": 32,
            **usual_training(task),
        }
        small = {"n_blocks": 1, "width": 32, "learning_rate": 0.003}
        return [default, {**default, **small}]

    def cost(self, params, task):
        """Return the seconds of one fit on one core, measured on tables of numbers."""
        width, n_blocks = params.get("width", 64), params.get("n_blocks", 2)
        n_tokens = 1 + encoded_columns(task)
        # Queries, keys, values, output and feed forward; of the last block, keys and
        # values alone.
        feed = 3 * params.get("hidden_factor", 4 / 3)
        n_weights = width**2 * ((4 + feed) * (n_blocks - 1) + 2)
        seconds_per_token = SECONDS_PER_WEIGHT * n_weights + width * n_blocks * (
            SECONDS_PER_UNIT + SECONDS_PER_PAIR * n_tokens
        )
        seconds_per_row = n_tokens * seconds_per_token + (
            SECONDS_PER_STEP
            / choose_batch_size(params.get("batch_size", "auto"), task.n_samples)
        )
        return params.get("max_epochs", 32) * task.n_samples * seconds_per_row
