"""The stages of a backbone from which a pyramid takes its maps."""

import pytest
import torch
from torch import nn

from automodel.exceptions import WeightsError
from automodel.nets._image_nets import Backbone, new_backbone
from automodel.nets.detection import _backbone
from automodel.nets.detection._backbone import (
    levels_of,
    scratch_design,
    shortened,
    stages_by_stride,
)

STRIDES = (8, 16, 32)


def backbone_of(*layers):
    """Return a net of convolutions of (stride, channels)."""
    stages, n_in = [], 3
    for stride, n_out in layers:
        stages.append(nn.Conv2d(n_in, n_out, 1, stride))
        n_in = n_out
    channels = [n_out for _, n_out in layers]
    return Backbone(stages, channels, [0.0] * 3, [1.0] * 3)


def test_the_last_map_of_a_stride_is_taken():
    net = backbone_of((4, 4), (2, 6), (1, 8), (2, 8))
    assert stages_by_stride(net) == {4: 0, 8: 2, 16: 3}


def test_the_layer_in_front_of_the_classifier_is_left_out():
    net = new_backbone("efficientnet_lite0", {})
    assert levels_of(net, STRIDES) == [(2, 8), (4, 16), (6, 32)]
    assert [net.channels[stage] for stage in (2, 4, 6)] == [40, 112, 320]


def test_strides_that_a_net_does_not_have_are_left_out():
    assert levels_of(backbone_of((4, 4), (2, 6)), STRIDES) == [(1, 8)]


def test_a_net_without_such_maps_is_an_error():
    with pytest.raises(WeightsError, match=r"strides \(8, 16, 32\).*but.*\(4,\)"):
        levels_of(backbone_of((4, 4)), STRIDES)


def test_a_net_from_scratch_has_all_strides_and_group_normalisation():
    net = _backbone.new_backbone(scratch_design(8))
    assert levels_of(net, (4, *STRIDES)) == [(0, 4), (1, 8), (2, 16), (3, 32)]
    assert net.channels == (8, 16, 32, 64)
    parts = list(net.modules())
    assert any(isinstance(part, nn.GroupNorm) for part in parts)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in parts)


def test_stages_that_are_not_used_are_removed():
    net = shortened(backbone_of((4, 4), (2, 6), (1, 8), (2, 8)), 1)
    assert net.channels == (4, 6)
    assert len(net(torch.zeros(1, 3, 32, 32))) == 2
