"""Multilayer perceptrons: `RealMLPClassifier` and `RealMLPRegressor` of the nets."""

from __future__ import annotations

from typing import Any

from automodel.exceptions import DeadlineReached
from automodel.families.base import ModelFamily

FEWEST_STEPS = 30  # a net of fewer has not left its start
MOST_SPARSE_COLUMNS = 5000
SECONDS_PER_STEP = 5e-4
SECONDS_PER_WEIGHT = 6 / 6e10  # per row: six operations, 60 of them a nanosecond
SECONDS_PER_WAVE = 2.2e-7 / 16  # per number of a row and wave or bin of its embedding
D_EMBEDDING = {"periodic": 4, "piecewise": 8, "none": 1}


class MLPFamily(ModelFamily):
    """Perceptrons after RealMLP (Holzmüller et al., 2024), cut to a processor's size.

    A classifier takes its epoch and its temperature from an inner part of the
    training rows, never from the fold's validation part, which would flatter it. A
    regressor trains on all rows for a whole schedule.
    """

    name = "mlp"
    requires = ("torch", "skorch")
    categorical = True
    iteration_param = "max_epochs"
    rank = 50
    start_seconds = 4.5  # torch, skorch, and what the first optimiser imports

    def estimator(self, task, random_state):
        """Return the classifier or the regressor."""
        from automodel.nets import RealMLPClassifier, RealMLPRegressor

        net = RealMLPClassifier if task.is_classification else RealMLPRegressor
        return net(random_state=random_state)

    def supports(self, task):
        """Leave out sparse tables that are too wide to be made dense."""
        is_too_wide = task.is_sparse and task.n_features > MOST_SPARSE_COLUMNS
        return super().supports(task) and not is_too_wide

    def preprocessor(self, estimator, task):
        """Return an encoder that leaves scaling and missing numbers to the net."""
        from automodel.preprocessing.tabular import TabularEncoder

        return TabularEncoder(missing="keep", categories="native", dtype="float32")

    def search_space(self, trial, task):
        """Suggest size, regularisation and training of the net.

        The ranges are those of RealMLP in TabArena, narrowed to what a processor
        trains in seconds. What seldom helps is suggested seldom.
        """
        params = {
            "n_layers": trial.suggest_int("n_layers", 1, 4),
            "width": trial.suggest_int("width", 64, 384, step=64),
            "activation": trial.suggest_categorical(
                "activation", ["selu", "silu", "mish", "relu"]
            ),
            "parametric_activation": _seldom(
                trial, "parametric_activation", False, True
            ),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "normalization": _seldom(trial, "normalization", "none", "layer", "batch"),
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.1, log=True),
            "batch_size": trial.suggest_categorical("batch_size", ["auto", 128, 256]),
            "max_epochs": trial.suggest_int("max_epochs", 32, 192, step=32),
            "feature_noise": _seldom(trial, "feature_noise", 0.0, 0.03, 0.1),
            "mixup": _seldom(trial, "mixup", 0.0, 0.1, 0.3),
            "feature_swap": _seldom(trial, "feature_swap", 0.0, 0.05, 0.15),
        }
        params |= _suggest_embedding(trial)
        params |= _suggest_optimizer(trial)
        if task.is_classification:
            params["loss"] = _seldom(trial, "loss", "cross_entropy", "focal")
            params["label_smoothing"] = trial.suggest_float("label_smoothing", 0.0, 0.1)
            params["class_weight"] = _seldom(trial, "class_weight", None, "balanced")
        else:
            params["loss"] = _seldom(
                trial, "loss", "squared_error", "huber", "absolute_error"
            )
        return params

    def portfolio(self, task):
        """Return the default, a wide net, a plain one, and a strongly regular one."""
        default = {
            "n_layers": 2,
            "width": 128,
            "activation": "selu",
            "dropout": 0.15,
            "normalization": "none",
            "learning_rate": 0.04 if task.is_classification else 0.1,
            "parametric_activation": False,
            "optimizer": "adamw",
            "schedule": "coslog",
            "averaging": 0.0,
            "weight_decay": 0.02,
            "batch_size": "auto",
            "max_epochs": 128,
            "embedding": "periodic",
            "embedding_sigma": 0.1,
            "feature_noise": 0.0,
            "mixup": 0.0,
            "feature_swap": 0.0,
            "loss": "cross_entropy" if task.is_classification else "squared_error",
        }
        if task.is_classification:
            default |= {"label_smoothing": 0.0, "class_weight": None}
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
        embedding = params.get("embedding", "periodic")
        n_numbers = max(task.n_features - task.n_categorical, 0)
        n_inputs = n_numbers * D_EMBEDDING[embedding] + 8 * task.n_categorical
        n_waves = {"periodic": 16, "piecewise": params.get("n_bins", 16), "none": 0}
        n_weights = width * (n_inputs + (n_layers - 1) * width + task.n_outputs)
        seconds_per_row = (
            SECONDS_PER_STEP / _rows_per_step(params.get("batch_size"), task)
            + SECONDS_PER_WEIGHT * n_weights
            + SECONDS_PER_WAVE * n_numbers * n_waves[embedding]
        )
        return params.get("max_epochs", 128) * task.n_samples * seconds_per_row

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        """Train inside the time that is left, the schedule with it.

        Without a validation part, a regressor trains `monitor.n_iterations` epochs; a
        classifier chooses its epoch on an inner part again, since its temperature
        comes from there.

        Raises
        ------
        DeadlineReached
            If time is up before the net has learned anything.
        """
        monitor.check_time()
        pace: list = []
        if monitor.pace:
            max_epochs, *pace = monitor.pace
            estimator.set_params(max_epochs=max_epochs)
        elif monitor.n_iterations and not estimator.early_stopping:
            estimator.set_params(max_epochs=int(monitor.n_iterations))

        def report(epoch, net):
            if monitor.is_due(epoch):
                monitor.report(epoch, monitor.score(net))
            return monitor.expired

        estimator._fit(
            X,
            y,
            sample_weight,
            on_epoch=report if monitor.has_validation else None,
            seconds_left=_clock(monitor),
            pace=pace,
        )
        if not estimator.history_["train_loss"] and estimator.n_steps_ < FEWEST_STEPS:
            raise DeadlineReached
        monitor.steps_used = estimator.n_iter_
        monitor.pace_used = [estimator.max_epochs, *map(list, estimator.pace_)]
        return estimator


