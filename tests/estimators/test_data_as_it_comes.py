"""Tables and labels as users have them: fit and predict from end to end."""

import datetime

import dateutil.tz
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from automodel import AutoClassifier, AutoRegressor
from automodel.families import all_families
from tests.conftest import CHEAP, make_frame, make_signal

N_ROWS = 90
FRAME = make_frame(N_ROWS)
VALUES = make_signal(FRAME)
IS_HIGH = VALUES > 0.3
LABELS = np.where(IS_HIGH, "yes", "no")
NUMBERS = FRAME[["age", "income", "size"]].to_numpy()
CHANCE = max(IS_HIGH.mean(), 1 - IS_HIGH.mean())
RNG = np.random.default_rng(5)


def classifier(**params):
    return AutoClassifier(**(CHEAP | params))


def regressor(**params):
    return AutoRegressor(**(CHEAP | params))


def accuracy(X, y=LABELS, **params):
    """Fit and predict, and return the share of labels that are right."""
    fitted = classifier(**params).fit(X, y)
    predicted = fitted.predict(X)
    assert predicted.shape == (X.shape[0],)
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1)
    return np.mean(predicted == np.asarray(y))


# containers


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", object])
def test_numpy_arrays(dtype):
    assert accuracy(NUMBERS.astype(dtype)) > CHANCE


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint16", "bool"])
def test_numpy_arrays_of_whole_numbers(dtype):
    X = (NUMBERS > [40, 20, 2]).astype(dtype)
    assert accuracy(X, X[:, 0] ^ X[:, 2]) > 0.5


@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_any_layout_of_memory_gives_the_same(order):
    X = np.repeat(NUMBERS, 2, axis=1)[:, ::2] if order == "strided" else NUMBERS
    X = np.asarray(X, order=order if order in "CF" else None)
    fitted = regressor().fit(X, VALUES)
    expected = regressor().fit(NUMBERS.copy(), VALUES).predict(NUMBERS)
    np.testing.assert_allclose(fitted.predict(X), expected)


def test_arrays_that_cannot_be_written():
    X, y = NUMBERS.copy(), LABELS.copy()
    X.setflags(write=False)
    y.setflags(write=False)
    assert accuracy(X, y) > CHANCE


def test_an_object_array_of_mixed_columns():
    assert accuracy(FRAME.to_numpy(dtype=object)) > CHANCE


def test_lists():
    rows = FRAME.astype(object).where(FRAME.notna(), None).to_numpy().tolist()
    fitted = classifier().fit(rows, LABELS.tolist())
    assert np.mean(fitted.predict(rows) == LABELS) > CHANCE


SPARSE = ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"]


@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("layout", SPARSE)
def test_scipy_sparse(layout, kind):
    dense = np.where(np.isnan(NUMBERS), 0, NUMBERS) * (RNG.random((N_ROWS, 3)) > 0.2)
    X = getattr(sparse, f"{layout}_{kind}")(dense)
    assert accuracy(X, dense[:, 0] > 40) > 0.8


def test_sparse_and_dense_rows_get_the_same_prediction():
    dense = RNG.poisson(0.3, (N_ROWS, 30)).astype(float)
    y = dense[:, :3].sum(axis=1) > 0
    fitted = classifier().fit(sparse.csr_matrix(dense), y)
    by_column = fitted.predict_proba(sparse.csc_array(dense))
    np.testing.assert_allclose(by_column, fitted.predict_proba(dense))


def test_pandas_frames():
    fitted = classifier().fit(FRAME, LABELS)
    assert fitted.feature_names_in_.tolist() == list(FRAME.columns)
    assert np.mean(fitted.predict(FRAME) == LABELS) > CHANCE


def test_polars_frames():
    pl = pytest.importorskip("polars")
    X, y = pl.from_pandas(FRAME), pl.Series("target", LABELS)
    fitted = classifier().fit(X, y)
    assert fitted.feature_names_in_.tolist() == list(FRAME.columns)
    assert np.mean(fitted.predict(X) == LABELS) > CHANCE


def test_polars_and_pandas_give_the_same():
    pl = pytest.importorskip("polars")
    fitted = classifier().fit(FRAME, LABELS)
    by_polars = fitted.predict_proba(pl.from_pandas(FRAME))
    np.testing.assert_allclose(by_polars, fitted.predict_proba(FRAME))


