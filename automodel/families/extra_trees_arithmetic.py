"""Extremely randomized trees on sums, differences, products and ratios of columns."""

from __future__ import annotations

from automodel.families._arithmetic import OnPairs
from automodel.families.extra_trees import ExtraTrees


class ExtraTreesArithmetic(OnPairs, ExtraTrees):
    """Extremely randomized trees that also learn from pairs of numeric columns."""

    name = "extra_trees_arithmetic"
    rank = 42
