"""Single rows are predicted by trees as arrays, as the libraries predict them."""

import numpy as np
import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from automodel.families import _direct, _single_rows
from automodel.families._direct import direct
from automodel.families._single_rows import CALLS, SingleRows
from automodel.preprocessing.encoded import MixedRows

RNG = np.random.default_rng(0)
N_ROWS = 200
X = RNG.normal(size=(N_ROWS, 4)).astype(np.float32)
X[RNG.random(X.shape) < 0.1] = np.nan
VALUES = np.nan_to_num(X[:, 0] * 3 + X[:, 1]) + RNG.normal(size=N_ROWS)
TARGETS = {
    "values": VALUES,
    "large": 1e6 + 1e5 * VALUES,
    "two classes": (VALUES > 0).astype(int),
    "classes": np.digitize(VALUES, [-2, 0, 2]),
}
LOSSES_OF_XGBOOST = ["reg:absoluteerror", "count:poisson", "reg:gamma", "reg:tweedie"]


def boosted(y, X=X, **options):
    is_values = y.dtype.kind == "f"
    kind = (
        HistGradientBoostingRegressor if is_values else HistGradientBoostingClassifier
    )
    return kind(**{"max_iter": 30, "min_samples_leaf": 3, **options}).fit(X, y)


def catboost(y, X=X, **options):
    library = pytest.importorskip("catboost")
    kind = "CatBoostRegressor" if y.dtype.kind == "f" else "CatBoostClassifier"
    options = {"iterations": 30, "depth": 4, "learning_rate": 0.3, **options}
    silent = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
    return getattr(library, kind)(**options, **silent).fit(X, y)


def xgboost(y, X=X, **options):
    library = pytest.importorskip("xgboost")
    kind = "XGBRegressor" if y.dtype.kind == "f" else "XGBClassifier"
    options = {"n_estimators": 30, "max_depth": 5, "n_jobs": 1, **options}
    return getattr(library, kind)(**options).fit(X, y)


MAKERS = [boosted, catboost, xgboost]


@pytest.fixture
def made(monkeypatch):
    """The instances of `SingleRows` of direct predictions."""
    found = []

    def make(*arguments):
        found.append(SingleRows(*arguments))
        return found[-1]

    monkeypatch.setattr(_direct, "SingleRows", make)
    return found


def assert_the_same(model, made, uses_trees=True, rows=X, frame=X):
    name = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    expected = getattr(model, name)(frame)
    predict = getattr(direct(model), name)
    for i in range(N_ROWS):
        found = predict(rows[[i]])
        assert found.shape == (1, *expected.shape[1:])
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found[0], expected[i], rtol=1e-5, atol=1e-6)
    assert [own._of_row is not None for own in made] == [uses_trees]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("make", MAKERS)
def test_each_row_is_predicted_as_by_the_library(make, target, made):
    assert_the_same(make(TARGETS[target]), made)


@pytest.mark.parametrize("target", ["values", "two classes", "classes"])
@pytest.mark.parametrize("make", MAKERS)
def test_trees_may_split_by_category(make, target, made):
    codes = RNG.integers(0, 30, size=(N_ROWS, 2)).astype(np.int32)
    y = TARGETS[target] + (codes[:, 0] % 3).astype(TARGETS[target].dtype)
    if target == "two classes":
        y = (y > 1).astype(int)
    rows = MixedRows(X, codes, [40, 30])  # ten of which are never seen
    options = {"categorical_features": "from_dtype"}
    if make is xgboost:
        options = {"enable_categorical": True, "max_cat_to_onehot": 4}
    if make is catboost:
        options = {"one_hot_max_size": 40, "cat_features": ["c0", "c1"]}
    model = make(y[:150], X=rows[:150].frame, **options)
    assert_the_same(model, made, rows=rows, frame=rows.frame)


def test_statistics_of_categories_are_left_to_catboost(made):
    codes = RNG.integers(0, 30, size=(N_ROWS, 2)).astype(np.int32)
    rows = MixedRows(X, codes, [30, 30])
    y = VALUES + codes[:, 0] % 3
    model = catboost(y, X=rows.frame, cat_features=["c0", "c1"])
    assert_the_same(model, made, uses_trees=False, rows=rows, frame=rows.frame)


