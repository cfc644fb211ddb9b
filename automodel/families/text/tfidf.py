"""TF-IDF of words and characters with a linear model, the first to be tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automodel.families._columns import ALL_TASKS, by_column, one_per_column
from automodel.families.linear import Linear
from automodel.families.text._base import TextFamily

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from automodel.monitor import Monitor
    from automodel.task import Task

FEW_CLASSES = 20  # up to which heads are tried that take long for each class
MOST_CHARACTERS = 8_000_000  # of all texts; all sequences of more take too much memory
MOST_PAIRS = 16_000_000  # of characters of all texts, which are counted instead
UNSPACED = 0.1  # share of the texts without blanks, from which on words tell too little
# Seconds of a head for each n-gram of each text and each class.
SECONDS_OF_HEAD = {
    "complement_nb": 1e-9,
    "svm": 4e-8,
    "nb_svm": 5e-8,
    "logistic": 8e-8,
    "ridge": 6e-8,
}
SECONDS_PER_NGRAM = 2e-8  # for choosing and weighing them
WORDS_PER_CHARACTER = 0.2


class TextTfidf(TextFamily):
    """Naive Bayes, support vector machines or linear models of word frequencies."""

    name = "text_tfidf"
    tasks = ALL_TASKS
    rank = 10
    is_random = False
    starts_search = True
    start_seconds = 0.1

    def estimator(self, task: Task, random_state: int):
        from automodel.families.text._tfidf import TfidfClassifier, TfidfRegressor

        if task.is_classification:
            return one_per_column(TfidfClassifier(random_state=random_state), task)
        return TfidfRegressor(head=Linear().estimator(task, random_state))

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        params = {
            "words": trial.suggest_categorical("words", [1, 2, 3]),
            "characters": trial.suggest_categorical(
                "characters", smallest_characters(task)
            ),
            "min_rows": trial.suggest_categorical("min_rows", [1, 2, 3, 5]),
            "sublinear": trial.suggest_categorical("sublinear", [True, False]),
            "max_columns": trial.suggest_categorical(
                "max_columns", [None, 200_000, 50_000]
            ),
        }
        if not task.is_classification:
            of_head = Linear().search_space(trial, task)
            return params | {f"head__{name}": value for name, value in of_head.items()}
        params |= {
            "n_telling": trial.suggest_categorical("n_telling", [None, 20_000]),
            "class_weight": trial.suggest_categorical(
                "class_weight", [None, "balanced"]
            ),
            "head": trial.suggest_categorical("head", _heads(task)),
        }
        if params["head"] != "complement_nb":
            params["C"] = trial.suggest_float("C", 0.01, 30.0, log=True)
        if params["head"] in ("complement_nb", "nb_svm"):
            params["alpha"] = trial.suggest_float("alpha", 0.01, 3.0, log=True)
        if params["head"] != "logistic":
            params["slope"] = trial.suggest_float("slope", 0.3, 20.0, log=True)
        return params

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        fast = {"characters": 0 if _has_words(task) else 2}
        usual = {
            "words": 2,
            "characters": smallest_characters(task)[0],
            "min_rows": 2,
            "sublinear": True,
            "max_columns": None,
        }
        if not task.is_classification:
            first, *_ = Linear().portfolio(task)
            return [usual | fast | first, usual | first]
        usual |= {"n_telling": None, "class_weight": None}
        slope, flat = (4.0, 1.0) if task.n_classes <= FEW_CLASSES else (6.0, 3.0)
        heads = {
            "svm": {"C": 0.3, "slope": slope},
            "logistic": {"C": 10.0},
            "nb_svm": {"C": 0.3, "alpha": 1.0, "slope": slope},
            "complement_nb": {"alpha": 0.1, "slope": flat},
            "ridge": {"C": 1.0, "slope": slope},
        }
        naive_bayes = heads["complement_nb"] | {"head": "complement_nb"}
        return [
            usual | fast | naive_bayes,  # ready within a second
            *(
                usual | {"head": head} | params
                for head, params in heads.items()
                if head in _heads(task)
            ),
        ]

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        return counts_of(estimator.get_params()["characters"], task)

    def cost(self, params: dict[str, Any], task: Task) -> float:
        n_words = WORDS_PER_CHARACTER * params.get("words", 2)
        smallest = params.get("characters", 2)
        n_lengths = min(6 - smallest, 1 if _is_large(task) else 4)
        n_characters = n_lengths if smallest else 0
        per_text = task.facts.mean_chars * (n_words + n_characters) + 1
        n_ngrams = task.n_samples * per_text
        return (
            0.02 + n_ngrams * SECONDS_PER_NGRAM + self.seconds(n_ngrams, params, task)
        )

    def seconds(self, n_values: float, params: dict[str, Any], task: Task) -> float:
        """Return the seconds of the linear model for so many values in a matrix."""
        n_models = 1 if task.n_classes == 2 else task.n_outputs
        return n_values * SECONDS_OF_HEAD[params.get("head", "ridge")] * n_models

    @by_column
    def fit(self, estimator, X, y, *, sample_weight=None, monitor: Monitor):
        monitor.check_time()
        return estimator.fit(X, y, sample_weight, monitor)


def smallest_characters(task: Task) -> list[int]:
    """Return the smallest lengths of n-grams of characters to try, the best first.

    There are none in very many texts, unless these have no blanks between words.
    """
    if _has_words(task):
        return [0] if _is_large(task) else [2, 3, 0]
    return [2] if _is_large(task) else [2, 3]


def counts_of(characters: int, task: Task) -> BaseEstimator:
    """Return the encoder for n-grams of so many characters at least, or of words."""
    from automodel.preprocessing.text.ngrams import NgramCounts

    if not characters or not _is_large(task):
        return NgramCounts(characters=characters > 0)
    return NgramCounts(longest=2, n_first=max(MOST_PAIRS // task.n_samples, 1))


def _is_large(task: Task) -> bool:
    return task.n_samples * task.facts.mean_chars > MOST_CHARACTERS


def _has_words(task: Task) -> bool:
    return task.facts.unspaced_share <= UNSPACED


def _heads(task: Task) -> list[str]:
    if task.n_classes > FEW_CLASSES:
        return ["svm", "complement_nb"]
    return ["svm", "logistic", "nb_svm", "complement_nb", "ridge"]
