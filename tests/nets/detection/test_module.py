"""The module of Faster R-CNN: losses, predictions, and what is frozen."""

import pytest
import torch

from automodel.nets._device import seeded_draws
from automodel.nets.detection._backbone import scratch_design

pytest.importorskip("torchvision")
from automodel.nets.detection._module import AnchorGrid, FasterRCNNModule, Sides

LEVELS = [(1, 8), (2, 16), (3, 32)]
ANCHORS = [[[8.0, 8.0]], [[16.0, 16.0]], [[32.0, 32.0]]]


def module(seed=0, **params):
    options = {"n_classes": 2, "width": 16, "head_width": 32, "n_regions": 16}
    with seeded_draws(seed):
        found = FasterRCNNModule(
            scratch_design(8), levels=LEVELS, anchors=ANCHORS, **(options | params)
        )
    found.draw_from(torch.Generator().manual_seed(0))
    return found


def target_of(*boxes, ignored=None):
    n_boxes = len(boxes)
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.ones(n_boxes, dtype=torch.long),
        "ignored": torch.tensor(ignored or [False] * n_boxes, dtype=torch.bool),
    }


IMAGES = torch.randint(256, (2, 64, 96, 3), generator=torch.Generator().manual_seed(0))
IMAGES = IMAGES.to(torch.uint8)
EXTENTS = [(64, 90), (50, 96)]
TARGETS = [target_of((10.0, 10.0, 40.0, 50.0)), target_of()]


def loss_of(net, targets, images=IMAGES):
    net.draw_from(torch.Generator().manual_seed(0))
    return net.train()(net.maps(images), EXTENTS, targets)


def test_the_loss_reaches_all_weights():
    net = module()
    loss_of(net, TARGETS).backward()
    without = [n for n, p in net.named_parameters() if p.grad is None]
    assert without == []


def test_images_without_boxes_have_a_loss():
    loss = loss_of(module(), [target_of()] * 2)
    assert torch.isfinite(loss)
    assert loss > 0


def test_ignored_boxes_are_neither_learned_nor_refused():
    net = module()
    box = (10.0, 10.0, 40.0, 50.0)
    ignored = loss_of(net, [target_of(box, ignored=[True]), target_of()])
    absent = loss_of(net, [target_of(), target_of()])
    present = loss_of(net, TARGETS)
    assert torch.isfinite(ignored)
    assert ignored < present
    assert ignored != absent


def test_no_draw_comes_from_the_global_generator():
    net, before = module(), torch.get_rng_state()
    one, two = (loss_of(net, TARGETS) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one, two)


def test_predicted_boxes_lie_inside_of_their_images():
    net = module(score_threshold=0.0).eval()
    with torch.no_grad():
        found = net(net.maps(IMAGES), EXTENTS)
    for own, (height, width) in zip(found, EXTENTS, strict=True):
        boxes = own["boxes"]
        assert 0 < len(boxes) <= 100
        assert (boxes >= 0).all()
        assert (boxes <= torch.tensor([width, height] * 2)).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (own["scores"].diff() <= 0).all()
        assert own["labels"].min() >= 1
        assert own["labels"].max() <= 2


def test_coordinates_have_single_precision_in_bfloat16():
    net = module(score_threshold=0.0).eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(net.maps(IMAGES), EXTENTS)
    assert found[0]["boxes"].dtype == torch.float32
    assert found[0]["scores"].dtype == torch.float32


def test_anchors_lie_around_the_centres_of_cells():
    grid = AnchorGrid((8, 16), [[[4.0, 2.0]], [[10.0, 10.0]]])
    maps = [torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 1, 2)]
    one, two = grid(Sides([(16, 24)] * 2), maps)
    assert torch.equal(one, two)
    assert one.shape == (8, 4)
    assert one[1].tolist() == [10, 3, 14, 5]
    assert one[6].tolist() == [3, 3, 13, 13]
