"""Packed perceptrons as estimators of scikit-learn."""

import copy
import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import (
    make_classification,
    make_multilabel_classification,
    make_regression,
)
from sklearn.model_selection import GridSearchCV

from automodel.nets import PackedMLPClassifier, PackedMLPRegressor
from automodel.nets._recipe import FoldPart
from automodel.nets._training import load_state
from automodel.nets.packed import _prediction
from automodel.nets.packed._members import spread
from automodel.nets.packed._module import Pack

X, Y = make_classification(240, 6, n_informative=4, class_sep=1.5, random_state=0)
XR, YR = make_regression(240, 5, noise=1.0, random_state=0)
KINDS = {"classes": (PackedMLPClassifier, X, Y), "values": (PackedMLPRegressor, XR, YR)}
SMALL = {"n_members": 3, "cv": 3, "max_epochs": 6, "width": 16, "random_state": 0}
each_kind = pytest.mark.parametrize("kind", list(KINDS))


def new(kind, **params):
    return KINDS[kind][0](**{**SMALL, **params})


def fitted(kind, **params):
    return new(kind, **params).fit(*KINDS[kind][1:])


@cache
def shared(kind):
    """Return a net, fitted once, that several tests look at and leave as it is."""
    return fitted(kind)


def answers(net, X):
    return net.predict_proba(X) if hasattr(net, "predict_proba") else net.predict(X)


def parts_of(X, y, n_folds=3, weight=None):
    """Return the parts of folds that take turns."""
    turn = np.arange(len(y)) % n_folds
    parts = []
    for fold in range(n_folds):
        train, valid = turn != fold, turn == fold
        w, w_valid = (None, None) if weight is None else (weight[train], weight[valid])
        parts.append(FoldPart(X[train], y[train], w, X[valid], y[valid], w_valid))
    return parts


def state_of(net):
    """Return all that predictions depend on."""
    arrays = {**net.state_, "epochs": net.best_epochs_, "factors": net.factors_}
    return net.members_, {**arrays, "weights": net.member_weights_}


@each_kind
def test_nets_are_learned(kind):
    X, y = KINDS[kind][1:]
    net = new(kind, max_epochs=30, n_members=6).fit(X[:180], y[:180])
    assert net.score(X[180:], y[180:]) > 0.85
    assert net.n_iter_ == 30
    assert net.n_steps_ == 30 * -(-120 // 64)
    prior = np.log(2) if kind == "classes" else 1.0
    assert 0 < net.validation_loss_ < 0.7 * prior


@each_kind
def test_the_seed_repeats_the_net_and_touches_nothing_global(kind):
    rows = KINDS[kind][1]
    first = answers(shared(kind), rows)
    torch_state, n_threads = torch.get_rng_state(), torch.get_num_threads()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    second = answers(fitted(kind), rows)
    other = answers(fitted(kind, random_state=1), rows)
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, other)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert torch.get_num_threads() == n_threads
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@each_kind
@pytest.mark.parametrize("fold", [0, 2])
def test_what_a_fold_gets_does_not_depend_on_its_validation_targets(kind, fold):
    """All nets go on to the end here, since who goes on is decided on all folds."""
    _, X, y = KINDS[kind]
    parts = parts_of(X, y)
    part = parts[fold]
    shuffled = np.random.default_rng(1).permutation(part.y_valid)
    changed = list(parts)
    changed[fold] = part._replace(y_valid=shuffled)
    net = new(kind, n_finalists=3, max_epochs=12, patience=100)
    one, two = clone(net)._fit_folds(parts), clone(net)._fit_folds(changed)
    (members, arrays), (others, other_arrays) = state_of(one[fold]), state_of(two[fold])
    assert members == others
    assert arrays.keys() == other_arrays.keys()
    for name, value in arrays.items():
        np.testing.assert_array_equal(value, other_arrays[name], err_msg=name)
    np.testing.assert_array_equal(answers(one[fold], X), answers(two[fold], X))
    rest = [i for i in range(3) if i != fold]
    assert any(not np.array_equal(answers(one[i], X), answers(two[i], X)) for i in rest)


