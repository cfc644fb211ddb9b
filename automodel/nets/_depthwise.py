"""Depthwise convolutions that are trained quickly in bfloat16 on a processor."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

FAST_SIZE = 3  # of a kernel, whose gradient torch computes quickly in bfloat16


def pays(images: torch.Tensor, weight: torch.Tensor) -> bool:
    """Tell whether `DepthwiseConvolution` is faster than the gradients of torch.

    It is when a layer is trained on a processor in bfloat16.
    """
    return (
        images.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and torch.is_grad_enabled()
        and (images.requires_grad or weight.requires_grad)
    )


class DepthwiseConvolution(torch.autograd.Function):
    """A convolution of each channel in bfloat16, with gradients that are not slow.

    In bfloat16, torch computes the gradient of a kernel of 5 x 5, and that of the input
    of a convolution with a stride, 5 to 10 times as slowly as in single precision. Here
    the gradient of the kernel is computed in single precision. That of the input is a
    convolution with the mirrored kernel, of outputs with zeros between them.

    `apply` takes images of shape (n, channels, height, width), the weight of shape
    (channels, 1, size, size), the bias or None, and the stride and the padding of both
    directions.
    """

    @staticmethod
    def forward(ctx: Any, images, weight, bias, stride: int, padding: int):
        """Return the convolution in bfloat16."""
        images = images.to(torch.bfloat16)
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        low = weight.to(torch.bfloat16)
        constant = None if bias is None else bias.to(torch.bfloat16)
        return functional.conv2d(
            images, low, constant, stride, padding, groups=images.shape[1]
        )

    @staticmethod
    def backward(ctx: Any, *gradients):
        """Return the gradients of the images, the weight and the bias."""
        images, weight = ctx.saved_tensors
        (of_output,) = gradients
        of_images = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            low = weight.to(torch.bfloat16)
            of_images = _of_images(of_output, low, images, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[1]:
            of_weight = _of_weight(of_output, weight, images, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[2]:
            of_bias = of_output.sum((0, 2, 3), dtype=torch.float32)
        return of_images, of_weight, of_bias, None, None


def _of_images(of_output, weight, images, stride: int, padding: int):
    size = weight.shape[-1]
    if stride > 1:
        n, n_channels, height, width = images.shape
        reach = size - 1 - 2 * padding
        spread = of_output.new_zeros((n, n_channels, height - reach, width - reach))
        spread = spread.contiguous(memory_format=torch.channels_last)
        rows, columns = ((stride * (m - 1) + 1) for m in of_output.shape[2:])
        spread[:, :, :rows:stride, :columns:stride] = of_output
        of_output = spread
    mirrored = weight.flip(2, 3)
    return functional.conv2d(
        of_output, mirrored, padding=size - 1 - padding, groups=images.shape[1]
    )


def _of_weight(of_output, weight, images, stride: int, padding: int):
    if weight.shape[-1] > FAST_SIZE:
        of_output, images = of_output.float(), images.float()
    weight = weight.to(images.dtype)
    # Arguments of torch: no bias, stride, padding, dilation, and what is wanted.
    return torch.ops.aten.convolution_backward(
        of_output,
        images,
        weight,
        None,
        [stride, stride],
        [padding, padding],
        [1, 1],
        False,
        [0, 0],
        images.shape[1],
        [False, True, False],
    )[1]
