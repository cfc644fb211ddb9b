import pytest
import torch
from torch import nn

from automodel.nets._strided import StridedConv2d


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (1, 3), (2, 2)])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 2), (3, 1), (3, 2), (7, 2), (3, 3)])
def test_the_output_is_that_of_torch(size, kernel, stride):
    own = StridedConv2d(4, 6, kernel, stride, kernel // 2)
    known = nn.Conv2d(4, 6, kernel, stride, kernel // 2)
    known.load_state_dict(own.state_dict())
    images = torch.randn(5, 4, *size)
    torch.testing.assert_close(own(images), known(images))


@pytest.mark.parametrize("height", [1, 2, 5])
def test_the_gradient_of_narrow_images_is_right_in_bfloat16(height):
    layer = StridedConv2d(16, 16, 3, 2, 1, bias=False)
    layer.to(memory_format=torch.channels_last)
    images = torch.randn(10, 16, height, 1).to(memory_format=torch.channels_last)
    layer(images).square().mean().backward()
    expected, layer.weight.grad = layer.weight.grad, None
    for _ in range(20):  # what was freed is read again, if anything is
        spoiled = [torch.full((size,), torch.nan) for size in (2**8, 2**12, 2**16)]
        del spoiled
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = layer(images)
        output.float().square().mean().backward()
        found, layer.weight.grad = layer.weight.grad, None
        torch.testing.assert_close(found, expected, rtol=0.05, atol=0.002)
