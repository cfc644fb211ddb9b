"""The perceptrons: what they promise beyond scikit-learn's checks."""

import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from automodel.nets import RealMLPClassifier, RealMLPRegressor

X, Y = make_classification(300, 6, n_informative=4, random_state=0)
XR, YR = make_regression(300, 5, noise=1.0, random_state=0)
NETS = [
    (RealMLPClassifier(max_epochs=4, random_state=0), X, Y),
    (RealMLPRegressor(max_epochs=4, random_state=0), XR, YR),
]
both = pytest.mark.parametrize(("net", "X", "y"), NETS, ids=["classes", "values"])


@cache
def shared(net):
    """Return a net, fitted once, that several tests look at and leave as it is."""
    X, y = next(rows for each, *rows in NETS if each is net)
    return clone(net).fit(X, y)


def answers(net, X):
    return net.predict_proba(X) if hasattr(net, "predict_proba") else net.predict(X)


def table(n_rows=300, seed=0):
    rng = np.random.default_rng(seed)
    few = rng.choice(["a", "b", "c"], n_rows)
    many = rng.integers(0, 20, n_rows)
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=n_rows),
            "few": pd.Categorical(few),
            "many": pd.Categorical(many),
        }
    )
    return frame, (few == "a") ^ (many < 10)


@both
def test_same_seed_gives_the_same_predictions(net, X, y):
    again = clone(net).fit(X, y)
    np.testing.assert_array_equal(answers(shared(net), X), answers(again, X))


@both
def test_other_seed_gives_other_predictions(net, X, y):
    other = clone(net).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(answers(shared(net), X), answers(other, X))


