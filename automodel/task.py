"""Task: the facts about a problem that all modules may read."""

from __future__ import annotations

import warnings
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from automodel.targets.base import Target
from automodel.targets.objective import Objective

FORMER_FACTS = (  # fields that have moved from `Task` to `TableFacts`
    "n_features",
    "n_numeric",
    "n_categorical",
    "n_text",
    "max_cardinality",
    "is_sparse",
)


class Facts(Protocol):
    """Facts about the rows that the core needs, for any modality."""

    @property
    def width(self) -> int:
        """Approximate number of columns that a typical encoder returns."""
        ...


@dataclass(frozen=True)
class Task:
    """A problem: the target that is learned, and facts about the rows.

    Parameters
    ----------
    kind : str
        Kind of the target: "binary", "multiclass", "multilabel", "regression",
        "multioutput", or the kind of a custom target.
    n_samples : int
        Number of rows that models are fitted to.
    n_outputs : int
        Number of columns of a prediction, such as one for each class.
    n_classes : int, default=0
        Number of classes, of which each row has one. 0 if the target has no classes.
    is_weighted : bool, default=False
        Whether there are sample weights.
    time_budget : float, default=None
        Time budget of the user in seconds. None if only trials are counted.
    is_slow : bool, default=False
        Whether a family of the search learns in time from a single split only.
    objective : Objective
        The loss that regressors learn, which follows from the score. Classifiers learn
        the log loss.
    modality : str, default=""
        Kind of input. Families of another modality are left out.
    facts : Facts, default=None
        Facts about the rows, such as `TableFacts`. None if nothing is known.
    """

    kind: str
    n_samples: int
    _: KW_ONLY
    n_outputs: int
    n_classes: int = 0
    is_weighted: bool = False
    time_budget: float | None = None
    is_slow: bool = False
    objective: Objective = field(default_factory=Objective)
    modality: str = ""
    facts: Any = None  # of a class of the modality, which its families know

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
        """Return the same task for models that learn another loss."""
        return replace(self, objective=self.objective.learning(loss))

    @property
    def is_classification(self) -> bool:
        """Whether the target consists of classes or labels."""
        return self.kind in ("binary", "multiclass", "multilabel")

    @property
    def cost(self) -> int:
        """Relative cost of a model: rows times columns times outputs."""
        facts: Facts | None = self.facts
        columns = 1 if facts is None else max(facts.width, 1)
        outputs = 1 if self.n_classes == 2 else self.n_outputs
        return self.n_samples * columns * outputs

    if not TYPE_CHECKING:  # or type checkers would accept any attribute

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