@each_kind
def test_the_models_of_the_folds_average_to_the_whole(kind):
    X = KINDS[kind][1]
    net = shared(kind)
    single = [net._single_fold(fold) for fold in range(3)]
    mean = np.mean([answers(one, X) for one in single], axis=0)
    np.testing.assert_allclose(mean, answers(net, X), rtol=1e-7, atol=1e-9)
    for fold, one in enumerate(single):
        assert one.member_weights_.shape == (len(one.members_), 1)
        assert one.member_weights_.sum() == pytest.approx(1)
        assert len(pickle.dumps(one)) < len(pickle.dumps(net))
        assert one.encoders_ == [net.encoders_[fold]]


@each_kind
def test_given_folds_are_each_a_fitted_estimator(kind):
    _, X, y = KINDS[kind]
    frame = pd.DataFrame(X).add_prefix("column ")
    turn = np.arange(len(y)) % 2
    parts = [
        FoldPart(
            frame[turn == a], y[turn == a], None, frame[turn == b], y[turn == b], None
        )
        for a, b in ((0, 1), (1, 0))
    ]
    nets = new(kind)._fit_folds(parts)
    assert len(nets) == 2
    for net in nets:
        assert net.n_features_in_ == X.shape[1]
        assert list(net.feature_names_in_) == list(frame.columns)
        assert np.isfinite(answers(net, frame)).all()
        with pytest.raises(ValueError, match="feature names"):
            net.predict(frame.add_prefix("other "))
    for net in new(kind)._fit_folds(parts_of(X, y)):
        assert net.n_features_in_ == X.shape[1]
        assert not hasattr(net, "feature_names_in_")


@each_kind
def test_predictions_do_not_depend_on_the_other_rows(kind):
    net, rows = shared(kind), KINDS[kind][1]
    alone = np.concatenate([answers(net, rows[i : i + 1]) for i in range(10)])
    np.testing.assert_allclose(alone, answers(net, rows)[:10], rtol=1e-10)


@each_kind
def test_predictions_are_made_in_parts_of_bounded_size(kind, monkeypatch):
    net, rows = copy.copy(shared(kind)), KINDS[kind][1]
    whole = answers(net, rows)
    sizes = []
    usual = net._mixed
    n_outputs = 2 if kind == "classes" else 1
    n_numbers = net.member_weights_.size * n_outputs * 50
    monkeypatch.setattr(_prediction, "NUMBERS_AT_ONCE", n_numbers)
    net._cache = {}
    net._mixed = lambda part: sizes.append(part.shape[2]) or usual(part)
    np.testing.assert_allclose(answers(net, rows), whole, rtol=1e-10)
    assert sizes == [50, 50, 50, 50, 40]


@each_kind
@pytest.mark.parametrize("sigma", [0.0, 1.0])
@pytest.mark.parametrize("activation", ["relu", "selu", "silu", "gelu", "mish"])
def test_nets_predict_as_the_pack_does_in_torch(kind, sigma, activation):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "number": np.where(rng.random(90) < 0.2, np.nan, rng.normal(size=90)),
            "other": rng.normal(size=90),
            "many": pd.Categorical(rng.integers(0, 20, 90)),
            "few": pd.Categorical(rng.integers(0, 3, 90)),
        }
    )
    y = rng.integers(0, 3, 90)
    net = new(kind, embedding_sigma=sigma, activation=activation, n_members=4)
    net.set_params(n_layers=(1, 3), max_epochs=2).fit(X, y)
    n_folds, n_outputs = net.member_weights_.shape[1], net._targets[0].n_outputs
    pack = Pack([[m] for m in net.members_], n_folds, net._inputs, n_outputs)
    load_state(pack, net.state_)
    encoded = [spread(encoder, X, net._inputs) for encoder in net.encoders_]
    dense, codes = (torch.tensor(np.stack(part)) for part in zip(*encoded, strict=True))
    with torch.no_grad():
        outputs = pack.double().eval()(dense.double(), codes).numpy()
    expected = net._mixed(outputs * net.factors_[..., None, None])
    np.testing.assert_allclose(answers(net, X), expected, rtol=1e-6, atol=1e-6)


