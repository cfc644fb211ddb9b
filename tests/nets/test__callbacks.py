"""Callbacks, optimizers, losses and modules of a skorch user work on our nets."""

import copy
import pickle
from functools import partial
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
    PrintLog,
)
from torch import nn

from automodel.nets import RealMLPClassifier, RealMLPRegressor, TabMRegressor

X, Y = make_classification(300, 6, n_informative=4, random_state=0)
XR, YR = make_regression(300, 5, noise=1.0, random_state=0)
EVENTS = [
    "on_train_begin",
    "on_epoch_begin",
    "on_batch_begin",
    "on_grad_computed",
    "on_batch_end",
    "on_epoch_end",
    "on_train_end",
]


class Notes(Callback):
    """Count the events."""

    def __init__(self):
        self.seen_ = []

    def _note(event):  # noqa: N805
        def note(self, net, **kwargs):
            self.seen_.append(event)
            if event == "on_batch_end":
                assert kwargs["y_pred"].shape[0] == len(kwargs["batch"][1])

        return note

    for event in EVENTS:
        locals()[event] = _note(event)


class Interrupt(Callback):
    """End the training in the third step of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == self.epoch and len(net.history[-1, "batches"]) == 3:
            raise KeyboardInterrupt


class Own(nn.Module):
    """A module as a user of torch writes it."""

    def __init__(self, n_dense, cardinalities, n_outputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_dense, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, n_outputs)
        )

    def forward(self, dense, codes):
        return self.layers(dense)


class Threads(Own):
    """A module that notes how many threads there are when its weights are drawn."""

    seen: ClassVar[list] = []

    def initialize(self, dense, codes, generator):
        self.seen.append(torch.get_num_threads())


def classifier(**params):
    return RealMLPClassifier(**{"max_epochs": 5, "random_state": 0, **params})


def test_callbacks_are_told_of_each_event_and_change_nothing():
    notes = Notes()
    net = classifier(callbacks=[notes]).fit(X, Y)
    counts = {event: notes.seen_.count(event) for event in EVENTS}
    assert counts["on_train_begin"] == counts["on_train_end"] == 1
    assert counts["on_epoch_begin"] == counts["on_epoch_end"] == 5
    assert counts["on_batch_end"] == counts["on_grad_computed"] == net.n_steps_
    plain = classifier().fit(X, Y)
    np.testing.assert_array_equal(net.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_allclose(
        net.history_["train_loss"], plain.history_["train_loss"], rtol=1e-5
    )


@pytest.mark.parametrize("scoring", ["accuracy", "roc_auc", "neg_log_loss"])
def test_scores_of_each_epoch_are_in_the_history(scoring):
    train = EpochScoring(scoring, on_train=True, name="train")
    callbacks = [EpochScoring(scoring, lower_is_better=False), ("train", train)]
    history = classifier(callbacks=callbacks).fit(X, Y).history_
    assert set(history) == {"train_loss", "valid_loss", scoring, "train"}
    assert len(history[scoring]) == 5
    assert history["train"][-1] > history["train"][0]


def test_values_and_labels_are_scored():
    net = RealMLPRegressor(max_epochs=4, callbacks=[EpochScoring("r2", on_train=True)])
    assert len(net.fit(XR, YR).history_["r2"]) == 4
    scoring = EpochScoring("accuracy", lower_is_better=False)
    net = classifier(callbacks=[scoring]).fit(X, np.c_[Y, 1 - Y])
    assert 0 <= scoring.best_score_ <= 1


def test_early_stopping_of_skorch_ends_the_training():
    stopping = EarlyStopping(patience=2, threshold=10.0, sink=print)
    net = classifier(max_epochs=50, callbacks=[stopping]).fit(X, Y)
    assert len(net.history_["valid_loss"]) == 3


def test_a_scheduler_of_skorch_sets_the_learning_rate():
    scheduler = LRScheduler("StepLR", step_size=1, gamma=0.1, event_name="rate")
    net = classifier(schedule="constant", callbacks=[scheduler]).fit(X, Y)
    rates = net.history_["rate"]
    np.testing.assert_allclose(np.divide(rates[1:], rates[:-1]), 0.1)


def test_checkpoint_and_clipping_and_log(tmp_path, capsys):
    checkpoint = Checkpoint(dirname=str(tmp_path), load_best=True)
    callbacks = [checkpoint, GradientNormClipping(1.0), PrintLog]
    net = classifier(verbose=1, callbacks=callbacks).fit(X, Y)
    weights = torch.load(tmp_path / "params.pt")
    assert set(weights) == set(net.state_)
    assert "valid_loss" in capsys.readouterr().out


@pytest.mark.parametrize(
    "callback",
    [
        Notes(),
        EpochScoring("accuracy", lower_is_better=False, on_train=True),
        EarlyStopping(patience=2),
        LRScheduler("StepLR", step_size=1),
        LRScheduler("ReduceLROnPlateau", monitor="valid_loss"),
        Checkpoint(),
        ("clipping", GradientNormClipping(1.0)),
        PrintLog,
    ],
    ids=[
        "own",
        "scoring",
        "stopping",
        "schedule",
        "plateau",
        "checkpoint",
        "named",
        "class",
    ],
)
def test_a_net_with_callbacks_is_pickled_and_copied(callback, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = classifier(schedule="constant", callbacks=[callback]).fit(X, Y)
    for again in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        np.testing.assert_array_equal(again.predict_proba(X), net.predict_proba(X))
        assert len(again.set_params(max_epochs=2).fit(X, Y).callbacks) == 1


AUGMENTATIONS = [{"feature_noise": 0.1}, {"mixup": 0.3}, {"feature_swap": 0.1}]


@pytest.mark.parametrize("params", AUGMENTATIONS, ids=str)
def test_callbacks_see_augmented_batches_and_change_nothing(params):
    notes = Notes()
    net = classifier(callbacks=[notes], **params).fit(X, Y)
    assert notes.seen_.count("on_batch_end") == net.n_steps_
    plain = classifier(**params).fit(X, Y)
    np.testing.assert_array_equal(net.predict_proba(X), plain.predict_proba(X))
    assert notes.seen_.count("on_epoch_end") == 5
    net.partial_fit(X, Y)
    assert notes.seen_.count("on_epoch_end") == 6


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("epoch", [1, 2])
def test_an_interrupt_keeps_what_fit_has_learned(epoch, early_stopping):
    params = {"callbacks": [Interrupt(epoch)], "early_stopping": early_stopping}
    net = classifier(**params).fit(X, Y)
    assert list(net.history_) == ["train_loss", "valid_loss"][: 1 + early_stopping]
    assert {len(losses) for losses in net.history_.values()} == {epoch - 1}


def test_an_interrupt_keeps_what_partial_fit_has_learned():
    net = classifier(callbacks=[Interrupt(1)]).partial_fit(X, Y, classes=[0, 1])
    assert net.history_ == {"train_loss": []}
    assert (net.n_iter_, net.n_steps_) == (0, 3)
    start = classifier(learning_rate=1e-9).partial_fit(X, Y, classes=[0, 1])
    assert not np.allclose(net.predict_proba(X), start.predict_proba(X))
    net.partial_fit(X, Y)
    assert len(net.history_["train_loss"]) == net.n_iter_ == 1
    assert net.n_steps_ == 3 + start.n_steps_


def test_partial_fit_tells_callbacks():
    notes = Notes()
    net = classifier(callbacks=[notes]).partial_fit(X, Y, classes=[0, 1])
    net.partial_fit(X, Y)
    assert notes.seen_.count("on_epoch_end") == 2


@pytest.mark.parametrize(
    "optimizer", [torch.optim.RAdam, partial(torch.optim.SGD, momentum=0.9)]
)
def test_optimizers_of_torch_train(optimizer):
    net = classifier(optimizer=optimizer, learning_rate=0.1, max_epochs=30)
    net = clone(net).fit(X, Y)
    assert net.score(X, Y) > 0.8
    pickle.loads(pickle.dumps(net)).predict(X)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (torch.optim.LBFGS, "LBFGS needs a closure"),
        (partial(torch.optim.Rprop, etas=(0.4, 1.1)), "Rprop has no parameter 'weight"),
    ],
)
def test_an_optimizer_that_cannot_train_a_net_is_named(optimizer, message):
    with pytest.raises(ValueError, match=message):
        classifier(optimizer=optimizer).fit(X, Y)


def test_an_optimizer_without_weight_decay_trains_where_none_is_wanted():
    net = classifier(optimizer=torch.optim.Rprop, weight_decay=0.0, learning_rate=1e-3)
    assert net.fit(X, Y).n_iter_ >= 1


@pytest.mark.parametrize("net", [RealMLPRegressor, TabMRegressor])
def test_a_criterion_of_torch_trains_as_ours(net):
    options = {"max_epochs": 3, "random_state": 0}
    weight = np.random.default_rng(0).uniform(0.5, 2, len(YR))
    one = net(**options).fit(XR, YR, weight).predict(XR)
    criterion = nn.MSELoss(reduction="none")
    two = net(criterion=criterion, **options).fit(XR, YR, weight).predict(XR)
    np.testing.assert_allclose(one, two, rtol=1e-3)


def test_a_criterion_may_be_a_class():
    own = classifier(criterion=nn.CrossEntropyLoss).fit(X, Y).predict_proba(X)
    np.testing.assert_allclose(own, classifier().fit(X, Y).predict_proba(X), atol=1e-4)


def test_a_mean_loss_cannot_be_weighted():
    with pytest.raises(ValueError, match='reduction="none"'):
        classifier(criterion=nn.CrossEntropyLoss).fit(X, Y, np.ones(len(Y)))


def test_a_module_of_the_user_is_trained_and_repeats():
    before = torch.get_rng_state()
    one, two = (
        clone(classifier(module=Own, max_epochs=30)).fit(X, Y).predict_proba(X)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)
    assert torch.equal(torch.get_rng_state(), before)
    assert (one.argmax(1) == Y).mean() > 0.8


def test_a_module_is_initialized_by_one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        net = classifier(module=Threads)
        net.fit(X, Y)
        net.partial_fit(X, Y)
        clone(net).partial_fit(X, Y, classes=[0, 1])
    finally:
        torch.set_num_threads(n_threads)
    assert set(Threads.seen) == {1}


def test_a_module_of_the_user_is_pickled_and_goes_on():
    net = classifier(module=Own, warm_start=True).fit(X, Y)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict_proba(X), net.predict_proba(X))
    assert set(again.fit(X, Y).partial_fit(X, Y).state_) == set(net.state_)
