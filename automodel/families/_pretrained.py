"""PretrainedFamily: the base of families that may use pretrained weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automodel.families.base import ModelFamily

if TYPE_CHECKING:
    from automodel.nets.weights import Weights
    from automodel.task import Task


class PretrainedFamily(ModelFamily):
    """A family of a modality whose facts hold the pretrained weights of this machine.

    Attributes
    ----------
    uses_weights : bool
        Whether the family cannot do without pretrained weights.
    may_use_weights : bool
        Whether the family can do without pretrained weights, but uses those there are.
    """

    uses_weights: bool = False
    may_use_weights: bool = False

    def weights_of(self, params: dict[str, Any], task: Task) -> Sequence[Weights]:
        """Return the pretrained weights that a model of these parameters uses."""
        return ()

    def why_unsupported(self, task: Task) -> str:
        """Return why the family cannot learn a task, such as for want of weights."""
        is_own = task.modality == self.modality
        if is_own and self.uses_weights and not task.facts.weights:
            return "has no pretrained weights"
        return super().why_unsupported(task)