@each_kind
def test_a_pickle_is_small_and_holds_no_torch(kind):
    net, rows = shared(kind), KINDS[kind][1]
    expected = answers(net, rows)
    stored = pickle.dumps(net)
    assert b"torch" not in stored
    n_weights = sum(value.size for value in net.state_.values())
    assert len(stored) < 4 * n_weights + 20_000
    np.testing.assert_array_equal(answers(pickle.loads(stored), rows), expected)


@each_kind
def test_low_precision_is_close(kind, monkeypatch):
    monkeypatch.setattr("automodel.nets.packed._module.FEWEST_OF_BFLOAT16", 1)
    rows = KINDS[kind][1]
    options = {"n_members": 4, "width": 64, "activation": "silu", "max_epochs": 12}
    single, half = (
        answers(fitted(kind, precision=precision, **options), rows)
        for precision in ("float32", "bfloat16")
    )
    assert not np.array_equal(single, half)
    spread = 1.0 if kind == "classes" else YR.std()
    assert np.abs(single - half).mean() < 0.1 * spread


@each_kind
def test_weights_of_rows_count(kind):
    _, X, y = KINDS[kind]
    weight = np.where(X[:, 0] > 0, 5.0, 0.1)
    weighed = new(kind).fit(X, y, sample_weight=weight)
    assert not np.allclose(answers(weighed, X), answers(shared(kind), X))
    ones = new(kind).fit(X, y, sample_weight=np.full(len(y), 3.0))
    np.testing.assert_allclose(
        answers(ones, X), answers(shared(kind), X), rtol=1e-3, atol=1e-3
    )


@each_kind
def test_rows_without_weight_are_left_out(kind):
    _, X, y = KINDS[kind]
    weight = np.ones(len(y))
    weight[150:] = 0
    with_zeros = new(kind).fit(X, y, sample_weight=weight)
    without = new(kind).fit(X[:150], y[:150], sample_weight=weight[:150])
    np.testing.assert_array_equal(answers(with_zeros, X), answers(without, X))
    with pytest.raises(ValueError, match="weight"):
        new(kind).fit(X, y, sample_weight=np.zeros(len(y)))


def test_class_weights_shift_the_probabilities():
    X, y = make_classification(300, 6, weights=[0.85], flip_y=0.2, random_state=0)
    plain = PackedMLPClassifier(**SMALL).fit(X, y).predict_proba(X)[:, 1].mean()
    for class_weight in ("balanced", {0: 1, 1: 6}):
        net = PackedMLPClassifier(**SMALL, class_weight=class_weight).fit(X, y)
        assert net.predict_proba(X)[:, 1].mean() > plain + 0.1


@pytest.mark.parametrize("loss", ["focal", "cross_entropy"])
def test_other_losses_of_classes_are_learned(loss):
    net = fitted("classes", loss=loss, label_smoothing=0.1, max_epochs=20)
    assert net.score(X, Y) > 0.85


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile"])
def test_other_losses_of_values_are_learned(loss):
    net = fitted("values", loss=loss, quantile=0.8, max_epochs=30)
    assert net.score(XR, YR) > 0.7
    if loss == "quantile":
        assert 0.65 < (net.predict(XR) > YR).mean() <= 0.95


def test_several_labels_are_learned_at_once():
    X, y = make_multilabel_classification(240, 8, n_classes=3, random_state=0)
    net = PackedMLPClassifier(**{**SMALL, "max_epochs": 30}).fit(X, y)
    proba = net.predict_proba(X)
    assert proba.shape == (240, 3)
    assert ((proba >= 0) & (proba <= 1)).all()
    assert (net.predict(X) == y).mean() > 0.8
    single = [net._single_fold(fold) for fold in range(3)]
    mean = np.mean([one.predict_proba(X) for one in single], axis=0)
    np.testing.assert_allclose(mean, proba, rtol=1e-7)


