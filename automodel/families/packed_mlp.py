"""Packed perceptrons: `PackedMLPClassifier` and `PackedMLPRegressor` of nets."""

from __future__ import annotations

from automodel.exceptions import DeadlineReached
from automodel.families._net import (
    FEWEST_STEPS,
    NetFamily,
    clock_of,
    is_cut,
    net_inputs,
)

MOST_ROWS = 5000  # with more, a step of a single net keeps a core busy
FEW_ROWS = 2000  # up to which a pack has all its members
FEW_INPUTS = 512  # likewise: with more, weights and moments take half a gigabyte
SECONDS_PER_STEP = 2.5e-3
SECONDS_PER_WEIGHT = 2e-10  # and row of a single net, with dropout and the like
SHARE = 0.27  # of the members that still train, averaged over a schedule
N_FOLDS = 5  # that share the overhead of a step, as the cost assumes
ACTIVATIONS = {
    "mixed": ["silu", "relu", "selu"],
    "silu": ["silu"],
    "relu": ["relu"],
    "selu": ["selu"],
}
SIGMAS = {"some": [0.0, 0.1], "all": [0.1], "mixed": [0.03, 0.3, 1.0], "none": [0.0]}
DROPOUTS = {"mixed": [0.0, 0.1, 0.3], "little": [0.0, 0.05], "much": [0.2, 0.35, 0.5]}


class PackedMLPFamily(NetFamily):
    """Many perceptrons of all folds, trained at once, after TabPack (2026).

    Each trial is an architecture search with an ensemble of its own, whose members are
    drawn from the choices that the trial suggests.
    """

    name = "packed_mlp"
    rank = 35
    classifier = "PackedMLPClassifier"
    regressor = "PackedMLPRegressor"
    joins_folds = True

    def supports(self, task):
        """Leave out tables with so many rows that packing does not pay."""
        return super().supports(task) and task.n_samples <= MOST_ROWS

    def search_space(self, trial, task):
        """Suggest the choices that members are drawn from, and how they train."""
        activation = trial.suggest_categorical("activation", list(ACTIVATIONS))
        embedding = trial.suggest_categorical("embedding_sigma", list(SIGMAS))
        dropout = trial.suggest_categorical("dropout", list(DROPOUTS))
        return {
            "n_members": _n_members(task),
            "width": trial.suggest_int("width", 32, 128, step=32),
            "activation": ACTIVATIONS[activation],
            "embedding_sigma": SIGMAS[embedding],
            "dropout": DROPOUTS[dropout],
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.1, log=True),
            "max_epochs": trial.suggest_categorical("max_epochs", [64, 128, 256]),
        }

    def portfolio(self, task):
        """Return the default, wider nets, and a longer training with more dropout."""
        default = {
            "width": 64,
            "activation": "mixed",
            "embedding_sigma": "some",
            "dropout": "mixed",
            "learning_rate": 0.04 if task.is_classification else 0.1,
            "weight_decay": 0.02,
            "max_epochs": 128,
        }
        return [
            default,
            {**default, "width": 128, "embedding_sigma": "all", "activation": "selu"},
            {**default, "width": 96, "dropout": "much", "max_epochs": 256},
        ]

    def cost(self, params, task):
        """Return the seconds of the nets of one fold on one core."""
        width = params.get("width", 64)
        n_weights = width * (_n_inputs(task) + 1.5 * width + task.n_outputs)
        n_nets = params.get("n_members", _n_members(task)) * SHARE
        batch = 64
        n_steps = params.get("max_epochs", 128) * max(task.n_samples / batch, 1)
        per_step = batch * n_nets * SECONDS_PER_WEIGHT * n_weights
        return n_steps * (SECONDS_PER_STEP / N_FOLDS + per_step)

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        """Train on folds that the net draws itself, within the time that is left."""
        return self._train(
            monitor,
            estimator,
            lambda **hooks: estimator._fit(
                X, y, sample_weight, groups=monitor.groups, **hooks
            ),
        )

    def fit_folds(self, estimator, parts, *, monitor):
        """Train the nets of all folds, and return an estimator for each fold.

        Raises
        ------
        DeadlineReached
            If time is up before the nets have learned anything.
        """
        return self._train(
            monitor, estimator, lambda **hooks: estimator._fit_folds(parts, **hooks)
        )

    def _train(self, monitor, estimator, train):
        monitor.check_time()
        step_plan: list = []
        if monitor.step_plan:
            max_epochs, *step_plan = monitor.step_plan
            estimator.set_params(max_epochs=max_epochs)

        def report(epoch, race):
            if monitor.is_due(epoch):
                monitor.report(epoch, -race.loss())
            return monitor.expired

        fitted = train(
            on_epoch=report, seconds_left=clock_of(monitor), step_plan=step_plan
        )
        if estimator.n_iter_ <= 1 and estimator.n_steps_ < FEWEST_STEPS:
            raise DeadlineReached
        monitor.steps_used = estimator.n_iter_
        if is_cut(estimator, monitor):
            monitor.steps_cut = estimator.n_iter_
        monitor.step_plan_used = [
            estimator.max_epochs,
            *map(list, estimator.step_plan_),
        ]
        return fitted


def _n_inputs(task) -> int:
    embedding = "periodic" if task.facts.n_numeric else "none"
    return net_inputs({"embedding": embedding}, task)


def _n_members(task) -> int:
    is_small = task.n_samples <= FEW_ROWS and _n_inputs(task) <= FEW_INPUTS
    return 16 if is_small else 8
