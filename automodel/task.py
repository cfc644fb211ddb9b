"""Task: the facts about the problem that every module may read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from automodel.targets.base import Target
from automodel.targets.objective import Objective

TEXT_COLUMNS = 30  # that a text column becomes, for most models


@dataclass(frozen=True)
class Task:
    """What is to be learned, from what.

    Parameters
    ----------
    kind : {"binary", "multiclass", "regression"}
        The kind of target.
    n_samples, n_features : int
        Rows used for fitting, and columns as the user gave them.
    n_classes : int
        Number of classes; 0 for regression.
    n_numeric, n_categorical, n_text : int
        Columns of each kind after reading; dates count as numeric columns.
    max_cardinality : int
        Categories of the largest categorical column.
    has_missing : bool
        Whether any numeric cell is missing.
    is_sparse : bool
        Whether X came as a scipy sparse matrix.
    is_weighted : bool
        Whether sample weights were given.
    time_budget : float or None
        Seconds that the user gave; None when only trials are counted.
    objective : Objective
        The loss of values that the score asks for; a classifier learns log losses.
    modality : {"tabular"}
        Kind of input; families of another modality are left out.
    """

    kind: str
    n_samples: int
    n_features: int
    n_classes: int = 0
    n_numeric: int = 0
    n_categorical: int = 0
    n_text: int = 0
    max_cardinality: int = 0
    has_missing: bool = False
    is_sparse: bool = False
    is_weighted: bool = False
    time_budget: float | None = None
    objective: Objective = field(default_factory=Objective)
    modality: str = "tabular"

    @classmethod
    def of_target(cls, target: Target, n_samples: int, **facts: Any) -> Task:
        """Return the task of a target, before its rows are described."""
        n_classes = 0 if target.classes is None else len(target.classes)
        objective = target.objective
        return cls(target.kind, n_samples, 0, n_classes, objective=objective, **facts)

    def learning(self, loss: str) -> Task:
        """Return the task of models that learn another loss for the same score."""
        return replace(self, objective=self.objective.learning(loss))

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self.kind in ("binary", "multiclass")

    @property
    def cost(self) -> int:
        """Relative cost of one model on all rows: rows, columns and outputs."""
        columns = self.n_numeric + self.n_categorical + TEXT_COLUMNS * self.n_text
        outputs = self.n_classes if self.n_classes > 2 else 1
        return self.n_samples * max(columns, 1) * outputs

    @property
    def n_outputs(self) -> int:
        """Columns of a prediction: one per class, or one value."""
        return max(self.n_classes, 1)
