"""Models of frozen features: heads, settings, sizes, and when they are left out."""

import numpy as np
import optuna
import pytest
from sklearn.base import clone

from automodel import AutoImageClassifier, AutoImageRegressor
from automodel.families.image.features import (
    HEADS,
    ImageFeaturesFamily,
    components_of,
    heads_of,
    sizes_of,
)
from automodel.monitor import Monitor
from automodel.nets.weights import find_weights
from automodel.preprocessing.image.images import ImageFacts
from automodel.targets.objective import Objective
from automodel.task import Task
from tests.images import make_images, make_labels
from tests.tiny_backbone import write_backbone

KINDS = ("binary", "multiclass", "multilabel", "regression", "multioutput")
N_ROWS, N_COLUMNS = 600, 16
SMALL = {"mlp": {"mlp__max_epochs": 8, "mlp__width": 32}}
FAMILY = ImageFeaturesFamily()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    paths = [folder / f"resnet{number}.safetensors" for number in (8, 9)]
    made = [write_backbone(path, seed=i) for i, path in enumerate(paths)]
    return tuple(find_weights(path, "image")[0] for path in made)


def task_of(kind, weights, n_samples=N_ROWS, side=32, image_size=None, **options):
    n_classes = {"binary": 2, "multiclass": 3}.get(kind, 0)
    several = 3 if kind in ("multilabel", "multioutput") else 1
    sides = (float(side),) * 5
    facts = ImageFacts(sides, sides, weights=weights, image_size=image_size)
    return Task(
        kind,
        n_samples,
        n_outputs=n_classes or several,
        n_classes=n_classes,
        modality="image",
        facts=facts,
        **options,
    )


def make_rows(kind, n_rows=N_ROWS):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, N_COLUMNS)).astype(np.float32)
    values = X[:, :3] + 0.3 * rng.normal(size=(n_rows, 3))
    if kind == "multiclass":
        return X, values.argmax(axis=1)
    if kind == "multilabel":
        return X, (values > 0).astype(int)
    if kind == "multioutput":
        return X, values
    return X, (values[:, 0] > 0).astype(int) if kind == "binary" else values[:, 0]


