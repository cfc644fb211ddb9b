"""TabularFamily: the base of families that learn from tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

from automodel.families._cost import encoded_columns
from automodel.families.base import ModelFamily

if TYPE_CHECKING:
    from automodel.task import Task


class TabularFamily(ModelFamily):
    """A family that learns from tables, and whose encoder suits its estimator.

    In all methods, `task.facts` is a `TableFacts`.

    Attributes
    ----------
    categorical : bool
        Whether the estimator takes pandas columns of dtype "category". The tags of
        estimators do not tell: those of the boosting libraries are False.
    """

    modality = "tabular"
    categorical: bool = False

    def n_columns(self, task: Task) -> int:
        """Return the approximate number of columns that the encoder returns."""
        return encoded_columns(task)

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        """Return the encoder that turns a `Table` into the input of the estimator.

        An estimator that accepts NaN is assumed to be a tree. Any other gets imputed,
        standardized and one-hot encoded columns.
        """
        from automodel.preprocessing.tabular import TabularEncoder

        if get_tags(estimator).input_tags.allow_nan:
            categories = "native" if self.categorical else "target"
            return TabularEncoder(categories=categories)
        return TabularEncoder(missing="impute", categories="onehot", scale="standard")
