"""Direct predictions equal those of the estimators that they stand for."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit
from sklearn.tree import DecisionTreeClassifier

from automodel import AutoClassifier, AutoRegressor, EstimatorFamily
from automodel.exceptions import FitWarning
from automodel.families import all_families
from automodel.families._direct import direct
from automodel.families._single_rows import CALLS
from automodel.preprocessing.encoded import MixedRows
from automodel.preprocessing.tabular import TabularEncoder

N_ROWS = 90
NAMES = [name for name, own in all_families().items() if own.modality == "tabular"]
NAMES.remove("knn")  # which learns from no texts, and is called as always
NETS = ["mlp", "packed_mlp", "tabm", "resnet", "ft_transformer"]
RNG = np.random.default_rng(0)
SIZE, COLOR = RNG.normal(size=N_ROWS), RNG.choice(["red", "green", "blue"], N_ROWS)
TABLE = pd.DataFrame(
    {
        "size": SIZE,
        "color": pd.Series(COLOR).where(RNG.random(N_ROWS) > 0.1),
        "weight": np.where(RNG.random(N_ROWS) < 0.2, np.nan, RNG.normal(size=N_ROWS)),
        "city": RNG.choice([f"city {i}" for i in range(40)], N_ROWS),
        "name": [
            f"a {c} thing of size {s:.1f}" for c, s in zip(COLOR, SIZE, strict=True)
        ],
    }
)
VALUES = np.exp(SIZE + (COLOR == "red"))
CLASSES = np.digitize(VALUES, np.quantile(VALUES, [0.3, 0.6]))
OPTIONS = {"time_budget": None, "n_trials": 1, "random_state": 0, "refit": False}
ONE = ShuffleSplit(1, test_size=0.3, random_state=0)
NEW = pd.concat([TABLE.iloc[:7], pd.DataFrame({"color": ["pink", None]})])


def fitted(family, y, **options):
    kind = AutoRegressor if y.dtype.kind == "f" else AutoClassifier
    return kind(families=[family], cv=ONE, **OPTIONS, **options).fit(TABLE, y)


def assert_the_same(search):
    for n_rows, precision in ((1, 1e-6), (len(NEW), 1e-12)):
        rows = search._reader.transform(NEW.iloc[-n_rows:])
        for model in (m for own in search.ensemble_.members for m in own.models):
            plain = model.encoder.transform(rows)
            expected = model.target.predict(model.estimator, plain, model.columns)
            for _ in range(CALLS + 2):  # some models learn that rows are single ones
                found = model.predict(rows)
                np.testing.assert_allclose(found, expected, rtol=precision, atol=0)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in NETS else n for n in NAMES]
)
@pytest.mark.parametrize("y", [VALUES, CLASSES], ids=["values", "classes"])
def test_every_family_predicts_the_same(name, y):
    search = fitted(name, y)
    assert {member.family for member in search.ensemble_.members} == {name}
    assert_the_same(search)


@pytest.mark.parametrize(
    "scoring", ["neg_mean_absolute_error", "neg_mean_poisson_deviance"]
)
@pytest.mark.parametrize("name", ["linear", "lightgbm", "xgboost", "extra_trees"])
def test_every_objective_predicts_the_same(name, scoring):
    assert_the_same(fitted(name, VALUES, scoring=scoring))


def test_a_net_predicts_the_same():
    assert_the_same(fitted("mlp", CLASSES))


@pytest.mark.parametrize("name", ["linear", "lightgbm"])
def test_two_classes_and_several_targets_predict_the_same(name):
    assert_the_same(fitted(name, CLASSES > 0))
    assert_the_same(fitted(name, np.column_stack([CLASSES > 0, CLASSES > 1])))
    assert_the_same(fitted(name, np.column_stack([VALUES, SIZE])))


def test_estimators_of_users_get_data_frames():
    class Framed(DecisionTreeClassifier):
        def predict_proba(self, X):
            assert list(X.columns) == ["x0", "x1", "c0"]
            return super().predict_proba(X)

    rows = MixedRows(np.eye(3, 2), np.array([[0], [1], [2]]), [3])
    model = Framed().fit(rows.frame.astype(float), [0, 1, 0])
    assert direct(model).predict_proba(rows).tolist() == [[1, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize("categorical", ["from_dtype", None, [0], [2]])
@pytest.mark.parametrize("is_classifier", [True, False])
def test_histogram_boosting_knows_the_categories_of_training(
    categorical, is_classifier
):
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 5, size=(300, 2)).astype(np.float32)
    codes = rng.choice([-1, 0, 1, 3], size=(300, 1)).astype(np.int32)
    y = (numbers[:, 0] + codes[:, 0] % 2 > 2).astype(int)
    kind = (
        HistGradientBoostingClassifier
        if is_classifier
        else HistGradientBoostingRegressor
    )
    model = kind(max_iter=20, categorical_features=categorical)
    model.fit(MixedRows(numbers, codes, [5]).frame, y)
    every = np.array([[-1], [0], [1], [2], [3], [4]], dtype=np.int32)
    rows = MixedRows(numbers[: len(every)], every, [5])
    answer = "predict_proba" if is_classifier else "predict"
    expected = getattr(model, answer)(rows.frame)
    found = getattr(direct(model), answer)(rows)
    np.testing.assert_array_equal(found, expected)


def test_histogram_boosting_takes_numbers_alone():
    X = RNG.normal(size=(200, 3)).astype(np.float32)
    X[::7, 1] = np.nan
    model = HistGradientBoostingRegressor(max_iter=20).fit(X, X[:, 0])
    np.testing.assert_array_equal(direct(model).predict(X), model.predict(X))


def test_estimators_behind_other_encoders_check_their_rows():
    tags = {"categorical": False, "preprocessor": _Infinite()}
    family = EstimatorFamily("own", LogisticRegression(), lambda trial: {}, **tags)
    with pytest.warns(FitWarning, match="contains infinity"):
        fitted(family, CLASSES)


def test_an_encoder_that_overrides_transform_is_used_as_it_is():
    family = EstimatorFamily(
        "own",
        LogisticRegression(),
        lambda trial: {},
        preprocessor=_Doubled(missing="impute", categories="onehot"),
    )
    search = fitted(family, CLASSES)
    (member,) = search.ensemble_.members
    assert member.family == "own"
    model = member.models[0]
    rows = search._reader.transform(NEW)
    expected = model.estimator.predict_proba(model.encoder.transform(rows))
    np.testing.assert_allclose(model.predict(rows), expected, rtol=1e-12)


class _Doubled(TabularEncoder):
    def transform(self, table):
        return 2 * super().transform(table)

    def fit_transform(self, table, y=None, **options):
        return 2 * super().fit_transform(table, y, **options)


def test_frames_of_categories_are_numbers_for_linear_models():
    encoder = TabularEncoder(missing="impute", categories="native")
    family = EstimatorFamily(
        "own", LogisticRegression(), lambda trial: {}, preprocessor=encoder
    )
    assert_the_same(fitted(family, CLASSES))


def test_values_that_stand_for_missing_ones_are_missing_in_xgboost():
    xgboost = pytest.importorskip("xgboost")
    X = RNG.integers(0, 3, size=(200, 2)).astype(float)
    y = (X[:, 0] == 0).astype(int)
    model = xgboost.XGBClassifier(missing=0, n_estimators=5).fit(X, y)
    found = direct(model).predict_proba(X)
    np.testing.assert_array_equal(found, model.predict_proba(X))


class _Infinite(DecisionTreeClassifier):
    """An encoder that returns rows which no linear model accepts."""

    def fit(self, rows, y=None):
        return self

    def fit_transform(self, rows, y=None, **_):
        return self.transform(rows)

    def transform(self, rows):
        return np.full((len(rows), 2), np.inf)


def test_a_copy_of_a_model_predicts_with_its_own_estimator():
    search = fitted("linear", CLASSES)
    model = search.ensemble_.members[0].models[0]
    rows = search._reader.transform(NEW)
    before = model.predict(rows)
    other = copy.copy(model)
    other.estimator = copy.deepcopy(model.estimator)
    other.estimator.coef_ = np.zeros_like(model.estimator.coef_)
    assert not np.allclose(other.predict(rows), before)
    np.testing.assert_array_equal(model.predict(rows), before)


def test_mixed_rows_are_those_of_their_frame():
    rows = MixedRows(np.eye(3, 2, dtype=np.float32), np.array([[0], [2], [1]]), [3])
    part = rows[1:]
    assert part.shape == (2, 3)
    assert part.matrix.tolist() == [[0, 1, 2], [0, 0, 1]]
    assert part.frame["c0"].cat.categories.tolist() == [0, 1, 2]
    assert part.frame.astype(float).to_numpy().tolist() == part.matrix.tolist()
