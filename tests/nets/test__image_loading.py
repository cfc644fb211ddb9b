"""Nets of torchvision and timm are cut into stages, if the libraries are installed."""

import json
import sys

import pytest
import torch
from torch import nn

from automodel.exceptions import WeightsError
from automodel.nets._image_loading import _in_stages, loaded
from automodel.nets.backbones import load_backbone
from automodel.nets.weights import find_weights
from tests.tiny_backbone import write_backbone


def parts():
    return [
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
    ]


def test_stages_end_where_the_size_changes():
    net = _in_stages(parts(), "torchvision:mine", [0.0] * 3, [1.0] * 3)
    assert net.channels == (4, 6, 8)
    assert [len(stage) for stage in net.stages] == [2, 2, 1]
    maps = net(torch.zeros(1, 3, 32, 32))
    assert [own.shape[1:] for own in maps] == [(4, 16, 16), (6, 8, 8), (8, 4, 4)]
    net.mean.copy_(torch.ones(3, 1, 1))  # which no inference mode forbids


@pytest.mark.parametrize("module", ["torchvision.models", "timm"])
def test_a_library_that_cannot_be_imported_is_no_other_error(
    module, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, module, None)
    kind = f"{module.partition('.')[0]}:convnext_atto"
    with pytest.raises(WeightsError, match=f"cannot be loaded as '{kind}'"):
        loaded(write_backbone(tmp_path / "net"), kind)


@pytest.mark.parametrize("last", [nn.Flatten(), nn.Linear(3, 3)])
def test_a_net_without_maps_is_refused(last):
    with pytest.raises(WeightsError, match="has no stages of feature maps"):
        _in_stages([*parts(), last], "torchvision:mine", [0.0] * 3, [1.0] * 3)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "resnet18", "densenet121"])
def test_nets_of_torchvision_are_loaded(name, tmp_path):
    models = pytest.importorskip("torchvision.models")
    net = models.get_model(name, weights=None).eval()
    path = tmp_path / f"{name}-0123abcd.pth"
    torch.save(net.state_dict(), path)
    (weights,) = find_weights(path, "image")
    backbone = load_backbone(weights)
    images = torch.rand(2, 3, 64, 64) * 255
    with torch.no_grad():
        maps = backbone(images)
        x = (images - backbone.mean) / backbone.std
        until = getattr(net, "features", nn.Sequential(*list(net.children())[:-2]))
        torch.testing.assert_close(maps[-1], until(x))
    assert tuple(own.shape[1] for own in maps) == weights.channels


def test_a_transformer_of_torchvision_is_refused(tmp_path):
    models = pytest.importorskip("torchvision.models")
    path = tmp_path / "swin_t-0123abcd.pth"
    torch.save(models.swin_t(weights=None).state_dict(), path)
    with pytest.raises(WeightsError, match="has no stages of feature maps"):
        find_weights(path, "image")


def test_nets_of_torchvision_with_a_pretrained_part_are_not_downloaded(
    tmp_path, monkeypatch
):
    pytest.importorskip("torchvision")

    def refuse(*args, **options):
        raise AssertionError("the network is used")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    path = tmp_path / "lraspp_mobilenet_v3_large.pth"
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="cannot be loaded as"):
        find_weights(path, "image")


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "convnext_atto"])
def test_nets_of_timm_are_loaded(name, tmp_path):
    timm = pytest.importorskip("timm")
    net = timm.create_model(name, pretrained=False).eval()
    folder = tmp_path / name
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architecture": name}))
    torch.save(net.state_dict(), folder / "pytorch_model.bin")
    (weights,) = find_weights(folder, "image")
    backbone = load_backbone(weights)
    images = torch.rand(2, 3, 64, 64) * 255
    with torch.no_grad():
        maps = backbone(images)
        x = (images - backbone.mean) / backbone.std
        expected = net.forward_features(x)
    assert tuple(own.shape[1] for own in maps) == weights.channels
    if name == "resnet18":
        torch.testing.assert_close(maps[-1], expected)
