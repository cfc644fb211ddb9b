"""AutoTextClassifier and AutoTextRegressor, from any container to a fitted ensemble."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from automodel import AutoTextClassifier, AutoTextRegressor, EstimatorFamily
from automodel.exceptions import FitWarning
from tests.conftest import environment
from tests.texts import CHEAP_TEXT, make_labels, make_texts

X, VALUES = make_texts()
Y = make_labels(VALUES)
NEW_X, NEW_VALUES = make_texts(seed=1)
NEW_Y = make_labels(NEW_VALUES)


def classifier(**params):
    return AutoTextClassifier(**(CHEAP_TEXT | params))


def regressor(**params):
    return AutoTextRegressor(**(CHEAP_TEXT | params))


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, Y)


def test_a_classifier_learns_and_predicts(fitted):
    assert fitted.score(NEW_X, NEW_Y) > 0.8
    proba = fitted.predict_proba(NEW_X)
    assert proba.shape == (len(NEW_X), 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert set(fitted.leaderboard_["family"]) == {"text_tfidf"}
    assert fitted.task_.modality == "text"
    assert fitted.task_.facts.n_distinct == len(X)
    assert not hasattr(fitted, "n_features_in_")


@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error"])
def test_a_regressor_learns_and_predicts(scoring):
    search = regressor(scoring=scoring).fit(X, VALUES)
    assert search.predict(NEW_X).shape == (len(NEW_X),)
    assert np.mean(np.abs(search.predict(NEW_X) - NEW_VALUES)) < 1.2


def test_several_labels_and_several_values():
    labels = np.column_stack([VALUES > 0, VALUES > 1, np.arange(len(X)) % 2])
    proba = classifier().fit(X, labels.astype(int)).predict_proba(NEW_X)
    assert np.mean((proba[:, 0] > 0.5) == (NEW_VALUES > 0)) > 0.75
    values = np.column_stack([VALUES, -VALUES])
    predicted = regressor().fit(X, values).predict(NEW_X)
    assert predicted.shape == values.shape
    assert np.corrcoef(predicted[:, 1], -NEW_VALUES)[0, 1] > 0.7


def test_many_classes():
    y = np.arange(len(X)) % 25
    texts = [f"{text} class{label}" for text, label in zip(X, y, strict=True)]
    search = classifier(n_trials=2, scoring="accuracy").fit(texts, y)
    assert search.predict_proba(texts).shape == (len(X), 25)
    assert search.best_score_ > 0.5


def containers(texts):
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    return {
        "list": list(texts),
        "array": np.array(texts),
        "Series": pd.Series(texts),
        "Arrow Series": pd.Series(texts, dtype="string[pyarrow]"),
        "frame": pd.DataFrame({"text": texts}),
        "polars": pl.Series("text", texts),
        "Arrow": pa.array(texts),
    }


@pytest.mark.parametrize("form", containers(["a"]))
def test_all_containers_give_the_same_model(form, fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = classifier().fit(containers(X)[form], Y)
        proba = again.predict_proba(NEW_X)
        own = again.predict_proba(containers(NEW_X)[form])
    np.testing.assert_array_equal(proba, fitted.predict_proba(NEW_X))
    np.testing.assert_array_equal(own, proba)


def test_the_name_of_the_column_of_a_frame_must_be_that_of_fit():
    search = classifier(n_trials=1).fit(pd.DataFrame({"text": X}), Y)
    assert search.feature_names_in_.tolist() == ["text"]
    with pytest.raises(ValueError, match="feature names"):
        search.predict(pd.DataFrame({"other": X}))
    assert not hasattr(search.fit(X, Y), "feature_names_in_")


def test_missing_texts_count_as_empty_with_one_warning(fitted):
    with pytest.warns(FitWarning, match="2 of 92 texts are missing") as caught:
        search = classifier(n_trials=1).fit([*X, None, np.nan], [*Y, "yes", "no"])
    assert len(caught) == 1
    with pytest.warns(FitWarning, match="1 of 2 texts are missing") as caught:
        proba = search.predict_proba([pd.NA, ""])
    assert len(caught) == 1
    np.testing.assert_array_equal(proba[0], proba[1])


BAD_X = {
    "nothing": ([], [], "0 sample"),
    "empty texts": (["", " ", None], [0, 1, 0], "All 3 texts of X are empty"),
    "table": (np.eye(4), [0, 1, 0, 1], "AutoClassifier or AutoRegressor"),
    "bytes": ([b"a", b"b"], [0, 1], "bytes"),
    "lengths": (["a", "b", "c"], [0, 1], "inconsistent"),
    "missing y": (["a", "b", "c"], [1, np.nan, 0], "NaN"),
}


@pytest.mark.parametrize("case", BAD_X)
def test_bad_input_is_refused_before_any_training(case, tmp_path):
    texts, y, match = BAD_X[case]
    with pytest.raises((TypeError, ValueError), match=match):
        classifier(storage=tmp_path / "storage").fit(texts, y)
    assert not (tmp_path / "storage").exists()


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="only one class"):
        classifier().fit(["a", "b", "c"], [1, 1, 1])


@pytest.mark.parametrize("weights", [3, ["a"]])
def test_weights_of_another_type_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        classifier(weights=weights).fit(X, Y)


def test_odd_texts_are_learned():
    odd = [
        *("🙂🙂 good", "שלום good", "机器学习很有趣 good", "a\ud800 good", "\0\0 good"),
        *("🙁 bad", "עצוב bad", "糟糕的电影 bad", "\udc00b bad", "\0 bad", "!!!", ""),
        "long good " * 20_000,
        "bad" * 300_000,
    ]
    texts, y = odd * 4, (["yes"] * 5 + ["no"] * 7 + ["yes", "no"]) * 4
    search = classifier(n_trials=2, scoring="accuracy").fit(texts, y)
    assert search.score(texts, y) > 0.8
    assert search.predict(["good 机器学习"]).shape == (1,)


def test_equal_texts_are_in_the_same_fold():
    texts = X + X[:30]
    y = [*Y, *Y[:30]]
    search = classifier(n_trials=1, cv=KFold(3))
    with pytest.warns(FitWarning, match="equal to training rows") as caught:
        search.fit(texts, y)
    assert len(caught) == 1
    random = np.random.default_rng(0).choice(["yes", "no"], len(X))
    honest = classifier(n_trials=1, scoring="accuracy", cv=None)
    honest.fit(X * 2, [*random, *random])
    assert honest.best_score_ < 0.75  # it would be 1 if copies were known


def test_weights_of_rows():
    weight = np.where(VALUES > 0, 5.0, 1.0)
    plain, weighted = classifier().fit(X, Y), classifier().fit(X, Y, weight)
    yes = plain.predict_proba(NEW_X)[:, 1].mean()
    assert weighted.predict_proba(NEW_X)[:, 1].mean() > yes


def test_groups_stay_together():
    groups = np.arange(len(X)) % 5
    search = classifier(n_trials=1, cv=None).fit(X, Y, groups=groups)
    assert search.predict(NEW_X).shape == (len(NEW_X),)


def test_a_second_fit_repeats(fitted):
    again = clone(fitted).fit(X, Y)
    np.testing.assert_array_equal(
        again.predict_proba(NEW_X), fitted.predict_proba(NEW_X)
    )


def test_the_order_of_new_rows_does_not_matter(fitted):
    order = np.random.default_rng(0).permutation(len(NEW_X))
    shuffled = fitted.predict_proba([NEW_X[row] for row in order])
    np.testing.assert_allclose(shuffled, fitted.predict_proba(NEW_X)[order], rtol=1e-6)


def test_replay_fits_the_same_again(fitted):
    again = fitted.replay(X, Y)
    np.testing.assert_array_equal(
        again.predict_proba(NEW_X), fitted.predict_proba(NEW_X)
    )


def test_a_search_is_resumed_and_refused_with_other_texts(tmp_path, fitted):
    classifier(n_trials=1, storage=tmp_path).fit(X, Y)
    resumed = classifier(storage=tmp_path).fit(X, Y)
    assert len(resumed.leaderboard_) == 3
    np.testing.assert_array_equal(
        resumed.predict_proba(NEW_X), fitted.predict_proba(NEW_X)
    )
    with pytest.raises(ValueError, match="another X"):
        classifier(storage=tmp_path).fit([*X[1:], "another"], Y)


@pytest.mark.slow
def test_workers_give_the_same_ensemble(fitted):
    parallel = classifier(n_jobs=2).fit(X, Y)
    np.testing.assert_array_equal(
        parallel.predict_proba(NEW_X), fitted.predict_proba(NEW_X)
    )


WITHOUT_NETWORK = """
import pickle, socket, sys

