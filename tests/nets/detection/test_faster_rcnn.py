"""FasterRCNNDetector finds objects, in time, and its result can be repeated."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from skorch.callbacks import Callback

from automodel.exceptions import DeadlineReached, MissingLibraryError, WeightsError
from automodel.nets.detection import FasterRCNNDetector, faster_rcnn
from automodel.preprocessing.image.canvas import ImageCanvas
from automodel.some_rows import SomeRows
from automodel.targets.boxes import Boxes
from tests.nets.detection.shapes import (
    HEIGHT,
    WIDTH,
    canvases_of,
    detector,
    make_shapes,
    share_found,
)

needs_torchvision = pytest.mark.skipif(
    faster_rcnn.find_spec("torchvision") is None, reason="needs torchvision"
)
IMAGES, BOXES = make_shapes(24)
CANVASES = canvases_of(IMAGES)
NEW_IMAGES, NEW_BOXES = make_shapes(12, seed=1)
NEW = canvases_of(NEW_IMAGES)
QUICK = {"frozen_epochs": 1, "full_epochs": 1}


def assert_same(one, two):
    for name in ("coordinates", "classes", "scores", "starts"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.fixture(scope="module")
def fitted(weights):
    """Return a quickly trained net that several tests look at, and leave as it is."""
    net = detector(weights, score_threshold=0.0, horizontal_flip=0.5, **QUICK)
    return net.fit(CANVASES, BOXES)


@needs_torchvision
def test_objects_are_found_by_a_net_from_scratch():
    net = detector(
        backbone_width=8, full_epochs=40, frozen_epochs=0, learning_rate=3e-3
    )
    found = net.fit(CANVASES, BOXES).predict(NEW)
    assert share_found(found, NEW_BOXES) > 0.7
    assert net.weights_ is None
    assert net.frozen_ == {}
    losses = net.history_["train_loss"]
    assert losses[-1] < 0.5 * losses[0]


@needs_torchvision
def test_objects_are_found_with_a_pretrained_backbone(weights):
    options = {"frozen_epochs": 5, "full_epochs": 25, "full_rate": 1.0}
    net = detector(weights, learning_rate=5e-3, **options)
    found = net.fit(CANVASES, BOXES).predict(NEW)
    assert share_found(found, NEW_BOXES) > 0.5
    assert net.strides_ == (8, 16)


@needs_torchvision
def test_predictions_are_boxes_of_the_original_images(fitted):
    large = NEW.copy()
    large["size"] *= 3
    found, larger = fitted.predict(NEW), fitted.predict(large)
    assert isinstance(found, Boxes)
    assert len(found) == len(NEW)
    for own, factor in ((found, 1), (larger, 3)):
        limits = factor * np.array([WIDTH, HEIGHT] * 2)
        assert (own.coordinates >= 0).all()
        assert (own.coordinates <= limits).all()
        assert (own.coordinates[:, 2:] > own.coordinates[:, :2]).all()
        assert (own.counts > 0).all()
        assert own.counts.max() <= 100
        assert set(own.classes) <= {0, 1}
        for image in range(len(own)):
            assert (np.diff(own[[image]].scores) <= 0).all()
    np.testing.assert_allclose(larger.coordinates / 3, found.coordinates, atol=1e-3)


@needs_torchvision
def test_the_boxes_of_an_image_do_not_depend_on_the_others(fitted):
    together, alone = fitted.predict(NEW), fitted.predict(NEW[4:5])
    np.testing.assert_allclose(together[[4]].scores, alone.scores, atol=1e-4)
    assert_same(fitted.predict(NEW), together)


@needs_torchvision
def test_images_of_other_shapes_are_predicted_on_the_same_canvas(fitted):
    images = [NEW_IMAGES[1], NEW_IMAGES[2].swapaxes(0, 1), NEW_IMAGES[3][:20, :20]]
    found = fitted.predict(canvases_of(images))
    for i, image in enumerate(images):
        height, width = image.shape[:2]
        own = found[[i]].coordinates
        assert (own <= np.array([width, height] * 2)).all()


@needs_torchvision
def test_no_images_have_no_boxes(fitted):
    found = fitted.predict(NEW[:0])
    assert len(found) == 0


@needs_torchvision
def test_only_boxes_of_a_score_are_predicted(fitted):
    net = clone(fitted).set_params(score_threshold=0.3).fit(CANVASES, BOXES)
    scores = net.predict(NEW).scores
    assert len(scores) < len(fitted.predict(NEW).scores)
    assert (scores >= 0.3).all()


@needs_torchvision
def test_the_same_seed_gives_the_same_net(weights):
    options = {"horizontal_flip": 0.5, "scale": 0.2, "crop": 0.3, "brightness": 0.2}
    before = torch.get_rng_state()
    nets = [
        detector(weights, score_threshold=0.0, **QUICK, **options).fit(CANVASES, BOXES)
        for _ in range(2)
    ]
    assert torch.equal(before, torch.get_rng_state())
    assert_same(*(net.predict(NEW) for net in nets))


@needs_torchvision
def test_rows_of_a_file_are_the_same_as_an_array(weights, fitted):
    rows = np.arange(24)[::-1].copy()
    net = clone(fitted).fit(SomeRows(CANVASES[::-1], rows), BOXES)
    assert_same(net.predict(SomeRows(NEW)), fitted.predict(NEW))


@needs_torchvision
def test_a_net_works_in_a_pipeline(weights):
    pipeline = make_pipeline(ImageCanvas(64, (HEIGHT, WIDTH)), detector(**QUICK))
    assert len(pipeline.fit(IMAGES, BOXES).predict(NEW_IMAGES)) == len(NEW)


@needs_torchvision
def test_the_first_phase_trains_the_heads_alone(weights):
    net = detector(weights, frozen_epochs=1, full_epochs=0).fit(CANVASES, BOXES)
    assert not [name for name in net.state_ if name.startswith("backbone.")]
    assert "backbone.stages.2.0.layers.0.weight" in net.frozen_
    net = detector(weights, frozen_epochs=1, full_epochs=1).fit(CANVASES, BOXES)
    name = "backbone.stages.2.0.layers.0.weight"
    assert name in net.state_
    statistics = "backbone.stages.2.0.layers.1.running_mean"
    assert statistics in net.frozen_


@needs_torchvision
@pytest.mark.parametrize(("layers", "n_trained"), [("all", 4), (2, 2), (9, 4)])
def test_the_last_stages_are_trained(weights, layers, n_trained):
    net = detector(weights, layers=layers, **QUICK).fit(CANVASES, BOXES)
    names = ["0.0", *(f"{stage}.0.layers.0" for stage in range(1, 4))]
    found = [f"backbone.stages.{name}.weight" in net.state_ for name in names]
    assert found == [False] * (4 - n_trained) + [True] * n_trained
    assert {*net.state_} & {*net.frozen_} == set()


@needs_torchvision
def test_the_rate_of_the_second_phase_is_lower(weights):
    rates = []

    class Noted(Callback):
        def on_batch_begin(self, net, **kwargs):
            rates.append((net.planner.is_frozen, net.optimizer_.param_groups[0]["lr"]))

    options = {"learning_rate": 1e-3, "full_rate": 0.1, "callbacks": [Noted()]}
    detector(weights, **QUICK, **options).fit(CANVASES, BOXES)
    frozen, full = ([r for f, r in rates if f is flag] for flag in (True, False))
    assert len(frozen) == len(full) == 6
    assert max(frozen) == pytest.approx(1e-3, rel=0.1)
    assert max(full) == pytest.approx(1e-4, rel=0.1)


@needs_torchvision
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_backbones_of_torchvision(name, tmp_path):
    models = pytest.importorskip("torchvision.models")
    path = tmp_path / f"{name}.pth"
    torch.save(models.get_model(name, weights=None).state_dict(), path)
    net = detector(str(path), **QUICK).fit(CANVASES[:8], BOXES[:8])
    assert net.strides_ == (8, 16, 32)
    assert len(pickle.loads(pickle.dumps(net)).predict(NEW)) == len(NEW)


@needs_torchvision
def test_images_without_any_box_are_learned(weights):
    none = Boxes.of([([], [])] * 8)
    net = detector(weights, n_classes=3, **QUICK).fit(CANVASES[:8], none)
    assert net.n_classes_ == 3
    assert np.isfinite(net.anchors_).all()
    assert len(net.predict(NEW)) == len(NEW)


@needs_torchvision
def test_a_single_image_is_learned(weights):
    net = detector(weights, **QUICK).fit(CANVASES[1:2], BOXES[1:2])
    assert len(net.predict(NEW)) == len(NEW)


@needs_torchvision
@pytest.mark.parametrize("optimizer", ["sgd", torch.optim.AdamW])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_optimizers_and_precisions(weights, optimizer, precision):
    options = {"optimizer": optimizer, "precision": precision, "averaging": 0.5}
    net = detector(weights, **QUICK, **options).fit(CANVASES, BOXES)
    assert net.precision_ == precision
    assert len(net.predict(NEW)) == len(NEW)


OFFLINE = """
import pickle, socket, sys
def forbidden(*args, **options):
    raise OSError("no network")
