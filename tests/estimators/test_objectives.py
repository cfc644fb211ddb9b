"""A search learns, keeps and returns what its score asks for."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import (
    log_loss,
    make_scorer,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    root_mean_squared_log_error,
)
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit, train_test_split

from automodel import AutoClassifier, AutoRegressor
from automodel.estimators.checks import check_weights
from automodel.exceptions import FitWarning
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 4))
SKEWED = np.exp(X[:, 0] + 1.2 * RNG.normal(size=600))
COUNTS = RNG.poisson(np.exp(0.8 * X[:, 0] - 1.0)).astype(float)
TRAIN, TEST = np.arange(400), np.arange(400, 600)


def regressor(scoring, **params):
    return AutoRegressor(**(CHEAP | {"scoring": scoring} | params))


def made(function, **options):
    return make_scorer(function, greater_is_better=False, **options)


@pytest.mark.parametrize(
    "scoring, loss",
    [
        ("neg_mean_absolute_error", mean_absolute_error),
        ("neg_mean_absolute_percentage_error", mean_absolute_percentage_error),
        ("neg_root_mean_squared_log_error", root_mean_squared_log_error),
        (made(mean_pinball_loss, alpha=0.9), None),
    ],
    ids=["absolute", "relative", "logarithmic", "quantile"],
)
def test_a_skewed_target_is_learned_by_its_score(scoring, loss):
    loss = loss or (lambda y, p: mean_pinball_loss(y, p, alpha=0.9))
    own = regressor(scoring).fit(X[TRAIN], SKEWED[TRAIN])
    squares = regressor(None).fit(X[TRAIN], SKEWED[TRAIN])
    y = SKEWED[TEST]
    of_squares = np.maximum(squares.predict(X[TEST]), 0)
    constants = [np.full(len(y), c) for c in np.quantile(y, [0.2, 0.5, 0.9])]
    learned = loss(y, own.predict(X[TEST]))
    assert learned < loss(y, of_squares)
    assert learned < min(loss(y, constant) for constant in constants)


def test_boosting_chooses_between_squares_and_absolute_errors():
    search = regressor("neg_mean_absolute_error", families=["lightgbm"], n_trials=4)
    search.fit(X[TRAIN], SKEWED[TRAIN])
    board = search.leaderboard_.sort_index()
    losses = [params["learned_loss"] for params in board["params"]]
    assert losses == ["squared_error", "absolute_error"] * 2
    assert board["score"][[1, 3]].max() > board["score"][[0, 2]].max()  # it is skewed
    again = search.replay(X[TRAIN], SKEWED[TRAIN])
    np.testing.assert_allclose(again.predict(X[TEST]), search.predict(X[TEST]))


@pytest.mark.parametrize("scoring", [None, made(mean_pinball_loss, alpha=0.9)])
def test_where_one_loss_is_right_there_is_no_choice(scoring):
    search = regressor(scoring, families=["lightgbm"], n_trials=1).fit(X, SKEWED)
    assert "learned_loss" not in search.leaderboard_.loc[0, "params"]


def test_the_baseline_is_the_best_constant_of_the_score():
    failing = StubFamily(trials=[(1.0, "raise")], modes=("raise",))
    search = regressor("neg_mean_absolute_error", families=[failing], n_trials=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        search.fit(X, SKEWED)
    np.testing.assert_allclose(search.predict(X[:3]), np.median(SKEWED))


@pytest.mark.parametrize(
    "scoring",
    [
        "neg_mean_poisson_deviance",
        "neg_mean_gamma_deviance",
        "neg_mean_squared_log_error",
    ],
)
def test_models_that_leave_the_domain_are_kept_in_it(scoring):
    y = COUNTS + (scoring == "neg_mean_gamma_deviance")
    search = regressor(scoring, families=[StubFamily(trials=[(1.0, "plain")])])
    search.fit(X[TRAIN], y[TRAIN])  # least squares, negative here and there
    assert (search.leaderboard_["status"] == "complete").all()
    assert np.isfinite(search.best_score_)
    least = 0.0 if "log" in scoring else np.nextafter(0, 1)
    far = 10 * X[TEST]
    assert search.predict(far).min() >= least
    assert np.isfinite(search.predict(far)).all()
    assert search.best_estimator_.predict(far).min() >= least


def test_counts_are_learned_by_their_deviance():
    search = regressor("neg_mean_poisson_deviance").fit(X[TRAIN], COUNTS[TRAIN])
    baseline = np.full(len(TEST), COUNTS[TRAIN].mean())
    own = mean_poisson_deviance(COUNTS[TEST], search.predict(X[TEST]))
    assert own < 0.85 * mean_poisson_deviance(COUNTS[TEST], baseline)
    assert search.expected_score_ == pytest.approx(search.best_score_, rel=0.1)


def test_a_target_outside_the_domain_is_an_error_before_the_search():
    y = COUNTS.copy()
    y[5] = -1.0
    family = StubFamily(trials=[(1.0, "interrupt")])
    with pytest.raises(ValueError, match="row 5 of y is -1"):
        regressor("neg_mean_poisson_deviance", families=[family]).fit(X, y)


@pytest.mark.parametrize(
    "scoring", ["neg_mean_poisson_deviance", "neg_mean_squared_log_error"]
)
def test_rows_of_weight_zero_may_be_outside_the_domain(scoring):
    y, weight = COUNTS.copy(), np.ones(600)
    y[5], weight[5] = -1e9, 0.0
    search = regressor(scoring).fit(X, y, sample_weight=weight)
    assert search.predict(X).min() >= 0


def test_splitters_get_the_target_of_the_user():
    seen = []

    class Splitter(KFold):
        def split(self, X, y=None, groups=None):
            seen.append(y)
            return super().split(X, y, groups)

    regressor("neg_mean_squared_log_error", cv=Splitter(3)).fit(X, SKEWED)
    np.testing.assert_allclose(seen[0], SKEWED)


def test_the_best_estimator_answers_in_the_units_of_the_target():
    search = regressor("neg_mean_squared_log_error", ensemble_size=1, refit=True)
    search.fit(X, SKEWED)
    np.testing.assert_allclose(
        search.best_estimator_.predict(X[:5]), search.predict(X[:5])
    )


def test_replay_learns_the_same_objective():
    search = regressor("neg_mean_squared_log_error").fit(X, SKEWED)
    again = search.replay(X, SKEWED)
    np.testing.assert_allclose(again.predict(X[:5]), search.predict(X[:5]))


# one model


def test_the_expected_score_of_one_model_is_that_of_the_model():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    search = AutoClassifier(
        **(CHEAP | {"families": ["extra_trees"], "n_trials": 1, "cv": 5})
    )
    search.fit(X_train, y_train)
    assert len(search.ensemble_.members) == 1
    found = -log_loss(y_test, search.predict_proba(X_test))
    assert search.expected_score_ == pytest.approx(search.best_score_, rel=0.1)
    assert search.expected_score_ == pytest.approx(found, rel=0.4)
    assert found > 0.5 * search.leaderboard_.loc[0, "score"]  # forests are not sure


def test_a_holdout_at_the_end_has_an_expected_score():
    y = (X[:, 0] > 0).astype(int)
    holdout = [(np.arange(550), np.arange(550, 600))]
    search = AutoClassifier(**(CHEAP | {"cv": holdout})).fit(X, y)
    assert np.isfinite(search.expected_score_)


# weights


@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e6])
def test_the_scale_of_the_weights_does_not_matter(kind, factor):
    frame = make_frame(90)
    y = make_signal(frame)
    y = np.where(y > 0.3, "yes", "no") if kind is AutoClassifier else y
    weight = np.random.default_rng(0).uniform(0.5, 2.0, size=90)
    search = kind(**(CHEAP | {"families": ["linear", "extra_trees"], "n_trials": 4}))
    predict = "predict_proba" if kind is AutoClassifier else "predict"
    one, other = (
        getattr(clone(search).fit(frame, y, sample_weight=w), predict)(frame)
        for w in (weight, factor * weight)
    )
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_weights_are_in_units_of_rows():
    np.testing.assert_array_equal(check_weights([3.0, 0.0, 6.0, 12.0], 4), [1, 0, 2, 4])
    np.testing.assert_array_equal(check_weights(np.full(4, 1e-9), 4), 1)
    odd = np.array([1.0, 1.7, 0.0, 2.5])
    weight = check_weights(odd, 4)
    assert weight[weight > 0].mean() == pytest.approx(1)
    np.testing.assert_array_equal(check_weights(1e-7 * odd, 4), weight)
    few = check_weights([1e-6, 1.0, 1.0, 1.0], 4)  # a millionth is no row
    assert few.mean() == pytest.approx(1)


# groups and time


class Groups(StubFamily):
    """Notes the groups that a training is told of."""

    def __init__(self):
        super().__init__("groups", trials=[(1.0, "plain")])
        self.seen = []

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        self.seen.append((len(y), monitor.groups))
        return super().fit(
            estimator, X, y, sample_weight=sample_weight, monitor=monitor
        )


def test_groups_reach_the_trainings():
    family, groups = Groups(), np.repeat([f"g{i}" for i in range(12)], 50)
    search = regressor(None, families=[family], n_trials=1, cv=GroupKFold(3))
    search.fit(X, SKEWED, groups=groups)
    assert len(family.seen) > 3  # three folds and refits
    for n_rows, seen in family.seen:
        assert np.unique(seen, return_counts=True)[1].tolist() == [50] * (n_rows // 50)


def test_rows_in_the_order_of_time_are_blocks():
    family = Groups()
    search = regressor(None, families=[family], n_trials=1, cv=TimeSeriesSplit(3))
    search.fit(X, SKEWED)
    assert len(family.seen) > 3
    for _, seen in family.seen:
        assert (np.diff(seen) >= 0).all()
        assert len(np.unique(seen)) > 3


def test_rows_without_an_order_have_no_groups():
    family = Groups()
    regressor(None, families=[family], n_trials=1).fit(X, SKEWED)
    assert len(family.seen) > 3
    assert all(seen is None for _, seen in family.seen)


def test_the_models_of_the_first_folds_of_time_are_not_kept():
    family = StubFamily(trials=[(1.0, "plain")])
    search = regressor(None, families=[family], n_trials=1, cv=TimeSeriesSplit(10))
    search.set_params(refit=False).fit(X, SKEWED)
    (member,) = search.ensemble_.members
    assert sorted(model.fold for model in member.models) == [7, 8, 9]
    noisy = RNG.normal(size=600)
    search.set_params(refit="auto").fit(X, noisy)
    (member,) = search.ensemble_.members
    assert {model.fold for model in member.models} == {-1, 7, 8, 9}


def test_a_fold_that_trains_on_one_class_does_not_decide():
    y = np.concatenate([np.zeros(150), (X[150:, 0] > 0)]).astype(int)
    search = AutoClassifier(**(CHEAP | {"cv": TimeSeriesSplit(5)}))
    with pytest.warns(FitWarning, match="1 of 5 splits are left out"):
        search.fit(X, y)
    assert len(search.leaderboard_.loc[0, "fold_scores"]) == 4
