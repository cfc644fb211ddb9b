"""TabularFamily: the base of families that learn from tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

from automodel.families._cost import encoded_columns
from automodel.families.base import ModelFamily

if TYPE_CHECKING:
    from automodel.preprocessing.text.embedding import TextEmbedding
    from automodel.task import Task

EMBEDDING_SHARE = 0.3  # of the time budget, that embeddings may take
EMBEDDED = "+embedding"
MOST_SECONDS = 1800.0  # that they may take without a budget


class TabularFamily(ModelFamily):
    """A family that learns from tables, and whose encoder suits its estimator.

    In all methods, `task.facts` is a `TableFacts`.

    Attributes
    ----------
    categorical : bool
        Whether the estimator takes pandas columns of dtype "category". The tags of
        estimators do not tell: those of the boosting libraries are False.
    text : str
        The usual value of the parameter `text` of the encoder.
    embeds_text : bool
        Whether trials choose if text columns are embedded as well, by pretrained
        weights on this machine.
    """

    modality = "tabular"
    categorical: bool = False
    text: str = "svd"
    embeds_text: bool = False

    def encodings(self, task: Task) -> Sequence[str]:
        """Offer embeddings of text columns if there are weights and time for them."""
        if not self.embeds_text or embedding_of(task) is None:
            return ()
        return self.text, f"{self.text}{EMBEDDED}"

    def shared_cost(self, params, task: Task) -> float:
        """Estimate the seconds in which text columns are embedded, if they are."""
        if not str(params.get(self.encoder_param)).endswith(EMBEDDED):
            return 0.0
        facts = task.facts
        return facts.embedding_seconds * task.n_samples / max(facts.n_rows, 1)

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
            return TabularEncoder(categories=categories, embedding=embedding_of(task))
        return TabularEncoder(missing="impute", categories="onehot", scale="standard")


def embedding_of(task: Task) -> TextEmbedding | None:
    """Return the encoder that embeds text columns; None if none can do so in time."""
    facts, budget = task.facts, task.time_budget
    if facts is None or facts.weights is None:
        return None
    most = MOST_SECONDS if budget is None else EMBEDDING_SHARE * budget
    if facts.embedding_seconds > most:
        return None
    from automodel.preprocessing.text.embedded import column_embedding

    # A search without a clock must find the same on any processor.
    return column_embedding(facts.weights, "float32" if budget is None else "auto")
