import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier

from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.table import Table, TextColumn
from automodel.preprocessing.tabular import TabularEncoder
from automodel.preprocessing.text.columns import (
    TextComponents,
    TfidfColumns,
    telling_columns,
)

N = 300
FLOAT32_MAX = np.finfo(np.float32).max
LINEAR = {"missing": "impute", "categories": "onehot", "scale": "standard"}


def make_frame(n_rows=N, seed=0):
    rng = np.random.default_rng(seed)
    few = rng.choice(["a", "b", "c"], n_rows)
    many = rng.integers(0, 60, n_rows)
    words = rng.choice(["good", "bad", "warm", "cold", "dog", "cat"], (n_rows, 12))
    return pd.DataFrame(
        {
            "x": rng.normal(size=n_rows),
            "holes": np.where(
                rng.random(n_rows) < 0.3, np.nan, rng.normal(size=n_rows)
            ),
            "few": few,
            "pair": rng.choice(["yes", "no"], n_rows),
            "many": [f"m{i:02d}" for i in many],
            "review": [" ".join(row) + f" {i}x" for i, row in enumerate(words)],
        }
    )


@pytest.fixture(scope="module")
def table():
    return TableReader().fit_transform(make_frame())


@pytest.fixture(scope="module")
def y():
    return np.random.default_rng(1).integers(0, 2, N)


def numbers_table(*columns):
    numeric = np.column_stack(columns).astype(np.float64)
    return Table(numeric=numeric, codes=np.empty((len(numeric), 0), dtype=np.int32))


def codes_table(codes, cardinality):
    codes = np.asarray(codes, dtype=np.int32).reshape(-1, 1)
    return Table(np.empty((len(codes), 0)), codes, (cardinality,))


SETTINGS = [
    {},
    {"target_encode_above": None},
    {"categories": "target"},
    {"categories": "target", "missing": "impute", "scale": "standard"},
    LINEAR,
    {**LINEAR, "sparse_output": True, "text": "tfidf"},
    {**LINEAR, "dtype": "float64"},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=repr)
def test_transform_has_the_columns_of_fit_transform(setting, table, y):
    encoder = TabularEncoder(**setting)
    trained = encoder.fit_transform(table, y)
    new = encoder.transform(TableReader().fit(make_frame()).transform(make_frame(7, 5)))
    assert type(new) is type(trained)
    assert new.shape == (7, trained.shape[1])
    assert encoder.n_features_out_ == trained.shape[1]
    if isinstance(trained, np.ndarray):
        assert trained.flags.c_contiguous
        assert trained.dtype == setting.get("dtype", "float32")
    if isinstance(trained, pd.DataFrame):
        assert list(new.columns) == list(trained.columns)
        assert (new.dtypes == trained.dtypes).all()
    if setting.get("missing") == "impute":
        values = trained.data if sparse.issparse(trained) else trained
        assert np.isfinite(values).all()


