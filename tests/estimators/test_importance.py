"""permutation_importance of the estimators."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import ShuffleSplit

from automodel import AutoClassifier, AutoRegressor, AutoTextClassifier
from automodel.exceptions import FitWarning
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

FRAME = make_frame(150)
SIGNAL = make_signal(FRAME)


@pytest.fixture(scope="module")
def search():
    return AutoRegressor(**CHEAP).fit(FRAME, SIGNAL)


@pytest.fixture(scope="module")
def found(search):
    return search.permutation_importance(FRAME, SIGNAL, n_repeats=3)


def test_the_result_is_that_of_scikit_learn_by_the_names_of_the_columns(found):
    assert found.importances.shape == (4, 3)
    assert np.allclose(found.importances_mean, found.importances.mean(axis=1))
    assert np.allclose(found.importances_std, found.importances.std(axis=1))
    assert list(found.feature_names) == ["age", "income", "city", "size"]
    assert (found.n_rows, found.notes) == (150, [])


def test_the_columns_that_the_target_depends_on_are_important(found):
    useful, useless = found.importances_mean[[0, 2]], found.importances_mean[[1, 3]]
    assert useful.min() > 10 * np.abs(useless).max()


def test_the_members_are_those_of_the_leaderboard(search, found):
    weights = search.leaderboard_.loc[found.members, "weight"]
    assert (weights > 0).all()
    assert weights.is_monotonic_decreasing


def test_the_result_is_the_same_again_and_after_pickling(search, found):
    again = pickle.loads(pickle.dumps(search))
    second = again.permutation_importance(FRAME, SIGNAL, n_repeats=3)
    assert np.array_equal(second.importances, found.importances)


def test_a_call_changes_nothing_of_the_estimator(search):
    before = pickle.dumps(search)
    search.permutation_importance(FRAME, SIGNAL, n_repeats=1)
    assert pickle.dumps(search) == before


def test_the_target_of_a_row_has_no_part_in_its_prediction():
    """A column of noise that trees know by heart is not important."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 2)), rng.normal(size=200)
    options = CHEAP | {"families": ["extra_trees"], "n_trials": 1}
    search = AutoRegressor(**options).fit(X, y)
    found = search.permutation_importance(X, y, n_repeats=5)
    assert np.abs(found.importances_mean).max() < 0.15
    assert search.score(X, y) > 0.4  # R² of the rows of the training


@pytest.mark.parametrize("refit", [True, False, "auto"])
def test_kept_and_refitted_models_agree(refit):
    search = AutoRegressor(**CHEAP | {"refit": refit}).fit(FRAME, SIGNAL)
    found = search.permutation_importance(FRAME, SIGNAL, n_repeats=1)
    assert found.importances_mean[[0, 2]].min() > 0.1
    assert found.n_rows == 150


@pytest.mark.parametrize("scoring", ["roc_auc", "f1"])
def test_the_score_is_that_of_the_search(scoring):
    y = (SIGNAL > 0.5).astype(int)
    search = AutoClassifier(**CHEAP, scoring=scoring).fit(FRAME, y)
    found = search.permutation_importance(FRAME, y, n_repeats=2)
    assert 0.1 < found.importances_mean[0] < 1
    assert abs(found.importances_mean[3]) < 0.1


def test_weights_and_groups_are_those_of_fit():
    weight = np.ones(150)
    weight[:50] = 0
    own = {"sample_weight": weight, "groups": np.arange(150) // 3}
    search = AutoRegressor(**CHEAP).fit(FRAME, SIGNAL, **own)
    assert search.permutation_importance(FRAME, SIGNAL, **own).n_rows == 100
    with pytest.raises(ValueError, match="sample_weight must be those of fit"):
        search.permutation_importance(FRAME, SIGNAL, groups=own["groups"])
    with pytest.raises(ValueError, match="Pass the same groups as in fit"):
        search.permutation_importance(FRAME, SIGNAL, weight)


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (FRAME[::-1], SIGNAL[::-1]),
        (FRAME, SIGNAL + 1),
        (FRAME[:100], SIGNAL[:100]),
        (FRAME.assign(age=0.0), SIGNAL),
    ],
    ids=["order", "target", "rows", "values"],
)
def test_other_rows_are_refused(search, X, y):
    with pytest.raises(ValueError, match="must be those of fit"):
        search.permutation_importance(X, y)


