"""Targets of every kind: labels of any type, several labels, several values."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.datasets import make_multilabel_classification, make_regression
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import compute_sample_weight

from automodel.nets import RealMLPClassifier, RealMLPRegressor
from automodel.nets._objective import (
    CrossEntropy,
    Deviance,
    LabelCrossEntropy,
    SquaredError,
)
from automodel.nets._targets import (
    LabelTarget,
    PositiveTarget,
    ValueTarget,
    learn_classes,
)

X, LABELS = make_multilabel_classification(300, 8, n_classes=4, random_state=0)
XR, VALUES = make_regression(300, 5, n_targets=3, random_state=0)
CODES = LABELS[:, 0]
FEW = {"max_epochs": 4, "random_state": 0}

KINDS = {
    "strings": np.array(["no", "yes"])[CODES],
    "objects": np.array(["no", "yes"], dtype=object)[CODES],
    "bools": CODES.astype(bool),
    "ints": CODES * 7 - 3,
    "floats": CODES * 1.0,
    "a series": pd.Series(np.array(["no", "yes"])[CODES]),
    "categories": pd.Series(np.array(["no", "yes"])[CODES], dtype="category"),
    "nullable ints": pd.Series(CODES, dtype="Int64"),
    "a list": ["no" if code == 0 else "yes" for code in CODES],
}


@pytest.mark.parametrize("y", KINDS.values(), ids=KINDS)
def test_labels_of_any_type_are_returned_as_they_came(y):
    net = RealMLPClassifier(**FEW).fit(X, y)
    np.testing.assert_array_equal(net.classes_, np.unique(np.asarray(y)))
    assert set(net.predict(X)) <= set(np.asarray(y))
    assert net.predict(X).dtype == net.classes_.dtype


@pytest.mark.parametrize("y", [KINDS["strings"], LABELS], ids=["classes", "labels"])
def test_labels_do_not_change_the_probabilities(y):
    codes = CODES if y.ndim == 1 else LABELS.astype(bool)
    one, two = (RealMLPClassifier(**FEW).fit(X, part) for part in (y, codes))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_several_labels_are_predicted_each_by_itself():
    net = RealMLPClassifier(max_epochs=30, random_state=0).fit(X[:200], LABELS[:200])
    proba = net.predict_proba(X)
    assert proba.shape == LABELS.shape
    assert ((proba >= 0) & (proba <= 1)).all()
    np.testing.assert_array_equal(net.predict(X), proba > 0.5)
    assert net.predict(X).dtype.kind == "i"
    np.testing.assert_array_equal(net.classes_, range(4))
    right = (net.predict(X[200:]) == LABELS[200:]).mean()
    assert right > 0.75


def test_sparse_indicators_are_taken():
    dense = RealMLPClassifier(**FEW).fit(X, LABELS)
    net = RealMLPClassifier(**FEW).fit(X, sparse.csr_matrix(LABELS))
    np.testing.assert_array_equal(net.predict_proba(X), dense.predict_proba(X))


def test_several_columns_of_classes_are_refused():
    with pytest.raises(ValueError, match="several columns of classes.*MultiOutputClas"):
        RealMLPClassifier().fit(X, LABELS + np.arange(4) % 3)


@pytest.mark.parametrize("y", [KINDS["strings"], VALUES[:, 0]], ids=["classes", "val"])
def test_a_column_is_taken_as_one_dimension_with_a_warning(y):
    kind = RealMLPRegressor if y.dtype.kind == "f" else RealMLPClassifier
    with pytest.warns(DataConversionWarning, match="column-vector"):
        net = kind(**FEW).fit(X, np.asarray(y)[:, None])
    assert net.predict(X).shape == (len(X),)


def test_several_values_are_predicted_in_their_own_units_and_ranges():
    y = VALUES * [1, 1000, 0.001] + [0, 10_000, 0]
    net = RealMLPRegressor(max_epochs=60, random_state=0).fit(XR[:200], y[:200])
    assert net.score(XR[200:], y[200:]) > 0.9
    far = net.predict(XR * 100)
    assert (far >= y[:200].min(0)).all()
    assert (far <= y[:200].max(0)).all()


def test_a_constant_column_among_values_is_predicted():
    y = np.c_[VALUES[:, 0], np.full(len(VALUES), 7.0)]
    np.testing.assert_array_equal(
        RealMLPRegressor(**FEW).fit(XR, y).predict(XR)[:, 1], 7
    )


@pytest.mark.parametrize("y", [LABELS, VALUES], ids=["labels", "values"])
def test_rows_held_out_judge_several_outputs(y):
    kind = RealMLPClassifier if y is LABELS else RealMLPRegressor
    net = kind(**FEW, early_stopping=True).fit(X, y)
    assert len(net.history_["valid_loss"]) == 4


def test_tags_say_what_targets_are_taken():
    classifier = RealMLPClassifier().__sklearn_tags__()
    assert classifier.classifier_tags.multi_label
    assert not classifier.target_tags.multi_output
    assert RealMLPRegressor().__sklearn_tags__().target_tags.multi_output


def test_unknown_classes_of_later_rows_are_refused():
    target = learn_classes(np.array(["a", "b"]))
    with pytest.raises(ValueError, match=r"not in \['a', 'b'\]: \['c'\]"):
        target.encode(np.array(["a", "c"]))


def test_labels_of_another_width_are_refused():
    with pytest.raises(ValueError, match="2 columns, as before"):
        LabelTarget(np.arange(2), np.zeros(2)).encode(np.zeros((3, 3)))


def test_values_of_another_width_are_refused():
    target = ValueTarget.learn(VALUES, None)
    with pytest.raises(ValueError, match="3 numbers per row, as before"):
        target.encode(VALUES[:, 0])


def test_balanced_classes_count_the_same():
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.1).astype(int)
    zeros = np.zeros((400, 1))
    net = RealMLPClassifier(class_weight="balanced", max_epochs=20, random_state=0)
    proba = net.fit(zeros, y).predict_proba(zeros[:1])[0, 1]
    assert proba == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("y", "class_weight"),
    [(CODES, {0: 1.0, 1: 5.0}), (CODES, "balanced"), (LABELS, "balanced")],
    ids=["dict", "balanced", "labels"],
)
def test_class_weight_multiplies_the_weights_of_rows(y, class_weight):
    weight = np.random.default_rng(0).random(len(y)) + 0.5
    net = RealMLPClassifier(**FEW, class_weight=class_weight).fit(X, y, weight)
    by_hand = weight * compute_sample_weight(class_weight, y)
    expected = RealMLPClassifier(**FEW).fit(X, y, by_hand)
    np.testing.assert_array_equal(net.predict_proba(X), expected.predict_proba(X))


def test_rows_without_weight_do_not_count_for_the_balance():
    weight = (np.arange(len(X)) < 200) * 1.0
    net = RealMLPClassifier(**FEW, class_weight="balanced").fit(X, CODES, weight)
    fewer = RealMLPClassifier(**FEW, class_weight="balanced")
    fewer.fit(X[:200], CODES[:200], weight[:200])
    np.testing.assert_allclose(net.predict_proba(X), fewer.predict_proba(X), rtol=1e-6)


def test_a_positive_mean_is_an_output_of_zero():
    y = np.array([0.0, 1.0, 8.0])
    target = PositiveTarget.learn(y, np.array([1.0, 1.0, 2.0]))
    assert target.decode(np.zeros((1, 1))) == pytest.approx(4.25)
    np.testing.assert_allclose(target.encode(y) * 4.25, y)
    assert target.encode(y).dtype == np.float32
    np.testing.assert_allclose(target.decode(np.log([[2 / 4.25]])), 2)


def test_predictions_of_a_mean_are_positive_and_at_most_the_largest_value():
    far = np.array([[-1e9], [1e9]])
    with_zeros = PositiveTarget.learn(np.array([0.0, 2.0, 8.0]), None)
    np.testing.assert_allclose(with_zeros.decode(far), [0.002, 8])
    assert with_zeros.decode(far).max() <= 8
    positive = PositiveTarget.learn(np.array([3.0, 2.0, 8.0]), None)
    np.testing.assert_allclose(positive.decode(far), [2, 8])
    positive.widen(np.array([1.0, 9.0]))
    np.testing.assert_allclose(positive.decode(far), [1, 9])


def test_rows_without_weight_do_not_set_a_positive_range():
    y, weight = np.array([1e9, 2.0, 8.0]), np.array([0.0, 1.0, 1.0])
    target = PositiveTarget.learn(y, weight)
    assert (target.scale, target.high) == ([5.0], [8.0])


def test_a_scale_is_borrowed_where_there_is_none():
    spare = np.array([7.0, 7.0])
    y = np.array([[0.0, 1.0], [0.0, 3.0]])
    assert PositiveTarget.learn(y, None, spare).scale.tolist() == [7, 2]
    assert ValueTarget.learn(y, None, spare).scale.tolist() == [7, 1]
    assert ValueTarget.learn(y, None).scale.tolist() == [1, 1]


def test_a_label_of_all_rows_or_none_is_predicted_as_it_is():
    labels = LABELS.copy()
    labels[:, 0], labels[:, 1] = 0, 1
    proba = RealMLPClassifier(**FEW).fit(X, labels).predict_proba(X)
    assert (proba[:, 0] == 0).all()
    assert (proba[:, 1] == 1).all()
    assert np.ptp(proba[:, 2]) > 0


def test_a_label_that_later_rows_lack_is_learned_again():
    rows = np.flatnonzero(LABELS[:, 0] == 1)
    net = RealMLPClassifier(**FEW)
    net.partial_fit(X[rows], LABELS[rows], classes=np.arange(LABELS.shape[1]))
    assert (net.predict_proba(X)[:, 0] == 1).all()
    net.partial_fit(X, LABELS)
    assert (net.predict_proba(X)[:, 0] < 1).all()


def test_rows_that_are_encoded_change_no_share():
    target = LabelTarget.learn(np.array([[0, 1], [0, 0]]), None)
    target.encode(np.array([[1, 1]]))
    np.testing.assert_array_equal(target.shares, [0, np.nan])
    target.widen(np.array([[1, 1]]))
    assert np.isnan(target.shares).all()


def test_rows_of_no_weight_do_not_count_for_shares():
    y = np.array([[1, 1], [1, 0], [0, 1]])
    target = LabelTarget.learn(y, np.array([1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(target.shares, [1, np.nan])


@pytest.mark.parametrize(
    ("target", "objective"),
    [
        (learn_classes(np.arange(3)), CrossEntropy()),
        (LabelTarget.learn(np.eye(3), None), LabelCrossEntropy()),
        (ValueTarget.learn(VALUES, None), SquaredError()),
        (PositiveTarget.learn(np.exp(VALUES / 100), None), Deviance(1.5)),
    ],
    ids=lambda part: type(part).__name__,
)
@pytest.mark.parametrize("size", [1.0, 300.0])
def test_members_are_combined_as_in_training(target, objective, size):
    outputs = size * np.random.default_rng(0).normal(size=(20, 5, 3))
    expected = objective.combine(torch.tensor(outputs)).numpy()
    found = target.combine(outputs)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