@pytest.mark.parametrize("setting", SETTINGS, ids=repr)
def test_a_row_is_encoded_alike_alone_and_among_others(setting, table, y):
    encoder = TabularEncoder(**setting).fit(table, y)
    alone = encoder.transform(table.take([5]))
    among = encoder.transform(table)
    if sparse.issparse(alone):
        alone, among = alone.toarray(), among.toarray()
    np.testing.assert_allclose(
        np.asarray(alone, dtype=float)[0],
        np.asarray(among, dtype=float)[5],
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("setting", SETTINGS, ids=repr)
def test_encoding_repeats_and_survives_pickle_and_clone(setting, table, y):
    encoder = TabularEncoder(**setting).fit(table, y)
    again = clone(encoder).fit(table, y)
    copy = pickle.loads(pickle.dumps(encoder))
    for other in (again, copy):
        difference = encoder.transform(table) != other.transform(table)
        if sparse.issparse(difference):
            assert difference.nnz == 0
        else:
            # NaN differs from itself and stays where it is.
            assert np.asarray(difference).sum() == np.isnan(table.numeric).sum() * (
                setting.get("missing") != "impute"
            )


def test_fitted_state_holds_no_objects_of_pandas(table, y):
    assert b"pandas" not in pickle.dumps(TabularEncoder().fit(table, y))


def test_encoding_leaves_the_table_as_it_is(table, y):
    numeric, codes = table.numeric.copy(), table.codes.copy()
    counts, texts = table.text[0].counts.copy(), table.text[0].codes.copy()
    for setting in SETTINGS:
        TabularEncoder(**setting).fit(table, y).transform(table)
    np.testing.assert_array_equal(table.numeric, numeric)
    np.testing.assert_array_equal(table.codes, codes)
    assert (table.text[0].counts != counts).nnz == 0
    np.testing.assert_array_equal(table.text[0].codes, texts)


def test_native_gives_a_frame_with_numbers_first_and_plain_names(table):
    frame = TabularEncoder(target_encode_above=None).fit_transform(table)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == [f"x{i}" for i in range(33)] + ["c0", "c1", "c2"]
    assert (frame.dtypes[:33] == np.float32).all()
    assert all(isinstance(d, pd.CategoricalDtype) for d in frame.dtypes[33:])
    assert frame["c0"].cat.categories.tolist() == [0, 1, 2, 3]
    assert frame["c0"].tolist() == (table.codes[:, 0] + 1).tolist()


def test_native_without_categories_gives_an_array():
    encoded = TabularEncoder().fit_transform(numbers_table([1.0, np.nan, 3.0]))
    np.testing.assert_array_equal(encoded, np.float32([[1], [np.nan], [3]]))


def test_native_pools_missing_unseen_and_rare_categories_in_zero():
    train = codes_table([0, 0, 0, 1, 2, 2, -1], 5)
    encoder = TabularEncoder(max_categories=2).fit(train)
    new = encoder.transform(codes_table([0, 1, 2, 3, -1], 5))
    assert new["c0"].tolist() == [1, 0, 2, 0, 0]


def test_native_keeps_at_most_254_categories_and_target_encodes_the_column():
    codes = np.repeat(np.arange(1000), 2)
    y = np.arange(2000.0)
    frame = TabularEncoder().fit_transform(codes_table(codes, 1000), y)
    assert list(frame.columns) == ["x0", "x1", "c0"]
    assert frame["c0"].cat.categories.max() == 254


def test_onehot_gives_a_column_per_category_and_none_for_unknown():
    encoder = TabularEncoder(categories="onehot").fit(codes_table([0, 1, 2, 2], 4))
    new = encoder.transform(codes_table([2, 0, 3, -1], 4))
    expected = [[0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(new, expected)


def test_onehot_pools_rare_categories_in_one_column():
    encoder = TabularEncoder(categories="onehot", max_categories=2)
    encoded = encoder.fit_transform(codes_table([0, 0, 1, 2, 3, 3], 4))
    first, last, rare = [1, 0, 0], [0, 1, 0], [0, 0, 1]
    np.testing.assert_array_equal(encoded, [first, first, rare, rare, last, last])


def test_two_categories_give_one_column_unless_some_are_missing():
    encoder = TabularEncoder(categories="onehot")
    assert encoder.fit_transform(codes_table([0, 1, 0], 2)).tolist() == [[0], [1], [0]]
    assert encoder.fit_transform(codes_table([0, 1, -1], 2)).shape == (3, 2)


def test_dense_onehot_is_bounded():
    codes = np.random.default_rng(0).integers(0, 500, (2000, 20), dtype=np.int32)
    many = Table(np.empty((2000, 0)), codes, (500,) * 20)
    assert TabularEncoder(categories="onehot").fit_transform(many).shape[1] < 1100


def test_sparse_output_is_sparse_where_it_saves_something(table, y):
    encoder = TabularEncoder(**LINEAR, sparse_output=True)
    encoded = encoder.fit_transform(table, y)
    assert sparse.issparse(encoded)
    dense = TabularEncoder(**LINEAR).fit_transform(table, y)
    np.testing.assert_allclose(encoded.toarray(), dense)
    numbers = numbers_table([1.0, 2.0], [0.0, 3.0])
    assert isinstance(encoder.fit_transform(numbers), np.ndarray)


def test_impute_puts_the_median_and_marks_what_was_missing():
    train = numbers_table([1.0, 2.0, 9.0, np.nan], [1.0, 2.0, 3.0, 4.0])
    encoder = TabularEncoder(missing="impute").fit(train)
    new = encoder.transform(numbers_table([np.nan, 5.0], [np.nan, 6.0]))
    np.testing.assert_array_equal(new, [[2, 2.5, 1], [5, 6, 0]])


def test_standard_gives_zero_mean_and_unit_spread():
    rng = np.random.default_rng(0)
    columns = [rng.normal(5, 3, 50), 1e9 + rng.normal(size=50), np.full(50, 0.1)]
    encoder = TabularEncoder(scale="standard", dtype="float64")
    encoded = encoder.fit_transform(numbers_table(*columns))
    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(encoded.std(axis=0)[:2], 1)
    np.testing.assert_allclose(encoded[:, 2], 0, atol=1e-12)


@pytest.mark.parametrize("scale", [None, "standard"])
@pytest.mark.parametrize("missing", ["keep", "impute"])
def test_float32_output_never_holds_infinity(missing, scale):
    rng = np.random.default_rng(0)
    extreme = np.array([-FLOAT32_MAX, FLOAT32_MAX, np.nan, 0.0, 1.0], dtype=float)
    train = numbers_table(extreme, rng.normal(size=5) * 1e-40)
    encoder = TabularEncoder(missing=missing, scale=scale).fit(train)
    for rows in (train, numbers_table(extreme, extreme)):
        assert not np.isinf(encoder.transform(rows)).any()


def test_target_means_of_huge_values_stay_finite():
    codes = np.arange(60) % 20
    y = np.where(codes > 5, 1e300, 0.0)
    encoded = TabularEncoder(categories="target").fit_transform(
        codes_table(codes, 20), y
    )
    assert np.isfinite(encoded).all()


def weighted_and_repeated(table, seed=3):
    rng = np.random.default_rng(seed)
    weight = rng.integers(0, 4, len(table)).astype(float)
    rows = np.repeat(np.arange(len(table)), weight.astype(int))
    return weight, rows


@pytest.mark.parametrize("factor", [1.0, 0.013])
@pytest.mark.parametrize("scale", [None, "standard"])
def test_weights_have_the_effect_of_repeated_rows(scale, factor, table):
    table = Table(table.numeric, table.codes, table.cardinalities)
    setting = {**LINEAR, "scale": scale, "dtype": "float64", "max_categories": 20}
    weight, rows = weighted_and_repeated(table)
    weighted = TabularEncoder(**setting).fit(table, None, factor * weight)
    repeated = TabularEncoder(**setting).fit(table.take(rows))
    np.testing.assert_allclose(
        weighted.transform(table), repeated.transform(table), atol=1e-12
    )


def test_target_means_of_new_rows_are_those_of_repeated_rows(table, y):
    setting = {"categories": "target", "dtype": "float64"}
    table = Table(table.numeric, table.codes, table.cardinalities)
    weight, rows = weighted_and_repeated(table)
    weighted = TabularEncoder(**setting).fit(table, y, weight)
    repeated = TabularEncoder(**setting).fit(table.take(rows), y[rows])
    np.testing.assert_allclose(weighted.transform(table), repeated.transform(table))


@pytest.mark.parametrize("setting", SETTINGS, ids=repr)
def test_rows_of_weight_zero_have_no_influence(setting, table, y):
    weight = np.ones(N)
    weight[200:] = 0.0
    changed = Table(
        np.where(weight[:, None] > 0, table.numeric, 1e6),
        np.where(weight[:, None] > 0, table.codes, 0).astype(np.int32),
        table.cardinalities,
        (replace(table.text[0], codes=np.where(weight > 0, table.text[0].codes, 0)),),
    )
    one = TabularEncoder(**setting).fit(table, y, weight).transform(table)
    other = TabularEncoder(**setting).fit(changed, y, weight).transform(table)
    if sparse.issparse(one):
        one, other = one.toarray(), other.toarray()
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_tfidf_keeps_words_of_two_rows_and_more(table):
    encoder = TabularEncoder(**LINEAR, text="tfidf", sparse_output=True).fit(table)
    kept = encoder.text_[0].buckets_
    texts = table.text[0]
    frequency = np.bincount(texts.counts[texts.codes].indices, minlength=2**18)
    np.testing.assert_array_equal(kept, np.flatnonzero(frequency >= 2))
    counts = encoder.text_[0].transform(texts)
    np.testing.assert_allclose(sparse.linalg.norm(counts, axis=1), 1, rtol=1e-5)


def test_texts_that_repeat_are_encoded_as_if_each_row_had_its_own():
    rng = np.random.default_rng(0)
    words = rng.choice([f"word{i}" for i in range(50)], (120, 6))
    drawn = rng.integers(0, 120, N)
    frame = pd.DataFrame({"a": np.array([" ".join(row) for row in words])[drawn]})
    texts = TableReader().fit_transform(frame).text[0]
    assert texts.counts.shape[0] == len(set(drawn)) + 1
    own = TextColumn(texts.counts[texts.codes], np.arange(N, dtype=np.int32))
    rows = slice(0, N, 2)
    one, other = (TfidfColumns().fit(t.take(rows)).transform(t) for t in (texts, own))
    assert one.nnz > 0
    assert (one != other).nnz == 0
    one, other = (TextComponents().fit(t.take(rows)).transform(t) for t in (texts, own))
    # The sign is chance, and the last components are not exact.
    np.testing.assert_allclose(np.abs(one[:, :3]), np.abs(other[:, :3]), atol=5e-3)


def test_components_of_text_tell_topics_apart():
    rng = np.random.default_rng(0)
    topics = np.array([["sun", "sand", "sea", "surf"], ["snow", "ski", "ice", "cold"]])
    y = rng.integers(0, 2, 200)
    texts = [" ".join(rng.choice(topics[i], 10)) for i in y]
    table = TableReader().fit_transform(pd.DataFrame({"text": texts}))
    encoder = TabularEncoder()
    encoded = encoder.fit_transform(table.take(slice(150)), y[:150])
    tree = DecisionTreeClassifier(max_depth=3).fit(encoded, y[:150])
    assert tree.score(encoder.transform(table.take(slice(150, 200))), y[150:]) == 1.0


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_components_of_text_that_tell_nothing_of_the_target_are_left_out(kind):
    rng = np.random.default_rng(0)
    words = rng.choice([f"word{i}" for i in range(60)], (300, 10))
    table = TableReader().fit_transform(pd.DataFrame({"a": map(" ".join, words)}))
    all_columns = TabularEncoder().fit_transform(table)
    assert all_columns.shape == (300, 30)
    y = all_columns[:, 3] + rng.normal(scale=0.1, size=300)
    y = np.digitize(y, [-0.5, 0.5]) if kind == "classes" else y.astype(float)
    kept = TabularEncoder().fit_transform(table, y)
    assert 1 <= kept.shape[1] <= 10
    matches = [np.array_equal(column, all_columns[:, 3]) for column in kept.T]
    assert any(matches)
    noise = rng.permutation(y)
    assert 1 <= TabularEncoder().fit_transform(table, noise).shape[1] <= 10


def test_columns_are_tested_only_where_there_is_something_to_test():
    X = np.column_stack([np.zeros(20), np.arange(20.0)])
    assert telling_columns(X, np.zeros(20), 0.1).tolist() == [0, 1]
    assert telling_columns(X, np.arange(20.0), 0.1).tolist() == [1]
    assert telling_columns(X[:, :1], np.arange(20.0), 0.1).tolist() == [0]
    both = np.column_stack([np.zeros(20), np.arange(20.0)])
    assert telling_columns(np.c_[X, -(X[:, 1] ** 2)], both[:, 1:], 0.0).tolist() == [1]


@pytest.mark.parametrize("setting", SETTINGS, ids=repr)
def test_text_without_any_word_in_training_is_no_error(setting):
    counts = sparse.csr_matrix((5, 2**18), dtype=np.float32)
    texts = TextColumn(counts, np.arange(5, dtype=np.int32))
    table = Table(
        np.arange(5.0).reshape(-1, 1), np.empty((5, 0), dtype=np.int32), (), (texts,)
    )
    encoder = TabularEncoder(**setting).fit(table)
    word = sparse.csr_matrix(([1.0], ([0], [7])), shape=(1, 2**18))
    texts = TextColumn(word, np.zeros(1, dtype=np.int32))
    new = encoder.transform(Table(table.numeric[:1], table.codes[:1], (), (texts,)))
    assert new.shape == (1, encoder.n_features_out_)


@pytest.mark.parametrize("setting", SETTINGS, ids=repr)
def test_a_table_without_columns_gives_one_constant_column(setting):
    table = TableReader().fit_transform(np.ones((6, 2)))
    encoder = TabularEncoder(**setting)
    assert encoder.fit_transform(table, np.arange(6) % 2).shape == (6, 1)
    np.testing.assert_array_equal(encoder.transform(table.take([0])), [[0.0]])


@pytest.mark.parametrize("setting", SETTINGS, ids=repr)
def test_a_column_that_only_other_rows_fill_is_no_error(setting):
    train = numbers_table([np.nan, np.nan, np.nan], [1.0, 2.0, 3.0])
    encoder = TabularEncoder(**setting)
    shape = encoder.fit_transform(train).shape
    assert encoder.transform(numbers_table([5.0], [1.0])).shape == (1, shape[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [("missing", "drop"), ("categories", "hash"), ("scale", "max"), ("text", "bert")],
)
def test_unknown_values_of_parameters_are_an_error(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of TabularEncoder must"):
        TabularEncoder(**{name: value}).fit(numbers_table([1.0, 2.0]))


def test_repr_tells_settings_apart():
    texts = {repr(TabularEncoder(**setting)) for setting in SETTINGS}
    assert len(texts) == len(SETTINGS)
