"""What tests make by hand that a fit makes from its data."""

import numpy as np

from automodel.evaluation import splits
from automodel.metrics.metric import Metric
from automodel.targets.classes import ClassTarget
from automodel.targets.labels import LabelsTarget
from automodel.targets.several_values import ValuesTarget
from automodel.targets.values import ValueTarget
from automodel.task import Task

N_OUTPUTS = {  # of the tasks below, by their kinds
    "binary": 2,
    "multiclass": 3,
    "regression": 1,
    "multilabel": 2,
    "multioutput": 2,
}


def unstructured_task(kind, n_samples, n_classes, modality, facts):
    """Return a task of texts or images; None stands for the usual number of classes."""
    n_outputs = N_OUTPUTS[kind] if n_classes is None else n_classes
    return Task(
        kind,
        n_samples,
        n_outputs=n_outputs,
        n_classes=n_outputs if kind in ("binary", "multiclass") else 0,
        modality=modality,
        facts=facts,
    )


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
