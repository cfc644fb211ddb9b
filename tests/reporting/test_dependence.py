"""Partial dependence on columns of any kind."""

import datetime

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from automodel import AutoClassifier, AutoRegressor, AutoTextClassifier
from automodel.reporting.dependence import MOST_CATEGORIES, partial_dependence
from tests.conftest import CHEAP

N = 120
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "age": RNG.normal(size=N),
        "city": RNG.choice(["Oslo", "Rome"], N),
        "sold": pd.Timestamp("2024-01-01")
        + pd.to_timedelta(RNG.integers(0, 500, N), unit="D"),
        "rooms": RNG.integers(1, 4, N).astype(str),
        "same": 1,
        "said": [" ".join(RNG.choice(list("abcdefgh"), 9)) for _ in range(N)],
    }
)
FRAME.loc[::7, "age"] = np.nan
VALUES = (
    FRAME["age"].fillna(0)
    + 2.0 * (FRAME["city"] == "Rome")
    + (FRAME["sold"] - FRAME["sold"].min()).dt.days / 100
)


@pytest.fixture(scope="module")
def search():
    return AutoRegressor(**CHEAP | {"n_trials": 1}).fit(FRAME, VALUES)


@pytest.fixture(scope="module")
def found(search):
    all_of_them = partial_dependence(search, FRAME, FRAME.columns, seconds=None)
    return {own.feature: own for own in all_of_them}


def test_columns_of_texts_and_dropped_ones_are_left_out(found):
    assert list(found) == ["age", "city", "sold", "rooms"]


def test_numbers_increase_and_missing_values_come_last(found):
    age = found["age"]
    assert age.kind == "number"
    assert age.values[-1] is None
    assert age.values[:-1] == sorted(age.values[:-1])
    assert (np.diff(age.average[:-1, 0]) > 0).all()
    assert age.shares[-1] == pytest.approx(np.isnan(FRAME["age"]).mean())


def test_categories_are_strings(found):
    city = found["city"]
    assert (city.kind, sorted(city.values)) == ("category", ["Oslo", "Rome"])
    rome = city.values.index("Rome")
    assert city.average[rome, 0] - city.average[1 - rome, 0] == pytest.approx(
        2, abs=0.4
    )


def test_dates_are_dates(found):
    sold = found["sold"]
    assert sold.kind == "date"
    assert all(isinstance(value, datetime.datetime) for value in sold.values)
    days = (sold.values[-1] - sold.values[0]).days
    slope = (sold.average[-1, 0] - sold.average[0, 0]) / days
    assert slope == pytest.approx(0.01, rel=0.3)


def test_numbers_in_strings_are_numbers(found):
    assert found["rooms"].values == [1.0, 2.0, 3.0]


def test_the_average_is_the_mean_prediction_of_rows_with_the_value(search, found):
    mean = search.predict(FRAME.assign(city="Rome")).mean()
    rome = found["city"].values.index("Rome")
    assert found["city"].average[rome, 0] == pytest.approx(mean)


def test_shares_sum_to_one_and_quantiles_enclose_the_average(found):
    for own in found.values():
        assert own.shares.sum() == pytest.approx(1)
        assert (own.low <= own.average).all()
        assert (own.average <= own.high).all()


def test_classes_have_probabilities():
    X = RNG.normal(size=(90, 2))
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    search = AutoClassifier(**CHEAP | {"n_trials": 1}).fit(X, y)
    (own,) = partial_dependence(search, X, [0])
    assert own.feature == "x0"
    assert np.allclose(own.average.sum(axis=1), 1)
    assert own.average[[0, -1]].argmax(axis=1).tolist() == [0, 2]


def test_sparse_columns_are_changed():
    X = RNG.binomial(1, 0.4, (90, 5)).astype(float)
    search = AutoRegressor(**CHEAP | {"n_trials": 1}).fit(csr_matrix(X), X[:, 3])
    (own,) = partial_dependence(search, csr_matrix(X), [3])
    assert own.values == [0.0, 1.0]
    assert own.average[:, 0] == pytest.approx([0, 1], abs=0.2)


def test_the_most_frequent_of_many_categories_are_shown():
    codes = np.minimum(RNG.geometric(0.1, 200), 40)
    X = pd.DataFrame(
        {"kind": pd.Categorical([f"k{c}" for c in codes]), "a": 1.0 * codes}
    )
    search = AutoRegressor(**CHEAP | {"n_trials": 1}).fit(X, codes)
    (own,) = partial_dependence(search, X, ["kind"])
    assert len(own.values) == MOST_CATEGORIES
    assert own.values[0] == X["kind"].mode()[0]


def test_columns_without_time_are_left_out(search):
    assert partial_dependence(search, FRAME, ["age"], seconds=0.0) == []


@pytest.mark.parametrize("feature", ["other", 9, -1])
def test_an_unknown_column_is_an_error(search, feature):
    with pytest.raises(ValueError, match="column"):
        partial_dependence(search, FRAME, [feature])


def test_texts_have_no_columns():
    texts = ["good film", "bad film", "a good one", "a bad one", "so good", "so bad"]
    search = AutoTextClassifier(
        weights=None, families=["text_tfidf"], n_trials=1, time_budget=None, cv=2
    ).fit(texts, [0, 1] * 3)
    with pytest.raises(ValueError, match="no columns"):
        partial_dependence(search, texts, [0])
