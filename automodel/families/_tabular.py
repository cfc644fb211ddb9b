"""TabularFamily: what families of tables have beyond the contract of all families."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

from automodel.families._cost import encoded_columns
from automodel.families.base import ModelFamily

if TYPE_CHECKING:
    from automodel.task import Task


class TabularFamily(ModelFamily):
    """A family of models of tables, whose encoder is read from the estimator.

    `task.facts` is a `TableFacts` in all methods.

    Attributes
    ----------
    categorical : bool
        Whether the estimator takes pandas columns of dtype "category". It cannot
        be read from the tags: they are False for the boosting libraries.
    """

    modality = "tabular"
    categorical: bool = False

    def n_columns(self, task: Task) -> int:
        """Return about how many columns its encoder makes of the table."""
        return encoded_columns(task)

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        """Return the encoder from `Table` to what the estimator takes.

        Read from the estimator: one that takes NaN is taken for a tree, any other
        gets imputed, standardised and one-hot encoded columns.
        """
        from automodel.preprocessing.tabular import TabularEncoder

        if get_tags(estimator).input_tags.allow_nan:
            categories = "native" if self.categorical else "target"
            return TabularEncoder(categories=categories)
        return TabularEncoder(missing="impute", categories="onehot", scale="standard")
