"""EstimatorFamily: makes a family of any scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.utils import get_tags

from automodel.families._tabular import TabularFamily
from automodel.preprocessing.text.plain import PlainTexts

if TYPE_CHECKING:
    import optuna

    from automodel.task import Task


class EstimatorFamily(TabularFamily):
    """A family that is made of a scikit-learn estimator and its search space.

    Parameters
    ----------
    name : str
        Name in the leaderboard.
    estimator : estimator
        Classifier or regressor, which may be a pipeline. It is cloned, and all of its
        `random_state` parameters are set.
    search_space : callable
        `search_space(trial)` returns the parameters of one trial.
    portfolio : sequence of dict, default=()
        Settings that are tried first, by the names that the search space suggests.
    tasks : tuple of str, default=None
        Kinds of `Task`. None stands for those that the tags of the estimator tell.
    preprocessor : transformer, default=None
        Encoder of a `Table`, of `Texts` or of `Images`. None stands for one that suits
        the tags of the estimator.
    categorical : bool, default=False
        Whether the estimator takes pandas columns of dtype "category".

    Notes
    -----
    The family learns from texts instead of tables if the estimator, or the first step
    of its pipeline, takes a sequence of strings, as its tags tell. It then gets the
    texts as they are. It learns from images if the encoder takes images, as
    `ImagePixels` does.

    Examples
    --------
    >>> from automodel.families import EstimatorFamily
    >>> from sklearn.svm import SVR
    >>> def search_space(trial):
    ...     return {"C": trial.suggest_float("C", 0.01, 100.0, log=True)}
    >>> EstimatorFamily("svr", SVR(), search_space, portfolio=[{"C": 1.0}])
    <EstimatorFamily 'svr'>
    """

    def __init__(
        self,
        name: str,
        estimator: BaseEstimator,
        search_space: Callable[[optuna.Trial], dict[str, Any]],
        *,
        portfolio: Sequence[dict[str, Any]] = (),
        tasks: tuple[str, ...] | None = None,
        preprocessor: BaseEstimator | None = None,
        categorical: bool = False,
    ):
        self.name = name
        self.modality = _modality_of(estimator, preprocessor)
        self.tasks = _tasks_of(estimator) if tasks is None else tuple(tasks)
        self.categorical = categorical
        self._estimator = estimator
        self._search_space = search_space
        self._portfolio = tuple(portfolio)
        self._preprocessor = preprocessor

    def estimator(self, task: Task, random_state: int) -> BaseEstimator:
        """Return a clone of which every `random_state` is set."""
        estimator = clone(self._estimator)
        names = [
            key
            for key in estimator.get_params(deep=True)
            if key == "random_state" or key.endswith("__random_state")
        ]
        return estimator.set_params(**dict.fromkeys(names, random_state))

    def search_space(self, trial: optuna.Trial, task: Task) -> dict[str, Any]:
        """Return the parameters that the function suggests."""
        return self._search_space(trial)

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        """Return the given settings."""
        return self._portfolio

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        """Return a clone of the given encoder, or one that suits the estimator."""
        if self._preprocessor is not None:
            return clone(self._preprocessor)
        if takes_texts(estimator):
            return PlainTexts()
        return super().preprocessor(estimator, task)

    def __repr__(self) -> str:
        return f"<EstimatorFamily {self.name!r}>"


def _modality_of(estimator: BaseEstimator, encoder: BaseEstimator | None) -> str:
    if encoder is not None and hasattr(encoder, "__sklearn_tags__"):
        tags = get_tags(encoder).input_tags
        if tags.three_d_array and not tags.two_d_array:
            return "image"
    return "text" if takes_texts(estimator) else "tabular"


def takes_texts(estimator: BaseEstimator) -> bool:
    """Tell whether an estimator, or its first step, takes a sequence of strings."""
    for steps in ("steps", "transformer_list"):  # of a pipeline, of a union
        if getattr(estimator, steps, None):
            return takes_texts(getattr(estimator, steps)[0][1])
    if not hasattr(estimator, "__sklearn_tags__"):
        return False
    tags = get_tags(estimator).input_tags
    return tags.string and not tags.two_d_array


def _tasks_of(estimator: BaseEstimator) -> tuple[str, ...]:
    tags = get_tags(estimator)
    one: tuple[str, ...]
    takes_several = tags.target_tags.multi_output
    if is_classifier(estimator):
        takes_several = takes_several or tags.classifier_tags.multi_label
        one, several = ("binary", "multiclass"), ("multilabel",)
    elif is_regressor(estimator):
        one, several = ("regression",), ("multioutput",)
    else:
        raise ValueError(
            "The estimator of an EstimatorFamily must be a classifier or a regressor. "
            f"Got {type(estimator).__name__}, which is neither; set `tasks`."
        )
    # Such as MultiOutputClassifier, which takes matrices alone.
    takes_one = tags.target_tags.single_output
    return (one if takes_one else ()) + (several if takes_several else ())
