"""What a fit leaves behind, and what the parameters do."""

import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.metrics import f1_score, make_scorer, mean_absolute_error
from sklearn.model_selection import (
    LeaveOneGroupOut,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import Pipeline

import automodel
from automodel import AutoClassifier, AutoRegressor
from automodel.exceptions import FitWarning, VersionWarning
from automodel.leaderboard import COLUMNS
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

X = make_frame()
VALUES = make_signal(X)
LABELS = np.where(VALUES > 0.3, "yes", "no")
TRIALS = [(0.9, "plain"), (0.4, "plain"), (1.0, "raise"), (0.7, "plain")]


def classifier(**params):
    return AutoClassifier(**(CHEAP | params))


def regressor(**params):
    return AutoRegressor(**(CHEAP | params))


@pytest.fixture(scope="module")
def fitted():
    """Return a classifier of four stub trials, one of them a failure."""
    return classifier(families=[StubFamily(trials=TRIALS)], n_trials=4).fit(X, LABELS)


def board(estimator):
    """Return the leaderboard without what the clock decides."""
    return estimator.leaderboard_.drop(columns="seconds")


# the leaderboard


def test_the_leaderboard_has_a_row_a_trial_best_first(fitted):
    table = fitted.leaderboard_
    assert tuple(table.columns) == COLUMNS
    assert table.index.name == "trial"
    assert table.index.tolist() == [0, 3, 1, 2]
    assert table["status"].tolist() == ["complete"] * 3 + ["failed"]
    assert table["score"][:3].is_monotonic_decreasing
    assert table["score"].isna().tolist() == [False] * 3 + [True]


def test_the_leaderboard_says_what_was_tried(fitted):
    row = fitted.leaderboard_.loc[0]
    assert row["family"] == "stub"
    assert row["params"] == {"quality": 0.9, "mode": "plain"}
    assert len(row["fold_scores"]) == 3
    assert row["score"] == pytest.approx(np.mean(row["fold_scores"]), rel=0.05)
    assert row["seconds"] > 0
    assert row["error"] == ""


def test_failures_are_the_failed_rows(fitted):
    assert fitted.failures_["params"].tolist() == [{"quality": 1.0, "mode": "raise"}]


def test_the_leaderboard_is_a_new_frame_each_time(fitted):
    table = fitted.leaderboard_
    table["score"] = 0
    assert not (fitted.leaderboard_["score"] == 0).any()


def test_weights_of_leaderboard_and_ensemble_agree_and_sum_to_one(fitted):
    weights = fitted.leaderboard_["weight"]
    assert weights.sum() == pytest.approx(1)
    members = {m.number: m.weight for m in fitted.ensemble_.members}
    assert members == pytest.approx(weights[weights > 0].to_dict())


def test_a_pruned_trial_is_in_the_leaderboard_and_not_in_the_ensemble():
    trials = [(0.9, "report"), (0.8, "report"), (0.1, "report")]

    class Strict(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return 0 < trial.intermediate_values[trial.last_step] < 0.2

    search = classifier(
        families=[StubFamily(trials=trials)], n_trials=3, pruner=Strict()
    ).fit(X, LABELS)
    table = search.leaderboard_
    assert table["status"].tolist() == ["complete", "complete", "pruned"]
    assert table.loc[2, "weight"] == 0


def test_a_stopped_trial_is_in_the_leaderboard():
    trials = [(0.9, "plain"), (0.8, "sleep")]
    search = classifier(
        families=[StubFamily(trials=trials, seconds=60)], n_trials=2, time_budget=0.8
    ).fit(X, LABELS)
    assert search.leaderboard_["status"].tolist() == ["complete", "stopped"]


def test_families_that_know_no_weights_are_left_out_and_the_leaderboard_says_so():
    search = classifier(families=["linear", "knn"])
    search.fit(X, LABELS, sample_weight=np.ones(60))
    last = search.leaderboard_.iloc[-1]
    assert last["family"] == "knn" and last["status"] == "skipped"
    assert "sample weights" in last["error"]
    assert last.name == -1
    assert "knn" not in {m.family for m in search.ensemble_.members}


def test_a_stub_without_weights_is_left_out_too():
    families = [StubFamily("plain", is_weighted=False), StubFamily("weighted")]
    search = classifier(families=families).fit(X, LABELS, sample_weight=np.ones(60))
    assert set(search.studies_) == {"weighted"}


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
    assert all(pair == ({"no", "yes"}, ["no", "yes"]) for pair in seen)


def test_the_expected_score_is_not_better_than_the_score_that_chose():
    X, y = load_breast_cancer(return_X_y=True)
    trials = [(q, "plain") for q in (0.9, 0.8, 0.7, 0.6)]
    search = classifier(families=[StubFamily(trials=trials)], n_trials=4).fit(X, y)
    assert search.expected_score_ <= search.best_score_ + 1e-9


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
    for train, valid in rows_validated(classifier(cv=4), NUMBERED, y):
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


# repeats

MIXED = ["linear", "knn", "extra_trees"]


@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
def test_a_fit_repeats_exactly(kind):
    y = LABELS if kind is AutoClassifier else VALUES
    params = CHEAP | {"families": ["linear", "knn"], "n_trials": 7, "cv": 2}
    first, second = (kind(**params).fit(X, y) for _ in range(2))
    pd.testing.assert_frame_equal(board(first), board(second))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))


