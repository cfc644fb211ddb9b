"""A convolution that can be trained on images narrower than its stride."""

from __future__ import annotations

from torch import nn
from torch.nn import functional


class StridedConv2d(nn.Conv2d):
    """A convolution that pads images which are narrower than its stride.

    For those, in bfloat16 on processors with AMX, oneDNN reads memory that was never
    written for the gradient of the weight, so that it is wrong or not a number (seen
    with torch 2.13 and 2.14). Zeros on the right change neither the output nor its
    shape, if the padding is half of the kernel.
    """

    def _conv_forward(self, input, weight, bias):
        missing = self.stride[1] - input.shape[-1]
        if missing > 0:
            input = functional.pad(input, (0, missing))
        return super()._conv_forward(input, weight, bias)