def test_a_label_that_a_training_part_lacks_is_not_predicted_by_its_net():
    X, y = make_multilabel_classification(240, 8, n_classes=3, random_state=0)
    parts = parts_of(X, y)
    parts[1].y[:, 2] = 0
    nets = PackedMLPClassifier(**SMALL)._fit_folds(parts)
    probas = [net.predict_proba(X)[:, 2] for net in nets]
    assert [(proba == 0).all() for proba in probas] == [False, True, False]


def test_several_values_are_learned_at_once():
    y = np.c_[YR, 1000 - YR]
    net = new("values", max_epochs=40).fit(XR, y)
    assert net.predict(XR).shape == (240, 2)
    assert net.score(XR, y) > 0.8


@pytest.mark.parametrize("dtype", [object, str, "category", bool, float])
def test_labels_of_any_type_are_returned_as_they_came(dtype):
    labels = Y.astype(bool if dtype is bool else int)
    if dtype in (object, str, "category"):
        labels = np.where(Y == 1, "yes", "no").astype(object)
    labels = pd.Series(labels).astype(dtype)
    net = PackedMLPClassifier(**SMALL).fit(X, labels)
    assert set(net.predict(X)) == set(labels)
    assert list(net.classes_) == sorted(set(labels))


def make_table(n_rows=240):
    rng = np.random.default_rng(0)
    few, many = rng.choice(["a", "b", "c"], n_rows), rng.integers(0, 20, n_rows)
    number = np.where(rng.random(n_rows) < 0.2, np.nan, rng.normal(size=n_rows))
    frame = pd.DataFrame(
        {
            "number": number,
            "few": pd.Categorical(few),
            "many": pd.Categorical(np.where(many == 3, None, many)),
            "rare": pd.Categorical(["x"] * (n_rows - 1) + ["y"]),
        }
    )
    return frame, (few == "a") ^ (many < 10)


def test_categories_and_missing_numbers_are_learned():
    frame, y = make_table(900)
    params = {"max_epochs": 30, "n_members": 4, "width": 32}
    net = PackedMLPClassifier(**{**SMALL, **params}).fit(frame[:600], y[:600])
    assert net.score(frame[600:], y[600:]) > 0.9


def test_folds_may_know_other_categories_and_columns():
    """One fold has few categories and no missing numbers, another has many."""
    frame, y = make_table()
    first = frame[frame["many"].isin([0, 1, 2]) & frame["number"].notna()].index
    folds = [(first, frame.index[::2]), (frame.index[1::2], frame.index[::2])]
    parts = [
        FoldPart(frame.loc[a], y[a], None, frame.loc[b], y[b], None) for a, b in folds
    ]
    parts[0] = parts[0]._replace(X=parts[0].X.assign(number=1.0))
    nets = PackedMLPClassifier(**SMALL)._fit_folds(parts)
    new_rows = frame.assign(many=pd.Categorical(["new"] * len(frame)))
    for net in nets:
        assert np.isfinite(net.predict_proba(frame)).all()
        assert np.isfinite(net.predict_proba(new_rows)).all()
    assert len(nets[0].encoders_[0].cardinalities_) == 0
    assert len(nets[1].encoders_[0].cardinalities_) == 1


def test_a_class_of_one_row_is_no_error():
    y = Y.copy()
    y[7] = 2
    net = PackedMLPClassifier(**SMALL).fit(X, y)
    assert list(net.classes_) == [0, 1, 2]
    np.testing.assert_allclose(net.predict_proba(X).sum(1), 1)