socket.socket.connect = forbidden
with open(sys.argv[1], "rb") as file:
    net, images, expected = pickle.load(file)
assert "torch" not in sys.modules
found = net.predict(images)
assert abs(found.coordinates - expected.coordinates).max() < 1e-3
"""


@needs_torchvision
def test_a_pickle_predicts_without_files_and_network(tmp_path, fitted):
    net = pickle.loads(pickle.dumps(fitted))
    net.set_params(weights="moved elsewhere")
    net.weights_ = None
    expected = net.predict(NEW)
    path = tmp_path / "net.pkl"
    path.write_bytes(pickle.dumps((net, NEW, expected)))
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OFFLINE, str(path)],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


class Tick(Callback):
    """Let a second go by with each step."""

    def __init__(self, left):
        self.left = left

    def on_batch_begin(self, net, **kwargs):
        self.left[0] -= 1.0


@needs_torchvision
@pytest.mark.parametrize("seconds", [8.0, 25.0])
def test_a_training_that_time_has_cut_is_repeated_without_it(weights, seconds):
    left = [seconds]
    options = {"frozen_epochs": 2, "full_epochs": 4, "score_threshold": 0.0}
    net = detector(weights, callbacks=[Tick(left)], **options)
    cut = net._fit(CANVASES, BOXES, seconds_left=lambda: left[0])
    assert cut.step_plan_
    assert cut.n_steps_ <= seconds
    again = detector(weights, **options)
    again._fit(CANVASES, BOXES, step_plan=cut.step_plan_)
    assert again.n_steps_ == cut.n_steps_
    assert_same(again.predict(NEW), cut.predict(NEW))


@needs_torchvision
def test_nothing_is_usable_without_time(weights):
    with pytest.raises(DeadlineReached):
        detector(weights)._fit(CANVASES, BOXES, seconds_left=lambda: -1.0)


@needs_torchvision
def test_a_search_is_told_of_parts_of_epochs(weights):
    told = []

    def on_epoch(progress, net):
        told.append((progress, len(net.predict(NEW))))
        return len(told) == 3

    net = detector(weights, reports_per_epoch=2, **QUICK)
    net._fit(CANVASES, BOXES, on_epoch=on_epoch)
    shares, counts = zip(*told, strict=True)
    assert len(told) == 3
    assert 0 < shares[0] < shares[1] < shares[2] < 1
    assert set(counts) == {len(NEW)}
    assert net.n_steps_ == 9


@needs_torchvision
def test_predictions_can_be_ended(fitted):
    def check():
        raise DeadlineReached

    with pytest.raises(DeadlineReached):
        fitted.predict(NEW, check)


@needs_torchvision
def test_wrong_input_is_an_error(weights, fitted):
    with pytest.raises(ValueError, match="expects images on canvases.*ImageCanvas"):
        detector(weights).fit(np.zeros((4, 8, 8, 3)), BOXES[:4])
    with pytest.raises(TypeError, match="expects y to be Boxes.*Got list"):
        detector(weights).fit(CANVASES, [{"boxes": [], "labels": []}] * 24)
    with pytest.raises(ValueError, match="got 24 images, and the boxes of 3"):
        detector(weights).fit(CANVASES, BOXES[:3])
    with pytest.raises(ValueError, match="boxes of class 1.*n_classes=1"):
        detector(weights, n_classes=1).fit(CANVASES, BOXES)
    with pytest.raises(ValueError, match=r"fitted on canvases of \(64, 96\).*\(32, 48"):
        fitted.predict(canvases_of(NEW_IMAGES, 32))
    with pytest.raises(ValueError, match="must not both be 0"):
        detector(weights, frozen_epochs=0, full_epochs=0).fit(CANVASES, BOXES)
    with pytest.raises(WeightsError, match="no weights 'other'. Found: resnet8"):
        detector(weights, net="other").fit(CANVASES, BOXES)


def test_a_missing_torchvision_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr(faster_rcnn, "find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError, match="pip install torchvision"):
        FasterRCNNDetector().fit(CANVASES, BOXES)


def test_parameters_can_be_cloned_and_shown():
    net = detector(pyramid_width=32)
    assert clone(net).get_params() == net.get_params()
    assert "pyramid_width=32" in repr(net)
    tags = get_tags(net)
    assert tags.target_tags.required
    assert not tags.input_tags.two_d_array
