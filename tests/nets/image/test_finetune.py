"""Fine-tuned nets: what is trained, what is kept, and how time ends it."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from automodel.exceptions import DeadlineReached, WeightsError
from automodel.nets import FineTunedImageClassifier, FineTunedImageRegressor
from automodel.nets._parts import fit_head
from automodel.nets._shared_arrays import SharedArrays
from tests.nets.image.images import make_arrows, make_images

IMAGES, VALUES = make_images(80, side=16)
NEW_IMAGES, NEW_VALUES = make_images(40, side=16, seed=1)
CLASSES = (VALUES > 0).astype(int)
NEW_CLASSES = (NEW_VALUES > 0).astype(int)
OPTIONS = {"max_epochs": 1, "random_state": 0, "validations_per_epoch": 2}


def classifier(weights, **params):
    return FineTunedImageClassifier(weights=weights, **{**OPTIONS, **params})


@pytest.fixture(scope="module")
def fitted(weights):
    """Return a net that several tests look at, and leave as it is."""
    return classifier(weights, layers=1).fit(IMAGES, CLASSES)


def test_classes_are_learned(fitted):
    assert fitted.score(NEW_IMAGES, NEW_CLASSES) > 0.8
    assert fitted.classes_.tolist() == [0, 1]


def test_values_are_learned(weights):
    net = FineTunedImageRegressor(weights=weights, **OPTIONS)
    assert net.fit(IMAGES, VALUES).score(NEW_IMAGES, NEW_VALUES) > 0.7


def test_several_labels_are_learned(weights):
    y, new_y = (np.c_[v > 0, v < 0.3].astype(int) for v in (VALUES, NEW_VALUES))
    net = classifier(weights).fit(IMAGES, y)
    assert (net.predict(NEW_IMAGES) == new_y).mean() > 0.75


def changed(net, name):
    """Tell whether training has changed a weight."""
    return name in net.state_ and not np.array_equal(net.state_[name], first(net)[name])


def first(net):
    from automodel.nets.image._pretrained import load_pretrained

    own = net.weights_
    return load_pretrained(own.folder, own.kind, own.checksum).state


@pytest.mark.parametrize(("layers", "n_trained"), [("all", 4), (1, 1), ("head", 0)])
def test_the_last_stages_are_trained(weights, layers, n_trained):
    net = classifier(weights, layers=layers, early_stopping=False)
    net.fit(IMAGES, CLASSES)
    names = ["0.0", *(f"{stage}.0.layers.0" for stage in range(1, 4))]
    found = [changed(net, f"backbone.stages.{name}.weight") for name in names]
    assert found == [False] * (4 - n_trained) + [True] * n_trained
    assert {*net.state_} & {*net.frozen_} == set()
    missing = {*first(net)} - {*net.state_} - {*net.frozen_}
    assert not missing


def test_statistics_are_frozen_unless_they_are_to_be_learned(weights):
    name = "backbone.stages.3.0.layers.1.running_mean"
    options = {"layers": 1, "early_stopping": False}
    frozen = classifier(weights, **options).fit(IMAGES, CLASSES)
    assert name in frozen.frozen_
    free = classifier(weights, frozen_statistics=False, **options).fit(IMAGES, CLASSES)
    assert changed(free, name)
    assert "backbone.stages.1.0.layers.1.running_mean" in free.frozen_


def test_frozen_statistics_stay_as_they_are_with_averaged_weights(weights):
    name = "backbone.stages.0.1.running_mean"
    net = classifier(weights, averaging=0.9).fit(IMAGES, CLASSES)
    np.testing.assert_array_equal(net.frozen_[name], first(net)[name])


def test_learning_rates_fall_from_the_head_to_the_first_stage(weights):
    rates = {}

    class Noted(Callback):
        def on_train_begin(self, net, **kwargs):
            for group in net.optimizer_.param_groups:
                for parameter in group["params"]:
                    rates[id(parameter)] = group["initial_lr"]
            self.names = dict(net.module_.named_parameters())
            for name, parameter in self.names.items():
                seen[name] = rates[id(parameter)]

    seen = {}
    options = {"layer_decay": 0.5, "head_rate": 4.0, "learning_rate": 0.001}
    classifier(weights, callbacks=[Noted()], **options).fit(IMAGES, CLASSES)
    assert seen["head.weight"] == pytest.approx(0.004)
    assert seen["backbone.stages.3.0.layers.0.weight"] == pytest.approx(0.001)
    assert seen["backbone.stages.1.0.layers.0.weight"] == pytest.approx(0.00025)


def test_all_maps_or_the_last_one_are_the_features_of_the_head(weights):
    sizes = [
        classifier(weights, taps=taps, layers="head").fit(IMAGES, CLASSES)
        for taps in ("all", "last")
    ]
    shapes = [net.state_["head.weight"].shape for net in sizes]
    assert shapes == [(2, 8 + 8 + 16 + 24), (2, 24)]


def test_the_start_is_kept_where_training_makes_it_worse(weights):
    probed = classifier(weights, learning_rate=1e-12).fit(IMAGES, CLASSES)
    spoiled = classifier(weights, learning_rate=0.5, patience=2).fit(IMAGES, CLASSES)
    np.testing.assert_allclose(
        spoiled.predict_proba(NEW_IMAGES), probed.predict_proba(NEW_IMAGES), atol=1e-3
    )


def test_training_lowers_the_loss_of_a_random_head(weights):
    options = {"probe": False, "max_epochs": 6, "batch_size": 8, "learning_rate": 3e-3}
    losses = classifier(weights, **options).fit(IMAGES, CLASSES).history_["train_loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_the_same_seed_gives_the_same_net(weights):
    options = {"translate": 0.1, "trivial": 0.5, "dropout": 0.1}
    before = torch.get_rng_state()
    one, two = (classifier(weights, **options).fit(IMAGES, CLASSES) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(
        one.predict_proba(NEW_IMAGES), two.predict_proba(NEW_IMAGES)
    )


OFFLINE = """
import pickle, socket, sys
def forbidden(*args, **options):
    raise OSError("no network")