@pytest.mark.parametrize("n_rare", [1, 2, 3])
def test_a_rare_class_does_not_make_the_folds_fewer(n_rare):
    y = np.zeros(60, int)
    y[:n_rare] = 1
    net = PackedMLPClassifier(**{**SMALL, "cv": 5}).fit(X[:60], y)
    assert net.member_weights_.shape[1] == 5
    folds = net._split(y, None, 0)
    assert [len(valid) for _, valid in folds] == [12] * 5
    rare = [int(y[train].sum()) for train, _ in folds]
    assert sorted(rare) == [n_rare - 1] * n_rare + [n_rare] * (5 - n_rare)


GROUPS = np.arange(240) // 4 % 30


@each_kind
def test_folds_of_its_own_part_no_group(kind):
    y = KINDS[kind][2]
    folds = new(kind, cv=4)._split(y, GROUPS, 0)
    assert len(folds) == 4
    for train, valid in folds:
        assert not set(GROUPS[train]) & set(GROUPS[valid])
        assert sorted([*train, *valid]) == list(range(240))
        assert 40 <= len(valid) <= 80
    again = new(kind, cv=4)._split(y, GROUPS, 1)
    assert any(set(a) != set(b) for (_, a), (_, b) in zip(folds, again, strict=True))
    two = new(kind, cv=4)._split(y, GROUPS < 3, 0)
    assert sorted(len(valid) for _, valid in two) == [24, 216]
    one, none = (new(kind)._split(y, g, 0) for g in (np.zeros(240), None))
    for (_, valid), (_, expected) in zip(one, none, strict=True):
        np.testing.assert_array_equal(valid, expected)


@each_kind
def test_groups_reach_the_folds_without_the_rows_of_no_weight(kind):
    _, X, y = KINDS[kind]
    weight = np.where(np.arange(240) % 3, 1.0, 0.0)
    kept = weight > 0
    net = new(kind)._fit(X, y, weight, groups=GROUPS)
    fewer = new(kind)._fit(X[kept], y[kept], weight[kept], groups=GROUPS[kept])
    np.testing.assert_array_equal(answers(net, X), answers(fewer, X))
    without = new(kind)._fit(X, y, weight)
    assert not np.allclose(answers(net, X), answers(without, X))


@each_kind
def test_folds_of_which_none_can_choose_for_another_are_refused(kind):
    parts = parts_of(*KINDS[kind][1:])
    rows = [np.arange(0, 90), np.arange(60, 180), np.arange(150, 240)]
    apart = [p._replace(valid_rows=r) for p, r in zip(parts, rows, strict=True)]
    with pytest.raises(ValueError, match="Fold 1 has validation rows in common"):
        new(kind)._fit_folds(apart)
    assert len(new(kind)._fit_folds([apart[0], apart[2]])) == 2
    assert len(new(kind)._fit_folds(apart[1:2])) == 1


@each_kind
@pytest.mark.parametrize("n_rows", [2, 3, 4])
def test_fewer_rows_than_folds_are_enough(kind, n_rows):
    _, X, y = KINDS[kind]
    rows = np.argsort(y)[[0, -1, 1, -2]][:n_rows]
    net = new(kind, cv=5).fit(X[rows], y[rows])
    assert np.isfinite(answers(net, X)).all()


def test_a_training_part_of_one_class_is_no_error():
    parts = parts_of(X, Y)
    one = parts[1].y == 0
    parts[1] = parts[1]._replace(X=parts[1].X[one], y=parts[1].y[one])
    nets = PackedMLPClassifier(**SMALL)._fit_folds(parts)
    assert [net.predict_proba(X).shape for net in nets] == [(240, 2)] * 3
    assert nets[1].predict_proba(X)[:, 0].mean() > 0.8


@pytest.mark.parametrize("value", [0.1, 1e12])
def test_a_training_part_of_one_value_is_no_error(value):
    scale = value if value > 1 else 1e25
    parts = parts_of(XR, YR * scale)
    parts[1] = parts[1]._replace(y=np.full(len(parts[1].y), value))
    nets = PackedMLPRegressor(**{**SMALL, "max_epochs": 20})._fit_folds(parts)
    np.testing.assert_allclose(nets[1].predict(XR), value)
    for net in (nets[0], nets[2]):
        assert net.score(XR, YR * scale) > 0.5