@pytest.mark.slow
def test_a_fit_in_two_processes_repeats_one_in_one():
    params = {"families": MIXED, "n_trials": 6, "cv": 2}
    one = classifier(**params).fit(X, LABELS)
    two = classifier(**params, n_jobs=2).fit(X, LABELS)
    pd.testing.assert_frame_equal(board(one), board(two))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_another_seed_gives_another_search():
    one, two = (
        classifier(n_trials=4, random_state=seed).fit(X, LABELS) for seed in (0, 1)
    )
    assert not board(one).equals(board(two))


def test_a_generator_as_random_state_is_drawn_from_once_a_fit():
    one, two = (
        classifier(random_state=np.random.RandomState(3)).fit(X, LABELS)  # noqa: NPY002
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(board(one), board(two))


@pytest.mark.parametrize("seed", [None, 0])
def test_the_global_random_state_is_left_alone(seed):
    np.random.seed(3)  # noqa: NPY002  the global state is what is under test
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    classifier(random_state=seed, families=["linear", "knn"]).fit(X, LABELS)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_no_random_state_gives_different_splits():
    one, two = (classifier(random_state=None).fit(X, LABELS) for _ in range(2))
    assert not board(one).equals(board(two))


def test_a_fit_again_forgets_the_first():
    search = classifier()
    search.fit(X, LABELS)
    search.fit(X[["age", "income"]], np.arange(60) % 3)
    assert search.n_features_in_ == 2
    assert search.classes_.tolist() == [0, 1, 2]
    assert len(search.leaderboard_) == 2


def test_the_parameters_are_left_alone():
    sampler = optuna.samplers.RandomSampler(seed=0)
    params = {"families": ["linear"], "callbacks": [], "sampler": sampler}
    search = classifier(**params)
    before = search.get_params()
    search.fit(X, LABELS)
    assert search.get_params() == before
    assert search.sampler is sampler


# predictions


def test_a_prediction_does_not_depend_on_its_batch():
    search = classifier(families=MIXED, n_trials=3).fit(X, LABELS)
    together = search.predict_proba(X)
    alone = np.vstack([search.predict_proba(X[i : i + 1]) for i in range(10)])
    np.testing.assert_allclose(alone, together[:10], atol=1e-12)
    shuffled = np.random.default_rng(0).permutation(60)
    again = search.predict_proba(X.iloc[shuffled])
    np.testing.assert_allclose(again, together[shuffled], atol=1e-12)


def test_predict_is_the_most_probable_class(fitted):
    best = fitted.predict_proba(X).argmax(axis=1)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[best])


def test_score_is_accuracy_and_r2(fitted):
    assert fitted.score(X, LABELS) == np.mean(fitted.predict(X) == LABELS)
    assert regressor().fit(X, VALUES).score(X, VALUES) > 0.3


@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
def test_the_best_estimator_is_a_pipeline_that_predicts(kind):
    y = LABELS if kind is AutoClassifier else VALUES
    search = kind(**(CHEAP | {"ensemble_size": 1, "refit": True})).fit(X, y)
    assert isinstance(search.best_estimator_, Pipeline)
    np.testing.assert_allclose(search.best_estimator_.score(X, y), search.score(X, y))
    if kind is AutoClassifier:
        assert search.best_estimator_.classes_.tolist() == ["no", "yes"]
        proba = search.best_estimator_.predict_proba(X)
        np.testing.assert_allclose(proba, search.predict_proba(X))


def test_the_floor_is_a_pipeline_too():
    search = classifier(families=[StubFamily(modes=["raise"])])
    with pytest.warns(FitWarning, match="floor"):
        search.fit(X, LABELS)
    assert set(search.best_estimator_.predict(X)) <= {"no", "yes"}


# parameters


def test_an_ensemble_of_one_is_the_best_model():
    search = classifier(families=[StubFamily(trials=TRIALS)], n_trials=4)
    search.set_params(ensemble_size=1).fit(X, LABELS)
    [member] = search.ensemble_.members
    assert (member.number, member.weight) == (0, 1.0)
    assert search.best_score_ == pytest.approx(search.leaderboard_.loc[0, "score"])


@pytest.mark.parametrize(("refit", "n_models"), [(True, 1), (False, 3), ("auto", 3)])
def test_refit_decides_between_one_model_and_those_of_the_folds(refit, n_models):
    search = classifier(refit=refit).fit(X, LABELS)
    assert {len(m.models) for m in search.ensemble_.members} == {n_models}


def test_refit_is_chosen_where_the_folds_do_not_cover_the_rows():
    search = regressor(cv=TimeSeriesSplit(3)).fit(X, VALUES)
    assert {len(m.models) for m in search.ensemble_.members} == {1}


@pytest.mark.parametrize(
    "sampler",
    [
        optuna.samplers.RandomSampler(seed=0),
        optuna.samplers.TPESampler(seed=0),
        lambda seed: optuna.samplers.RandomSampler(seed=seed),
    ],
    ids=["random", "tpe", "callable"],
)
def test_samplers(sampler):
    one, two = (
        classifier(sampler=sampler, families=[StubFamily()], n_trials=5).fit(X, LABELS)
        for _ in range(2)
    )
    qualities = [trial.params["quality"] for trial in one.studies_["stub"]]
    assert len(set(qualities)) == 5
    assert qualities == [trial.params["quality"] for trial in two.studies_["stub"]]


def test_a_callable_sampler_gets_a_seed_a_trial():
    seeds = []

    def sampler(seed):
        seeds.append(seed)
        return optuna.samplers.RandomSampler(seed=seed)

    classifier(sampler=sampler, families=[StubFamily()], n_trials=4).fit(X, LABELS)
    assert len(seeds) == len(set(seeds)) == 4


def test_callbacks_are_called_once_a_trial():
    calls = []

    def callback(study, trial):
        calls.append((study.study_name, trial.number, trial.state.name))

    families = [StubFamily("one", trials=[(0.5, "raise")]), StubFamily("two")]
    search = classifier(families=families, n_trials=6, callbacks=[callback])
    search.fit(X, LABELS)
    assert len(calls) == len(set(calls)) == 6
    assert ("one", 0, "FAIL") in calls


