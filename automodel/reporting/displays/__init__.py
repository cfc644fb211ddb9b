"""Plots of a fitted search, which follow the displays of scikit-learn."""

from automodel.reporting.displays.ensemble import EnsembleDisplay
from automodel.reporting.displays.history import SearchHistoryDisplay
from automodel.reporting.displays.learning_curves import LearningCurvesDisplay
from automodel.reporting.displays.timeline import TimelineDisplay

__all__ = [
    "EnsembleDisplay",
    "LearningCurvesDisplay",
    "SearchHistoryDisplay",
    "TimelineDisplay",
]
