"""Several labels a row: what is learned, predicted and given back."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from automodel.exceptions import FitWarning
from automodel.targets.classes import ClassTarget
from automodel.targets.labels import LabelsTarget
from tests.targets.makers import make_labels

Y = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 1]])
TARGET = LabelsTarget(3)


@pytest.mark.parametrize(
    "given",
    [
        Y.tolist(),
        list(Y),
        Y.astype(bool),
        Y.astype(float),
        Y.astype(object),
        sparse.csr_matrix(Y),
        sparse.coo_array(Y),
        pd.DataFrame(Y),
        pd.DataFrame(Y, columns=["a", "b", "c"]).astype({"a": bool}),
        pd.DataFrame(Y).astype("Int64"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_an_indicator_may_come_in_any_container(given):
    y = LabelsTarget.check(given)
    assert y.dtype == np.int64
    np.testing.assert_array_equal(y, Y)


@pytest.mark.parametrize(
    ("value", "words"),
    [(np.nan, "is missing"), (2.0, "is .*2.0"), (-1.0, "MultiOutputClassifier")],
)
def test_a_cell_that_is_no_label_is_named(value, words):
    y = pd.DataFrame(Y, columns=["a", "b", "c"]).astype(float)
    y.loc[2, "b"] = value
    with pytest.raises(ValueError, match=f"Row 2 of column 'b' of y .*{words}"):
        LabelsTarget.check(y)
    with pytest.raises(ValueError, match="Row 2 of column 1 of y"):
        LabelsTarget.check(y.to_numpy())


@pytest.mark.parametrize("missing", [None, pd.NA])
def test_an_object_cell_may_be_missing(missing):
    y = pd.DataFrame(Y, columns=["a", "b", "c"]).astype(object)
    y.loc[3, "c"] = missing
    with pytest.raises(ValueError, match="Row 3 of column 'c' of y is missing"):
        LabelsTarget.check(y)


def test_several_columns_of_classes_are_sent_to_scikit_learn():
    for y in ([["a", "b"], ["c", "d"]], [["0", "1"], ["1", "0"]], [[0, 1], [2, 3]]):
        with pytest.raises(ValueError, match="MultiOutputClassifier"):
            LabelsTarget.check(y)


def test_labels_that_do_not_vary_are_named():
    y = np.array([[0, 1], [1, 1], [0, 1]])
    with pytest.warns(FitWarning, match=r"one value in all rows: \[1\]"):
        assert LabelsTarget.of(y).n_outputs == 2
    with pytest.raises(ValueError, match="same labels in all rows"):
        LabelsTarget.of(y, np.array([1.0, 0.0, 1.0]))


def test_labels_come_back_from_what_is_learned():
    y = TARGET.encode(Y)
    np.testing.assert_array_equal(TARGET.restore(y), Y)
    np.testing.assert_array_equal(TARGET.decode(TARGET.truth(y)), Y)
    np.testing.assert_array_equal(TARGET.answers(TARGET.sample(y)).predict(None), Y)


def test_thresholds_decide_which_labels_a_row_has():
    proba = np.array([[0.2, 0.6, 0.9]])
    np.testing.assert_array_equal(TARGET.decode(proba), [[0, 1, 1]])
    thresholds = np.array([0.1, 0.7, 0.5])
    np.testing.assert_array_equal(TARGET.decode(proba, thresholds), [[1, 0, 1]])
    np.testing.assert_array_equal(TARGET.decided(proba, thresholds), [[1.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    "model",
    [
        MultiOutputClassifier(LogisticRegression()),
        OneVsRestClassifier(LogisticRegression()),
        RandomForestClassifier(10, random_state=0),
        KNeighborsClassifier(),
        MLPClassifier(max_iter=20, random_state=0),
        RidgeClassifier(),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_the_answers_of_all_models_have_one_shape(model):
    X, y, _ = make_labels(80)
    X, y = X[["b", "c"]].to_numpy(), y.to_numpy()
    proba = TARGET.predict(model.fit(X, y), X, None)
    assert proba.shape == y.shape
    assert proba.dtype == np.float64
    np.testing.assert_array_equal(TARGET.decode(proba), model.predict(X))


@pytest.mark.parametrize("only", [0, 1])
def test_a_label_of_one_value_is_predicted_as_its_share(only):
    X, y, _ = make_labels(80)
    X, y = X[["b", "c"]].to_numpy(), y.assign(big=only).to_numpy()
    for model in (RandomForestClassifier(10), KNeighborsClassifier()):
        proba = TARGET.predict(model.fit(X, y), X, None)
        np.testing.assert_array_equal(proba[:, 1], only)
        assert 0 < proba[:, 0].mean() < 1


def test_the_baseline_predicts_shares():
    weight = np.array([1.0, 1.0, 2.0, 0.0])
    proba = TARGET.baseline().fit(Y, Y, sample_weight=weight).predict_proba(Y[:2])
    np.testing.assert_allclose(proba, [[0.25, 0.25, 0.5]] * 2)
    assert TARGET.constant(Y) is None
    only = TARGET.constant(Y[:1]).fit(Y[:1], Y[:1])
    np.testing.assert_array_equal(TARGET.predict(only, Y, None), Y[[0] * 4])


@pytest.mark.parametrize("n_positive", [5, 10])
def test_folds_share_the_rarest_label_evenly(n_positive):
    rng = np.random.default_rng(0)
    y = (rng.random((400, 4)) < [0.0, 0.5, 0.9, 0.3]).astype(int)
    y[rng.permutation(400)[:n_positive], 0] = 1
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    strata = TARGET.strata(y)
    shares = [y[valid].mean(axis=0) for _, valid in folds.split(y, strata)]
    np.testing.assert_allclose(np.array(shares)[:, 0], n_positive / 400)
    assert np.ptp(shares, axis=0).max() < 0.06


def test_strata_of_few_rows_are_one():
    y = (np.random.default_rng(0).random((20, 12)) < 0.5).astype(int)
    np.testing.assert_array_equal(TARGET.strata(y), 0)


def test_another_target_is_refused():
    TARGET.check_like(LabelsTarget(3))
    for other in (LabelsTarget(2), ClassTarget([0, 1, 2])):
        with pytest.raises(ValueError, match="the ensemble was made for"):
            TARGET.check_like(other)


def test_the_best_model_answers_with_a_matrix():
    X, y, _ = make_labels(80)
    X, y = X[["b", "c"]].to_numpy(), y.to_numpy()
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    decoded = TARGET.decoded(forest, None)
    np.testing.assert_array_equal(decoded.predict(X), forest.predict(X))
    assert decoded.predict_proba(X).shape == y.shape
    again = decoded.fit(X, 1 - y)
    assert (again.predict(X) == 1 - y).mean() > 0.9
