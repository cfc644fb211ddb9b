"""Models of sentence embeddings: heads, settings, costs, and when they are left out."""

import numpy as np
import optuna
import pytest
from scipy import sparse
from sklearn.base import clone

from automodel.families.text.embedding import (
    HEADS,
    TextEmbeddingFamily,
    heads_of,
    table_of,
)
from automodel.monitor import Monitor
from automodel.nets.weights import find_weights
from automodel.preprocessing.side_by_side import beside
from automodel.preprocessing.text.ngrams import NgramCounts
from automodel.preprocessing.text.texts import TextFacts
from automodel.targets.objective import Objective
from automodel.task import Task
from tests.tiny_encoder import write_encoder

KINDS = ("binary", "multiclass", "multilabel", "regression", "multioutput")
N_ROWS, N_COLUMNS = 600, 16
SMALL = {"mlp": {"mlp__max_epochs": 8, "mlp__width": 32}}
FAMILY = TextEmbeddingFamily()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    made = [write_encoder(folder / name, seed=i) for i, name in enumerate("ab")]
    return tuple(find_weights(path)[0] for path in made)


def task_of(kind, weights, n_samples=N_ROWS, **options):
    n_classes = {"binary": 2, "multiclass": 3}.get(kind, 0)
    several = 3 if kind in ("multilabel", "multioutput") else 1
    facts = TextFacts(mean_chars=80.0, max_chars=300, weights=weights)
    return Task(
        kind,
        n_samples,
        n_outputs=n_classes or several,
        n_classes=n_classes,
        modality="text",
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


def rows_of(head, X):
    """Return what the encoder of a head returns: counts of n-grams, too, for one."""
    if head != "joint":
        return X
    counts = sparse.csr_array(np.maximum(np.round(X[:, :3]), 0))
    counts.resize(len(X), NgramCounts().n_columns)
    return beside([X, counts])


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
    rows = rows_of(head, X[::2])
    return FAMILY.fit(estimator, rows, y[::2], monitor=monitor or Monitor())


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_head_learns_each_kind_of_target(kind, head, weights):
    X, y = make_rows(kind)
    model = fit(kind, head, weights)
    rows = rows_of(head, X[1::2])
    if kind in ("regression", "multioutput"):
        errors = np.mean((model.predict(rows) - y[1::2]) ** 2)
        assert errors < 0.5 * np.var(y)
    else:
        assert np.mean(model.predict(rows) == y[1::2]) > 0.75
        assert len(model.predict_proba(rows[:4])[0]) in (2, 3, 4)


@pytest.mark.parametrize("head", HEADS)
def test_the_same_seed_gives_the_same_model(head, weights):
    X, _ = make_rows("binary")
    models = [fit("binary", head, weights) for _ in range(2)]
    answers = [model.predict_proba(rows_of(head, X)) for model in models]
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_within_the_space_and_fit_the_estimator(kind, weights):
    task = task_of(kind, weights)
    estimator = FAMILY.estimator(task, 0)
    heads = set()
    for names, params in settings_of(task):
        clone(estimator).set_params(**params)
        heads.add(names["head"])
        cost = FAMILY.cost(params, task)
        assert 0 < cost < FAMILY.cost(params, task_of(kind, weights, 6000))
    assert heads == set(heads_of(task))


def test_the_weights_are_chosen_by_their_names(weights):
    both = [names["embedding"] for names, _ in settings_of(task_of("binary", weights))]
    assert set(both) == {"a", "b", "all"}
    estimator = FAMILY.estimator(task_of("binary", weights), 0)
    for expected in weights:
        estimator.set_params(embedding=expected.name)
        encoder = FAMILY.preprocessor(estimator, task_of("binary", weights))
        assert encoder.weights == expected
    estimator.set_params(embedding="all", head="joint")
    *embeddings, counts = FAMILY.preprocessor(
        estimator, task_of("binary", weights)
    ).encoders
    assert tuple(own.weights for own in embeddings) == weights
    assert counts.characters


def test_few_rows_and_many_classes_leave_costly_heads_out(weights):
    assert heads_of(task_of("binary", weights, 50)) == ["linear", "joint"]
    assert "boosting" in heads_of(task_of("binary", weights))
    facts = task_of("binary", weights).facts
    many = Task("multiclass", 10_000, n_outputs=77, n_classes=77, facts=facts)
    assert heads_of(many) == ["linear", "joint", "kernel", "mlp"]
    assert "kernel" not in heads_of(task_of("binary", weights, 100_000))


@pytest.mark.parametrize("n_samples, n_layers", [(120, 1), (150, 2)])
def test_a_middle_layer_is_pooled_with_enough_texts_of_each_class(
    weights, n_samples, n_layers
):
    task = task_of("multiclass", weights, n_samples)
    estimator = FAMILY.estimator(task, 0).set_params(embedding=weights[0].name)
    assert len(FAMILY.preprocessor(estimator, task).layers) == n_layers
    width = n_layers * sum(own.width for own in weights)
    assert table_of(task).facts.n_features == width


def test_it_needs_weights_and_time_to_embed_the_texts(weights):
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
        assert encoder.precision == precision


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
        rows = rows_of(head, X)
        model = FAMILY.fit(estimator, rows, y, monitor=Monitor())
        assert np.mean(y <= model.predict(rows)) > 0.7
