"""The file of a net of images with random weights, as torchvision writes it."""

import torch

WIDTHS = 64, 128, 256, 512


def write_resnet(folder, seed=0):
    """Write a ResNet of 18 layers, in half precision, and return the path."""
    generator = torch.Generator().manual_seed(seed)
    state = {}

    def convolution(name, n_out, n_in, size):
        deviation = (2 / (n_in * size**2)) ** 0.5
        weight = torch.randn(n_out, n_in, size, size, generator=generator)
        state[f"{name}.weight"] = (deviation * weight).half()

    def norm(name, n):
        values = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
        for tensor, value in values.items():
            state[f"{name}.{tensor}"] = torch.full((n,), value)

    convolution("conv1", 64, 3, 7)
    norm("bn1", 64)
    n_in = 64
    for stage, width in enumerate(WIDTHS, start=1):
        for block in range(2):
            place = f"layer{stage}.{block}"
            for i, n in ((1, n_in), (2, width)):
                convolution(f"{place}.conv{i}", width, n, 3)
                norm(f"{place}.bn{i}", width)
            if n_in != width:
                convolution(f"{place}.downsample.0", width, n_in, 1)
                norm(f"{place}.downsample.1", width)
            n_in = width
    state["fc.weight"], state["fc.bias"] = torch.zeros(5, 512), torch.zeros(5)
    path = folder / "resnet18.pth"
    torch.save(state, path)
    return path
