"""Task: what is to be learned, from what; every module may read it."""

from __future__ import annotations

import warnings
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from automodel.targets.base import Target
from automodel.targets.objective import Objective

FORMER_FACTS = (  # they were fields of `Task`, and are those of `TableFacts`
    "n_features",
    "n_numeric",
    "n_categorical",
    "n_text",
    "max_cardinality",
    "is_sparse",
)


class Facts(Protocol):
    """What the reader of a modality tells about the rows; the rest is its own."""

    @property
    def width(self) -> int:
        """About how many columns a usual model makes of a row."""
        ...


@dataclass(frozen=True)
class Task:
    """What is to be learned, from what.

    Parameters
    ----------
    kind : str
        That of the target: "binary", "multiclass", "multilabel", "regression",
        "multioutput", or that of a target of one's own.
    n_samples : int
        Rows used for fitting.
    n_outputs : int
        Columns of a prediction, such as one for each class.
    n_classes : int, default=0
        Number of classes, of which a row has one; 0 where there are none.
    is_weighted : bool, default=False
        Whether sample weights were given.
    time_budget : float, default=None
        Seconds that the user gave; None when only trials are counted.
    objective : Objective
        The loss of values that the score asks for; a classifier learns log losses.
    modality : str, default=""
        Kind of input; families of another modality are left out.
    facts : Facts, default=None
        What the reader tells about the rows, such as `TableFacts`; None where nothing
        is known.
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
        """Return the task of a target, before its rows are described."""
        return cls(
            target.kind,
            n_samples,
            n_outputs=target.n_outputs,
            n_classes=0 if target.classes is None else len(target.classes),
            objective=target.objective,
            **options,
        )

    def learning(self, loss: str) -> Task:
        """Return the task of models that learn another loss for the same score."""
        return replace(self, objective=self.objective.learning(loss))

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class, or several labels."""
        return self.kind in ("binary", "multiclass", "multilabel")

    @property
    def cost(self) -> int:
        """Relative cost of one model on all rows: rows, columns and outputs."""
        facts: Facts | None = self.facts
        columns = 1 if facts is None else max(facts.width, 1)
        outputs = 1 if self.n_classes == 2 else self.n_outputs
        return self.n_samples * columns * outputs

    if not TYPE_CHECKING:  # or any attribute would pass for one of a task

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