def _suggest_embedding(trial) -> dict[str, Any]:
    kinds = ["periodic", "piecewise", "none"]
    embedding = trial.suggest_categorical("embedding", kinds)
    if embedding == "periodic":
        sigma = trial.suggest_float("embedding_sigma", 0.02, 5.0, log=True)
        return {"embedding": embedding, "embedding_sigma": sigma}
    if embedding == "piecewise":
        n_bins = trial.suggest_int("n_bins", 4, 64, log=True)
        return {"embedding": embedding, "n_bins": n_bins}
    return {"embedding": embedding}


def _suggest_optimizer(trial) -> dict[str, Any]:
    if _seldom(trial, "optimizer", "adamw", "schedule_free") == "schedule_free":
        return {"optimizer": "schedule_free"}
    schedules = ["coslog", "one-cycle", "cosine"]
    return {
        "optimizer": "adamw",
        "schedule": trial.suggest_categorical("schedule", schedules),
        "averaging": _seldom(trial, "averaging", 0.0, 0.99, 0.998),
    }


def _seldom(trial, name: str, usual, *others):
    """Suggest the usual value three times as often as all others together."""
    return trial.suggest_categorical(name, [usual] * 3 * len(others) + [*others])


def _clock(monitor):
    return None if monitor.deadline is None else lambda: monitor.seconds_left


def _rows_per_step(batch_size, task) -> int:
    if isinstance(batch_size, int):
        return batch_size
    limits = ((1024, 64), (8192, 128), (30_000, 256), (100_000, 512))
    return next((size for limit, size in limits if task.n_samples <= limit), 1024)
