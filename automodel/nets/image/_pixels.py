"""Move the pixels of images, in batches of bytes of shape (n, height, width, 3)."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def warped(images, matrices: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """Return images whose pixels come from other places, by bilinear interpolation.

    What comes from outside of an image has the median colour of its edge.

    Parameters
    ----------
    images : Tensor of shape (n, height, width, 3)
        Bytes.
    matrices, shifts : Tensor of shape (n, 2, 2) and (n, 2)
        From places (x, y) in the output to those in the input, in units of half a side
        from the centre.
    """
    affine = torch.cat([matrices, shifts[:, :, None]], 2)
    shape = [len(images), 3, *images.shape[1:3]]
    grid = F.affine_grid(affine, shape, align_corners=False)
    fill = edge_colour(images)
    pixels = (images.float() - fill).permute(0, 3, 1, 2)
    found = F.grid_sample(pixels, grid, "bilinear", "zeros", align_corners=False)
    return to_bytes(found.permute(0, 2, 3, 1) + fill)


def rotations(angles: torch.Tensor, aspect: float) -> torch.Tensor:
    """Return matrices that rotate images by angles in radians.

    `aspect` is the ratio of the width of the images to their height.
    """
    cos, sin = angles.cos(), angles.sin()
    rows = torch.stack([cos, -sin / aspect, sin * aspect, cos], 1)
    return rows.view(-1, 2, 2)


def edge_colour(images: torch.Tensor) -> torch.Tensor:
    """Return the median colour of the edge of each image, of shape (n, 1, 1, 3)."""
    sides = images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]
    return torch.cat(sides, 1).median(1).values.float()[:, None, None]


def to_bytes(pixels: torch.Tensor) -> torch.Tensor:
    """Return pixels that are rounded to bytes."""
    return pixels.round().clamp(0, 255).to(torch.uint8)


def wide(values: torch.Tensor) -> torch.Tensor:
    """Return one value for each image in a shape that goes with the pixels."""
    return values[:, None, None, None]