socket.socket.connect = forbidden
with open(sys.argv[1], "rb") as file:
    net, images, expected = pickle.load(file)
assert "torch" not in sys.modules
assert abs(net.predict_proba(images) - expected).max() < 1e-6
"""


def test_a_pickle_predicts_without_files_and_network(tmp_path, fitted):
    net = pickle.loads(pickle.dumps(fitted))
    net.set_params(weights="moved elsewhere")
    net.weights_ = None
    expected = net.predict_proba(NEW_IMAGES)
    path = tmp_path / "net.pkl"
    path.write_bytes(pickle.dumps((net, NEW_IMAGES, expected)))
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OFFLINE, str(path)],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_models_of_one_process_share_what_is_not_trained(weights, fitted):
    other = classifier(weights, layers=1).fit(IMAGES, CLASSES)
    name = "backbone.stages.0.0.weight"
    assert isinstance(other.frozen_, SharedArrays)
    assert other.frozen_[name] is fitted.frozen_[name]


def test_what_was_used_is_on_the_fitted_net(fitted):
    assert fitted.weights_.kind == "resnet8"
    assert len(fitted.weights_.checksum) == 64
    assert fitted.image_shape_ == (16, 16)


def test_arrows_are_not_swapped(weights):
    images, y = make_arrows(200)
    net = classifier(weights, horizontal_flip=0.5, vertical_flip=0.5, guard_flips=True)
    assert "horizontal_flip" not in net.fit(images, y).flips_


def test_nothing_is_usable_before_the_head_is_found(weights):
    with pytest.raises(DeadlineReached):
        classifier(weights)._fit(IMAGES, CLASSES, seconds_left=lambda: -1.0)


def test_a_training_without_time_for_a_step_is_linear_probing(weights, monkeypatch):
    left = [60.0]

    def slow_fit_head(*args):
        found = fit_head(*args)
        left[0] = 0.0
        return found

    monkeypatch.setattr("automodel.nets._parts.fit_head", slow_fit_head)
    cut = classifier(weights)._fit(IMAGES, CLASSES, seconds_left=lambda: left[0])
    assert cut.n_steps_ == 0
    assert cut.score(IMAGES, CLASSES) > 0.8


class Tick(Callback):
    """Let a second go by with each step."""

    def __init__(self, left):
        self.left = left

    def on_batch_begin(self, net, **kwargs):
        self.left[0] -= 1.0


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_training_that_time_has_cut_is_repeated_without_it(weights, early_stopping):
    options = {"max_epochs": 4, "batch_size": 8, "early_stopping": early_stopping}
    left = [12.0]
    net = classifier(weights, layers=1, callbacks=[Tick(left)], **options)
    cut = net._fit(IMAGES, CLASSES, seconds_left=lambda: left[0])
    assert cut.step_plan_
    again = classifier(weights, layers=1, **options)
    again._fit(IMAGES, CLASSES, step_plan=cut.step_plan_)
    assert again.n_steps_ == cut.n_steps_ <= 12
    np.testing.assert_array_equal(
        again.predict_proba(IMAGES), cut.predict_proba(IMAGES)
    )


def test_missing_weights_are_an_error(tmp_path, monkeypatch):
    with pytest.raises(WeightsError, match="no-such-net"):
        classifier("no-such-net").fit(IMAGES, CLASSES)
    monkeypatch.setattr("automodel.nets.image.finetune.find_weights", lambda *a: ())
    with pytest.raises(WeightsError, match="found no weights.*ImageResNet"):
        classifier("auto").fit(IMAGES, CLASSES)
