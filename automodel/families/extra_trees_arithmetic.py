"""Extremely randomised trees on sums, differences, products and ratios of columns."""

from __future__ import annotations

from automodel.families._arithmetic import OnPairs
from automodel.families.extra_trees import ExtraTrees


class ExtraTreesArithmetic(OnPairs, ExtraTrees):
    """Forest of trees with random thresholds that sees pairs of columns as one."""

    name = "extra_trees_arithmetic"
    rank = 42
