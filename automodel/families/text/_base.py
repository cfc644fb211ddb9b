"""TextFamily: the base of families that learn from texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from automodel.families.base import ModelFamily
from automodel.nets.weights import Weights
from automodel.task import Task


class TextFamily(ModelFamily):
    """A family that learns from texts.

    Its encoders take `Texts`. In all methods, `task.facts` is a `TextFacts`.

    Attributes
    ----------
    uses_weights : bool
        Whether the family cannot do without pretrained weights.
    """

    modality = "text"
    uses_weights: bool = False

    def weights_of(self, params: dict[str, Any], task: Task) -> Sequence[Weights]:
        """Return the pretrained weights that a model of these parameters uses."""
        return ()

    def why_unsupported(self, task: Task) -> str:
        """Return why the family cannot learn a task, such as for want of weights."""
        is_text = task.modality == self.modality
        if is_text and self.uses_weights and not task.facts.weights:
            return "has no pretrained weights"
        return super().why_unsupported(task)
