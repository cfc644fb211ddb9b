"""Encoded columns have names that are made of those of the user."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.sparse import csr_matrix
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import (
    check_get_feature_names_out_error,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
)

from automodel.families import all_families
from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.table import Table
from automodel.preprocessing.tabular import TabularEncoder
from automodel.task import Task

N = 240
CHECKS = [
    check_get_feature_names_out_error,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
]
WORDS = ["good", "bad", "warm", "cold", "dog", "cat"]


def make_frame():
    """Return a table with all kinds of columns."""
    rng = np.random.default_rng(0)
    comments = rng.choice(WORDS, (N, 12))
    return pd.DataFrame(
        {
            "age": rng.normal(size=N),
            "income": np.where(rng.random(N) < 0.3, np.nan, rng.normal(size=N)),
            "city": rng.choice(["Oslo", "Paris", "Rome"], N),
            "smoker": rng.choice(["no", "yes"], N),
            "code": [f"m{i:02d}" for i in rng.integers(0, 60, N)],
            "sold": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(N), "D"),
            "constant": 1.0,
            "comment": [f"{' '.join(row)} {i}x" for i, row in enumerate(comments)],
        }
    )


X = make_frame()
Y = {
    "regression": np.random.default_rng(1).normal(size=N),
    "binary": np.random.default_rng(1).integers(0, 2, N),
    "multiclass": np.random.default_rng(1).integers(0, 4, N),
}


def names_of(X=X, y=Y["regression"], **options):
    encoder = TabularEncoder(**options)
    encoded = encoder.fit_transform(TableReader().fit_transform(X), y)
    names = encoder.get_feature_names_out()
    assert len(names) == encoded.shape[1]
    assert len(set(names)) == len(names)
    return names.tolist()


def test_linear_models_get_indicators_and_a_column_for_each_category():
    names = names_of(missing="impute", categories="onehot", scale="standard")
    assert names[:2] == ["age", "income"]
    assert "missingindicator_income" in names
    assert [n for n in names if n.startswith("city")] == [
        "city=Oslo",
        "city=Paris",
        "city=Rome",
    ]
    assert [n for n in names if n.startswith("smoker")] == ["smoker=yes"]
    assert not any(name.startswith("constant") for name in names)


def test_a_column_of_0_and_1_has_the_name_of_its_category():
    reader = TableReader()
    encoder = TabularEncoder(categories="onehot", max_categories=20, dtype="float64")
    encoded = encoder.fit_transform(reader.fit_transform(X))
    columns = dict(zip(encoder.get_feature_names_out(), encoded.T, strict=True))
    for name, column in columns.items():
        user_name, _, category = name.partition("=")
        if category and category != "infrequent":
            np.testing.assert_array_equal(column == 1.0, X[user_name] == category)
    np.testing.assert_allclose(columns["age"], X["age"])
    np.testing.assert_allclose(columns["sold_month"], X["sold"].dt.month)
    n_common = sum(name.startswith("code=") for name in columns) - 1
    common = sum(columns[n] for n in columns if n.startswith("code="))
    assert n_common == 20
    assert "code=infrequent" in columns
    assert common.tolist() == [1.0] * N


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        ("regression", ["mean", "frequency"]),
        ("binary", ["mean", "frequency"]),
        ("multiclass", ["mean_0", "mean_1", "mean_2", "mean_3", "frequency"]),
        ("several columns", ["mean_0", "mean_1", "frequency"]),
    ],
)
def test_target_encoding_names_its_classes_or_columns(kind, ends):
    y = np.column_stack([Y["regression"]] * 2) if kind == "several columns" else Y[kind]
    names = names_of(y=y, categories="target")
    found = [n for n in names if n.startswith("code_") and n != "code_rank"]
    assert found == [f"code_{end}" for end in ends]


def test_native_categories_keep_their_names_and_come_last():
    assert names_of()[-3:] == ["city", "smoker", "code"]


def test_texts_are_components_or_buckets():
    dense = names_of(missing="impute", categories="onehot")
    sparse = names_of(
        missing="impute", categories="onehot", text="tfidf", sparse_output=True
    )
    assert "comment_component0" in dense
    assert sparse[-1].startswith("comment_bucket")


def test_arithmetic_columns_are_formulas():
    names = names_of(n_arithmetic=1000)
    assert {"age + income", "age / income", "income / age"} <= set(names)


def test_a_date_in_an_array_has_its_parts():
    values = np.empty((N, 2), dtype=object)
    values[:, 0], values[:, 1] = X["sold"].astype(str), X["city"]
    names = names_of(values, categories="onehot")
    assert names[0] == "x0_time"
    assert names[-3:] == ["x1=Oslo", "x1=Paris", "x1=Rome"]


@pytest.mark.parametrize("sparse_output", [False, True])
def test_columns_of_a_sparse_matrix_are_numbered(sparse_output):
    matrix = csr_matrix(np.eye(6))
    assert names_of(matrix, sparse_output=sparse_output) == [f"x{i}" for i in range(6)]


def test_a_wide_sparse_matrix_becomes_components():
    matrix = csr_matrix(np.random.default_rng(0).poisson(0.01, (60, 2500)))
    assert names_of(matrix, Y["regression"][:60])[:2] == [
        "x_component0",
        "x_component1",
    ]


def test_a_table_without_names_has_numbers():
    codes = np.arange(6, dtype=np.int32).reshape(-1, 1) % 3
    table = Table(np.arange(6.0).reshape(-1, 1), codes, (3,))
    encoder = TabularEncoder(categories="onehot").fit(table)
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1=0", "x1=1", "x1=2"]


def test_an_encoder_carries_no_names_that_are_positions():
    encoder = TabularEncoder().fit(TableReader().fit_transform(np.eye(30)))
    assert encoder.names_ == ()
    names = encoder.get_feature_names_out()
    assert names.tolist() == [f"x{i}" for i in range(30)]


def test_columns_of_an_array_keep_their_positions_if_others_are_dropped():
    assert names_of(np.c_[np.ones(30), np.eye(30)], Y["binary"][:30]) == [
        f"x{i}" for i in range(1, 31)
    ]


def test_no_columns_give_one_that_is_constant():
    assert names_of(np.ones((6, 2)), Y["regression"][:6]) == ["constant"]


@pytest.mark.parametrize("missing", ["keep", "impute"])
@pytest.mark.parametrize("categories", ["native", "onehot", "target"])
@pytest.mark.parametrize("n_arithmetic", [0, 40])
@pytest.mark.parametrize(
    ("sparse_output", "text"), [(False, "svd"), (True, "svd"), (True, "tfidf")]
)
def test_each_column_has_a_name(missing, categories, n_arithmetic, sparse_output, text):
    names_of(
        missing=missing,
        categories=categories,
        n_arithmetic=n_arithmetic,
        sparse_output=sparse_output,
        text=text,
    )


@pytest.mark.parametrize("kind", Y)
def test_each_column_of_each_family_has_a_name(kind):
    reader = TableReader()
    table = reader.fit_transform(X)
    n_classes = 0 if kind == "regression" else len(np.unique(Y[kind]))
    task = Task(
        kind,
        N,
        n_outputs=max(n_classes, 1),
        n_classes=n_classes,
        modality="tabular",
        facts=reader.facts(table),
    )
    for family in all_families().values():
        if family.supports(task) and not family.missing_libraries():
            encoder = family.preprocessor(family.estimator(task, 0), task)
            encoded = encoder.fit_transform(table, Y[kind])
            names = encoder.get_feature_names_out()
            assert len(set(names)) == encoded.shape[1], family


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("options", [{}, {"missing": "impute", "n_arithmetic": 5}])
def test_scikit_learn_finds_the_names_in_order(check, options):
    check("Pipeline", make_pipeline(TableReader(), TabularEncoder(**options)))


def test_names_of_other_columns_are_refused():
    encoder = TabularEncoder()
    with pytest.raises(NotFittedError):
        encoder.get_feature_names_out()
    encoder.fit(TableReader().fit_transform(X[["age", "city"]]))
    assert encoder.get_feature_names_out(["a", "c"]).tolist() == ["a", "c"]
    with pytest.raises(ValueError, match="should have length equal to number"):
        encoder.get_feature_names_out(["a"])


def test_an_output_that_users_set_for_transformers_changes_nothing():
    with sklearn.config_context(transform_output="pandas"):
        encoder = TabularEncoder(categories="onehot")
        assert isinstance(
            encoder.fit_transform(TableReader().fit_transform(X)), np.ndarray
        )
