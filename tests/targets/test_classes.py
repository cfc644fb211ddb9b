"""Labels as a target: what is learned, predicted and given back."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.svm import LinearSVC

from automodel.exceptions import FitWarning
from automodel.targets.classes import ClassTarget
from automodel.targets.link import Softmax
from automodel.targets.values import ValueTarget

LABELS = np.array(["no", "yes", "perhaps", "no", "yes", "perhaps"])
TARGET = ClassTarget.of(ClassTarget.check(LABELS))


@pytest.mark.parametrize(
    "labels", [LABELS, [True, False] * 2, [3, 1, 3, 1], np.array([1.0, 7.0] * 2)]
)
def test_labels_come_back_from_their_numbers(labels):
    y = ClassTarget.check(labels)
    target = ClassTarget.of(y)
    codes = target.encode(y)
    assert sorted(set(codes)) == list(range(target.n_outputs))
    np.testing.assert_array_equal(target.restore(codes), labels)
    np.testing.assert_array_equal(target.decode(target.truth(codes)), labels)


def test_two_classes_are_binary_and_more_are_multiclass():
    assert ClassTarget(["a", "b"]).kind == "binary"
    assert TARGET.kind == "multiclass"
    assert TARGET.n_outputs == 3


def test_classes_that_a_fold_has_not_seen_have_the_probability_zero():
    rng = np.random.default_rng(0)
    y = np.array([0, 2] * 20)
    X = rng.normal(size=(40, 2)) + y[:, None]
    columns, local = TARGET.local(y)
    np.testing.assert_array_equal(columns, [0, 2])
    np.testing.assert_array_equal(local, y // 2)
    model = LogisticRegression().fit(X, local)
    proba = TARGET.predict(model, X, columns)
    assert proba.dtype == np.float64
    np.testing.assert_array_equal(proba[:, 1], 0)
    np.testing.assert_allclose(proba[:, columns], model.predict_proba(X))


def test_a_model_without_probabilities_is_asked_for_decisions():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = rng.normal(size=(60, 3)) + 2 * np.eye(3)[y]
    for model in (LinearSVC(), RidgeClassifier()):
        proba = TARGET.predict(model.fit(X, y), X, np.arange(3))
        assert proba.sum(axis=1) == pytest.approx(1)
        np.testing.assert_array_equal(proba.argmax(axis=1), model.predict(X))


def test_rows_of_unknown_classes_are_told_apart():
    columns, _ = TARGET.local(np.array([0, 0, 2]))
    known = TARGET.known_rows(columns, np.array([2, 1, 0]))
    np.testing.assert_array_equal(known, [True, False, True])
    _, local = TARGET.local(np.array([2, 0]), columns)
    np.testing.assert_array_equal(local, [1, 0])
    assert TARGET.is_learnable(columns)
    assert not TARGET.is_learnable(np.array([2]))


def test_a_label_that_is_unknown_is_an_error_that_names_its_row():
    for label in ("maybe", "zero"):  # between the others, and after them
        with pytest.raises(ValueError, match=f"Row 1 of y is .*'{label}'"):
            TARGET.encode(["no", label])


def test_a_decision_weighs_the_classes():
    proba = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    weights = np.array([1.0, 2.0, 1.0])
    assert TARGET.decode(proba).tolist() == ["no", "yes"]
    assert TARGET.decode(proba, weights).tolist() == ["perhaps", "yes"]
    np.testing.assert_array_equal(
        TARGET.decided(proba, weights), [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    )


def test_losses_are_logarithmic():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), size=50)
    y = rng.integers(3, size=50)
    assert TARGET.losses(y, proba).mean() == pytest.approx(log_loss(y, proba))
    np.testing.assert_array_equal(TARGET.errors(y, proba), TARGET.losses(y, proba))


def test_rows_of_one_class_have_a_constant_answer():
    assert TARGET.constant(np.array([0, 1])) is None
    constant = TARGET.constant(np.array([0, 0])).fit(np.zeros((2, 1)), [0, 0])
    np.testing.assert_array_equal(constant.predict([[7.0]]), [0])


def test_another_set_of_classes_is_refused():
    TARGET.check_like(ClassTarget(["no", "perhaps", "yes"]))
    for other in (ClassTarget(["a", "b", "c"]), ClassTarget(["no", "yes"])):
        with pytest.raises(ValueError, match="the ensemble was made for"):
            TARGET.check_like(other)
    with pytest.raises(ValueError, match="the classes None"):
        TARGET.check_like(ValueTarget())
    with pytest.raises(
        ValueError, match="'multiclass' with outputs: 3, but .* 'regression'"
    ):
        ValueTarget().check_like(TARGET)


def test_a_class_of_a_single_row_is_warned_of():
    with pytest.warns(FitWarning, match="perhaps"):
        ClassTarget.of(LABELS[:5])


def test_one_class_alone_is_refused_also_after_rows_without_weight():
    with pytest.raises(ValueError, match="only one class: 'a'"):
        ClassTarget.of(np.array(["a", "a"]))
    with pytest.raises(ValueError, match="positive sample weight"):
        ClassTarget.of(np.array(["a", "b"]), np.array([1.0, 0.0]))


def test_out_of_fold_predictions_are_the_mean_of_the_folds():
    first, second = np.full((2, 3), 0.25), np.full((2, 3), 0.5)
    parts = [(np.array([0, 1]), first), (np.array([1, 3]), second)]
    oof = TARGET.pooled(4, parts)
    assert oof.dtype == np.float32
    np.testing.assert_array_equal(oof[:, 0], [0.25, 0.375, np.nan, 0.5])
    np.testing.assert_array_equal(TARGET.is_predicted(oof), [True, True, False, True])


def test_probabilities_are_added_up_as_logarithms():
    assert TARGET.link.has_temperature
    proba = np.array([[0.2, 0.3, 0.5]])
    base = Softmax().forward(proba)
    np.testing.assert_allclose(Softmax().moved(base, np.zeros((1, 3))), proba)
    moved = Softmax().moved(base, np.array([[1.0, 0.0, 0.0]]))
    assert moved.sum() == pytest.approx(1)
    assert moved[0, 0] > 0.2
