"""Both estimators learn several targets at once."""

import pickle

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import f1_score, get_scorer, r2_score, roc_auc_score
from sklearn.model_selection import KFold, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    check_classifier_multioutput,
    check_classifiers_multilabel_output_format_predict,
    check_classifiers_multilabel_output_format_predict_proba,
    check_classifiers_multilabel_representation_invariance,
    check_regressor_multioutput,
)

from automodel import AutoClassifier, AutoRegressor
from automodel.ensemble.blend import Blend, ColumnsBlend
from automodel.exceptions import FitWarning
from automodel.metrics.labels import labels_log_loss
from tests.targets.makers import (
    families_of_labels,
    families_of_values,
    make_labels,
    make_values,
)

X, LABELS, GROUPS = make_labels()
_, VALUES, _ = make_values()
NEW_X, NEW_LABELS, _ = make_labels(seed=1)
_, NEW_VALUES, _ = make_values(seed=1)
WEIGHT = np.random.default_rng(2).integers(1, 4, size=len(X))
DATA = {"sample_weight": WEIGHT, "groups": GROUPS}


def classifier(**params):
    defaults = {"families": families_of_labels(), "n_trials": 6, "cv": 3}
    shared = {"time_budget": None, "random_state": 0}
    return AutoClassifier(**(defaults | shared | params))


def regressor(**params):
    defaults = {"families": families_of_values(), "n_trials": 6, "cv": 3}
    shared = {"time_budget": None, "random_state": 0}
    return AutoRegressor(**(defaults | shared | params))


KINDS = {
    "labels": (classifier, LABELS, NEW_LABELS),
    "values": (regressor, VALUES, NEW_VALUES),
}


@pytest.fixture(scope="module")
def of_labels():
    return classifier().fit(X, LABELS, **DATA)


@pytest.fixture(scope="module")
def of_values():
    return regressor().fit(X, VALUES, **DATA)


@pytest.fixture(params=KINDS)
def fitted(request):
    return request.getfixturevalue(f"of_{request.param}")


def test_labels_are_learned_at_once(of_labels):
    proba = of_labels.predict_proba(NEW_X)
    assert proba.shape == NEW_LABELS.shape
    shares = np.tile(LABELS.mean(axis=0), (len(NEW_X), 1))
    baseline = labels_log_loss(NEW_LABELS, shares)
    assert labels_log_loss(NEW_LABELS, proba) < 0.85 * baseline
    predicted = of_labels.predict(NEW_X)
    assert predicted.dtype == np.int64
    np.testing.assert_array_equal(predicted, proba > 0.5)
    assert (predicted == NEW_LABELS).mean(axis=0).min() > 0.6
    np.testing.assert_array_equal(of_labels.classes_, [[0, 1]] * 3)
    np.testing.assert_array_equal(of_labels.decision_thresholds_, 0.5)
    assert not hasattr(of_labels, "decision_weights_")
    assert of_labels.metric_name_ == "neg_log_loss"
    assert of_labels.task_.kind == "multilabel"
    assert of_labels.task_.is_classification
    assert of_labels.task_.n_classes == 0


def test_columns_of_any_unit_are_learned_at_once(of_values):
    predicted = of_values.predict(NEW_X)
    assert predicted.shape == NEW_VALUES.shape
    scores = r2_score(NEW_VALUES, predicted, multioutput="raw_values")
    assert scores.min() > 0.4
    assert of_values.score(NEW_X, NEW_VALUES) == pytest.approx(scores.mean())
    assert -1 < of_values.best_score_ < 0
    assert of_values.task_.kind == "multioutput"


def test_names_of_a_frame_are_kept(fitted):
    names = LABELS if fitted.task_.is_classification else VALUES
    assert list(fitted.target_names_) == list(names.columns)


def test_what_belongs_to_another_y_is_forgotten():
    search = classifier(n_trials=1, families=[*families_of_labels(), "linear"])
    search.fit(X, LABELS).fit(X, LABELS["warm"])
    assert not hasattr(search, "target_names_")
    assert not hasattr(search, "decision_thresholds_")
    assert search.predict(X).shape == (len(X),)
    search.fit(X, LABELS.to_numpy())
    assert not hasattr(search, "target_names_")
    assert not hasattr(search, "decision_weights_")


def test_each_column_has_a_blend_and_all_are_judged(fitted):
    combiner = fitted.ensemble_.combiner
    assert isinstance(combiner, ColumnsBlend)
    assert len(combiner.blends) == 3
    assert any((blend.weights > 0).sum() > 1 for blend in combiner.blends)
    assert combiner.weights.sum() == pytest.approx(1.0)
    assert combiner.stacking_coefficients.any()
    assert fitted.expected_score_ == pytest.approx(fitted.best_score_, rel=0.1)
    assert fitted.expected_score_ != fitted.best_score_
    assert not len(fitted.failures_)
    assert len(fitted.leaderboard_) == 6


