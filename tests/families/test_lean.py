"""Boosted models are kept without what prediction does not need."""

import pickle

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from automodel.evaluation.evaluate import Monitor
from automodel.evaluation.fitted_model import FittedModel
from automodel.families import all_families
from automodel.families._boosting import BoostingFamily
from automodel.families._lightgbm_text import lean_text
from automodel.targets.objective import Objective
from tests.conftest import make_task

FAMILIES = [
    family
    for family in all_families().values()
    if isinstance(family, BoostingFamily) and not family.missing_libraries()
]
KINDS = ["binary", "multiclass", "regression", "multilabel", "multioutput"]
MOST_BYTES = {  # of a kept model, as a share of the pickled estimator
    "lightgbm": 0.4,
    "lightgbm_arithmetic": 0.4,
    "catboost": 0.5,
    "xgboost": 0.5,
    "hist_gradient_boosting": 0.4,
}


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def family(request):
    return request.param


def make_rows(kind, n_samples=400):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 5)).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    filled = np.nan_to_num(X, nan=0.5)
    y = filled[:, 0] + filled[:, 1] * filled[:, 2] + 0.3 * rng.normal(size=n_samples)
    several = np.column_stack([y, 2 - y, filled[:, 3]])
    return X, {
        "binary": np.digitize(y, [0.0]),
        "multiclass": np.digitize(y, [-1, 0, 1]),
        "multilabel": (several > 0.3).astype(int),
        "multioutput": several,
    }.get(kind, y)


def with_categories(X):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcde"))
    letters = np.array(list("uvwxyz"))[np.digitize(X[:, 0], [-1, -0.5, 0, 0.5, 1])]
    return frame.assign(a=pd.Categorical(letters))


def fit(family, kind, X, y, n_rounds=80, **options):
    n_classes = int(y.max()) + 1 if kind in ("binary", "multiclass") else 0
    n_outputs = 1 if y.ndim == 1 else y.shape[1]
    task = make_task(kind, *X.shape, n_classes, n_outputs=n_outputs, **options)
    setting = {family.iteration_param: n_rounds, "learning_rate": 0.2}
    estimator = family.estimator(task, 0).set_params(**setting)
    half = slice(None, len(y) // 2)
    return family.fit(estimator, X[half], y[half], monitor=Monitor())


def predict(model, X):
    if not hasattr(model, "predict_proba"):
        return model.predict(X)
    proba = model.predict_proba(X)
    return np.hstack(proba) if isinstance(proba, list) else proba


def assert_same(found, expected):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=1e-6 * scale, rtol=0)


@pytest.mark.parametrize(
    "encode", [np.asarray, with_categories], ids=["numbers", "categories"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_kept_model_predicts_the_same(family, kind, encode):
    X, y = make_rows(kind)
    X = encode(X)
    model = fit(family, kind, X, y, n_rounds=30)
    expected = predict(model, X)
    for trained in (family.cut(model, 1000), model):
        kept = family.compact(trained)
        assert_same(predict(kept, X), expected)
    assert_same(predict(pickle.loads(pickle.dumps(kept)), X), expected)


@pytest.mark.parametrize("loss", ["absolute_error", "poisson", "quantile"])
def test_a_kept_model_has_the_loss_it_has_learned(family, loss):
    X, y = make_rows("regression")
    objective = Objective(loss, quantile=0.8, power=1.0)
    y = np.exp(y)
    model = fit(family, "regression", X, y, 30, objective=objective)
    expected = predict(model, X)
    assert_same(predict(family.compact(model), X), expected)


def test_values_next_to_a_threshold_go_the_same_way(family):
    X, y = make_rows("regression")
    model = fit(family, "regression", X, y, n_rounds=20)
    middles = np.sort(X, axis=0)
    near = np.float32((middles[1:].astype(float) + middles[:-1]) / 2)
    steps = [np.nextafter(near, np.float32(way)) for way in (-np.inf, np.inf)]
    rows = np.concatenate([near, *steps])
    expected = predict(model, rows)
    assert_same(predict(family.compact(model), rows), expected)


def test_a_kept_model_takes_few_bytes(family):
    X, y = make_rows("binary", 2000)
    model = fit(family, "binary", X, y)
    n_bytes = len(pickle.dumps(model))
    kept = FittedModel(None, family.compact(model), None)
    kept.is_compressed = family.is_compressed
    assert len(pickle.dumps(kept)) < MOST_BYTES[family.name] * n_bytes


def test_importances_of_a_kept_model_are_those_of_its_training(family):
    X, y = make_rows("binary")
    model = fit(family, "binary", X, y)
    if not hasattr(model, "feature_importances_"):
        pytest.skip("has no importances")
    expected = np.array(model.feature_importances_)
    kept = pickle.loads(pickle.dumps(family.compact(model)))
    np.testing.assert_allclose(kept.feature_importances_, expected, rtol=1e-4)


def test_a_constant_is_kept_as_it_is(family):
    X, y = make_rows("multilabel")
    y[:, 1] = 1
    model = fit(family, "multilabel", X, y, n_rounds=5)
    expected = predict(model, X)
    assert_same(predict(family.compact(model), X), expected)


TREE = """tree_sizes=100
Tree=0
num_leaves=4
split_feature=0 1 2
split_gain=1.23456 0 7e-12
threshold={}
decision_type=2 1 2
leaf_value=0.12345678901234567 -1e-300 0 3
leaf_weight=1 2 3 4
leaf_count=4 4 4 5
internal_value=0 1 2
internal_weight=0 1 2
internal_count=17 8 9

end of trees
"""


def line_of(text, name):
    (line,) = [own for own in text.splitlines() if own.startswith(f"{name}=")]
    return np.array(line.partition("=")[2].split(), dtype=np.float64)


def test_the_text_of_a_tree_loses_what_it_does_not_need():
    text = lean_text(TREE.format("0 1 2"))
    gone = {"tree_sizes", "internal_value", "internal_weight", "leaf_weight"}
    names = {line.partition("=")[0] for line in TREE.splitlines()}
    assert {line.partition("=")[0] for line in text.splitlines()} == names - gone
    np.testing.assert_allclose(
        line_of(text, "leaf_value"), line_of(TREE, "leaf_value"), rtol=1e-8
    )
    np.testing.assert_array_equal(line_of(text, "leaf_count"), [4, 4, 4, 5])
    assert "split_gain=1.23 0 7e-12\n" in text


@pytest.mark.parametrize("scale", [1e-40, 1e-9, 1.0, 1e25])
def test_shorter_thresholds_separate_numbers_in_single_precision(scale):
    thresholds = scale * np.random.default_rng(0).normal(size=3000)
    text = lean_text(TREE.format(" ".join(map(repr, thresholds.tolist()))))
    found = line_of(text, "threshold")
    near = np.float32(thresholds)
    for way in (-np.inf, np.inf):
        rows = np.nextafter(near, np.float32(way))
        np.testing.assert_array_equal(rows <= found, rows <= thresholds)
    np.testing.assert_array_equal(near <= found, near <= thresholds)


def test_thresholds_that_stand_for_a_category_or_infinity_stay():
    kept = "0 17 1e+300 -1e+300 1.0000000180025095e-35"
    text = lean_text(TREE.format(kept))
    np.testing.assert_array_equal(
        line_of(text, "threshold"), [float(own) for own in kept.split()]
    )