def test_rows_of_X_and_y_are_matched_by_position_not_by_index():
    X = FRAME.set_index(RNG.permutation(N_ROWS))
    y = pd.Series(LABELS, index=RNG.permutation(N_ROWS) + 1000)
    weight = pd.Series(1.0, index=RNG.permutation(N_ROWS))
    fitted = classifier().fit(X, y, sample_weight=weight)
    expected = classifier().fit(FRAME, LABELS, sample_weight=np.ones(N_ROWS))
    np.testing.assert_array_equal(
        fitted.predict_proba(X), expected.predict_proba(FRAME)
    )


def test_an_index_with_repeats():
    X = FRAME.set_index(np.zeros(N_ROWS, dtype=int))
    weight = np.where(np.arange(N_ROWS) % 3, 1.0, 0.0)
    fitted = classifier().fit(X, pd.Series(LABELS, index=X.index), sample_weight=weight)
    assert fitted.predict(X).shape == (N_ROWS,)


# columns


def with_column(values):
    """Return a frame with a column that tells the label, beside noise."""
    return pd.DataFrame({"noise": RNG.normal(size=N_ROWS), "told": values})


NUMBER = IS_HIGH.astype(float)
DAY = pd.Timestamp("2024-01-01")
TELLING = {
    "strings": np.where(IS_HIGH, "ja", "nein"),
    "object strings": np.where(IS_HIGH, "ja", "nein").astype(object),
    "strings with missing": np.where(IS_HIGH, "ja", None),
    "categories": pd.Categorical(np.where(IS_HIGH, "ja", "nein")),
    "unused levels": pd.Categorical(
        np.where(IS_HIGH, "b", "d"), categories=["a", "b", "c", "d", "e"]
    ),
    "ordered categories": pd.Categorical(
        np.where(IS_HIGH, "large", "small"), ["small", "large"], ordered=True
    ),
    "categories of numbers": pd.Categorical(np.where(IS_HIGH, 7, 3)),
    "categories with missing": pd.Categorical(np.where(IS_HIGH, "ja", None)),
    "booleans": IS_HIGH,
    "nullable booleans": pd.array(IS_HIGH, "boolean"),
    "nullable integers": pd.array(IS_HIGH.astype(int), "Int64"),
    "nullable integers with NA": pd.array(
        [int(v) if i % 9 else None for i, v in enumerate(IS_HIGH)], "Int8"
    ),
    "nullable floats": pd.array(NUMBER, "Float32"),
    "nullable strings": pd.array(np.where(IS_HIGH, "ja", "nein"), "string"),
    "sparse pandas": pd.arrays.SparseArray(NUMBER),
    "dates": DAY + pd.to_timedelta(IS_HIGH * 200 + np.arange(N_ROWS) % 7, "D"),
    "dates with missing": pd.Series(DAY + pd.to_timedelta(IS_HIGH * 200, "D")).where(
        np.arange(N_ROWS) % 9 > 0
    ),
    "dates with a zone": (DAY + pd.to_timedelta(IS_HIGH * 200, "D")).tz_localize("CET"),
    "dates with a zone of dateutil": (
        DAY + pd.to_timedelta(IS_HIGH * 200 + np.arange(N_ROWS) % 7, "D")
    ).tz_localize(dateutil.tz.gettz("Europe/Oslo")),
    "dates with an offset of dateutil": [
        datetime.datetime(
            2024, 1 + 6 * v, 3, 1 + i % 9, tzinfo=dateutil.tz.tzoffset(None, 7200)
        )
        for i, v in enumerate(IS_HIGH)
    ],
    "python dates": [datetime.date(2024, 1 + 6 * v, 3) for v in IS_HIGH],
    "dates as strings": [f"2024-{1 + 6 * v:02}-03" for v in IS_HIGH],
    "periods": pd.PeriodIndex(
        [f"{2020 + 3 * v}-{1 + i % 3:02}" for i, v in enumerate(IS_HIGH)], freq="M"
    ),
    "durations": pd.to_timedelta(NUMBER * 90 + np.arange(N_ROWS) % 5, "s"),
    "mixed objects": [1 if v else "nein" for v in IS_HIGH],
    "numbers as strings": (NUMBER * 7).astype(str),
}


@pytest.mark.parametrize("values", TELLING.values(), ids=TELLING)
def test_a_column_that_tells_the_label(values):
    assert accuracy(with_column(values)) > 0.9


