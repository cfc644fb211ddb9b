"""Fine-tuned encoders: `BertClassifier` and `BertRegressor` of the nets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automodel.families._columns import ALL_TASKS
from automodel.families._net import fit_net, new_net, suggest_loss, usual_training
from automodel.families.text._base import TextFamily
from automodel.nets.bert import fine_tunable
from automodel.nets.weights import Weights
from automodel.preprocessing.text.embedding import CHARACTERS_PER_TOKEN, USUAL_WIDTH

if TYPE_CHECKING:
    from automodel.task import Task

OF_LOSS = ("loss", "label_smoothing", "class_weight")
LONG_TEXTS = 300  # characters in the mean, from which longer parts may tell more
# For training a token with all layers of an encoder of USUAL_WIDTH on one core: between
# bfloat16 (3e-4) and float32 (7e-4), which processors without it need.
SECONDS_PER_TOKEN = 5e-4
USUAL_LAYERS = 6
FORWARD = 1 / 3  # share of a training step that predicts
VALIDATED = 0.4  # of the texts, in an epoch
FEWEST_TEXTS = 2_000  # with fewer, frozen encoders are as good
N_FOLDS = 5
TRAINED_SHARE = 0.8  # of the texts, if a fifth is validated
WORTHWHILE = 0.7  # of the steps of the default, below which frozen encoders are as good


class TextBertFamily(TextFamily):
    """An encoder of the BERT type, fine-tuned after linear probing.

    It stops early on an inner part of the training texts, never on the validation part
    of the fold, and reports to the search after each part of an epoch. It takes minutes
    where other families take seconds. Unless it is named, a search only tries it if
    most of a training ends within the time budget, if need be with a single split.
    """

    name = "text_bert"
    tasks = ALL_TASKS
    requires = ("torch", "skorch", "transformers")
    model_requires = ()  # a fitted net imports them when it predicts
    iteration_param = "max_epochs"
    rank = 90
    uses_weights = True
    stops_on_own_rows = True
    most_share = 0.8
    starts_search = False
    least_share = 0.4  # in which it trains about one epoch
    start_seconds = 6.0  # torch, transformers, and the weights
    start_bytes = 6e8

    def supports(self, task: Task) -> bool:
        """Leave out tasks without weights that can be fine-tuned."""
        return super().supports(task) and bool(encoders_of(task))

    def pays(self, task: Task) -> bool:
        """Tell whether many texts can take most steps of the default in time."""
        if task.time_budget is None or task.n_samples < FEWEST_TEXTS:
            return False
        needed = WORTHWHILE * self._seconds_per_split(task)
        return needed <= self.most_share * task.time_budget

    def is_slow(self, task: Task) -> bool:
        """Tell whether there is time for the default in a split, but not in folds."""
        budget = task.time_budget
        if budget is None or not (self.supports(task) and self.pays(task)):
            return False
        return N_FOLDS * self._seconds_per_split(task) > self.most_share * budget

    def _seconds_per_split(self, task: Task) -> float:
        return TRAINED_SHARE * self.cost(self.portfolio(task)[0], task)

    def why_unsupported(self, task: Task) -> str:
        """Return why, such as that the weights cannot be fine-tuned."""
        if super().supports(task) and task.facts.weights:
            return "has no pretrained weights that can be fine-tuned"
        return super().why_unsupported(task)

    def weights_of(self, params: dict[str, Any], task: Task) -> Sequence[Weights]:
        """Return the weights that are fine-tuned."""
        return encoders_of(task)[:1]

    def estimator(self, task: Task, random_state: int):
        net = new_net("BertClassifier", "BertRegressor", task, random_state)
        found = encoders_of(task)
        if found:
            net.set_params(weights=found[0])
        if task.time_budget is None:
            # A search without a clock must find the same on any processor.
            net.set_params(precision="float32")
        return net

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        """Suggest what is trained, for how long, and how fast.

        Learning rates beyond these lose more of what the encoder knows than is gained.
        """
        params = {
            "layers": trial.suggest_categorical("layers", ["all", 6, 2]),
            "max_epochs": trial.suggest_int("max_epochs", 1, 6),
            "learning_rate": trial.suggest_float("learning_rate", 1e-5, 3e-4, log=True),
            "head_rate": trial.suggest_float("head_rate", 1.0, 30.0, log=True),
            "warm_up": trial.suggest_float("warm_up", 0.0, 0.3),
            "batch_size": trial.suggest_categorical("batch_size", [32, 16, 64]),
            "dropout": trial.suggest_float("dropout", 0.0, 0.3),
        }
        if params["layers"] != 2:
            params["layer_decay"] = trial.suggest_float("layer_decay", 0.7, 1.0)
        if task.facts.mean_chars > LONG_TEXTS:
            params["max_length"] = trial.suggest_categorical("max_length", [128, 256])
        return params | suggest_loss(trial, task)

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        """Return the default, a slower training, and one of the last layers alone."""
        usual = usual_training(task)
        default = {
            "layers": "all",
            "max_epochs": 2,
            "learning_rate": 1e-4,
            "head_rate": 10.0,
            "warm_up": 0.1,
            "batch_size": 32,
            "dropout": 0.1,
            "layer_decay": 0.9,
            **{name: usual[name] for name in OF_LOSS if name in usual},
        }
        if task.facts.mean_chars > LONG_TEXTS:
            default["max_length"] = 128
        slow = {"max_epochs": 3, "learning_rate": 3e-5}
        last = {**default, "layers": 2}
        del last["layer_decay"]
        return [default, {**default, **slow}, last]

    def preprocessor(self, estimator, task: Task):
        from automodel.preprocessing.text.plain import PlainTexts

        return PlainTexts()

    def cost(self, params: dict[str, Any], task: Task) -> float:
        """Return the seconds of one fit on one core, measured on short texts."""
        width = max((own.width for own in encoders_of(task)[:1]), default=USUAL_WIDTH)
        n_layers = USUAL_LAYERS * (2 if width > USUAL_WIDTH else 1)
        layers = params.get("layers", "all")
        share = 1.0 if layers == "all" else min(int(layers) / n_layers, 1.0)
        step = FORWARD + (1 - FORWARD) * share
        passes = params.get("max_epochs", 2) * (step + FORWARD * VALIDATED) + FORWARD
        tokens = task.facts.mean_chars / CHARACTERS_PER_TOKEN + 2
        tokens = min(tokens, params.get("max_length", 128))
        # Wider encoders also have more layers.
        seconds = SECONDS_PER_TOKEN * (width / USUAL_WIDTH) ** 3
        return task.n_samples * tokens * seconds * passes

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        """Train inside the time that is left; linear probing alone is usable."""
        fewest_steps = 0 if estimator.probe else 1
        return fit_net(estimator, X, y, sample_weight, monitor, fewest_steps)


def encoders_of(task: Task) -> tuple[Weights, ...]:
    """Return the weights that may be fine-tuned for a task."""
    return fine_tunable(task.facts.weights)