def test_probabilities_of_labels_are_calibrated(of_labels):
    blends = of_labels.ensemble_.combiner.blends
    assert any((blend.temperatures != 1.0).any() for blend in blends)
    assert any(blend.temperature != 1.0 for blend in blends)


def test_a_score_of_all_columns_together_has_one_blend():
    search = classifier(scoring="f1_samples").fit(X, LABELS)
    assert isinstance(search.ensemble_.combiner, Blend)
    single = regressor(ensemble_size=1).fit(X, VALUES)
    assert len(single.ensemble_.members) == 1


def test_sparse_indicators_are_the_same_as_dense():
    search = classifier(n_trials=2)
    expected = search.fit(X, LABELS).predict_proba(NEW_X)
    again = search.fit(X, sparse.csr_matrix(LABELS.to_numpy())).predict_proba(NEW_X)
    np.testing.assert_array_equal(again, expected)


def test_a_column_of_two_dimensions_is_one_target():
    with pytest.warns(UserWarning, match="column-vector"):
        search = regressor(families=["linear"], n_trials=1).fit(X, VALUES[["metres"]])
    assert search.predict(X).shape == (len(X),)


def test_rows_of_one_group_do_not_tell_each_others_labels():
    """Each group has labels of its own, and its number is all that X knows."""
    numbers = np.repeat(np.arange(30), 5)
    labels = np.random.default_rng(0).integers(2, size=(30, 3))[numbers]
    which = np.eye(30)[numbers]
    linear = classifier(families=families_of_labels()[:1], n_trials=1)
    apart = linear.fit(which, labels).best_score_
    together = linear.fit(which, labels, groups=numbers).best_score_
    assert together < -0.63 < -0.5 < apart


def test_weights_count_in_what_is_learned():
    heavy = np.where(LABELS["warm"] == 1, 20.0, 1.0)
    linear = classifier(families=families_of_labels()[:1], n_trials=1)
    plain = linear.fit(X, LABELS).predict_proba(NEW_X).mean(axis=0)
    weighted = linear.fit(X, LABELS, sample_weight=heavy).predict_proba(NEW_X)
    assert weighted.mean(axis=0)[0] > plain[0] + 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_goes_on_from_a_storage(kind, tmp_path):
    search, y, _ = KINDS[kind]
    search(n_trials=2, storage=tmp_path).fit(X, y, **DATA)
    resumed = search(storage=tmp_path).fit(X, y, **DATA)
    whole = search(storage=tmp_path / "other").fit(X, y, **DATA)
    assert len(resumed.leaderboard_) == 6
    np.testing.assert_array_equal(resumed.predict(NEW_X), whole.predict(NEW_X))
    with pytest.raises(ValueError, match="another y"):
        search(storage=tmp_path).fit(X, y.iloc[::-1], **DATA)


def test_replay_and_pickle_keep_the_predictions(fitted):
    y = LABELS if fitted.task_.is_classification else VALUES
    expected = fitted.predict(NEW_X)
    again = fitted.replay(X, y, **DATA)
    np.testing.assert_array_equal(again.predict(NEW_X), expected)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict(NEW_X), expected)
    with pytest.raises(ValueError, match="the ensemble was made for"):
        fitted.replay(X, y.iloc[:, :2], **DATA)


def test_the_best_single_model_answers_in_the_units_of_the_user(fitted):
    best = fitted.best_estimator_
    predicted = best.predict(NEW_X)
    if not fitted.task_.is_classification:
        assert r2_score(NEW_VALUES, predicted) > 0.4
        return
    assert set(np.unique(predicted)) == {0, 1}
    assert (predicted == NEW_LABELS).mean().mean() > 0.65
    assert best.predict_proba(NEW_X).shape == NEW_LABELS.shape


def test_thresholds_follow_a_score_of_labels():
    rng = np.random.default_rng(0)
    rare = (X["b"].abs() > 1.6) ^ (rng.random(len(X)) < 0.05)
    y = LABELS.assign(warm=rare.astype(int))
    search = classifier(scoring="f1_macro").fit(X, y)
    assert search.decision_thresholds_.shape == (3,)
    assert (search.decision_thresholds_ != 0.5).any()
    proba = search.predict_proba(X)
    np.testing.assert_array_equal(
        search.predict(X), proba > search.decision_thresholds_
    )
    assert np.isfinite(search.expected_score_)
    assert f1_score(y, search.predict(X), average="macro") > 0.6


def better_than_the_baseline(search, y, new_y):
    """Tell whether the score of new rows is better than that of the baseline."""
    scorer = search.scoring if callable(search.scoring) else get_scorer(search.scoring)
    dummy = DummyRegressor() if y is VALUES else DummyClassifier(strategy="prior")
    baseline = scorer(dummy.fit(X, y), NEW_X, new_y)
    return scorer(search, NEW_X, new_y) > baseline + 0.05 * abs(baseline)


