"""Look at images as a net sees them in training."""

from __future__ import annotations

from typing import Any

import numpy as np

from automodel.nets._rows import draw_seed
from automodel.nets.image._images import ImageScale, as_images
from automodel.nets.image.augment import ImageAugmentation


def augmented(
    X: Any, augmentation: ImageAugmentation, *, random_state: Any = None
) -> np.ndarray:
    """Return images that are changed at random, each in its own way.

    Parameters
    ----------
    X : array of shape (n, height, width) or (n, height, width, channels)
        The images, as the nets take them. A batch of copies of one image shows
        different changes of it.
    augmentation : ImageAugmentation
        How they are changed.
    random_state : int, RandomState instance or None, default=None
        Seed of the changes.

    Returns
    -------
    ndarray of shape (n, height, width, 3), uint8
        The changed images.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from automodel.nets.image import ImageAugmentation, augmented
    >>> images = load_digits().images[:5]
    >>> augmented(images, ImageAugmentation(rotate=20, translate=0.1)).shape
    (5, 8, 8, 3)
    """
    import torch

    from automodel.nets.image._transforms import Augmenter

    images = as_images(X, "augmented", least=0)
    if not len(images):
        return np.zeros((0, *images.shape[1:3], 3), dtype=np.uint8)
    pixels = torch.from_numpy(
        np.ascontiguousarray(ImageScale.of(images).to_bytes(images))
    )
    generator = torch.Generator().manual_seed(draw_seed(random_state))
    changed, _ = Augmenter(augmentation, generator)(pixels)
    return changed.numpy()
