"""EstimatorFamily: any scikit-learn estimator as a family, in a few lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.utils import get_tags

from automodel.families._tabular import TabularFamily

if TYPE_CHECKING:
    import optuna

    from automodel.task import Task


class EstimatorFamily(TabularFamily):
    """A family made of one scikit-learn estimator and its search space.

    Parameters
    ----------
    name : str
        Name in the leaderboard.
    estimator : estimator
        Classifier or regressor; a pipeline will do. It is cloned, and each
        `random_state` in it is set.
    search_space : callable
        `search_space(trial)` returns the parameters of one trial.
    portfolio : sequence of dict, default=()
        Settings to try first, in the names that the search space gives its trial.
    tasks : tuple of str, default=None
        Kinds of `Task`; None reads them from the estimator.
    preprocessor : transformer, default=None
        Encoder in place of the one that is chosen from the estimator's tags. It
        gets a `Table`.
    categorical : bool, default=False
        Whether the estimator takes pandas columns of dtype "category".

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
        self.tasks = _tasks_of(estimator) if tasks is None else tuple(tasks)
        self.categorical = categorical
        self._estimator = estimator
        self._search_space = search_space
        self._portfolio = tuple(portfolio)
        self._preprocessor = preprocessor

    def estimator(self, task: Task, random_state: int) -> BaseEstimator:
        """Return a clone with every `random_state` set."""
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
        """Return the settings given."""
        return self._portfolio

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        """Return a clone of the encoder given, or the one that suits the estimator."""
        if self._preprocessor is None:
            return super().preprocessor(estimator, task)
        return clone(self._preprocessor)

    def __repr__(self) -> str:
        return f"<EstimatorFamily {self.name!r}>"


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
            f"Got {type(estimator).__name__}, of which neither can be read; give "
            "tasks=."
        )
    # Such as MultiOutputClassifier, which takes matrices alone.
    takes_one = tags.target_tags.single_output
    return (one if takes_one else ()) + (several if takes_several else ())
