"""Which flips change the meaning of images, judged by models that have not seen any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from automodel.clock import NO_DEADLINE, Deadline
from automodel.nets.image.augment import FLIPS
from automodel.nets.weights import Weights
from automodel.preprocessing.image.features import ImageFeatures
from automodel.preprocessing.image.reader import read_images

SAMPLE = 600  # images that are looked at
N_FOLDS = 3
IMAGE_SIZE = 64
PENALTIES = 10.0 ** np.arange(1, 6)
DROP, ERRORS = 0.02, 2.0  # of the accuracy, and of its standard error, that are harmful
CLASS_DROP, CLASS_ERRORS = 0.1, 3.0  # for a single class, of which there are many
CLASS_ROWS = 5


def harmful_flips(
    images: Any,
    y: np.ndarray,
    weights: Weights,
    flips: Sequence[str] = FLIPS,
    *,
    precision: str = "auto",
    random_state: int = 0,
    deadline: Deadline = NO_DEADLINE,
) -> tuple[str, ...]:
    """Return the flips of images that change the class or the labels of some.

    A linear model of features of a pretrained net learns from the images as they are,
    and then predicts others, as they are and flipped. If it recognizes fewer of the
    flipped ones, the flip is harmful.

    Parameters
    ----------
    images : sequence of images, or Images
        The images, of which a sample is used.
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Numbers of classes, or an indicator of labels.
    weights : Weights
        Weights of a net of images.
    flips : sequence of str, default=("horizontal_flip", "vertical_flip")
        The flips that are judged.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        As in `ImageFeatures`.
    random_state : int, default=0
        Seed of the sample and of the folds.
    deadline : Deadline, default=NO_DEADLINE
        Checked between images.

    Returns
    -------
    tuple of str
        The harmful ones.

    Raises
    ------
    DeadlineReached
        If the features are not ready in time.
    """
    rng = np.random.default_rng(random_state)
    rows = np.sort(rng.permutation(len(y))[:SAMPLE])
    images, y = read_images(images).take(rows), y[rows]
    features = [
        ImageFeatures(
            weights,
            image_size=IMAGE_SIZE,
            pooling=("mean",),
            flip=flip,
            precision=precision,
        ).transform(images, deadline)
        for flip in ("none", *(name.removesuffix("_flip") for name in flips))
    ]
    as_they_are, *others = _out_of_fold(features, y, random_state)
    pairs = zip(flips, others, strict=True)
    return tuple(name for name, own in pairs if is_harmful(as_they_are, own, y))


def is_harmful(before: np.ndarray, after: np.ndarray, y: np.ndarray) -> bool:
    """Tell whether models recognize fewer classes or labels of images that are flipped.

    Parameters
    ----------
    before, after : ndarray of shape (n_samples, n_classes)
        Scores or probabilities of the classes or labels for the images as they are, and
        for flipped ones, of a model that has learned from neither.
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Numbers of classes, or an indicator of labels.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.image.flips import is_harmful
    >>> y = np.arange(40) % 2
    >>> scores = np.eye(2)[y]
    >>> is_harmful(scores, scores, y), is_harmful(scores, scores[:, ::-1], y)
    (False, True)
    """
    lost = _recognized(before, before, y) - _recognized(after, before, y)
    shown = _indicator(y) > 0
    means, variances = [], []
    for own in (lost[shown[:, column], column] for column in range(shown.shape[1])):
        if len(own) >= CLASS_ROWS:
            means.append(own.mean())
            variances.append(own.var() / len(own))
    if not means:
        return False
    drops, errors = np.array(means), np.sqrt(variances)
    drop, error = drops.mean(), np.sqrt(np.sum(variances)) / len(drops)
    is_one_harmed = (drops > CLASS_DROP) & (drops > CLASS_ERRORS * errors)
    return bool((drop > DROP and drop > ERRORS * error) or is_one_harmed.any())


def _recognized(scores: np.ndarray, usual: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return for each row and class whether the scores speak for the class.

    Each row has one class, or those labels whose score is nearer to the usual one of
    rows with it.
    """
    if y.ndim == 1:
        return (np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]) * 1.0
    with_label = np.nanmean(np.where(y > 0, usual, np.nan), axis=0)
    without = np.nanmean(np.where(y > 0, np.nan, usual), axis=0)
    return (scores > (with_label + without) / 2) * 1.0


def _indicator(y: np.ndarray) -> np.ndarray:
    if y.ndim == 2:
        return y
    return (y[:, None] == np.arange(int(y.max()) + 1)) * 1.0


def _out_of_fold(
    features: Sequence[np.ndarray], y: np.ndarray, random_state: int
) -> list[np.ndarray]:
    """Return scores by models that have learned from the first features of others."""
    indicator = _indicator(y)
    found = [np.zeros(indicator.shape) for _ in features]
    folds = KFold(min(N_FOLDS, len(y)), shuffle=True, random_state=random_state)
    for train, valid in folds.split(indicator):
        model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
        model.fit(features[0][train], indicator[train])
        for scores, own in zip(found, features, strict=True):
            scores[valid] = model.predict(own[valid]).reshape(len(valid), -1)
    return found