def refuse(*args, **kwargs):
    raise OSError("the network was used")

socket.socket.connect = socket.getaddrinfo = refuse
model, texts, expected = pickle.load(sys.stdin.buffer)
assert abs(model.predict_proba(texts) - expected).max() < 1e-9
"""


def test_a_pickle_predicts_in_a_fresh_process_without_a_network(fitted):
    stored = pickle.dumps((fitted, NEW_X, fitted.predict_proba(NEW_X)))
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK],
        input=stored,
        capture_output=True,
        env=environment(),
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def test_the_best_single_model_is_a_pipeline_of_raw_texts(fitted):
    assert np.mean(fitted.best_estimator_.predict(NEW_X) == NEW_Y) > 0.75


def test_it_works_with_the_tools_of_scikit_learn():
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    model = make_pipeline(lower, classifier(n_trials=1))
    assert cross_val_score(model, X, Y, cv=2).min() > 0.6
    train, test, y_train, y_test = train_test_split(pd.Series(X), Y, random_state=0)
    grid = GridSearchCV(classifier(n_trials=1), {"ensemble_size": [1, 5]}, cv=2)
    assert grid.fit(train, y_train).score(test, y_test) > 0.6


def space(trial):
    return {"logisticregression__C": trial.suggest_float("C", 0.1, 100.0, log=True)}


def test_any_estimator_of_texts_joins_the_search():
    own = EstimatorFamily(
        "own", make_pipeline(TfidfVectorizer(), LogisticRegression()), space
    )
    search = classifier(families=["text_tfidf", own], n_trials=4).fit(X, Y)
    board = search.leaderboard_
    assert set(board["family"]) == {"text_tfidf", "own"}
    assert set(board["status"]) == {"complete"}
    alone = classifier(families=[own]).fit(pd.Series(X), Y)
    assert alone.score(NEW_X, NEW_Y) > 0.75
    assert np.mean(alone.best_estimator_.predict(NEW_X) == NEW_Y) > 0.75


def test_families_of_tables_are_refused():
    with pytest.raises(ValueError, match="None of the families"):
        classifier(families=["linear"]).fit(X, Y)


def test_nothing_is_printed_or_left_behind(capfd, nothing_left):
    classifier(n_trials=2).fit(X, Y).predict(NEW_X)
    assert capfd.readouterr() == ("", "")
