"""What tests make by hand that a fit makes from its data."""

import numpy as np

from automodel.evaluation import splits
from automodel.metrics.metric import Metric
from automodel.targets.classes import ClassTarget
from automodel.targets.labels import LabelsTarget
from automodel.targets.several_values import ValuesTarget
from automodel.targets.values import ValueTarget


def make_target(task, classes=None):
    """Return the target of a task; the classes are numbers unless they are given."""
    if task.kind == "regression":
        return ValueTarget(task.objective)
    if task.kind == "multilabel":
        return LabelsTarget(task.n_outputs)
    if task.kind == "multioutput":
        return ValuesTarget(np.zeros(task.n_outputs), np.ones(task.n_outputs))
    return ClassTarget(np.arange(task.n_classes) if classes is None else classes)


def make_metric(scoring, task, classes=None, y=None):
    """Return the metric of a task."""
    return Metric.from_scoring(scoring, make_target(task, classes), y)


def make_splits(cv, task, y, groups, seed):
    """Return the splits of an encoded target."""
    return splits.make_splits(cv, task, make_target(task), y, groups, seed)
