import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeClassifier

from automodel.preprocessing.categories import N_FOLDS, TargetMeans
from automodel.preprocessing.table import Table
from automodel.preprocessing.tabular import TabularEncoder


def codes_table(codes, cardinality):
    codes = np.asarray(codes, dtype=np.int32).reshape(-1, 1)
    return Table(np.empty((len(codes), 0)), codes, (cardinality,))


@pytest.mark.parametrize("categories", ["target", "native"])
def test_a_column_of_random_names_does_not_give_the_target_away(categories):
    rng = np.random.default_rng(0)
    codes, y = rng.integers(0, 1500, 2000), rng.integers(0, 2, 2000)
    encoder = TabularEncoder(categories=categories)
    encoded = encoder.fit_transform(codes_table(codes, 1500), y)
    means = np.asarray(encoded)[:, :1].astype(float)
    tree = DecisionTreeClassifier(max_leaf_nodes=8).fit(means[:1000], y[:1000])
    assert tree.score(means[:1000], y[:1000]) < 0.6
    # What new rows get would separate the training rows.
    plain = np.asarray(encoder.transform(codes_table(codes, 1500)))[:, :1].astype(float)
    assert DecisionTreeClassifier(max_leaf_nodes=8).fit(plain, y).score(plain, y) > 0.75


def test_target_means_of_categories_that_never_repeat_are_alike():
    y = np.random.default_rng(0).normal(size=100)
    y -= y.mean()
    encoded = TabularEncoder(categories="target", dtype="float64").fit_transform(
        codes_table(np.arange(100), 100), y
    )
    assert len(np.unique(encoded[:, 0])) <= 5  # one for each fold


def test_target_means_tell_informative_categories_apart():
    rng = np.random.default_rng(0)
    effect = rng.normal(size=100)
    codes = rng.integers(0, 100, 3000)
    y = effect[codes] + 0.1 * rng.normal(size=3000)
    encoder = TabularEncoder(categories="target")
    train = encoder.fit_transform(codes_table(codes, 100), y)
    assert train.shape == (3000, 2)
    new = encoder.transform(codes_table(np.arange(100), 100))
    assert r2_score(effect, Ridge().fit(train, y).predict(new)) > 0.95


@pytest.mark.parametrize(("n_classes", "n_columns"), [(2, 2), (4, 5), (30, 11)])
def test_target_means_have_a_bounded_number_of_classes(n_classes, n_columns):
    codes = np.arange(3000) % 50
    y = np.random.default_rng(0).integers(0, n_classes, 3000)
    encoder = TabularEncoder(categories="target")
    assert encoder.fit_transform(codes_table(codes, 50), y).shape[1] == n_columns


def test_target_without_y_gives_frequencies():
    codes = np.concatenate([np.zeros(10), np.arange(10)])
    encoder = TabularEncoder(categories="target")
    encoded = encoder.fit_transform(codes_table(codes, 11))
    np.testing.assert_allclose(encoded[[0, 19], 0], [11 / 20, 1 / 20])
    assert encoder.transform(codes_table([10, -1], 11)).tolist() == [[0.0], [0.0]]


def test_few_rows_can_be_target_encoded():
    encoder = TabularEncoder(target_encode_above=1)
    assert len(encoder.fit_transform(codes_table([0, 1], 2), np.array([0, 1]))) == 2


GROUPS = np.repeat(np.arange(40), 5)


@pytest.mark.parametrize("categories", ["target", "native"])
def test_an_encoding_knows_no_target_of_its_own_group(categories):
    rng = np.random.default_rng(0)
    codes, y = rng.integers(0, 50, 200), rng.normal(size=200)

    def encoded(y, groups):
        encoder = TabularEncoder(categories=categories, dtype="float64")
        table = codes_table(codes, 50)
        return np.asarray(encoder.fit_transform(table, y, groups=groups), float)[:, 0]

    for group in range(0, 40, 9):
        own = group == GROUPS
        changed = np.where(own, y + 100, y)
        before, after = encoded(y, GROUPS), encoded(changed, GROUPS)
        np.testing.assert_array_equal(before[own], after[own])
        assert not np.array_equal(before, after)


def test_new_rows_get_the_means_of_all_groups():
    codes, y = np.arange(200) % 20, np.random.default_rng(0).normal(size=200)
    cardinalities, column = (20,), codes.reshape(-1, 1)
    one = TargetMeans().fit(column, y, cardinalities=cardinalities, groups=GROUPS)
    two = TargetMeans().fit(column, y, cardinalities=cardinalities)
    np.testing.assert_allclose(one.transform(column), two.transform(column))


def means_by_fold(groups, random_state=0):
    """Return a number per fold, for rows of one category."""
    n_rows = len(groups)
    encoder = TargetMeans(random_state)
    y = np.random.default_rng(0).normal(size=n_rows)
    codes = np.zeros((n_rows, 1), dtype=np.int32)
    return encoder.fit_transform(codes, y, None, (1,), groups)[:, 0]


def test_groups_are_spread_over_folds_of_about_equal_size():
    sizes = np.array([30, 1, 1, 20, 20, 1, 15, 10, 2])
    folds = means_by_fold(np.repeat(np.arange(9), sizes))
    assert sorted(np.unique(folds, return_counts=True)[1]) == [15, 15, 20, 20, 30]
    one, same, other = (means_by_fold(GROUPS, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert len(np.unique(one)) == N_FOLDS


def test_a_single_group_is_as_none():
    one, none = (means_by_fold(g) for g in (np.zeros(50), np.arange(50)))
    assert len(np.unique(one)) == len(np.unique(none)) == N_FOLDS
    y = np.random.default_rng(0).normal(size=50)
    codes = np.zeros((50, 1), dtype=np.int32)
    expected = TargetMeans().fit_transform(codes, y, None, (1,))
    np.testing.assert_array_equal(one, expected[:, 0])


def test_several_columns_of_a_target_have_a_mean_each():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 20, 500)
    y = np.column_stack([codes % 2, codes // 10]) + 0.1 * rng.normal(size=(500, 2))
    encoder = TargetMeans()
    encoded = encoder.fit_transform(codes.reshape(-1, 1), y, cardinalities=(20,))
    assert encoded.shape == (500, 3)
    for column in range(2):
        assert np.corrcoef(encoded[:, column], y[:, column])[0, 1] > 0.9
    alone = TargetMeans().fit_transform(codes.reshape(-1, 1), y[:, 0], None, (20,))
    assert np.corrcoef(encoded[:, 0], alone[:, 0])[0, 1] > 0.99