@pytest.mark.parametrize(
    "scoring", ["f1_micro", "f1_samples", "accuracy", "roc_auc", "average_precision"]
)
def test_labels_are_searched_by_other_scores(scoring):
    search = classifier(scoring=scoring, n_trials=2).fit(X, LABELS)
    assert not len(search.failures_)
    assert better_than_the_baseline(search, LABELS, NEW_LABELS)


@pytest.mark.parametrize(
    "scoring",
    [
        "neg_mean_absolute_error",
        "neg_root_mean_squared_error",
        "neg_median_absolute_error",
        "r2",
    ],
)
def test_values_are_searched_by_other_scores(scoring):
    search = regressor(scoring=scoring, n_trials=2).fit(X, VALUES)
    assert not len(search.failures_)
    assert better_than_the_baseline(search, VALUES, NEW_VALUES)


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("scoring", ["roc_auc", "average_precision"])
def test_scikit_learn_scores_and_predicts_labels(n_labels, scoring):
    names = LABELS.columns[:n_labels]
    search = classifier(n_trials=1, families=families_of_labels()[:1])
    scores = cross_val_score(
        search, X, LABELS[names], scoring=scoring, cv=3, error_score="raise"
    )
    assert 0.6 < scores.min() < 1
    proba = cross_val_predict(search, X, LABELS[names], method="predict_proba", cv=3)
    assert proba.shape == (len(X), n_labels)
    assert roc_auc_score(LABELS[names], proba) == pytest.approx(scores.mean(), abs=0.1)
    best = search.fit(X, LABELS[names]).best_estimator_
    assert get_scorer(scoring)(best, NEW_X, NEW_LABELS[names]) > 0.6


def test_rare_and_constant_labels_are_learned():
    rare = (np.arange(len(X)) % 100 == 0).astype(int)  # three rows
    y = LABELS.assign(rare=rare, none=0)
    with pytest.warns(FitWarning, match="one value in all rows"):
        search = classifier(
            scoring="neg_brier_score", n_trials=2, families=["linear", "extra_trees"]
        ).fit(X, y)
    assert not len(search.failures_)
    assert search.predict_proba(NEW_X)[:, 4].max() < 1e-6
    assert search.predict_proba(NEW_X)[:, 3].mean() < 0.1


def test_rows_of_weight_zero_have_no_part():
    weight = np.where(np.arange(len(X)) < 200, 1.0, 0.0)
    spoiled = LABELS.copy()
    spoiled.iloc[200:] = 1 - spoiled.iloc[200:]
    search = classifier(n_trials=2, cv=list(KFold(3).split(X)))
    expected = search.fit(X, LABELS, sample_weight=weight).predict_proba(NEW_X)
    again = search.fit(X, spoiled, sample_weight=weight).predict_proba(NEW_X)
    np.testing.assert_array_equal(again, expected)


def test_frames_of_polars_are_taken():
    y = pl.DataFrame({name: LABELS[name].to_numpy() for name in LABELS})
    search = classifier(n_trials=1).fit(X, y)
    assert list(search.target_names_) == list(LABELS.columns)
    assert search.predict(NEW_X).shape == NEW_LABELS.shape


def test_a_storage_is_of_one_unit(tmp_path):
    search = regressor(n_trials=1, storage=tmp_path).fit(X, VALUES)
    with pytest.raises(ValueError, match="another y"):
        search.fit(X, 1024 * VALUES)


def test_several_columns_of_classes_are_sent_to_scikit_learn():
    y = np.array([["a", "x"], ["b", "y"]] * 20)
    with pytest.raises(ValueError, match="MultiOutputClassifier"):
        classifier().fit(np.ones((40, 2)), y)
    each = AutoClassifier(
        families=["linear"], n_trials=1, time_budget=None, random_state=0
    )
    y_each = np.array([["a", "x"], ["b", "y"], ["a", "y"]] * 20)
    rows = np.random.default_rng(0).normal(size=(60, 2))
    assert MultiOutputClassifier(each).fit(rows, y_each).predict(rows).shape == (60, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_cell_is_named(kind):
    search, y, _ = KINDS[kind]
    y = y.astype(float)
    y.iloc[7, 1] = np.nan
    with pytest.raises(ValueError, match=f"Row 7 of column '{y.columns[1]}' of y is"):
        search().fit(X, y)


def test_the_tags_are_those_of_scikit_learn():
    tags = get_tags(classifier())
    assert tags.classifier_tags.multi_label
    assert not tags.target_tags.multi_output
    assert get_tags(regressor()).target_tags.multi_output


@pytest.mark.parametrize(
    "check",
    [
        check_classifier_multioutput,
        check_classifiers_multilabel_output_format_predict,
        check_classifiers_multilabel_output_format_predict_proba,
        check_classifiers_multilabel_representation_invariance,
    ],
)
def test_scikit_learn_agrees_on_labels(check):
    check("AutoClassifier", classifier(n_trials=2))


def test_scikit_learn_agrees_on_columns():
    check_regressor_multioutput("AutoRegressor", regressor(n_trials=2))