ARROW = {
    "int": ("int64", [int(v) for v in IS_HIGH]),
    "float": ("float32", [float(v) for v in IS_HIGH]),
    "string": ("string", ["ja" if v else "nein" for v in IS_HIGH]),
    "string with null": ("string", ["ja" if v else None for v in IS_HIGH]),
    "bool": ("bool_", [bool(v) for v in IS_HIGH]),
    "date": ("date32", [datetime.date(2024, 1 + 6 * v, 3) for v in IS_HIGH]),
}


@pytest.mark.parametrize(("kind", "values"), ARROW.values(), ids=ARROW)
def test_an_arrow_column_that_tells_the_label(kind, values):
    pa = pytest.importorskip("pyarrow")
    array = pd.array(values, dtype=pd.ArrowDtype(getattr(pa, kind)()))
    assert accuracy(with_column(array)) > 0.95


def test_polars_columns_of_all_kinds():
    pl = pytest.importorskip("polars")
    texts = np.where(IS_HIGH, "ja", "nein").tolist()
    X = pl.DataFrame(
        {
            "category": pl.Series(texts, dtype=pl.Categorical),
            "enum": pl.Series(texts, dtype=pl.Enum(["ja", "nein", "nie"])),
            "bool": IS_HIGH,
            "date": [datetime.date(2024, 1 + 6 * v, 3) for v in IS_HIGH],
            "duration": [datetime.timedelta(seconds=int(v)) for v in IS_HIGH],
            "missing": [1.5 if v else None for v in IS_HIGH],
        }
    )
    for column in X.columns:
        assert accuracy(X.select(column)) > 0.95


def test_free_text():
    praise, blame = ["lovely", "superb", "warm"], ["dreadful", "cold", "broken"]
    text = [
        f"The {RNG.choice(praise if v else blame)} room number {i} was what we had, "
        f"and the breakfast of day {i * 7} came at {RNG.choice(['eight', 'nine'])}."
        for i, v in enumerate(IS_HIGH)
    ]
    fitted = classifier().fit(pd.DataFrame({"review": text}), LABELS)
    new = pd.DataFrame({"review": ["A superb, lovely place", "dreadful and broken"]})
    assert fitted.predict(new).tolist() == ["yes", "no"]


ODD_NAMES = ["a[0]", "größe <m²>", "x,y", '{"k": 1}', "名前", "", " ", "a b", "x_1"]


@pytest.mark.parametrize(
    "family", ["linear", "hist_gradient_boosting", "lightgbm", "xgboost", "catboost"]
)
def test_odd_column_names(family):
    if all_families()[family].missing_libraries():
        pytest.skip(f"{family} is not installed")
    X = pd.DataFrame(
        {name: RNG.normal(size=N_ROWS) + IS_HIGH for name in ODD_NAMES[:-1]}
    )
    X[ODD_NAMES[-1]] = pd.Categorical(np.where(IS_HIGH, "[ja]", "<nein>"))
    assert accuracy(X, families=[family], n_trials=1, cv=2) > CHANCE


def test_column_names_that_are_numbers():
    assert accuracy(pd.DataFrame(NUMBERS)) > CHANCE


@pytest.mark.parametrize(
    "family", ["linear", "knn", "extra_trees", "hist_gradient_boosting", "lightgbm"]
)
def test_missing_infinite_and_huge_numbers(family):
    if all_families()[family].missing_libraries():
        pytest.skip(f"{family} is not installed")
    X = np.column_stack([NUMBERS, VALUES, RNG.normal(size=(N_ROWS, 3))])
    X[::5, 0] = np.nan
    X[1::7, 4] = np.inf
    X[2::7, 4] = -np.inf
    X[3::9, 5] = 1e300
    X[4::9, 5] = -1e300
    X[:, 6] = 3
    assert accuracy(X, families=[family], cv=2, n_trials=1) > 0.75


def test_infinities_that_come_only_at_predict():
    fitted = regressor().fit(NUMBERS, VALUES)
    rows = np.array([[np.inf, np.nan, 1e300], [-np.inf, -1e308, 0]])
    assert np.isfinite(fitted.predict(rows)).all()


def test_a_constant_column_changes_nothing():
    fitted = regressor().fit(NUMBERS, VALUES)
    wider = np.column_stack([NUMBERS, np.full(N_ROWS, 3.0)])
    again = regressor().fit(wider, VALUES)
    np.testing.assert_allclose(again.predict(wider), fitted.predict(NUMBERS))


def test_nothing_but_constants_is_predicted_as_the_mean():
    X = np.ones((N_ROWS, 2))
    predicted = regressor().fit(X, VALUES).predict(X)
    np.testing.assert_allclose(predicted, VALUES.mean(), rtol=1e-6)


