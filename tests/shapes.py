"""Images with drawn shapes, and a detector of them that needs no net."""

import numpy as np
from scipy import ndimage
from sklearn.base import BaseEstimator, TransformerMixin

from automodel import AutoObjectDetector
from automodel.families import ModelFamily
from automodel.preprocessing.image.reader import read_images
from automodel.targets.boxes import Boxes

HEIGHT, WIDTH = 40, 48
COLOURS = {"blue": (40, 80, 230), "red": (230, 60, 40)}
LEAST_PIXELS = 12  # of a shape


def make_shapes(n_images=40, seed=0, height=HEIGHT, width=WIDTH):
    """Return dark images with 0 to 4 coloured rectangles, and their boxes and labels.

    Each rectangle is in a quarter of its own.
    """
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 50, (n_images, height, width, 3), dtype=np.uint8)
    y = []
    for image in X:
        boxes, labels = [], []
        for quarter in range(4):
            if rng.random() < 0.5:
                continue
            left = quarter % 2 * (width // 2) + rng.integers(1, 8)
            top = quarter // 2 * (height // 2) + rng.integers(1, 6)
            right, bottom = left + rng.integers(6, 15), top + rng.integers(5, 13)
            label = "red" if rng.random() < 0.3 else "blue"
            shade = np.array(COLOURS[label]) + rng.integers(-25, 26, 3)
            noise = rng.integers(-15, 16, (bottom - top, right - left, 3))
            image[top:bottom, left:right] = np.clip(shade + noise, 0, 255)
            boxes.append([left, top, right, bottom])
            labels.append(label)
        y.append({"boxes": np.array(boxes).reshape(-1, 4), "labels": labels})
    return X, y


class WholeImages(TransformerMixin, BaseEstimator):
    """Encode images as an array, with black below and on the right of small ones."""

    def __init__(self, side=64):
        self.side = side

    def fit(self, X, y=None, sample_weight=None):
        return self

    def transform(self, X):
        images = read_images(X)
        encoded = np.zeros((len(images), self.side, self.side, 3), dtype=np.uint8)
        for own, image in zip(encoded, images, strict=True):
            own[: image.shape[0], : image.shape[1]] = image
        return encoded

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class BlobDetector(BaseEstimator):
    """Finds connected bright pixels; their class is that of the nearest colour.

    Its boxes are too large by `margin` pixels on the side that is named, or too small
    if it is negative, so that models of opposite margins are better together.
    """

    def __init__(self, level=100, margin=0.0, side="left", mode="plain"):
        self.level = level
        self.margin = margin
        self.side = side
        self.mode = mode

    def fit(self, X, y):
        if self.mode == "raise":
            raise RuntimeError("as told")
        y, colours = y.where(~y.ignored), {}
        for image, box, number in zip(y.images, y.coordinates, y.classes, strict=True):
            left, top, right, bottom = box.astype(int)
            colour = X[image, top:bottom, left:right].mean(axis=(0, 1))
            colours.setdefault(int(number), []).append(colour)
        self.classes_ = np.array(sorted(colours))
        self.colours_ = np.array([np.mean(colours[c], axis=0) for c in self.classes_])
        return self

    def predict(self, X):
        return Boxes.of([self._found(image) for image in X])

    def _found(self, image):
        number, n_blobs = ndimage.label(image.max(axis=2) > self.level)
        boxes, classes, scores = [], [], []
        for i, (rows, columns) in enumerate(ndimage.find_objects(number, n_blobs)):
            inside = number == i + 1
            if inside.sum() < LEAST_PIXELS:
                continue
            distance = np.abs(self.colours_ - image[inside].mean(axis=0)).sum(axis=1)
            box = np.array([columns.start, rows.start, columns.stop, rows.stop], float)
            place = ("left", "top", "right", "bottom").index(self.side)
            box[place] += -self.margin if place < 2 else self.margin
            boxes.append(box)
            classes.append(self.classes_[distance.argmin()])
            scores.append(1 / (1 + distance.min() / 100))
        return boxes, classes, scores


class BlobFamily(ModelFamily):
    name = "blobs"
    modality = "detection"
    tasks = ("detection",)
    is_random = False

    def __init__(self, settings=({"margin": 1.0, "side": "left"},)):
        self.settings = list(settings)

    def estimator(self, task, random_state):
        return BlobDetector()

    def search_space(self, trial, task):
        return {
            "margin": trial.suggest_float("margin", -3.0, 3.0),
            "side": trial.suggest_categorical("side", ["left", "top", "right"]),
        }

    def portfolio(self, task):
        return self.settings

    def preprocessor(self, estimator, task):
        return WholeImages()


CHEAP_DETECTOR = {
    "families": [BlobFamily()],
    "weights": None,
    "n_trials": 3,
    "time_budget": None,
    "cv": 3,
    "random_state": 0,
}


def detector(**params):
    return AutoObjectDetector(**(CHEAP_DETECTOR | params))


def same(one, other):
    """Tell whether two lists of dictionaries of boxes are equal."""
    return len(one) == len(other) and all(
        a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in zip(one, other, strict=True)
    )
