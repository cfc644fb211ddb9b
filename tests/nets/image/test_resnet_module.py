"""The architecture of ResNets for images."""

import pytest
import torch
from torch import nn

from automodel.nets.image._layout import has_large_stem, products_of
from automodel.nets.image._resnet_module import Residual, ResNetModule

IMAGES = torch.randint(
    256, (6, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


def module(**design):
    own = ResNetModule(3, **{"width": 8, **design})
    own.initialize(IMAGES, torch.Generator().manual_seed(0))
    return own


def n_layers(own):
    """Return the layers in a row: those of shortcuts do not count."""
    names = [name for name, m in own.named_modules() if isinstance(m, nn.Conv2d)]
    return len([name for name in names if "shortcut" not in name]) + 1


def products(own, images):
    """Count the multiplications of convolutions."""
    total = []

    def count(layer, inputs, output):
        n_weights = layer.weight[0].numel()
        total.append(n_weights * output.shape[1] * output[0, 0].numel())

    for name, part in own.named_modules():
        if isinstance(part, nn.Conv2d) and "shortcut" not in name:
            part.register_forward_hook(count)
    own.eval()(images)
    return sum(total)


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("large_stem", [False, True])
@pytest.mark.parametrize("depth", [9, 18, 34, 50])
def test_a_net_has_its_number_of_layers(depth, large_stem, norm):
    own = module(depth=depth, large_stem=large_stem, norm=norm)
    assert own(IMAGES).shape == (6, 3)
    assert n_layers(own) == depth
    kinds = {nn.BatchNorm2d: "batch", nn.GroupNorm: "group"}
    assert {kinds.get(type(m), norm) for m in own.modules()} == {norm}


@pytest.mark.parametrize("depth", [9, 18, 34, 50])
@pytest.mark.parametrize("stem", ["small", "large"])
def test_the_products_of_the_layout_are_those_of_the_net(depth, stem):
    own = module(depth=depth, large_stem=stem == "large")
    found = products_of(depth, 8, 32, stem)
    assert found == pytest.approx(products(own, IMAGES[:1]), rel=0.02)


def test_products_grow_with_size_and_width():
    assert products_of(9, 16, 32) < products_of(9, 32, 32) < products_of(9, 32, 64)
    assert products_of(9, 32, 65) < products_of(9, 32, 64)  # its stem is large
    assert [has_large_stem("auto", side) for side in (8, 64, 65)] == [0, 0, 1]


def test_colours_of_the_training_images_become_standard():
    own = module()
    pixels = (IMAGES.float() - own.mean) * own.scale
    assert pixels.mean((0, 1, 2)).abs().max() < 1e-4
    assert (pixels.std((0, 1, 2)) - 1).abs().max() < 1e-2


def test_images_of_one_colour_are_finite():
    own = ResNetModule(3, width=8)
    images = torch.full((4, 8, 8, 3), 7, dtype=torch.uint8)
    own.initialize(images, torch.Generator().manual_seed(0))
    assert torch.isfinite(own(images)).all()


def test_blocks_begin_as_the_identity():
    for block in module(depth=18).modules():
        if isinstance(block, Residual) and block.shortcut is None:
            x = torch.rand(2, block.body[0].in_channels, 8, 8)
            torch.testing.assert_close(block.eval()(x), x)


def test_stochastic_depth_leaves_out_blocks_of_single_images():
    own = module(depth=34, stochastic_depth=0.5)
    blocks = [m for m in own.modules() if isinstance(m, Residual)]
    skipped = [block.skipped for block in blocks]
    assert skipped == sorted(skipped)
    assert skipped[-1] == 0.5
    block = blocks[-1]
    block.generator = torch.Generator().manual_seed(0)
    nn.init.ones_(block.last_norm.weight)
    x = torch.rand(400, block.body[0].in_channels, 2, 2)
    are_same = (block.train()(x) == x).all(3).all(2).all(1)
    assert 150 < are_same.sum() < 250
    assert not (block.eval()(x) == x).all()


def test_the_same_generator_draws_the_same_weights():
    one, two = module().state_dict(), module().state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
