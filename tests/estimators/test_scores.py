"""What a fit is judged by: scores, splits, groups and weights."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, make_classification
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    make_scorer,
    mean_absolute_error,
)
from sklearn.model_selection import (
    LeaveOneGroupOut,
    ShuffleSplit,
    TimeSeriesSplit,
)

from automodel import AutoClassifier, AutoRegressor
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

X = make_frame()
VALUES = make_signal(X)
LABELS = np.where(VALUES > 0.3, "yes", "no")
TRIALS = [(0.9, "plain"), (0.4, "plain"), (1.0, "raise"), (0.7, "plain")]


def classifier(**params):
    return AutoClassifier(**(CHEAP | params))


def regressor(**params):
    return AutoRegressor(**(CHEAP | params))


# scores


SCORING = {
    "accuracy": "accuracy",
    "roc_auc": "roc_auc",
    "f1_macro": "f1_macro",
    "balanced_accuracy": "balanced_accuracy",
    "f1 of a label": make_scorer(f1_score, pos_label="yes"),
    "a callable": lambda estimator, X, y: float(np.mean(estimator.predict(X) == y)),
}


@pytest.mark.parametrize("scoring", SCORING.values(), ids=SCORING)
def test_a_score_selects_the_best_trial(scoring):
    search = classifier(scoring=scoring, families=[StubFamily(trials=TRIALS)])
    search.fit(X, LABELS)
    assert 0.5 < search.best_score_ <= 1
    assert np.isfinite(search.leaderboard_["score"]).all()


MANY = ["roc_auc_ovr", "roc_auc_ovo_weighted", "f1_weighted", "top_k_accuracy"]


@pytest.mark.parametrize("scoring", MANY)
def test_scores_of_many_classes(scoring):
    X, y = load_iris(return_X_y=True)
    assert classifier(scoring=scoring).fit(X, y).best_score_ > 0.8


REGRESSION = {
    "r2": "r2",
    "neg_mean_absolute_error": "neg_mean_absolute_error",
    "neg_median_absolute_error": "neg_median_absolute_error",
    "an object": make_scorer(mean_absolute_error, greater_is_better=False),
    "a callable": lambda e, X, y: -float(np.abs(e.predict(X) - y).max()),
}


@pytest.mark.parametrize("scoring", REGRESSION.values(), ids=REGRESSION)
def test_scores_of_regression(scoring):
    trials = [(0.2, "plain"), (1.0, "plain")]
    search = regressor(scoring=scoring, families=[StubFamily(trials=trials)])
    search.fit(X, VALUES)
    assert search.leaderboard_.index[0] == 1


def test_the_score_is_of_the_labels_as_the_user_wrote_them():
    seen = []

    def scorer(estimator, X, y):
        seen.append((set(np.asarray(y).tolist()), estimator.classes_.tolist()))
        return 0.5

    classifier(scoring=scorer).fit(X, LABELS)
    assert len(seen) >= 2 * CHEAP["cv"]
    assert all(pair == ({"no", "yes"}, ["no", "yes"]) for pair in seen)


def test_the_expected_score_is_not_better_than_the_score_that_chose():
    X, y = load_breast_cancer(return_X_y=True)
    trials = [(q, "plain") for q in (0.9, 0.8, 0.7, 0.6)]
    search = classifier(families=[StubFamily(trials=trials)], n_trials=4).fit(X, y)
    assert search.expected_score_ <= search.best_score_ + 1e-9


def test_labels_are_made_as_their_score_rewards_it():
    X, y = make_classification(
        1500, 8, weights=[0.94], class_sep=0.6, flip_y=0, random_state=0
    )
    labels = np.array(["common", "rare"])[y]
    search = classifier(scoring="balanced_accuracy", families=["linear"], n_trials=1)
    search.fit(X[:1000], labels[:1000])
    likeliest = search.classes_[search.predict_proba(X[1000:]).argmax(axis=1)]
    plain = balanced_accuracy_score(labels[1000:], likeliest)
    tuned = balanced_accuracy_score(labels[1000:], search.predict(X[1000:]))
    assert search.decision_weights_[0] < search.decision_weights_[1]
    assert tuned > plain + 0.1
    assert search.expected_score_ == pytest.approx(tuned, abs=0.1)


def test_the_likeliest_class_is_the_answer_for_scores_of_probabilities():
    X, y = load_iris(return_X_y=True)
    search = classifier(families=["linear"]).fit(X, y)
    np.testing.assert_array_equal(search.decision_weights_, 1)


# splits


def rows_validated(estimator, X, y, **options):
    """Return what each fold validates: the splits of a fit, caught on their way."""
    caught = []

    class Spy(StubFamily):
        def fit(self, model, X, y, *, sample_weight=None, monitor):
            if monitor.has_validation:
                caught.append((X[:, 0].tolist(), monitor.X_valid[:, 0].tolist()))
            return super().fit(
                model, X, y, sample_weight=sample_weight, monitor=monitor
            )

        def preprocessor(self, model, task):
            return Bare()

    estimator.set_params(families=[Spy()], n_trials=1).fit(X, y, **options)
    return [(np.array(train, int), np.array(valid, int)) for train, valid in caught]


class Bare:
    """An encoder that hands the numbers on as they are."""

    def fit_transform(self, table, y=None, sample_weight=None):
        return table.numeric

    def transform(self, table):
        return table.numeric

    def __repr__(self):
        return "Bare()"


ROWS = np.arange(60.0)
NUMBERED = np.column_stack([ROWS, VALUES])


def test_folds_are_shuffled_and_stratified():
    y = np.repeat(["a", "b", "c"], 20)
    folds = rows_validated(classifier(cv=4), NUMBERED, y)
    assert len(folds) == 4
    for train, valid in folds:
        assert np.unique(y[valid], return_counts=True)[1].tolist() == [5, 5, 5]
        assert np.diff(valid).max() > 1
        assert np.intersect1d(train, valid).size == 0


@pytest.mark.parametrize(
    ("cv", "n_splits"),
    [
        (4, 4),
        (None, 10),
        (TimeSeriesSplit(3), 3),
        (ShuffleSplit(2, test_size=0.3, random_state=0), 2),
        ([(np.arange(40), np.arange(40, 60))], 1),
        (iter([(range(40), range(40, 60)), (range(20, 60), range(20))]), 2),
        ([(ROWS < 30, ROWS >= 30), (ROWS >= 30, ROWS < 30)], 2),
    ],
    ids=["int", "default", "time", "shuffle", "list", "iterator", "masks"],
)
def test_any_splits_will_do(cv, n_splits):
    search = regressor(cv=cv)
    folds = rows_validated(search, NUMBERED, VALUES)
    assert len(folds) == n_splits
    assert len(search.leaderboard_.loc[0, "fold_scores"]) == n_splits
    assert np.isfinite(search.best_score_)


def test_the_splits_of_the_user_are_kept_to_the_row():
    folds = rows_validated(regressor(cv=TimeSeriesSplit(3)), NUMBERED, VALUES)
    expected = list(TimeSeriesSplit(3).split(NUMBERED))
    for (train, valid), (train_expected, valid_expected) in zip(
        folds, expected, strict=True
    ):
        np.testing.assert_array_equal(train, train_expected)
        np.testing.assert_array_equal(valid, valid_expected)


def test_rows_that_are_never_validated_have_no_part_in_the_score():
    split = [(np.arange(30), np.arange(30, 40))]
    search = regressor(cv=split, scoring="neg_mean_squared_error", ensemble_size=1)
    search.set_params(families=[StubFamily(trials=[(0.0, "plain")])], n_trials=1)
    search.fit(X, VALUES)
    expected = -np.mean((VALUES[30:40] - VALUES[:30].mean()) ** 2)
    assert search.best_score_ == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
@pytest.mark.parametrize("cv", [None, 3])
def test_groups_never_straddle(kind, cv):
    groups = np.array([f"g{i % 12}" for i in range(60)])
    y = LABELS if kind is AutoClassifier else VALUES
    search = kind(**(CHEAP | {"cv": cv}))
    folds = rows_validated(search, NUMBERED, y, groups=groups)
    assert len(folds) == (cv or 10)
    for train, valid in folds:
        assert not set(groups[train]) & set(groups[valid])


def test_groups_reach_the_splitter_of_the_user():
    groups = np.arange(60) % 3
    search = regressor(cv=LeaveOneGroupOut())
    folds = rows_validated(search, NUMBERED, VALUES, groups=groups)
    assert [set(groups[valid]) for _, valid in folds] == [{0}, {1}, {2}]


def test_rows_of_weight_zero_are_no_rows():
    weight = np.where(ROWS % 4, 1.0, 0.0)
    folds = rows_validated(classifier(), NUMBERED, LABELS, sample_weight=weight)
    used = np.concatenate([np.concatenate(pair) for pair in folds])
    assert (used % 4 > 0).all()


def test_weights_move_the_prediction():
    y = np.where(ROWS % 2, 1.0, -1.0)
    weight = np.where(ROWS % 2, 9.0, 1.0)
    search = regressor(families=[StubFamily(trials=[(0.0, "plain")])], n_trials=1)
    plain = search.fit(NUMBERED, y).predict(NUMBERED)
    weighted = search.fit(NUMBERED, y, sample_weight=weight).predict(NUMBERED)
    np.testing.assert_allclose(plain, 0, atol=1e-6)
    np.testing.assert_allclose(weighted, 0.8, atol=0.02)
