"""TableFacts: what families know about the columns of a table."""

from dataclasses import dataclass

from automodel.nets.weights import Weights

TEXT_COLUMNS = 30  # that are made of a text column, for most models


@dataclass(frozen=True)
class TableFacts:
    """Facts about the columns of a table, the `Task.facts` of families of tables.

    Parameters
    ----------
    n_features : int
        Number of columns of X.
    n_rows : int, default=0
        Number of rows of the whole table; 0 if it is not known.
    n_numeric, n_categorical, n_text : int, default=0
        Number of columns of each kind after reading. The parts of dates are numeric.
    max_cardinality : int, default=0
        Largest number of categories of a column.
    is_sparse : bool, default=False
        Whether X is a scipy sparse matrix.
    weights : Weights, default=None
        Pretrained weights that can embed the text columns, if there are any.
    embedding_seconds : float, default=0.0
        About how long it takes to load the weights and to embed the distinct texts on
        one core.
    """

    n_features: int
    n_rows: int = 0
    n_numeric: int = 0
    n_categorical: int = 0
    n_text: int = 0
    max_cardinality: int = 0
    is_sparse: bool = False
    weights: Weights | None = None
    embedding_seconds: float = 0.0

    @property
    def width(self) -> int:
        """Approximate number of columns that a typical encoder returns."""
        return self.n_numeric + self.n_categorical + TEXT_COLUMNS * self.n_text
