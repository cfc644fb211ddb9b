"""Images whose classes and values can be learned, for several tests."""

import io

import numpy as np
from PIL import Image

from automodel.preprocessing.image.images import ImageFacts
from tests.makers import unstructured_task

CHEAP_IMAGE = {
    "families": ["image_pixels"],
    "weights": None,
    "n_trials": 3,
    "time_budget": None,
    "cv": 3,
    "random_state": 0,
}


def make_images(n_rows=90, seed=0, height=12, width=10):
    """Return grey images with a bright band, and how far below the middle it is."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (n_rows, height, width), dtype=np.uint8)
    places = rng.integers(0, height - 2, n_rows)
    for image, place in zip(images, places, strict=True):
        image[place : place + 3] += 150
    return images, places - (height - 3) / 2


def make_labels(values):
    """Return a label of each value."""
    return np.where(values > 0, "low", "high")


def image_task(kind, n_samples=90, n_classes=None, *, side=12, grey_share=1.0, **facts):
    """Return the task of square images."""
    sides = (float(side),) * 5
    own = ImageFacts(sides, sides, grey_share=grey_share, **facts)
    return unstructured_task(kind, n_samples, n_classes, "image", own)


def encoded(array, kind="PNG", mode=None, **options):
    """Return the content of a file of an image."""
    stream = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(stream, kind, **options)
    return stream.getvalue()


def write_images(folder, images):
    """Write images as PNG files into a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(folder / f"{row:04}.png") for row in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths
