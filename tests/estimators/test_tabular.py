"""What a fit leaves behind: leaderboard, ensemble, predictions, and the parameters."""

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import (
    RepeatedStratifiedKFold,
)
from sklearn.pipeline import Pipeline

from automodel import AutoClassifier, AutoRegressor
from automodel.exceptions import FitWarning
from automodel.reporting.leaderboard import COLUMNS
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
        families=[StubFamily(trials=trials, seconds=60)], n_trials=2, time_budget=2.0
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


# predictions


def test_a_prediction_does_not_depend_on_its_batch():
    search = classifier(families=["linear", "knn", "extra_trees"], n_trials=3).fit(
        X, LABELS
    )
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
        proba = search.best_estimator_.predict_proba(X)[:, 1]
        own = search.predict_proba(X)[:, 1]  # calibrated: in the same order
        np.testing.assert_array_equal(np.argsort(proba), np.argsort(own))


def test_the_baseline_is_a_pipeline_too():
    search = classifier(families=[StubFamily(modes=["raise"])])
    with pytest.warns(FitWarning, match="baseline"):
        search.fit(X, LABELS)
    assert set(search.best_estimator_.predict(X)) <= {"no", "yes"}


# parameters


def test_an_ensemble_of_one_is_the_best_model():
    search = classifier(families=[StubFamily(trials=TRIALS)], n_trials=4)
    search.set_params(ensemble_size=1).fit(X, LABELS)
    [member] = search.ensemble_.members
    assert (member.number, member.weight) == (0, 1.0)
    assert search.best_score_ >= search.leaderboard_.loc[0, "score"]  # calibrated


@pytest.mark.parametrize(
    ("refit", "folds"), [(True, [-1]), (False, [0, 1, 2]), ("auto", [-1, 0, 1, 2])]
)
def test_refit_decides_which_models_there_are(refit, folds):
    # the target is noise for these stubs: "auto" keeps the models of the folds
    search = classifier(refit=refit).fit(X, LABELS)
    assert search.ensemble_.members
    for member in search.ensemble_.members:
        assert [model.fold for model in member.models] == folds


def test_members_that_chance_is_part_of_are_refitted_with_several_seeds():
    search = classifier(families=["extra_trees"], n_trials=1, refit=True)
    search.fit(*load_iris(return_X_y=True))
    [member] = search.ensemble_.members
    assert [model.fold for model in member.models] == [-1, -1, -1]
    assert len({model.seed for model in member.models}) == 3


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
    family = StubFamily(modes=["sleep"], seconds=0.1)
    search = classifier(families=[family]).fit(X, LABELS)
    report = dict(search.fit_report_)
    total = report.pop("total")
    assert set(report) == {
        "checks",
        "reading",
        "baseline",
        "search",
        "ensemble",
        "refit",
    }
    assert 0.6 * total < sum(report.values()) <= total


def test_a_time_budget_ends_the_fit():
    """A trial sleeps for .1 s at least, and the last .35 s are not for trials."""
    family = StubFamily(modes=["sleep"], seconds=0.1)
    search = classifier(families=[family], time_budget=2.0, n_trials=1000, cv=2)
    assert 1 <= len(search.fit(X, LABELS).leaderboard_) <= 17


def test_a_count_of_trials_ends_the_fit_within_a_budget():
    search = classifier(families=[StubFamily()], time_budget=60, n_trials=3)
    assert len(search.fit(X, LABELS).leaderboard_) == 3


def test_repeated_splits_average_a_row_over_its_folds():
    cv = RepeatedStratifiedKFold(n_splits=2, n_repeats=3, random_state=0)
    search = classifier(cv=cv, refit=False).fit(X, LABELS)
    assert len(search.leaderboard_.iloc[0]["fold_scores"]) == 6
    assert {len(m.models) for m in search.ensemble_.members} == {6}
