"""Wrong input is refused before any model is trained."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score, make_scorer
from sklearn.utils._param_validation import InvalidParameterError

from automodel import AutoClassifier, AutoRegressor
from automodel.exceptions import MissingLibraryError
from automodel.families import all_families
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

X = make_frame()
VALUES = make_signal(X)
LABELS = np.where(VALUES > 0.3, "yes", "no")
THREE = np.arange(60) % 3
ROWS = np.arange(60)


class Untrainable(StubFamily):
    """A family that reports any attempt to train it as a failed test."""

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        pytest.fail("a model was trained on input that should have been refused")


@pytest.fixture(autouse=True)
def no_training(monkeypatch, request):
    """Fail if the baseline model is fitted, in tests of input that is refused."""
    if "refused" in request.node.name:
        monkeypatch.setattr(
            "automodel.training.train.fit_baseline",
            lambda folds: pytest.fail("the baseline model was trained"),
        )


def classifier(**params):
    return AutoClassifier(**(CHEAP | params))


def regressor(**params):
    return AutoRegressor(**(CHEAP | params))


def with_value(y, row, value):
    return [value if i == row else old for i, old in enumerate(y.tolist())]


BAD_X = {
    "no rows": (X[:0], LABELS[:0], "0 sample.*minimum of 1 is required"),
    "no rows of an array": (np.empty((0, 3)), [], "0 sample.*minimum of 1 is"),
    "no columns": (X[[]], LABELS, "0 feature.*minimum of 1 is required"),
    "another length than y": (X, LABELS[:-1], "X has 60 rows and y has 59"),
    "one dimension": (VALUES, LABELS, r"Expected 2D array, got 1D.*\.reshape\(-1, 1"),
    "a series": (X["age"], LABELS, "Expected a 2-dimensional container.*Pass a Data"),
    "three dimensions": (np.zeros((60, 2, 2)), LABELS, "dim 3, while dim <= 2 is req"),
    "a scalar": (None, LABELS, "Expected 2D array, got scalar"),
    "complex numbers": (np.ones((60, 2)) * 1j, LABELS, "Complex data not supported"),
    "a name twice": (
        pd.concat([X, X[["age"]]], axis=1),
        LABELS,
        "duplicate column names: age. Rename or drop",
    ),
    "cells of lists": (X.assign(tags=[[1, 2]] * 60), LABELS, "Column 'tags'.*'list'"),
}


@pytest.mark.parametrize(("X", "y", "match"), BAD_X.values(), ids=BAD_X)
def test_bad_X_is_refused(X, y, match):
    with pytest.raises((ValueError, TypeError), match=f"(?s){match}"):
        classifier().fit(X, y)


BAD_LABELS = {
    "none": (None, "requires y to be passed"),
    "missing": (with_value(LABELS, 3, None), "contains NaN: 1 label.*Drop those rows"),
    "nan": (with_value(THREE, 3, np.nan), "contains NaN: 1 label.*Drop those rows"),
    "infinite": (with_value(THREE, 3, np.inf), "1 label.*infinite. Drop those rows"),
    "NA": (pd.array(with_value(THREE, 3, pd.NA), "Int64"), "contains NaN: 1 label"),
    "one class": (np.full(60, "a"), "only one class: 'a'. A classifier needs at least"),
    "continuous": (VALUES, "continuous.*Use AutoRegressor, or bin y"),
    "several kinds": (
        np.array(with_value(LABELS, 3, 1), object),
        r"all strings.*int, str.*y\.astype\(str\)",
    ),
    "dates": (
        np.array([f"2024-01-{1 + i % 2:02}" for i in ROWS], "datetime64[D]"),
        r"all strings.*datetime64.*y\.astype\(str\)",
    ),
    "two columns": (np.c_[LABELS, LABELS], "Row 0 of column 0 .*MultiOutputClassifier"),
}


@pytest.mark.parametrize(("y", "match"), BAD_LABELS.values(), ids=BAD_LABELS)
def test_bad_labels_are_refused(y, match):
    with pytest.raises(ValueError, match=match):
        classifier().fit(X, y)


BAD_VALUES = {
    "none": (None, "requires y to be passed"),
    "nan": (with_value(VALUES, 3, np.nan), "NaN or infinity in 1 of 60 rows. Drop"),
    "missing": (with_value(VALUES, 3, None), "NaN or infinity in 1 of 60 rows. Drop"),
    "infinite": (with_value(VALUES, 3, -np.inf), "infinity in 1 of 60 rows. Drop th"),
    "strings": (LABELS, "must hold numbers. Got '(yes|no)' of type str. Convert y"),
    "numbers as strings": (VALUES.astype(str), "must hold numbers.*type str. Convert"),
    "dates": (pd.date_range("2020", periods=60), "must hold numbers.*datetime64"),
    "durations": (ROWS.astype("m8[s]"), "must hold numbers.*timedelta64"),
    "a string among numbers": (with_value(VALUES, 3, "a"), "must hold numbers. Got 'a"),
    "two columns of text": (np.c_[LABELS, LABELS], "Row 0 of column 0 .*numbers"),
    "two columns of dates": (
        pd.DataFrame({name: pd.date_range("2020", periods=60) for name in "ab"}),
        "Row 0 of column 'a' .*numbers",
    ),
    "two columns of durations": (np.c_[ROWS, ROWS].astype("m8[ns]"), "Row 0 .*numbers"),
    "no column": (np.ones((60, 0)), "0 feature"),
    "complex numbers": (VALUES * 1j, "Complex data not supported"),
}


@pytest.mark.parametrize(("y", "match"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values_are_refused(y, match):
    with pytest.raises((ValueError, TypeError), match=match):
        regressor().fit(X, y)


def test_one_row_is_refused():
    with pytest.raises(ValueError, match="n_samples=1, and at least 2 are needed"):
        regressor().fit(X[:1], VALUES[:1])


BAD_PARAMETERS = {
    "families": (3, "families.*must be an array-like or None. Got 3"),
    "scoring": (3, "scoring.*must be.*Got 3"),
    "cv": (1, r"cv.*must be an int in the range \[2, inf\), an object implementing "),
    "time_budget": (0, r"time_budget.*must be a float in the range \(0.0, inf\) or"),
    "n_trials": (0, r"n_trials.*must be an int in the range \[1, inf\) or None. Got 0"),
    "sampler": (3, "sampler.*must be an object implementing 'sample_relative'"),
    "pruner": (3, "pruner.*must be an object implementing 'prune' or None. Got 3"),
    "ensemble_size": (0, r"ensemble_size.*an int in the range \[1, inf\). Got 0"),
    "refit": ("yes", "refit.*must be a str among {'auto'} or.*Got 'yes'"),
    "prediction_time_limit": (0, "prediction_time_limit.*must be a float.*Got 0"),
    "model_size_limit": ("ten", "model_size_limit.*such as '4GB'.*Got 'ten'"),
    "storage": (3, "storage.*must be an instance of 'str'.*Got 3"),
    "study_name": ("../up", "study_name.*must consist of.*Got '../up'"),
    "memory_limit": ("four", "memory_limit.*such as '4GB' or '512MiB'. Got 'four'"),
    "callbacks": (3, "callbacks.*must be an array-like. Got 3"),
    "n_jobs": (0, "n_jobs.*must be an int in the range.*Got 0"),
    "random_state": ("a", "random_state.*must be an int.*Got 'a'"),
    "verbose": (-1, "verbose.*must be an int.*Got -1"),
}


def test_every_parameter_has_a_wrong_value_here():
    assert set(BAD_PARAMETERS) == set(AutoClassifier().get_params())


@pytest.mark.parametrize("name", BAD_PARAMETERS)
@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
def test_a_parameter_out_of_range_is_refused(kind, name):
    value, match = BAD_PARAMETERS[name]
    y = LABELS if kind is AutoClassifier else VALUES
    with pytest.raises(InvalidParameterError, match=f"{match}.*instead"):
        kind(**(CHEAP | {name: value})).fit(X, y)


def test_a_callback_that_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match=r"callbacks.*callable.*Got 3 of type int"):
        classifier(callbacks=[3]).fit(X, LABELS)


def test_no_limit_at_all_is_refused():
    with pytest.raises(ValueError, match="'time_budget' and 'n_trials'.*both None"):
        classifier(n_trials=None, time_budget=None).fit(X, LABELS)


BAD_FAMILIES = {
    "unknown": (["liner"], "unknown name 'liner'. Did you mean 'linear'"),
    "no name": (["linear", 3], "names and ModelFamily objects. Got 3 of type int"),
    "none at all": ([], r"families=\[\] holds no family"),
    "twice": (["linear", "linear"], "names linear more than once"),
}


@pytest.mark.parametrize(("value", "match"), BAD_FAMILIES.values(), ids=BAD_FAMILIES)
def test_bad_families_are_refused(value, match):
    with pytest.raises((ValueError, TypeError), match=match):
        classifier(families=value).fit(X, LABELS)


def test_a_family_that_is_not_installed_is_refused_with_the_pip_command(monkeypatch):
    linear = all_families()["linear"]
    monkeypatch.setattr(linear, "requires", ("no_such_library",), raising=False)
    with pytest.raises(
        MissingLibraryError, match=r"no_such_library.*pip install no_such_library"
    ):
        classifier().fit(X, LABELS)


def test_families_that_all_cannot_learn_the_data_are_refused_with_the_reason():
    with pytest.raises(ValueError, match="knn: cannot use sample weights"):
        classifier(families=["knn"]).fit(X, LABELS, sample_weight=np.ones(60))


BAD_SCORING = {
    "unknown": (classifier(scoring="acuracy"), LABELS, "Did you mean 'accuracy'"),
    "accuracy of values": (regressor(scoring="accuracy"), VALUES, "'accuracy'.*regres"),
    "log loss of values": (regressor(scoring="neg_log_loss"), VALUES, "'neg_log_loss'"),
    "r2 of strings": (classifier(scoring="r2"), LABELS, "scoring='r2'.*classification"),
    "roc_auc of three": (classifier(scoring="roc_auc"), THREE, "Use 'roc_auc_ovr'"),
    "f1 of three": (classifier(scoring="f1"), THREE, "scoring='f1'.*multiclass"),
    "f1 without a positive": (classifier(scoring="f1"), LABELS, "scoring='f1'.*pos_la"),
    "log of negative values": (
        regressor(scoring="neg_mean_squared_log_error"),
        VALUES,
        "scoring='neg_mean_squared_log_error'.*values above -1, and row [0-9]+ of y",
    ),
    "an object": (
        regressor(scoring=make_scorer(f1_score)),
        VALUES,
        "scoring='f1' cannot score",
    ),
}


@pytest.mark.parametrize(
    ("estimator", "y", "match"), BAD_SCORING.values(), ids=BAD_SCORING
)
def test_a_scorer_that_does_not_fit_is_refused(estimator, y, match):
    with pytest.raises(ValueError, match=f"(?s){match}"):
        estimator.fit(X, y)


BAD_CV = {
    "empty": ([], "cv gives no split"),
    "out of range": ([(ROWS[:50], [60])], r"within \[0, 60\). Split 0 does not"),
    "no pair": ([3], r"pairs of row numbers \(train, valid\).*Split 0 does not"),
    "empty part": ([(ROWS, [])], "Split 0 of cv has an empty part"),
    "a word": ("five", "cv.*must be an int.*Got 'five'"),
}


@pytest.mark.parametrize(("cv", "match"), BAD_CV.values(), ids=BAD_CV)
def test_bad_splits_are_refused(cv, match):
    with pytest.raises(ValueError, match=match):
        classifier(cv=cv).fit(X, LABELS)


BAD_WEIGHTS = {
    "another length": (np.ones(3), r"sample_weight.shape == \(3,\), expected \(60,\)"),
    "negative": (-np.ones(60), "Negative values in data passed to `sample_weight`"),
    "all zero": (np.zeros(60), "Sample weights must contain at least one non-zero"),
    "missing": (np.full(60, np.nan), "Input sample_weight contains NaN"),
    "zero but for one class": (
        (LABELS == "yes").astype(float),
        "only one class with a positive sample weight: 'yes'",
    ),
}


@pytest.mark.parametrize(("weight", "match"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_bad_weights_are_refused(weight, match):
    with pytest.raises(ValueError, match=match):
        classifier().fit(X, LABELS, sample_weight=weight)


BAD_GROUPS = {
    "another length": (np.ones(3), "groups has 3 values and X has 60 rows"),
    "one group": (np.ones(60), "groups allow only 1 fold, and at least 2 are needed"),
    "missing": ([None, "a"] * 30, "groups.*30 missing values.*group of their own"),
    "nan": ([np.nan, 1.0] * 30, "groups.*30 missing values.*group of their own"),
}


@pytest.mark.parametrize(("groups", "match"), BAD_GROUPS.values(), ids=BAD_GROUPS)
def test_bad_groups_are_refused(groups, match):
    with pytest.raises(ValueError, match=match):
        classifier().fit(X, LABELS, groups=groups)


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, LABELS)


BAD_ROWS = {
    "missing column": (X.drop(columns="age"), "yet now missing:\n- age"),
    "extra column": (X.assign(extra=1), "unseen at fit time:\n- extra"),
    "another order": (X[X.columns[::-1]], "same order as they were in fit"),
    "text for numbers": (X.assign(age="old"), "Column 'age'.*numeric.*now holds text"),
    "no rows": (X[:0], "0 sample.*minimum of 1 is required"),
    "one row as a series": (X.iloc[0], "Expected a 2-dimensional container"),
    "fewer columns": (X.to_numpy()[:, :2], "X has 2 features, but AutoClassifier"),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.parametrize(("rows", "match"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_bad_rows_at_predict_raise(fitted, rows, match):
    with pytest.raises(ValueError, match=match):
        fitted.predict(rows)


@pytest.mark.parametrize("name", ["leaderboard_", "failures_"])
def test_results_before_fit_raise(name):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(classifier(), name)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_predict_before_fit_raises(method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(classifier(), method)(X)


def test_a_refused_fit_trains_nothing():
    with pytest.raises(ValueError, match="Did you mean"):
        classifier(families=[Untrainable()], scoring="acuracy").fit(X, LABELS)
