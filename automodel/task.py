"""Task: what is learned, and from which data; every module may read it."""

from __future__ import annotations

import warnings
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from automodel.targets.base import Target
from automodel.targets.objective import Objective

FORMER_FACTS = (  # former fields of `Task` that have moved to `TableFacts`
    "n_features",
    "n_numeric",
    "n_categorical",
    "n_text",
    "max_cardinality",
    "has_missing",
    "is_sparse",
)


class Facts(Protocol):
    """Facts about the rows of a modality; only `width` is common to all."""

    @property
    def width(self) -> int:
        """Approximate number of columns into which a usual model encodes a row."""
        ...


@dataclass(frozen=True)
class Task:
    """Describe what is learned, and from which data.

    Parameters
    ----------
    kind : str
        Kind of the target: "binary", "multiclass", "multilabel", "regression" or
        "multioutput", or the kind of a target of your own.
    n_samples : int
        Number of rows for fitting.
    n_outputs : int
        Number of columns of a prediction, such as one for each class.
    n_classes : int, default=0
        Number of classes if each row has one class, and 0 otherwise.
    is_weighted : bool, default=False
        Whether sample weights were given.
    time_budget : float, default=None
        Time budget of the user in seconds, or None.
    objective : Objective
        Loss that the score asks regressors to learn; classifiers learn the log loss.
    modality : str, default=""
        Kind of input; only families of this modality are used.
    facts : Facts, default=None
        Facts about the rows from the reader, such as `TableFacts`; None if unknown.
    """

    kind: str
    n_samples: int
    _: KW_ONLY
    n_outputs: int
    n_classes: int = 0
    is_weighted: bool = False
    time_budget: float | None = None
    objective: Objective = field(default_factory=Objective)
    modality: str = ""
    facts: Any = None  # each modality has a class of its own, which its families read

    @classmethod
    def of_target(cls, target: Target, n_samples: int, **options: Any) -> Task:
        """Return the task of a target, without facts about the rows."""
        return cls(
            target.kind,
            n_samples,
            n_outputs=target.n_outputs,
            n_classes=0 if target.classes is None else len(target.classes),
            objective=target.objective,
            **options,
        )

    def learning(self, loss: str) -> Task:
        """Return the task with another loss to learn for the same score."""
        return replace(self, objective=self.objective.learning(loss))

    @property
    def is_classification(self) -> bool:
        """Whether the target consists of classes or labels."""
        return self.kind in ("binary", "multiclass", "multilabel")

    @property
    def cost(self) -> int:
        """Relative cost of one model on all rows: rows x columns x outputs."""
        facts: Facts | None = self.facts
        columns = 1 if facts is None else max(facts.width, 1)
        outputs = 1 if self.n_classes == 2 else self.n_outputs
        return self.n_samples * columns * outputs

    if not TYPE_CHECKING:  # otherwise mypy would accept any attribute

        def __getattr__(self, name):
            if name not in FORMER_FACTS:
                raise AttributeError(f"'Task' object has no attribute {name!r}")
            warnings.warn(
                f"Task.{name} has moved to Task.facts.{name}, and its former name will "
                "be removed in the next release.",
                FutureWarning,
                stacklevel=2,
            )
            return 0 if self.facts is None else getattr(self.facts, name)