def settings_of(task, n_drawn=20):
    """Return proven and drawn settings: those of the trial, and of the estimator."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    proven = FAMILY.portfolio(task)
    for setting in proven:
        study.enqueue_trial(setting)
    for number in range(len(proven) + n_drawn):
        trial = study.ask()
        params = FAMILY.search_space(trial, task)
        yield trial.params, params
        if number < len(proven):
            assert trial.params == proven[number]


def fit(kind, head, weights, monitor=None, seed=0):
    X, y = make_rows(kind)
    params = {"head": head, **SMALL.get(head, {})}
    estimator = FAMILY.estimator(task_of(kind, weights), seed).set_params(**params)
    return FAMILY.fit(estimator, X[::2], y[::2], monitor=monitor or Monitor())


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_head_learns_each_kind_of_target(kind, head, weights):
    X, y = make_rows(kind)
    model = fit(kind, head, weights)
    if kind in ("regression", "multioutput"):
        errors = np.mean((model.predict(X[1::2]) - y[1::2]) ** 2)
        assert errors < 0.5 * np.var(y)
    else:
        assert np.mean(model.predict(X[1::2]) == y[1::2]) > 0.75
        assert len(model.predict_proba(X[:4])[0]) in (2, 3, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_within_the_space_and_fit_the_estimator(kind, weights):
    task = task_of(kind, weights)
    estimator = FAMILY.estimator(task, 0)
    heads, sizes = set(), set()
    for names, params in settings_of(task):
        clone(estimator).set_params(**params)
        heads.add(names["head"])
        sizes.add(names["image_size"])
        assert ("pooling" in names) == (names["taps"] != "last")
        cost = FAMILY.cost(params, task)
        assert 0 < cost < FAMILY.cost(params, task_of(kind, weights, 6000))
    assert heads == set(heads_of(task))
    assert sizes == set(sizes_of(task)) == {64, 96, 128}


def test_the_encoder_is_the_one_of_the_setting(weights):
    task = task_of("binary", weights)
    estimator = FAMILY.estimator(task, 0)
    params = {"net": "resnet9", "image_size": 96, "taps": "middle", "pooling": "mean"}
    estimator.set_params(**params, n_components=5)
    encoder = FAMILY.preprocessor(estimator, task)
    assert encoder.n_components == 5
    part = encoder.encoder
    assert part.spans == ((0, sum(weights[1].channels[:-1])),)
    assert (part.encoder.weights, part.encoder.image_size) == (weights[1], 96)
    averaged = FAMILY.preprocessor(estimator.set_params(flip_average=True), task)
    flips = [own.encoder.flip for own in averaged.encoder.encoders]
    assert flips == ["none", "horizontal"]


def test_sizes_follow_the_images_the_user_and_the_time(weights):
    assert sizes_of(task_of("binary", weights, side=8)) == [64]
    assert sizes_of(task_of("binary", weights, side=28)) == [64, 96]
    assert sizes_of(task_of("binary", weights, side=500)) == [64, 96, 128]
    many = sizes_of(task_of("binary", weights, side=500, time_budget=600))
    assert many == [64, 96, 128, 160, 224]
    few = sizes_of(task_of("binary", weights, 10**5, side=500, time_budget=300))
    assert few == many[: len(few)]
    assert 0 < len(few) < len(many)
    assert sizes_of(task_of("binary", weights, image_size=50)) == [50]


def test_few_rows_and_many_classes_leave_costly_heads_out(weights):
    assert heads_of(task_of("binary", weights, 50)) == ["linear"]
    assert "boosting" in heads_of(task_of("binary", weights))
    assert "kernel" not in heads_of(task_of("binary", weights, 100_000))
    assert None in components_of(task_of("binary", weights, 100))
    assert None not in components_of(task_of("binary", weights, 100_000))


def test_it_needs_weights_and_time_to_compute_the_features(weights):
    assert FAMILY.supports(task_of("binary", weights))
    assert FAMILY.supports(task_of("binary", weights, time_budget=10))
    assert not FAMILY.supports(task_of("binary", weights, 10**6, time_budget=60))
    assert FAMILY.supports(task_of("binary", weights, 10**6))
    assert not FAMILY.supports(task_of("binary", ()))
    assert not FAMILY.supports(Task("binary", 100, n_outputs=2, modality="tabular"))


def test_a_search_without_a_clock_computes_in_float32(weights):
    for seconds, precision in ((None, "float32"), (60, "auto")):
        task = task_of("binary", weights, time_budget=seconds)
        encoder = FAMILY.preprocessor(FAMILY.estimator(task, 0), task)
        assert encoder.encoder.encoder.precision == precision


def test_trials_on_computed_features_need_no_library(weights):
    assert FAMILY.resources(task_of("binary", weights)).library == ""


def test_boosting_is_cut_to_rounds_and_other_heads_are_whole(weights):
    X, y = make_rows("binary")
    monitor = Monitor(valid=(X[1::2], y[1::2], None))
    model = fit("binary", "boosting", weights, monitor)
    assert monitor.steps_trained >= monitor.steps_used
    shorter = FAMILY.cut(model, 2)
    assert shorter.model_.n_iter_ == 2 < model.model_.n_iter_
    linear = fit("binary", "linear", weights)
    assert FAMILY.cut(linear, 2) is linear


def test_a_head_learns_the_loss_of_the_objective(weights):
    task = task_of("regression", weights, objective=Objective("quantile", 0.9))
    X, y = make_rows("regression")
    for head in HEADS:
        own = {"head": head, **SMALL.get(head, {})}
        estimator = FAMILY.estimator(task, 0).set_params(**own)
        model = FAMILY.fit(estimator, X, y, monitor=Monitor())
        assert np.mean(y <= model.predict(X)) > 0.7


SEARCH = {
    "families": ["image_features"],
    "n_trials": 5,
    "time_budget": None,
    "cv": 3,
    "random_state": 0,
    "image_size": 32,
}


def test_a_search_learns_from_features_and_repeats(weights):
    images, values = make_images(120)
    y = make_labels(values)
    settings = {**SEARCH, "weights": weights[0].folder}
    model = AutoImageClassifier(**settings).fit(images[:90], y[:90])
    assert set(model.leaderboard_["status"]) <= {"complete", "pruned"}
    assert model.score(images[90:], y[90:]) > 0.8
    assert model.weights_[0].kind == "resnet8"
    again = AutoImageClassifier(**settings).fit(images[:90], y[:90])
    expected = model.predict_proba(images)
    np.testing.assert_array_equal(again.predict_proba(images), expected)
    shuffled = np.random.default_rng(0).permutation(len(images))
    found = model.predict_proba(images[shuffled])
    np.testing.assert_allclose(found, expected[shuffled], atol=1e-4)


def test_a_search_in_workers_finds_the_same_values(weights):
    images, values = make_images(120)
    settings = {**SEARCH, "weights": weights[0].folder, "n_trials": 4}
    found = [
        AutoImageRegressor(**settings, n_jobs=n_jobs).fit(images[:90], values[:90])
        for n_jobs in (1, 2)
    ]
    assert found[0].score(images[90:], values[90:]) > 0.5
    np.testing.assert_allclose(
        found[0].predict(images), found[1].predict(images), atol=1e-3
    )
