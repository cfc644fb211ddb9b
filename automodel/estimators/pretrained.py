"""PretrainedEstimator: the base of estimators that may use pretrained weights."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from automodel.estimators.base import AutoEstimator
from automodel.exceptions import FitWarning
from automodel.families import LEFT_OUT, all_families

if TYPE_CHECKING:
    from automodel.families import ModelFamily


class PretrainedEstimator(AutoEstimator):
    """Base class of estimators with a parameter `weights`."""

    weights: Any

    def _able_families(self, families, task):
        used = super()._able_families(families, task)
        is_named = self.weights is not None and self.weights != "auto"
        if is_named and not any(map(_uses_weights, used)):
            reasons = [
                f"{family.name} {self._left_out[family.name].removeprefix(LEFT_OUT)}"
                for family in filter(_uses_weights, families)
            ]
            why = "; ".join(reasons) or "none of the families uses pretrained weights"
            warnings.warn(
                f"The weights {str(self.weights)!r} are not used: {why}.",
                FitWarning,
                stacklevel=2,
            )
        return used

    @property
    def leaderboard_(self):
        """All trials as a pandas DataFrame with one row for each, the best first.

        The column `weights` has the name, source, licence and checksum of the
        pretrained weights of each trial.
        """
        board = super().leaderboard_
        named = [own for own in self.families or () if not isinstance(own, str)]
        families = {own.name: own for own in [*all_families().values(), *named]}
        used = []
        for name, params in zip(board["family"], board["params"], strict=True):
            weights_of = getattr(families.get(name), "weights_of", None)
            found = weights_of(params, self.task_) if weights_of and params else ()
            used.append("; ".join(map(str, found)))
        return board.assign(weights=used)

    @property
    def weights_(self) -> tuple[Any, ...]:
        """Name, source, licence and checksum of each of the weights that were found."""
        check_is_fitted(self, "ensemble_")
        return self.task_.facts.weights


def _uses_weights(family: ModelFamily) -> bool:
    names = "uses_weights", "may_use_weights"
    return any(getattr(family, name, False) for name in names)
