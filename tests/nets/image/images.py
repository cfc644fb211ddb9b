"""Images that show their target, and tiny nets that learn it."""

import numpy as np

from automodel.nets import ImageResNetClassifier, ImageResNetRegressor

SMALL = {"width": 4, "max_epochs": 12, "batch_size": 16, "random_state": 0}


def make_images(n_images=120, side=12, seed=0):
    """Return noisy images of a square in the middle, and how bright it is."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1, 1, n_images)
    images = rng.normal(128, 10, (n_images, side, side, 3))
    middle = slice(side // 4, side - side // 4)
    images[:, middle, middle] += 100 * values[:, None, None, None]
    return np.clip(images, 0, 255).astype(np.uint8), values


def make_arrows(n_images=160, side=14, seed=0):
    """Return images of arrows, and whether each points to the right."""
    rng = np.random.default_rng(seed)
    points_right = rng.random(n_images) < 0.5
    images = rng.integers(0, 40, (n_images, side, side)).astype(np.uint8)
    for image, right in zip(images, points_right, strict=True):
        row, column = rng.integers(3, side - 3), rng.integers(3, side - 6)
        image[row, column : column + 4] = 220
        tip = column + 3 if right else column
        for step in (1, 2):
            at = tip - step if right else tip + step
            image[[row - step, row + step], at] = 220
    return images, points_right.astype(int)


def classifier(**params):
    return ImageResNetClassifier(**{**SMALL, **params})


def regressor(**params):
    return ImageResNetRegressor(**{**SMALL, **params})
