"""Images of bright and dark rectangles, and tiny detectors that find them."""

import numpy as np

from automodel.nets.detection import FasterRCNNDetector
from automodel.preprocessing.image.canvas import ImageCanvas
from automodel.targets.boxes import Boxes

SMALL = {
    "pyramid_width": 16,
    "head_width": 32,
    "regions_per_image": 32,
    "anchor_sizes": 1,
    "precision": "float32",
    "random_state": 0,
}
HEIGHT, WIDTH = 64, 96


def make_shapes(n_images=24, seed=0):
    """Return grey images with up to three rectangles, and their boxes by brightness."""
    rng = np.random.default_rng(seed)
    images, boxes = [], []
    for i in range(n_images):
        image = rng.normal(128, 8, (HEIGHT, WIDTH, 3))
        own, classes = [], []
        for column in range(3):  # so that none lies above another
            if i % 8 and rng.random() < 0.7:
                width, height = rng.integers(14, 26, 2)
                left = 32 * column + rng.integers(0, 32 - width + 1)
                top = rng.integers(0, HEIGHT - height + 1)
                is_bright = rng.random() < 0.5
                image[top : top + height, left : left + width] += 110 * (
                    1 if is_bright else -1
                )
                own.append([left, top, left + width, top + height])
                classes.append(int(is_bright))
        images.append(np.clip(image, 0, 255).astype(np.uint8))
        boxes.append((own, classes))
    return images, Boxes.of(boxes)


def canvases_of(images, short_side=64):
    return ImageCanvas(short_side, (HEIGHT, WIDTH)).transform(images)


def detector(weights=None, **params):
    return FasterRCNNDetector(weights=weights, **{**SMALL, **params})


def share_found(found, truth, least=0.5):
    """Return the share of the true boxes that a predicted one of the class overlaps."""
    n_found = 0
    for i in range(len(truth)):
        own, predicted = truth[[i]], found[[i]]
        for box, label in zip(own.coordinates, own.classes, strict=True):
            others = predicted.coordinates[
                (predicted.classes == label) & (predicted.scores > 0.5)
            ]
            n_found += bool(len(others)) and overlaps(box, others).max() > least
    return n_found / len(truth.classes)


def overlaps(box, others):
    """Return the intersection over union of a box with each of the others."""
    inside = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = inside.clip(0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return common / ((box[2:] - box[:2]).prod() + areas - common)