def test_categories_not_seen_on_fit():
    fitted = classifier().fit(FRAME, LABELS)
    rows = FRAME.assign(city=["Atlantis", None, "Rome"] * (N_ROWS // 3))
    proba = fitted.predict_proba(rows)
    missing = fitted.predict_proba(FRAME.assign(city=None))
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba[1::3], missing[1::3])


def test_thousands_of_columns():
    X = RNG.normal(size=(N_ROWS, 3000))
    X[:, 17] += 9 * IS_HIGH
    assert accuracy(X, cv=2, n_trials=1) > CHANCE


def test_more_columns_than_rows():
    assert accuracy(np.hstack([NUMBERS[:12], np.eye(12)]), ["a", "b"] * 6, cv=2) >= 0.5


def test_a_type_that_differs_between_fit_and_predict_but_not_in_meaning():
    fitted = classifier().fit(FRAME, LABELS)
    rows = FRAME.assign(
        size=FRAME["size"].astype("Float32"),
        city=FRAME["city"].astype("category"),
        age=FRAME["age"].astype(object),
    )
    np.testing.assert_allclose(
        fitted.predict_proba(rows), fitted.predict_proba(FRAME), rtol=1e-5
    )


# labels

LABEL_KINDS = {
    "str": LABELS,
    "object": LABELS.astype(object),
    "list": LABELS.tolist(),
    "int": IS_HIGH + 7,
    "int8": (IS_HIGH + 7).astype(np.int8),
    "negative int": IS_HIGH * 2 - 1,
    "bool": IS_HIGH,
    "list of bool": IS_HIGH.tolist(),
    "object of bool": IS_HIGH.astype(object),
    "float": IS_HIGH + 1.0,
    "column": LABELS.reshape(-1, 1),
    "Series": pd.Series(LABELS),
    "Categorical": pd.Series(pd.Categorical(LABELS, ["yes", "no", "never"])),
    "nullable int": pd.Series(IS_HIGH + 7, dtype="Int64"),
    "nullable bool": pd.Series(IS_HIGH, dtype="boolean"),
    "nullable string": pd.Series(LABELS, dtype="string"),
    "frame of one column": pd.DataFrame({"target": LABELS}),
}


@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
@pytest.mark.parametrize("y", LABEL_KINDS.values(), ids=LABEL_KINDS)
def test_labels_come_back_in_their_own_type(y):
    fitted = classifier().fit(FRAME, y)
    predicted = fitted.predict(FRAME)
    plain = np.asarray(y).ravel().tolist()
    assert {type(v) for v in predicted.tolist()} == {type(v) for v in plain}
    assert set(predicted.tolist()) <= set(plain)
    assert predicted.dtype == fitted.classes_.dtype
    assert fitted.classes_.tolist() == sorted(set(plain))
    assert np.mean(predicted == np.array(plain)) > CHANCE


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.uint16, bool])
def test_the_width_of_labels_is_kept(dtype):
    fitted = classifier().fit(FRAME, IS_HIGH.astype(dtype))
    assert fitted.predict(FRAME).dtype == dtype


def test_labels_of_polars():
    pl = pytest.importorskip("polars")
    for y in (pl.Series(LABELS), pl.Series(LABELS, dtype=pl.Categorical)):
        predicted = classifier().fit(FRAME, y).predict(FRAME)
        assert set(predicted.tolist()) == {"no", "yes"}


def test_many_classes():
    y = np.arange(N_ROWS) % 15
    fitted = classifier(n_trials=1).fit(np.column_stack([y, NUMBERS]), y)
    assert fitted.predict_proba(np.column_stack([y, NUMBERS])).shape == (N_ROWS, 15)


TARGETS = {
    "int": (VALUES * 10).astype(int),
    "float32": VALUES.astype(np.float32),
    "bool": IS_HIGH,
    "object": VALUES.astype(object),
    "list": VALUES.tolist(),
    "Series": pd.Series(VALUES),
    "nullable": pd.Series(VALUES, dtype="Float64"),
    "large": VALUES * 1e12,
    "tiny": VALUES * 1e-12,
}


@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_targets_of_any_numeric_type(y):
    fitted = regressor().fit(FRAME, y)
    predicted = fitted.predict(FRAME)
    assert predicted.dtype == np.float64
    assert fitted.score(FRAME, np.asarray(y, dtype=float)) > 0.3