def test_other_columns_are_refused(search):
    with pytest.raises(ValueError, match="feature names"):
        search.permutation_importance(FRAME.drop(columns="age"), SIGNAL)


def test_a_splitter_that_draws_other_splits_gets_other_models():
    cv = ShuffleSplit(2, random_state=np.random.RandomState(0))
    search = AutoRegressor(**CHEAP | {"cv": cv, "refit": False}).fit(FRAME, SIGNAL)
    found = search.permutation_importance(FRAME, SIGNAL, n_repeats=1)
    assert found.importances_mean[[0, 2]].min() > 0.1


def test_several_targets_have_an_importance_in_common():
    y = np.column_stack([SIGNAL, FRAME["size"]])
    search = AutoRegressor(**CHEAP).fit(FRAME, y)
    found = search.permutation_importance(FRAME, y, n_repeats=1)
    assert found.importances_mean[[0, 2, 3]].min() > 0.05


def test_sparse_columns_have_no_names():
    rng = np.random.default_rng(0)
    X = csr_matrix(rng.binomial(1, 0.2, size=(120, 30)).astype(float))
    y = X[:, [4]].toarray().ravel() + 0.1 * rng.normal(size=120)
    search = AutoRegressor(**CHEAP).fit(X, y)
    found = search.permutation_importance(X, y, n_repeats=2)
    assert found.feature_names[found.importances_mean.argmax()] == "x4"
    assert found.importances_mean.shape == (30,)


def test_dates_and_texts_are_columns_and_dropped_columns_are_not_important():
    rng = np.random.default_rng(0)
    words = ["good", "bad", "film", "plot", "the", "so", "fine", "dull"]
    days = rng.integers(0, 900, 120)
    frame = pd.DataFrame(
        {
            "sold": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D"),
            "said": [" ".join(rng.choice(words, 9)) for _ in range(120)],
            "same": "x",
            "id": [f"id{i}" for i in range(120)],
        }
    ).assign(copy=lambda frame: frame["sold"])
    y = days / 100 + 0.1 * rng.normal(size=120)
    search = AutoRegressor(**CHEAP | {"n_trials": 1}).fit(frame, y)
    found = search.permutation_importance(frame, y, n_repeats=1)
    assert found.importances_mean.argmax() == 0
    assert (found.importances[2:] == 0).all()
    assert found.importances[1] != 0


def test_the_baseline_uses_no_column():
    families = [StubFamily(modes=["raise"])]
    search = AutoRegressor(**CHEAP | {"families": families})
    with pytest.warns(FitWarning, match="Only the baseline"):
        search.fit(FRAME[["income"]], SIGNAL)
    found = search.permutation_importance(FRAME[["income"]], SIGNAL)
    assert (found.importances == 0).all()
    assert (found.members, found.n_rows) == ([], 0)
    assert found.notes == ["Only the baseline was fitted, which uses no column."]


def test_too_little_time_leaves_nan_and_says_so():
    search = AutoRegressor(**CHEAP | {"refit": True}).fit(FRAME, SIGNAL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = search.permutation_importance(FRAME, SIGNAL, seconds=1e-6)
    assert np.isnan(found.importances_mean).all()
    assert np.isnan(found.importances_std).all()
    assert found.notes == [
        "There was no time to fit a model of a fold. Give more seconds."
    ]


def test_texts_have_no_columns():
    texts = ["good film", "bad film", "a good one", "a bad one", "so good", "so bad"]
    y = ["yes", "no", "yes", "no", "yes", "no"]
    search = AutoTextClassifier(
        weights=None, families=["text_tfidf"], n_trials=1, time_budget=None, cv=2
    ).fit(texts, y)
    with pytest.raises(ValueError, match="single text.*the same texts without a word"):
        search.permutation_importance(texts, y)


@pytest.mark.parametrize("options", [{"n_repeats": 0}, {"seconds": 0.0}])
def test_wrong_options_are_refused(search, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        search.permutation_importance(FRAME, SIGNAL, **options)


def test_an_estimator_has_to_be_fitted():
    with pytest.raises(NotFittedError):
        AutoRegressor().permutation_importance(FRAME, SIGNAL)