def test_a_training_part_of_zeros_is_no_error_to_a_loss_of_means():
    y = np.floor(np.exp(XR[:, 0])) * 1e9
    parts = parts_of(XR, y)
    parts[1] = parts[1]._replace(y=np.zeros(len(parts[1].y)))
    net = PackedMLPRegressor(**{**SMALL, "max_epochs": 20}, loss="poisson")
    nets = net._fit_folds(parts)
    assert 0 < nets[1].predict(XR).min() <= nets[1].predict(XR).max() < 1e-2 * y.mean()
    for net in (nets[0], nets[2]):
        assert np.corrcoef(net.predict(XR), np.exp(XR[:, 0]))[0, 1] > 0.4


def test_a_target_of_one_value_is_no_error():
    net = new("values").fit(XR, np.full(len(XR), 0.1))
    np.testing.assert_allclose(net.predict(XR), 0.1)


def test_a_single_fold_may_be_given():
    part = parts_of(X, Y)[:1]
    (net,) = PackedMLPClassifier(**SMALL)._fit_folds(part)
    assert net.member_weights_.shape[1] == 1
    assert net.score(X, Y) > 0.6


@each_kind
def test_the_curves_of_all_members_have_one_length(kind):
    net = fitted(kind, max_epochs=30, n_members=5, n_finalists=1)
    assert list(net.history_) == [f"valid_loss_{i}" for i in range(5)]
    lengths = [int(np.isfinite(curve).sum()) for curve in net.history_.values()]
    assert {len(curve) for curve in net.history_.values()} == {net.n_iter_}
    assert sorted(set(lengths))[0] < net.n_iter_ == max(lengths)
    assert len(pd.DataFrame(net.history_)) == net.n_iter_
    assert net.best_epochs_.max() <= net.n_iter_


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activation", "tanh"),
        ("activation", ["relu", "tanh"]),
        ("width", [8, 0]),
        ("n_layers", (1, 2.5)),
        ("dropout", [1.0]),
        ("embedding_sigma", [-0.1]),
        ("n_members", 0),
        ("cv", 1),
        ("width", None),
    ],
)
def test_a_choice_that_is_none_is_a_clear_error(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of PackedMLPClassifier"):
        fitted("classes", **{name: value})


def test_no_choices_are_a_clear_error():
    with pytest.raises(ValueError, match=r"width leaves nothing to choose from: \[\]"):
        fitted("classes", width=[])


def test_other_columns_are_a_clear_error():
    with pytest.raises(ValueError, match="6 features"):
        shared("classes").predict(X[:, :5])


def test_divergence_is_a_clear_error():
    with pytest.raises(FloatingPointError, match="learning rate"):
        fitted("classes", learning_rate=1e30)


@each_kind
def test_choices_are_parameters_like_others(kind):
    net = new(kind, width=[8, 16], dropout=(0.0, 0.5))
    assert net.get_params()["width"] == [8, 16]
    cloned = clone(net)
    assert cloned.get_params() == net.get_params()
    assert "width=[8, 16]" in repr(net)
    assert "dropout=(0.0, 0.5)" in repr(net)
    assert repr(KINDS[kind][0]()) == f"{KINDS[kind][0].__name__}()"
    cloned.set_params(width=4, n_layers=[1])
    members = cloned.fit(*KINDS[kind][1:]).members_
    assert {(member.width, member.n_layers) for member in members} == {(4, 1)}
    assert cloned.get_params()["n_layers"] == [1]


def test_choices_are_searched_like_other_parameters():
    grid = {"width": [8, [8, 16]], "dropout": [[0.0], [0.1, 0.3]]}
    net = PackedMLPClassifier(**{**SMALL, "max_epochs": 2})
    search = GridSearchCV(net, grid, cv=2).fit(X, Y)
    assert search.best_params_["width"] in grid["width"]
