"""What the families of neural nets share: the estimator, the encoder, the training."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

from automodel.exceptions import DeadlineReached
from automodel.families._columns import ALL_TASKS
from automodel.families._tabular import TabularFamily
from automodel.targets.objective import Objective

FEWEST_STEPS = 30  # after fewer, a net has hardly learned anything
WHOLE_TRAINING = 128  # steps, that half of it may be pruned after
MOST_SPARSE_COLUMNS = 5000
SECONDS_PER_WEIGHT = 6 / 6e10  # of a row: six operations at 60 per nanosecond
SECONDS_PER_WAVE = 2.2e-7 / 16  # of a row's number: a wave or bin of its embedding
TEXT_INPUTS = 15  # of a column of texts
D_EMBEDDING = {"periodic": 4, "piecewise": 8, "none": 1}


class NetFamily(TabularFamily):
    """A net of `automodel.nets` that trains in epochs under a monitor.

    With early stopping, a net chooses its epoch, and a classifier its temperature, on
    an inner part of the training rows. The validation part of the fold is not used for
    this, since its score would then be too good. Without early stopping, a net trains
    on all rows for the whole schedule.

    Attributes
    ----------
    classifier, regressor : str
        Names in `automodel.nets`.
    """

    tasks = ALL_TASKS
    requires = ("torch", "skorch")
    model_requires = predict_requires = ()  # a fitted net multiplies arrays
    categorical = True
    iteration_param = "max_epochs"
    stops_on_own_rows = True
    least_share = 0.2
    start_seconds = 4.5  # to import torch and skorch
    start_bytes = 3.5e8
    classifier: str
    regressor: str

    def estimator(self, task, random_state):
        """Return the classifier, or the regressor with the loss of the objective."""
        return new_net(self.classifier, self.regressor, task, random_state)

    def may_stop_early(self, task):
        """Tell that nets of values train for all epochs, but for deviances."""
        return task.is_classification or task.objective.is_deviance

    def supports(self, task):
        """Leave out sparse tables that are too wide to be made dense."""
        if not super().supports(task):
            return False
        facts = task.facts
        return not (facts.is_sparse and facts.n_features > MOST_SPARSE_COLUMNS)

    def preprocessor(self, estimator, task):
        """Return an encoder that leaves scaling and missing numbers to the net."""
        from automodel.preprocessing.tabular import TabularEncoder

        return TabularEncoder(missing="keep", categories="native", dtype="float32")

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        """Train within the time that is left, to which the schedule adapts.

        Without a validation part, a net without early stopping trains for
        `monitor.n_iterations` epochs. One with early stopping chooses its epoch on an
        inner part again.

        Raises
        ------
        DeadlineReached
            If time is up before the net has learned anything.
        """
        return fit_net(estimator, X, y, sample_weight, monitor)


def new_net(classifier: str, regressor: str, task: Any, random_state: int) -> Any:
    """Return a net of `automodel.nets`, with the loss of the objective."""
    nets = importlib.import_module("automodel.nets")
    if task.is_classification:
        return getattr(nets, classifier)(random_state=random_state)
    loss = fixed_loss(task.objective)
    net = getattr(nets, regressor)(random_state=random_state, **loss)
    if task.objective.is_deviance and hasattr(net, "early_stopping"):
        # Deviances punish overfitting far more than squared errors do.
        net.set_params(early_stopping=True)
    return net


def fit_net(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    monitor: Any,
    fewest_steps: int = FEWEST_STEPS,
) -> Any:
    """Train a net as `NetFamily.fit` does.

    A net of fewer steps that has not completed an epoch is of no use.
    """
    monitor.check_time()
    step_plan: list = []
    if monitor.step_plan:
        max_epochs, *step_plan = monitor.step_plan
        estimator.set_params(max_epochs=max_epochs)
    elif monitor.n_iterations and not estimator.early_stopping:
        estimator.set_params(max_epochs=int(monitor.n_iterations))

    def report(epoch, net):
        step = step_of(epoch, net)
        if monitor.is_due(step):
            monitor.report(step, monitor.score(net))
        return monitor.expired

    estimator._fit(
        X,
        y,
        sample_weight,
        on_epoch=report if monitor.has_validation else None,
        seconds_left=clock_of(monitor),
        step_plan=step_plan,
        groups=monitor.groups,
    )
    if not estimator.history_["train_loss"] and estimator.n_steps_ < fewest_steps:
        raise DeadlineReached
    monitor.steps_used = estimator.n_iter_
    trained = max(len(estimator.history_["train_loss"]), estimator.n_iter_)
    n_parts = getattr(estimator, "validations_per_epoch", None) or 1
    monitor.steps_trained = math.ceil(trained / n_parts)  # epochs, as in `max_epochs`
    if is_cut(estimator, monitor):
        monitor.steps_cut = trained
    monitor.step_plan_used = [
        estimator.max_epochs,
        *map(list, estimator.step_plan_),
    ]
    return estimator


def step_of(epoch: int, estimator: Any) -> int:
    """Return the step of a report after an epoch, or after a part of one.

    Nets that are validated within epochs follow one schedule until their end. They are
    compared at the same share of it, and the whole counts as `WHOLE_TRAINING` steps.
    """
    n_parts = getattr(estimator, "validations_per_epoch", None)
    if n_parts is None:
        return epoch
    return max(1, WHOLE_TRAINING * epoch // (n_parts * estimator.max_epochs))


def is_cut(estimator: Any, monitor: Any) -> bool:
    """Tell whether the clock, and not schedule or patience, has ended a training."""
    plan = estimator.step_plan_
    return monitor.expired or bool(plan and estimator.n_steps_ >= plan[-1][1])


def wave_seconds(params: dict[str, Any], task: Any) -> float:
    """Return the seconds that embeddings of numbers take for each row of an epoch."""
    kind = params.get("embedding", "periodic")
    n_waves = {"periodic": 16, "piecewise": params.get("n_bins", 16), "none": 0}
    return SECONDS_PER_WAVE * _n_numbers(task) * n_waves[kind]


def net_inputs(params: dict[str, Any], task: Any) -> int:
    """Return about how many inputs the first layer of a net has."""
    n_columns = D_EMBEDDING[params.get("embedding", "periodic")]
    return n_columns * _n_numbers(task) + 8 * task.facts.n_categorical


def _n_numbers(task: Any) -> int:
    facts = task.facts
    if facts.is_sparse:
        return facts.n_features
    return facts.n_numeric + TEXT_INPUTS * facts.n_text


def clock_of(monitor) -> Callable[[], float] | None:
    """Return a function that tells the seconds left, or None if there is no limit."""
    return (lambda: monitor.seconds_left) if monitor.deadline.exists else None


def usual_training(task: Any) -> dict[str, Any]:
    """Return the usual values of the parameters that are suggested below."""
    usual = {
        "optimizer": "adamw",
        "schedule": "one-cycle",
        "averaging": 0.0,
        "feature_noise": 0.0,
        "mixup": 0.0,
        "feature_swap": 0.0,
    }
    if task.is_classification:
        usual |= {"loss": "cross_entropy", "label_smoothing": 0.0}
        return usual | ({"class_weight": None} if task.n_classes else {})
    if fixed_loss(task.objective):
        return usual
    return {**usual, "loss": "squared_error"}


def fixed_loss(objective: Objective) -> dict[str, Any]:
    """Return the parameters that fix the loss; none for squared errors.

    For squared errors, the search chooses the loss, since robust ones may do better.
    """
    if objective.loss == "squared_error":
        return {}
    if objective.loss == "quantile":
        return {"loss": "quantile", "quantile": objective.quantile}
    if objective.loss == "tweedie":
        return {"loss": "tweedie", "power": objective.power}
    return {"loss": objective.loss}


def suggest_training(trial, task) -> dict[str, Any]:
    """Suggest optimizer, augmentation and loss."""
    return {
        **suggest_optimizer(trial),
        **suggest_augmentation(trial),
        **suggest_loss(trial, task),
    }


def suggest_embedding(trial) -> dict[str, Any]:
    """Suggest how numbers are embedded."""
    kinds = ["periodic", "piecewise", "none"]
    embedding = trial.suggest_categorical("embedding", kinds)
    if embedding == "periodic":
        sigma = trial.suggest_float("embedding_sigma", 0.02, 5.0, log=True)
        return {"embedding": embedding, "embedding_sigma": sigma}
    if embedding == "piecewise":
        n_bins = trial.suggest_int("n_bins", 4, 64, log=True)
        return {"embedding": embedding, "n_bins": n_bins}
    return {"embedding": embedding}


def suggest_optimizer(trial) -> dict[str, Any]:
    """Suggest optimizer, schedule and averaging."""
    if seldom(trial, "optimizer", "adamw", "schedule_free") == "schedule_free":
        return {"optimizer": "schedule_free"}
    schedules = ["coslog", "one-cycle", "cosine"]
    return {
        "optimizer": "adamw",
        "schedule": trial.suggest_categorical("schedule", schedules),
        "averaging": seldom(trial, "averaging", 0.0, 0.99, 0.998),
    }


def suggest_augmentation(trial) -> dict[str, Any]:
    """Suggest how training changes the rows, most often not at all."""
    return {
        "feature_noise": seldom(trial, "feature_noise", 0.0, 0.03, 0.1),
        "mixup": seldom(trial, "mixup", 0.0, 0.1, 0.3),
        "feature_swap": seldom(trial, "feature_swap", 0.0, 0.05, 0.15),
    }


def suggest_loss(trial, task) -> dict[str, Any]:
    """Suggest the loss and its parameters, unless the objective fixes it."""
    if not task.is_classification:
        if fixed_loss(task.objective):
            return {}
        losses = "squared_error", "huber", "absolute_error"
        return {"loss": seldom(trial, "loss", *losses)}
    params = {
        "loss": seldom(trial, "loss", "cross_entropy", "focal"),
        "label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.1),
    }
    if task.n_classes:  # the weights of several labels would be multiplied
        params["class_weight"] = seldom(trial, "class_weight", None, "balanced")
    return params


def seldom(trial, name: str, usual, *others):
    """Suggest the usual value three times as often as all others together."""
    return trial.suggest_categorical(name, [usual] * 3 * len(others) + [*others])