class Watcher:
    """A callback that is set up and torn down."""

    def __init__(self):
        self.events = []

    def setup(self, *, time_budget, n_trials):
        self.events.append(("setup", time_budget, n_trials))

    def __call__(self, study, trial):
        self.events.append("trial")

    def teardown(self):
        self.events.append("teardown")


def test_callbacks_are_set_up_and_torn_down():
    watcher = Watcher()
    classifier(callbacks=[watcher], families=[StubFamily()]).fit(X, LABELS)
    assert watcher.events == [("setup", None, 2), "trial", "trial", "teardown"]


def test_studies_are_the_trials_of_each_family(fitted):
    [(name, trials)] = fitted.studies_.items()
    assert name == "stub"
    assert [type(trial) for trial in trials] == [optuna.trial.FrozenTrial] * 4
    assert [t.user_attrs["status"] for t in trials].count("failed") == 1
    best = max(t.value for t in trials if t.value is not None)
    assert best == fitted.leaderboard_["score"].max()


def test_the_report_of_seconds_sums_up():
    search = classifier(n_trials=3).fit(X, LABELS)
    report = dict(search.fit_report_)
    total = report.pop("total")
    assert set(report) == {
        "checks",
        "reading",
        "floor",
        "search",
        "ensemble",
        "refit",
    }
    assert 0.6 * total < sum(report.values()) <= total


def test_a_time_budget_ends_the_fit():
    family = StubFamily(modes=["sleep"], seconds=0.02)
    search = classifier(families=[family], time_budget=1.0, n_trials=None)
    search.fit(X, LABELS)
    assert search.fit_report_["total"] < 1.0
    assert len(search.leaderboard_) > 1


def test_a_count_of_trials_ends_the_fit_within_a_budget():
    search = classifier(families=[StubFamily()], time_budget=60, n_trials=3)
    assert len(search.fit(X, LABELS).leaderboard_) == 3


def test_repeated_splits_average_a_row_over_its_folds():
    cv = RepeatedStratifiedKFold(n_splits=2, n_repeats=3, random_state=0)
    search = classifier(cv=cv).fit(X, LABELS)
    assert len(search.leaderboard_.iloc[0]["fold_scores"]) == 6
    assert {len(m.models) for m in search.ensemble_.members} == {6}


# the process


def test_a_pickle_of_another_version_warns(fitted, monkeypatch):
    saved = pickle.dumps(classifier().fit(X, LABELS))
    pickle.loads(saved)
    monkeypatch.setattr("automodel.base.__version__", "99.0")
    with pytest.warns(VersionWarning, match=r"saved by automodel .* loaded by 99\.0"):
        pickle.loads(saved)
    assert automodel.__version__ != "99.0"


# pandas is not among them: scikit-learn itself imports it where it is installed
HEAVY = ["torch", "skorch", "optuna", "lightgbm", "xgboost", "catboost", "polars"]


def test_the_import_is_light():
    code = f"""
import json, sys
from automodel import AutoClassifier, AutoRegressor
AutoClassifier(families=["linear"]).get_params()
repr(AutoRegressor())
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == []


def test_no_file_is_written(tmp_path, monkeypatch):
    folder, temporary = tmp_path / "here", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setitem(os.environ, "TMPDIR", str(temporary))
    classifier(families=MIXED, n_trials=3).fit(X, LABELS).predict(X)
    assert list(Path(tmp_path).rglob("*.*")) == []


@pytest.mark.slow
def test_no_file_is_left_by_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    classifier(families=["linear", "knn"], n_trials=4, n_jobs=2).fit(X, LABELS)
    assert not list(tmp_path.glob("automodel-*"))


def test_nothing_is_printed(capfd):
    classifier(families=MIXED, n_trials=3).fit(X, LABELS).predict(X)
    assert capfd.readouterr() == ("", "")


def test_real_data_is_learned():
    X, y = load_diabetes(return_X_y=True)
    search = regressor(scoring="r2").fit(X, y)
    assert search.best_score_ > 0.4
