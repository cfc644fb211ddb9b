"""EstimatorFamily makes a family of any scikit-learn estimator."""

import pickle

import optuna
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import MultiTaskLasso, SGDClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from automodel.families import EstimatorFamily, find_families
from tests.conftest import make_task

TASK = make_task("binary", 100, 4, 2)


def sgd_space(trial):
    return {"alpha": trial.suggest_float("alpha", 1e-6, 1e-1, log=True)}


def empty_space(trial):
    return {}


def test_classifiers_learn_classes_and_regressors_values():
    classifier = EstimatorFamily("lda", LinearDiscriminantAnalysis(), empty_space)
    regressor = EstimatorFamily("svr", SVR(), empty_space)
    assert classifier.supports(TASK)
    assert not regressor.supports(TASK)


@pytest.mark.parametrize(
    ("estimator", "tasks"),
    [
        (SVR(), ("regression",)),
        (DecisionTreeRegressor(), ("regression", "multioutput")),
        (LinearDiscriminantAnalysis(), ("binary", "multiclass")),
        (KNeighborsClassifier(), ("binary", "multiclass", "multilabel")),
        (MultiOutputClassifier(LinearDiscriminantAnalysis()), ("multilabel",)),
        (ClassifierChain(LinearDiscriminantAnalysis()), ("multilabel",)),
        (MultiOutputRegressor(SVR()), ("multioutput",)),
        (MultiTaskLasso(), ("multioutput",)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_tags_say_whether_it_learns_several_columns(estimator, tasks):
    assert EstimatorFamily("own", estimator, empty_space).tasks == tasks


def test_an_estimator_that_is_neither_is_refused():
    with pytest.raises(ValueError, match=r"StandardScaler.*give tasks="):
        EstimatorFamily("scaler", StandardScaler(), empty_space)


def test_the_estimator_is_a_clone():
    original = SVR(C=3.0)
    family = EstimatorFamily("svr", original, empty_space)
    copy = family.estimator(TASK, 0)
    assert copy is not original
    assert copy.C == 3.0


def test_nested_random_states_are_set():
    pipeline = make_pipeline(StandardScaler(), SGDClassifier())
    family = EstimatorFamily("sgd", pipeline, sgd_space)
    assert family.estimator(TASK, 5).get_params()["sgdclassifier__random_state"] == 5


def test_weights_are_read_from_the_signature():
    tree = EstimatorFamily("tree", DecisionTreeRegressor(), empty_space)
    neighbors = EstimatorFamily("nn", KNeighborsClassifier(), empty_space)
    assert tree.takes_sample_weight(TASK)
    assert not neighbors.takes_sample_weight(TASK)


def test_the_search_space_is_the_function():
    family = EstimatorFamily("sgd", SGDClassifier(), sgd_space)
    trial = optuna.trial.FixedTrial({"alpha": 0.01})
    assert family.search_space(trial, TASK) == {"alpha": 0.01}


def test_trees_get_missing_values_and_others_do_not():
    tree = EstimatorFamily("tree", DecisionTreeRegressor(), empty_space)
    svr = EstimatorFamily("svr", SVR(), empty_space)
    encoders = [f.preprocessor(f.estimator(TASK, 0), TASK) for f in (tree, svr)]
    assert [encoder.missing for encoder in encoders] == ["keep", "impute"]


def test_a_given_preprocessor_is_used_as_a_clone():
    scaler = StandardScaler(with_mean=False)
    family = EstimatorFamily("svr", SVR(), empty_space, preprocessor=scaler)
    encoder = family.preprocessor(family.estimator(TASK, 0), TASK)
    assert encoder is not scaler
    assert encoder.with_mean is False


def test_it_survives_pickle():
    family = EstimatorFamily(
        "sgd", SGDClassifier(), sgd_space, portfolio=[{"alpha": 0.1}]
    )
    restored = pickle.loads(pickle.dumps(family))
    assert restored.portfolio(TASK) == ({"alpha": 0.1},)


def test_find_families_takes_it_beside_names():
    family = EstimatorFamily("sgd", SGDClassifier(), sgd_space)
    assert [f.name for f in find_families(["linear", family])] == ["linear", "sgd"]
