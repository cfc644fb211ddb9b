"""Every family of texts or images, found by itself, keeps the contract of its base."""

import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from sklearn.base import clone

from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.evaluate import Candidate, Folds, evaluate
from automodel.exceptions import DeadlineReached
from automodel.families import all_families
from automodel.monitor import Monitor
from automodel.nets.weights import find_weights
from automodel.preprocessing.image.reader import ImageReader
from automodel.preprocessing.text.reader import TextReader
from tests.images import image_task, make_images
from tests.makers import N_OUTPUTS, make_metric
from tests.texts import make_texts, text_task
from tests.tiny_backbone import write_backbone
from tests.tiny_encoder import write_encoder

_KEPT = tempfile.TemporaryDirectory()  # until the end of the process
FOLDER = Path(_KEPT.name)
N_ROWS = 150
SIZES = 20, 1000, 500_000
CHANGES = (), ("mixup",), ("trivial",), ("crop", "vertical_flip")
QUICK = {"image_resnet": {"width": 8, "max_epochs": 20}}  # for small images


@dataclass(frozen=True)
class Modality:
    """Rows whose values can be learned, and tasks of such rows."""

    make_rows: Callable[[int], tuple[Any, np.ndarray]]
    reader: Callable[[], Any]
    make_task: Callable[..., Any]
    write_weights: Callable[[], Path]
    edges: tuple[float, float]  # between the values of three classes
    n_splits: int  # of which each shows a third of the rows
    sizes_and_facts: tuple  # numbers of rows, and facts, for `tasks_of`


MODALITIES = {
    "text": Modality(
        make_texts,
        TextReader,
        text_task,
        lambda: write_encoder(FOLDER / "tiny", width=32),
        (-0.5, 0.5),
        2,
        tuple(product(SIZES, [{"mean_chars": 50.0}, {"mean_chars": 2000.0}])),
    ),
    "image": Modality(
        make_images,
        ImageReader,
        image_task,
        lambda: write_backbone(FOLDER / "resnet8.safetensors"),
        (-1.0, 2.0),
        1,
        (
            *product(SIZES, [{"side": 8}, {"side": 500}, {"image_size": 50}]),
            *product(SIZES[1:], [{"augmentations": names} for names in CHANGES]),
        ),
    ),
}
FAMILIES = [
    family
    for family in all_families().values()
    if family.modality in MODALITIES and not family.missing_libraries()
]


def of(*kinds):
    """Run a test for each family and those of these kinds that it learns."""
    pairs = [(family, kind) for family in FAMILIES for kind in kinds]
    pairs = [(family, kind) for family, kind in pairs if kind in family.tasks]
    ids = [f"{family.name}-{kind}" for family, kind in pairs]
    return pytest.mark.parametrize(("family", "kind"), pairs, ids=ids)


each = of(*N_OUTPUTS)


@cache
def weights_of(modality):
    return find_weights(MODALITIES[modality].write_weights(), modality)


def task_of(modality, kind, n_samples=N_ROWS, n_classes=None, **facts):
    make_task = MODALITIES[modality].make_task
    return make_task(kind, n_samples, n_classes, weights=weights_of(modality), **facts)


def tasks_of(family, kind):
    """Yield tasks that may differ in their proven settings."""
    variants = MODALITIES[family.modality].sizes_and_facts
    numbers = (None, 26) if kind == "multiclass" else (None,)
    for (n_samples, facts), n_classes in product(variants, numbers):
        yield task_of(family.modality, kind, n_samples, n_classes, **facts)


def target_of(kind, values, edges):
    if kind in ("binary", "multiclass"):
        return np.digitize(values, [0.5] if kind == "binary" else edges)
    if kind == "regression":
        return values
    several = np.column_stack([values, -values])
    return (several > 0).astype(int) if kind == "multilabel" else several / 3.0


@cache
def folds_of(modality, kind):
    """Return rows that can be learned, with their target."""
    own, task = MODALITIES[modality], task_of(modality, kind)
    X, values = own.make_rows(N_ROWS)
    y = target_of(kind, values, own.edges)
    parts = np.arange(N_ROWS) % 3
    shown = range(own.n_splits)
    splits = [(np.flatnonzero(parts != i), np.flatnonzero(parts == i)) for i in shown]
    metric = make_metric(None, task, np.unique(y) if task.n_classes else None)
    return Folds(own.reader().fit_transform(X), y, None, splits, task, metric)