@both
def test_global_random_state_and_threads_stay_as_they_were(net, X, y):
    torch.set_num_threads(2)
    torch_before = torch.get_rng_state()
    numpy_before = np.random.get_state()[1].copy()  # noqa: NPY002
    answers(clone(net).set_params(random_state=None).fit(X, y), X)
    assert torch.equal(torch.get_rng_state(), torch_before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    assert torch.get_num_threads() == 2


@both
def test_pickle_is_small_and_holds_no_torch(net, X, y):
    fitted = shared(net)
    expected = answers(fitted, X)
    data = pickle.dumps(fitted)
    n_weights = sum(value.size for value in fitted.state_.values())
    assert b"torch" not in data
    assert b"skorch" not in data
    assert len(data) < 4 * n_weights + 20_000
    np.testing.assert_array_equal(answers(pickle.loads(data), X), expected)


@both
def test_prediction_does_not_depend_on_the_other_rows(net, X, y):
    fitted = shared(net)
    alone = np.concatenate([answers(fitted, X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, answers(fitted, X)[:20], rtol=1e-10)


@both
def test_predictions_are_float64(net, X, y):
    assert answers(clone(net).fit(X.astype(np.float32), y), X).dtype == np.float64


@both
@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize("n_rows", [2, 3, 65])
def test_odd_last_batches_are_trained(net, X, y, normalization, n_rows):
    rows = np.r_[np.flatnonzero(y > np.median(y))[:1], np.arange(n_rows - 1)]
    net = clone(net).set_params(normalization=normalization, batch_size=64)
    assert np.isfinite(answers(net.fit(X[rows], y[rows]), X)).all()


@both
def test_batch_normalisation_takes_a_batch_size_of_one(net, X, y):
    net = clone(net).set_params(normalization="batch", batch_size=1, max_epochs=1)
    assert np.isfinite(answers(net.fit(X[:31], y[:31]), X)).all()


@both
def test_rows_of_weight_zero_have_no_influence(net, X, y):
    weight = np.ones(len(y))
    weight[::3] = 0
    noisy = np.where(weight == 0, y[::-1], y)
    counted = weight > 0
    with_zeros = clone(net).fit(X, noisy, weight)
    without = clone(net).fit(X[counted], y[counted], weight[counted])
    np.testing.assert_allclose(answers(with_zeros, X), answers(without, X), rtol=1e-6)


@both
def test_a_single_row_of_positive_weight_is_an_error(net, X, y):
    with pytest.raises(ValueError, match="at least 2 rows of positive weight"):
        clone(net).fit(X, y, np.eye(len(y))[0])


def test_heavy_rows_decide():
    X = np.zeros((200, 1))
    y = np.arange(200) % 2
    net = RealMLPClassifier(max_epochs=20, random_state=0).fit(
        X, y, np.where(y, 9.0, 1.0)
    )
    assert net.predict_proba(X[:1])[0, 1] == pytest.approx(0.9, abs=0.05)


@both
def test_missing_values_are_taken(net, X, y):
    holes = X.copy()
    holes[::4, 0] = np.nan
    holes[:, 1] = np.nan
    assert np.isfinite(answers(clone(net).fit(holes, y), holes)).all()


def test_that_a_value_is_missing_is_learned():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    X = np.where(y == 1, np.nan, rng.normal(size=400)).reshape(-1, 1)
    net = RealMLPClassifier(max_epochs=20, random_state=0).fit(X[:300], y[:300])
    assert net.score(X[300:], y[300:]) == 1.0


@both
def test_values_missing_only_when_predicting_are_taken_as_the_median(net, X, y):
    fitted = shared(net)
    hole, median = X[:1].copy(), X[:1].copy()
    hole[0, 0], median[0, 0] = np.nan, fitted.encoder_.center_[0]
    expected = answers(fitted, median)
    np.testing.assert_allclose(answers(fitted, hole), expected, rtol=1e-5)


@both
def test_huge_values_do_not_break_training(net, X, y):
    large = X.copy()
    large[0, 0], large[1, 0] = 1e300, -1e300
    assert np.isfinite(answers(clone(net).fit(large, y), large)).all()


def test_categories_are_learned():
    frame, y = table(2000)
    net = RealMLPClassifier(max_epochs=30, random_state=0).fit(frame[:1500], y[:1500])
    assert net.encoder_.cardinalities_ == [21]
    assert net.score(frame[1500:], y[1500:]) > 0.95


def test_categories_may_come_in_another_order():
    frame, y = table()
    net = RealMLPClassifier(max_epochs=4, random_state=0).fit(frame, y)
    turned = frame.copy()
    for name in ("few", "many"):
        order = frame[name].cat.categories[::-1]
        turned[name] = frame[name].cat.set_categories(order)
    np.testing.assert_array_equal(net.predict_proba(turned), net.predict_proba(frame))


def test_unknown_and_missing_categories_are_the_same():
    frame, y = table()
    net = RealMLPClassifier(max_epochs=4, random_state=0).fit(frame, y)
    unknown, missing = frame[:5].copy(), frame[:5].copy()
    unknown["few"] = pd.Categorical(["new"] * 5)
    unknown["many"] = pd.Categorical([99] * 5)
    missing["few"] = pd.Categorical([None] * 5, categories=["a"])
    missing["many"] = pd.Categorical([None] * 5, categories=[1])
    np.testing.assert_array_equal(
        net.predict_proba(unknown), net.predict_proba(missing)
    )


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_array_after_a_table_with_categories_is_an_error():
    frame, y = table()
    net = RealMLPClassifier(max_epochs=1).fit(frame, y)
    with pytest.raises(ValueError, match="pandas DataFrame"):
        net.predict(np.zeros((2, 3)))


@both
def test_sparse_rows_are_the_same_as_dense_ones(net, X, y):
    X = np.where(np.abs(X) < 1, 0, X)
    dense = answers(clone(net).fit(X, y), X)
    matrix = sparse.csr_matrix(X)
    np.testing.assert_array_equal(answers(clone(net).fit(matrix, y), matrix), dense)


def test_regression_stays_inside_the_range_seen():
    far = shared(NETS[1][0]).predict(XR * 100)
    assert far.min() >= YR.min()
    assert far.max() <= YR.max()


def test_constant_target_is_predicted():
    net = RealMLPRegressor(max_epochs=2).fit(XR, np.full(len(XR), 7.0))
    np.testing.assert_array_equal(net.predict(XR), 7.0)


def test_classes_keep_their_labels():
    labels = np.array(["no", "yes"])[Y]
    net = clone(NETS[0][0]).fit(X, labels)
    assert list(net.classes_) == ["no", "yes"]
    assert set(net.predict(X)) <= {"no", "yes"}


def test_a_rare_class_does_not_break_the_inner_split():
    y = Y.copy()
    y[0] = 2
    net = RealMLPClassifier(max_epochs=2, random_state=0).fit(X, y)
    assert net.predict_proba(X).shape == (len(X), 3)


@both
def test_early_stopping_keeps_the_best_epoch(net, X, y):
    net = clone(net).set_params(max_epochs=30, early_stopping=True, patience=5)
    losses = net.fit(X, y).history_["valid_loss"]
    assert net.n_iter_ == int(np.argmin(losses)) + 1
    assert len(losses) <= 2 * net.n_iter_ + 5


@both
def test_without_early_stopping_all_epochs_are_trained(net, X, y):
    net = clone(net).set_params(early_stopping=False).fit(X, y)
    assert net.n_iter_ == len(net.history_["train_loss"]) == 4
    assert "valid_loss" not in net.history_


def test_temperature_tames_labels_that_are_noise():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 10)), rng.integers(0, 2, 400)
    net = RealMLPClassifier(max_epochs=64, random_state=0).fit(X, y)
    proba = net.predict_proba(rng.normal(size=(400, 10)))
    assert np.abs(proba - 0.5).mean() < 0.1


@both
def test_divergence_is_a_clear_error(net, X, y):
    net = clone(net).set_params(learning_rate=1e30, activation="relu")
    with pytest.raises(FloatingPointError, match="learning rate"):
        net.fit(X, y)


@both
def test_hook_may_stop_training(net, X, y):
    seen = []

    def on_epoch(epoch, fitted):
        seen.append(answers(fitted, X[:3]))
        return epoch == 2

    net = clone(net).set_params(early_stopping=False)._fit(X, y, on_epoch=on_epoch)
    assert net.n_iter_ == len(seen) == 2
    np.testing.assert_array_equal(answers(net, X[:3]), seen[-1])


@both
def test_time_limit_ends_training_inside_an_epoch(net, X, y):
    ticks = iter(np.linspace(10, 0, 21))
    net = clone(net).set_params(early_stopping=False, max_epochs=1000, batch_size=8)
    net._fit(X, y, seconds_left=lambda: next(ticks))
    assert 10 < net.n_steps_ < 21
    assert net.history_["train_loss"] == []


@both
def test_interrupt_of_the_user_gets_through(net, X, y):
    def interrupt(epoch, net):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clone(net)._fit(X, y, on_epoch=interrupt)


@both
def test_nets_work_in_a_grid_search_of_a_pipeline(net, X, y):
    pipeline = Pipeline([("scale", StandardScaler()), ("net", clone(net))])
    search = GridSearchCV(pipeline, {"net__width": [8, 16]}, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 2


@pytest.mark.parametrize("activation", ["relu", "selu", "silu", "gelu", "mish"])
@pytest.mark.parametrize("embedding", ["none", "periodic", "piecewise"])
def test_every_activation_and_embedding_learns(activation, embedding):
    net = RealMLPClassifier(
        activation=activation, embedding=embedding, max_epochs=30, random_state=0
    )
    assert net.fit(X[:200], Y[:200]).score(X[200:], Y[200:]) > 0.8


def test_unknown_activation_is_an_error():
    with pytest.raises(ValueError, match="'activation' parameter of RealMLPClassifier"):
        RealMLPClassifier(activation="tanh").fit(X, Y)
