"""A model that chooses its rounds can be cut to the first of them."""

import pickle

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from automodel.evaluation.evaluate import Monitor
from automodel.families import all_families
from automodel.targets.objective import Objective
from tests.conftest import make_task

FAMILIES = [
    family
    for family in all_families().values()
    if family.chooses_rounds
    and family.modality == "tabular"
    and not family.missing_libraries()
]
KINDS = ["binary", "multiclass", "regression", "poisson", "quantile"]
OBJECTIVES = {
    "poisson": Objective("poisson", power=1.0),
    "quantile": Objective("quantile", quantile=0.7),
}
N_ROUNDS = 60


def make_rows(kind, n_samples=200):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 4))
    y = np.exp(X[:, 0] + 0.5 * X[:, 1] * X[:, 2] + 0.5 * rng.normal(size=n_samples))
    if kind == "binary":
        y = np.digitize(y, [1.0])
    elif kind == "multiclass":
        y = np.digitize(y, [0.7, 2.0])
    return X, y


def with_categories(X):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    letters = np.array(["u", "v", "w"])[np.digitize(X[:, 0], [-0.5, 0.5])]
    return frame.assign(a=pd.Categorical(letters))


def fit(family, kind, X, y, monitor, **params):
    task = make_task(
        kind if kind in family.tasks else "regression",
        *X.shape,
        n_classes=0 if y.dtype.kind == "f" else int(y.max()) + 1,
        objective=OBJECTIVES.get(kind, Objective()),
    )
    params = {family.iteration_param: N_ROUNDS, "learning_rate": 0.2} | params
    estimator = family.estimator(task, 0).set_params(**params)
    return family.fit(estimator, X, y, monitor=monitor)


def fit_with_validation(family, kind, encode=lambda X: X, **params):
    """Return a model that early stopping has ended, its monitor, and its rows."""
    X, y = make_rows(kind)
    X, train = encode(X), np.arange(len(y)) % 2 == 0
    monitor = Monitor(valid=(X[~train], y[~train], None))
    return fit(family, kind, X[train], y[train], monitor, **params), monitor, X, y


def predict(model, X):
    return (
        model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
    )


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def family(request):
    return request.param


@pytest.mark.parametrize(
    "encode", [np.asarray, with_categories], ids=["numbers", "categories"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_model_predicts_as_one_of_its_first_rounds(family, kind, encode):
    model, _, X, y = fit_with_validation(family, kind, encode)
    train = np.arange(len(y)) % 2 == 0
    for n_rounds in (1, 7, 20):
        cut = family.cut(model, n_rounds)
        own = Monitor(n_iterations=n_rounds)
        short = fit(family, kind, X[train], y[train], own)
        np.testing.assert_allclose(predict(cut, X), predict(short, X), rtol=1e-5)


def test_a_cut_leaves_the_model_as_it_was(family):
    model, _, X, _ = fit_with_validation(family, "regression")
    before = predict(model, X)
    cut = family.cut(model, 3)
    np.testing.assert_array_equal(predict(model, X), before)
    assert not np.allclose(predict(cut, X), before)
    np.testing.assert_array_equal(predict(family.cut(model, 1000), X), before)


def test_a_model_keeps_the_rounds_after_the_best(family):
    model, monitor, X, _ = fit_with_validation(family, "regression")
    assert monitor.steps_used < N_ROUNDS
    later = predict(family.cut(model, monitor.steps_used + 5), X)
    best = predict(family.cut(model, monitor.steps_used), X)
    assert not np.allclose(later, best)


@pytest.mark.parametrize("n_rounds", [N_ROUNDS, 10 * N_ROUNDS])
def test_of_a_model_with_fewer_rounds_all_are_kept(family, n_rounds):
    model, _, X, _ = fit_with_validation(family, "binary")
    cut = family.cut(model, n_rounds)
    np.testing.assert_array_equal(predict(cut, X), predict(model, X))


def test_no_rounds_at_all_are_one(family):
    model, _, X, _ = fit_with_validation(family, "binary")
    first, none = (predict(family.cut(model, n), X) for n in (1, 0))
    np.testing.assert_array_equal(none, first)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_model_survives_pickle_without_the_other_rounds(family, kind):
    model, _, X, _ = fit_with_validation(family, kind)
    cut = family.cut(model, 4)
    stored = pickle.dumps(cut)
    np.testing.assert_array_equal(predict(pickle.loads(stored), X), predict(cut, X))
    assert len(stored) < 0.8 * len(pickle.dumps(model))


def test_a_cut_model_can_be_cut_again(family):
    model, _, X, _ = fit_with_validation(family, "regression")
    twice = family.cut(family.cut(model, 9), 4)
    np.testing.assert_array_equal(predict(twice, X), predict(family.cut(model, 4), X))


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_model_without_rounds_passes_through(family, kind):
    from sklearn.dummy import DummyClassifier, DummyRegressor

    X, y = make_rows(kind)
    constant = (DummyClassifier() if kind == "binary" else DummyRegressor()).fit(X, y)
    cut = family.cut(constant, 5)
    np.testing.assert_array_equal(predict(cut, X), predict(constant, X))


def test_a_refit_keeps_all_its_rounds(family):
    X, y = make_rows("regression")
    monitor = Monitor(n_iterations=12)
    model = fit(family, "regression", X, y, monitor)
    assert monitor.steps_used == 12
    np.testing.assert_array_equal(predict(family.cut(model, 12), X), predict(model, X))
    assert not np.allclose(predict(family.cut(model, 11), X), predict(model, X))


def test_rounds_of_lightgbm_that_find_no_split_count_as_rounds():
    pytest.importorskip("lightgbm")
    from automodel.families.lightgbm import LightGBM

    X, y = make_rows("regression")
    X = X[:, [0, 3]]  # a tree sees one of them, and the second tells nothing
    params = {"colsample_bytree": 0.5, "min_split_gain": 20.0, "num_leaves": 4}
    monitor = Monitor(valid=(X, y, None))
    model = fit(LightGBM(), "regression", X, y, monitor, **params)
    assert len(model.empty_rounds_) > 5
    for n_rounds in (model.empty_rounds_[0], model.empty_rounds_[-1] - 1, 20):
        own = Monitor(n_iterations=n_rounds)
        short = fit(LightGBM(), "regression", X, y, own, **params)
        cut = LightGBM().cut(model, n_rounds)
        np.testing.assert_array_equal(cut.predict(X), short.predict(X))