@pytest.mark.parametrize("mode", ["Min", "Max"])
def test_catboost_takes_missing_values_for_small_or_large(mode, made):
    assert_the_same(catboost(VALUES, nan_mode=mode), made)


@pytest.mark.parametrize("loss", ["MAE", "Quantile:alpha=0.8"])
def test_losses_of_catboost(loss, made):
    assert_the_same(catboost(VALUES, loss_function=loss), made)


def test_a_model_of_catboost_that_was_scaled(made):
    model = catboost(VALUES)
    model.set_scale_and_bias(3.0, 7.0)
    assert_the_same(model, made)


@pytest.mark.parametrize("loss", LOSSES_OF_XGBOOST)
def test_objectives_of_xgboost(loss, made):
    assert_the_same(xgboost(np.exp(VALUES / 3), objective=loss), made)


@pytest.mark.parametrize("loss", ["absolute_error", "gamma", "poisson", "quantile"])
def test_losses_of_histogram_boosting(loss, made):
    options = {"quantile": 0.8} if loss == "quantile" else {}
    assert_the_same(boosted(np.exp(VALUES / 3), loss=loss, **options), made)


def test_deep_trees_of_xgboost(made):
    options = {"max_depth": 0, "grow_policy": "lossguide", "max_leaves": 40}
    assert_the_same(xgboost(VALUES, tree_method="hist", **options), made)


@pytest.mark.parametrize("options", [{"missing": 0.0}, {"early_stopping_rounds": 1}])
def test_missing_values_and_rounds_of_xgboost_that_are_not_usual(options, made):
    library = pytest.importorskip("xgboost")
    model = library.XGBRegressor(n_estimators=30, n_jobs=1, **options)
    values = np.nan_to_num(X)
    model.fit(values, VALUES, eval_set=[(values, -VALUES)], verbose=False)
    assert_the_same(model, made, uses_trees=False, rows=values, frame=values)


def test_values_that_equal_a_threshold(made):
    values = np.round(np.nan_to_num(X), 1)
    for model in (xgboost(VALUES, X=values), boosted(VALUES, X=values)):
        made.clear()
        assert_the_same(model, made, rows=values, frame=values)


@pytest.mark.parametrize("make", [boosted, xgboost])
def test_trees_without_a_split(make, made):
    assert_the_same(make(np.repeat([1.0, 1.0 + 1e-12], N_ROWS // 2)), made)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (catboost, {"loss_function": "Poisson"}),
        (catboost, {"grow_policy": "Lossguide"}),
        (xgboost, {"objective": "reg:pseudohubererror"}),
    ],
    ids=["a loss", "trees of another kind", "an objective"],
)
def test_what_is_not_known_is_left_to_the_library(make, options, made):
    assert_the_same(make(np.exp(VALUES / 3), **options), made, uses_trees=False)


@pytest.mark.parametrize("make", [catboost, xgboost])
def test_large_models_are_left_to_the_library(make, made, monkeypatch):
    monkeypatch.setattr(_single_rows, "MOST_VALUES", 29)
    assert_the_same(make(VALUES), made, uses_trees=False)


@pytest.mark.parametrize("wrong", ["value", "shape", "error"])
def test_trees_that_do_not_agree_are_not_used(wrong):
    n_read = []

    def read():
        n_read.append(1)
        if wrong == "error":
            raise KeyError("oblivious_trees")
        return lambda row: np.zeros(2 if wrong == "shape" else 1)

    predict = SingleRows(lambda X: np.ones(len(X)), read)
    assert [predict(X[:1])[0] for _ in range(CALLS + 2)] == [1.0] * (CALLS + 2)
    assert n_read == [1]


def test_trees_are_read_once_after_some_rows():
    n_read = []

    def read():
        n_read.append(1)
        return lambda row: np.ones(1)

    predict = SingleRows(lambda X: np.ones(len(X)), read)
    for _ in range(CALLS):
        predict(X[:1])
    assert not n_read
    for _ in range(3):
        predict(X[:1])
    assert len(n_read) == 1


def test_several_rows_are_left_to_the_library():
    def read():
        raise AssertionError

    predict = SingleRows(lambda X: np.ones(len(X)), read)
    for _ in range(CALLS + 1):
        np.testing.assert_array_equal(predict(X[:2]), [1.0, 1.0])
