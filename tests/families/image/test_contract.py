"""Every family of images, found by itself, keeps the contract of families/base.py."""

import pickle
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import optuna
import pytest
from sklearn.base import clone

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate, Folds, evaluate
from automodel.exceptions import DeadlineReached
from automodel.families import all_families
from automodel.monitor import Monitor
from automodel.nets.weights import find_weights
from automodel.preprocessing.image.images import ImageFacts
from automodel.preprocessing.image.reader import ImageReader
from automodel.task import Task
from tests.images import make_images
from tests.makers import make_metric
from tests.tiny_backbone import write_backbone

_KEPT = tempfile.TemporaryDirectory()  # until the end of the process
FOLDER = Path(_KEPT.name)
KINDS = {"binary": 2, "multiclass": 3, "regression": 1, "multilabel": 2}
KINDS |= {"multioutput": 2}
QUICK = {"image_resnet": {"width": 8, "max_epochs": 20}}  # for small images
FAMILIES = [
    family
    for family in all_families().values()
    if family.modality == "image" and not family.missing_libraries()
]
each = pytest.mark.parametrize(
    ("family", "kind"),
    [(family, kind) for family in FAMILIES for kind in KINDS if kind in family.tasks],
    ids=lambda value: getattr(value, "name", value),
)


@cache
def tiny_weights():
    return find_weights(write_backbone(FOLDER / "resnet8.safetensors"), "image")


def task_of(kind, n_samples=90, n_classes=None, side=12, grey_share=1.0, **facts):
    n_outputs = KINDS[kind] if n_classes is None else n_classes
    sides = (float(side),) * 5
    return Task(
        kind,
        n_samples,
        n_outputs=n_outputs,
        n_classes=n_outputs if kind in ("binary", "multiclass") else 0,
        modality="image",
        facts=ImageFacts(
            sides,
            sides,
            grey_share=grey_share,
            **{"weights": tiny_weights(), **facts},
        ),
    )


def target_of(kind, values):
    if kind in ("binary", "multiclass"):
        return np.digitize(values, [0.5] if kind == "binary" else [-1.0, 2.0])
    if kind == "regression":
        return values
    several = np.column_stack([values, -values])
    return (several > 0).astype(int) if kind == "multilabel" else several / 3.0


def suggested(family, task, setting, seed=0):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    if setting is not None:
        study.enqueue_trial(setting)
    trial = study.ask()
    return trial, family.search_space(trial, task)


@each
def test_each_proven_setting_is_better_than_the_prior(family, kind):
    images, values = make_images(150)
    rows, task = ImageReader().fit_transform(images), task_of(kind, 150)
    y = target_of(kind, values)
    is_shown = np.arange(150) % 3 == 0
    splits = [(np.flatnonzero(~is_shown), np.flatnonzero(is_shown))]
    metric = make_metric(None, task, np.unique(y) if task.n_classes else None)
    folds = Folds(rows, y, None, splits, task, metric)
    constant = metric.target.baseline().fit(np.zeros((150, 1)), y)
    prior = metric.target.predict(
        constant, np.zeros((150, 1)), np.arange(task.n_outputs)
    )
    for setting in family.portfolio(task):
        _, params = suggested(family, task, setting)
        params |= QUICK.get(family.name, {})
        result = evaluate(Candidate(family, params), folds)
        assert (result.status, result.error) == ("complete", "")
        assert result.score > metric.score(y[is_shown], prior[is_shown]), setting


@pytest.mark.parametrize("n_samples", [20, 1000, 500_000])
@pytest.mark.parametrize("n_classes", [None, 26])
@pytest.mark.parametrize(
    "facts", [{"side": 8}, {"side": 500}, {"image_size": 50}], ids=str
)
@each
def test_the_portfolio_lies_inside_the_search_space(
    family, kind, n_samples, n_classes, facts
):
    n_classes = n_classes if kind == "multiclass" else None
    task = task_of(kind, n_samples, n_classes, **facts)
    portfolio = family.portfolio(task)
    assert portfolio
    for setting in portfolio:
        trial, _ = suggested(family, task, setting)
        assert {key: trial.params.get(key) for key in setting} == setting
        for key, value in setting.items():
            distribution = trial.distributions[key]
            assert distribution._contains(distribution.to_internal_repr(value))


@each
def test_the_search_space_gives_parameters_of_the_estimator(family, kind):
    task = task_of(kind, 5000)
    for seed in range(9):
        _, params = suggested(family, task, None, seed)
        estimator = family.estimator(task, 0).set_params(**params)
        assert estimator.get_params().items() >= params.items()
        clone(estimator)
        assert family.cost(params, task) > 0


@each
def test_a_past_deadline_ends_the_fit(family, kind):
    task = task_of(kind)
    _, params = suggested(family, task, family.portfolio(task)[0])
    images, values = make_images(90)
    estimator = family.estimator(task, 0).set_params(**params)
    rows = ImageReader().fit_transform(images)
    X = family.preprocessor(estimator, task).fit_transform(rows)
    monitor = Monitor(Deadline.after(-1.0))
    with pytest.raises(DeadlineReached):
        family.fit(estimator, X, target_of(kind, values), monitor=monitor)


@each
def test_the_cost_grows_with_rows(family, kind):
    small, large = task_of(kind, 1000), task_of(kind, 30_000)
    _, params = suggested(family, small, family.portfolio(small)[0])
    assert 0 < family.cost(params, small) < family.cost(params, large)


@each
def test_a_family_reads_no_facts_of_another_modality(family, kind):
    task = task_of(kind)
    assert family.supports(task)
    other = Task(kind, 90, n_outputs=task.n_outputs, modality="tabular")
    assert not family.supports(other)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_survives_pickle(family):
    assert pickle.loads(pickle.dumps(family)).name == family.name
