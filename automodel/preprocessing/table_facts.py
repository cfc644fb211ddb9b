"""TableFacts: what families of tables read of a task."""

from dataclasses import dataclass

TEXT_COLUMNS = 30  # that a text column becomes, for most models


@dataclass(frozen=True)
class TableFacts:
    """The columns of a table, as `Task.facts`.

    Parameters
    ----------
    n_features : int
        Columns as the user gave them.
    n_numeric, n_categorical, n_text : int, default=0
        Columns of each kind after reading; dates count as numeric columns.
    max_cardinality : int, default=0
        Categories of the largest categorical column.
    is_sparse : bool, default=False
        Whether X came as a scipy sparse matrix.
    """

    n_features: int
    n_numeric: int = 0
    n_categorical: int = 0
    n_text: int = 0
    max_cardinality: int = 0
    is_sparse: bool = False

    @property
    def width(self) -> int:
        """About how many columns a usual model makes of a row."""
        return self.n_numeric + self.n_categorical + TEXT_COLUMNS * self.n_text