@cache
def evaluated(family, kind):
    """Return the evaluations of the proven settings, made once for all tests."""
    folds, params = folds_of(family.modality, kind), []
    for setting in family.portfolio(folds.task):
        own = suggested(family, folds.task, setting)[1] | QUICK.get(family.name, {})
        if own not in params:
            params.append(own)
    return [evaluate(Candidate(family, own), folds) for own in params]


def suggested(family, task, setting):
    """Return the trial of a setting, and the parameters of the estimator."""
    study = optuna.create_study()
    study.enqueue_trial(setting)
    trial = study.ask()
    return trial, family.search_space(trial, task)


def score_of_prior(folds):
    """Return the score of a model that uses the target alone."""
    metric, shown = folds.metric, np.concatenate([rows for _, rows in folds.splits])
    nothing, columns = np.zeros((N_ROWS, 1)), np.arange(folds.task.n_outputs)
    constant = metric.target.baseline().fit(nothing, folds.y)
    prior = metric.target.predict(constant, nothing, columns)
    return metric.score(folds.y[shown], prior[shown])


@each
def test_each_proven_setting_is_better_than_the_prior(family, kind):
    least = score_of_prior(folds_of(family.modality, kind))
    for found in evaluated(family, kind):
        assert (found.status, found.error) == ("complete", "")
        assert found.score > least, found.candidate.params


@of("binary", "regression")
def test_a_fitted_model_survives_pickle(family, kind):
    folds, found = folds_of(family.modality, kind), evaluated(family, kind)[0]
    again = pickle.loads(pickle.dumps(found.models[0]))
    _, shown = folds.splits[0]
    prediction = again.predict(folds.rows.take(shown))
    expected = found.oof[shown].reshape(prediction.shape)
    np.testing.assert_allclose(prediction, expected, atol=1e-4)


@each
def test_the_portfolio_lies_inside_the_search_space(family, kind):
    for task in tasks_of(family, kind):
        portfolio = family.portfolio(task)
        assert portfolio, task
        for setting in portfolio:
            trial, params = suggested(family, task, setting)
            assert trial.params == setting, task
            family.estimator(task, 0).set_params(**params)
            for key, value in setting.items():
                distribution = trial.distributions[key]
                assert distribution._contains(distribution.to_internal_repr(value))


@each
def test_the_search_space_gives_parameters_of_the_estimator(family, kind):
    task = task_of(family.modality, kind, 5000)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(9):
        params = family.search_space(study.ask(), task)
        estimator = family.estimator(task, 0).set_params(**params)
        assert estimator.get_params().items() >= params.items()
        clone(estimator)
        assert family.cost(params, task) > 0


@each
def test_a_past_deadline_ends_the_fit(family, kind):
    folds = folds_of(family.modality, kind)
    task, y = folds.task, folds.y[folds.splits[0][0]]
    _, params = suggested(family, task, family.portfolio(task)[0])
    estimator = family.estimator(task, 0).set_params(**params)
    encoder = family.preprocessor(estimator, task)
    y_encoder = folds.target.for_encoders(y)
    _, X, _ = folds.encoded(0, encoder, y_encoder, NO_DEADLINE)
    with pytest.raises(DeadlineReached):
        family.fit(estimator, X, y, monitor=Monitor(Deadline.after(-1.0)))


@each
def test_the_cost_grows_with_rows(family, kind):
    small, large = (task_of(family.modality, kind, n) for n in (1000, 30_000))
    _, params = suggested(family, small, family.portfolio(small)[0])
    assert 0 < family.cost(params, small) < family.cost(params, large)


@each
def test_a_family_reads_no_facts_of_another_modality(family, kind):
    task = task_of(family.modality, kind)
    assert family.supports(task)
    assert not family.supports(replace(task, modality="tabular", facts=None))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_survives_pickle(family):
    assert pickle.loads(pickle.dumps(family)).name == family.name
