"""Backbones: maps of all stages, padding, names of tensors, and frozen nets."""

import numpy as np
import pytest
import torch
from torch import nn

from automodel.nets._image_files import CHANNELS, read_tensors
from automodel.nets._image_nets import SameConv2d, folded, new_backbone
from automodel.nets.backbones import frozen_backbone, load_backbone
from automodel.nets.weights import find_weights
from tests.tiny_backbone import CHANNELS as TINY
from tests.tiny_backbone import WIDTHS, tensors_of, write_backbone


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    (found,) = find_weights(write_backbone(folder / "resnet8.safetensors"), "image")
    return found


def run(net, size=64, n_images=2):
    images = torch.full((n_images, 3, size, size), 90, dtype=torch.uint8)
    with torch.no_grad():
        return net.eval()(images)


def test_a_backbone_returns_the_map_of_each_stage(weights):
    net = load_backbone(weights)
    maps = run(net)
    assert net.channels == TINY
    assert [tuple(own.shape) for own in maps] == [
        (2, channels, side, side)
        for channels, side in zip(TINY, (16, 16, 8, 4), strict=True)
    ]
    x = maps[1]
    with torch.no_grad():
        assert torch.equal(net.stages[2](x), maps[2])


@pytest.mark.parametrize("kind", CHANNELS)
def test_the_stages_of_efficientnet_lite_have_known_channels(kind):
    with torch.device("meta"):
        net = new_backbone(kind, {})
    assert net.channels == CHANNELS[kind]
    widths = [stage[-1] for stage in net.stages[:-1]]
    found = [block.layers[-1].num_features for block in widths]
    assert (*found, net.stages[-1][0].out_channels) == CHANNELS[kind]


@pytest.mark.parametrize("size", [8, 56, 64, 100])
def test_maps_of_efficientnet_lite_are_halved_and_never_collapse(size):
    sides = [own.shape[2] for own in run(new_backbone("efficientnet_lite0", {}), size)]
    halves = [-(-size // 2**i) for i in (1, 2, 3, 4, 4, 5, 5, 5)]
    assert sides == halves


@pytest.mark.parametrize("size", [7, 8, 9])
@pytest.mark.parametrize("kernel", [3, 5])
def test_padding_is_that_of_tensorflow(size, kernel):
    layer = SameConv2d(1, 1, kernel, stride=2)
    nn.init.ones_(layer.weight)
    image = torch.arange(size * size, dtype=torch.float32).reshape(1, 1, size, size)
    with torch.no_grad():
        found = layer(image)[0, 0]
    n_out = -(-size // 2)
    total = (n_out - 1) * 2 + kernel - size
    padded = np.pad(image[0, 0].numpy(), (total // 2, total - total // 2))
    for i in range(n_out):
        for j in range(n_out):
            part = padded[2 * i : 2 * i + kernel, 2 * j : 2 * j + kernel]
            assert found[i, j] == part.sum()


def test_tensors_of_efficientnet_lite_have_their_names():
    net = new_backbone("efficientnet_lite0", {})
    state = net.state_dict()
    names = {
        "_conv_stem.weight": "stages.0.0.weight",
        "_bn0.running_mean": "stages.0.1.running_mean",
        "_blocks.0._depthwise_conv.weight": "stages.0.3.layers.0.weight",
        "_blocks.0._project_conv.weight": "stages.0.3.layers.3.weight",
        "_blocks.1._expand_conv.weight": "stages.1.0.layers.0.weight",
        "_blocks.2._bn1.bias": "stages.1.1.layers.4.bias",
        "_blocks.15._bn2.weight": "stages.6.0.layers.7.weight",
        "_conv_head.weight": "stages.7.0.weight",
        "_bn1.weight": "stages.7.1.weight",
        "_fc.weight": "",
    }
    for name, expected in names.items():
        assert net.renamed(name) == expected
        assert not expected or expected in state


def test_a_resnet_has_the_depth_and_the_width_of_its_tensors():
    shapes = {name: torch.from_numpy(own) for name, own in tensors_of((4, 8)).items()}
    assert new_backbone("resnet8", shapes).channels == (4, 4, 8)


def test_folding_changes_nothing(weights):
    net = load_backbone(weights)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
    before = run(net)
    after = run(folded(net))
    assert not any(isinstance(part, nn.BatchNorm2d) for part in net.modules())
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_colours_of_a_folder_are_used(tmp_path):
    (weights,) = find_weights(write_backbone(tmp_path / "resnet8"), "image")
    net = load_backbone(weights)
    assert net.mean.flatten().tolist() == [127.5] * 3
    assert net.std.flatten().tolist() == [63.75] * 3


def test_a_frozen_net_is_loaded_once_and_a_trained_one_is_new(weights):
    assert frozen_backbone(weights, "float32") is frozen_backbone(weights, "float32")
    one, other = load_backbone(weights), load_backbone(weights)
    assert one is not other
    assert all(part.requires_grad for part in one.parameters())
    assert not any(p.requires_grad for p in frozen_backbone(weights).net.parameters())


def test_gradients_reach_all_stages(weights):
    net = load_backbone(weights).train()
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    net(images)[-1].mean().backward()
    for stage in net.stages:
        assert all(part.grad is not None for part in stage.parameters())


def test_the_tensors_of_a_file_are_read(weights):
    tensors = read_tensors(weights_path(weights))
    expected = tensors_of(WIDTHS)
    assert tensors.keys() == expected.keys()
    np.testing.assert_array_equal(tensors["conv1.weight"], expected["conv1.weight"])


def weights_path(weights):
    from automodel.nets.weights import located

    return located(weights)
