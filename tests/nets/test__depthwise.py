"""Depthwise convolutions in bfloat16 have the gradients of single precision."""

import pytest
import torch
from torch import nn

from automodel.nets import _depthwise
from automodel.nets._image_nets import Layers, SameConv2d

CASES = [(3, 1, 9, 11), (3, 2, 9, 12), (5, 1, 8, 13), (5, 2, 9, 12), (5, 2, 8, 11)]


def gradients(layer, images, direction, dtype=None):
    images = images.clone().requires_grad_()
    layer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype is not None):
        found = layer(images)
    (found.float() * direction).sum().backward()
    return found.float().detach(), images.grad, layer.weight.grad.clone()


@pytest.mark.parametrize(("size", "stride", "height", "width"), CASES)
def test_gradients_are_those_of_single_precision(size, stride, height, width):
    torch.manual_seed(0)
    layer = SameConv2d(4, 4, size, stride, groups=4)
    images = torch.randn(3, 4, height, width).contiguous(
        memory_format=torch.channels_last
    )
    direction = torch.randn_like(layer(images))
    expected = gradients(layer, images, direction)
    found = gradients(layer, images, direction, torch.bfloat16)
    for own, other in zip(found, expected, strict=True):
        assert own.shape == other.shape
        assert (own - other).abs().max() < 0.02 * other.abs().max()


def test_it_is_used_in_bfloat16_alone(monkeypatch):
    calls = []
    apply = _depthwise.DepthwiseConvolution.apply
    monkeypatch.setattr(
        _depthwise.DepthwiseConvolution,
        "apply",
        lambda *arguments: (calls.append(1), apply(*arguments))[1],
    )
    layer, images = SameConv2d(4, 4, 3, groups=4), torch.randn(1, 4, 5, 5)
    layer(images)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        layer(images)
    assert not calls
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(images).dtype == torch.bfloat16
        SameConv2d(4, 4, 3)(images)
    assert len(calls) == 1


def test_images_without_gradient_need_none():
    layer, images = SameConv2d(4, 4, 3, 2, groups=4), torch.randn(1, 4, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        layer(images).float().sum().backward()
    assert images.grad is None
    assert torch.isfinite(layer.weight.grad).all()


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("is_low", [False, True])
def test_frozen_norms_are_merged_without_changing_gradients(kernel, is_low):
    torch.manual_seed(0)
    layers = [SameConv2d(4, 4, kernel, 2, groups=4), nn.BatchNorm2d(4), nn.ReLU6()]
    layers += [nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6)]
    for norm in layers[1], layers[4]:
        nn.init.uniform_(norm.weight, 0.5, 2.0)
        nn.init.normal_(norm.bias)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
        norm.eval()
    plain, merged = nn.Sequential(*layers), Layers(*layers)
    images = torch.randn(3, 4, 9, 8)
    direction = torch.randn_like(plain(images))
    found = []
    for net in plain, merged:
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_low and net is merged):
            output = net(images)
        (output.float() * direction).sum().backward()
        gradients = [own.grad.clone() for own in net.parameters()]
        found.append([output.float().detach(), *gradients])
    for own, other in zip(*found, strict=True):
        bound = 0.05 if is_low else 1e-5
        assert (own - other).norm() < bound * other.norm()


def test_norms_that_are_trained_are_not_merged():
    layers = Layers(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU())
    layers(torch.randn(2, 3, 5, 5))
    assert layers[1].num_batches_tracked == 1
