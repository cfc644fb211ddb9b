"""ImageFeatures: what a pretrained net that is not trained sees in images."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from automodel.clock import NO_DEADLINE, Deadline
from automodel.nets.weights import INSTALL_IMAGE, Weights
from automodel.preprocessing.image.reader import read_images
from automodel.preprocessing.image.resize import resized
from automodel.preprocessing.parts import PART_ROWS
from automodel.preprocessing.pretrained import PretrainedEncoder

if TYPE_CHECKING:
    from automodel.nets.backbones import FrozenBackbone

TAPS = ("middle", "last", "both")
POOLING = ("mean", "std", "grid")
FLIPS = ("none", "horizontal", "vertical", "average")
PRECISIONS = ("auto", "float32", "bfloat16")
CELLS = 4  # of the grid
Plan = list[tuple[int, str]]  # stages, and what is taken of their maps
LEAST_SIZE = 8
USUAL_SIZE = 96
# For an image of USUAL_SIZE on one core: between bfloat16 and float32.
SECONDS = {
    "efficientnet_lite0": 2.2e-3,
    "efficientnet_lite1": 3.2e-3,
    "efficientnet_lite2": 4.4e-3,
    "efficientnet_lite3": 7e-3,
    "efficientnet_lite4": 13e-3,
    "resnet18": 5e-3,
    "resnet34": 10e-3,
    "resnet50": 12e-3,
    "resnet101": 22e-3,
}
SECONDS_PER_IMAGE = 3e-4  # to read and to resize it


class ImageFeatures(PretrainedEncoder):
    """Turn images into features of a pretrained net, pooled from several of its layers.

    The net is frozen, so that nothing is learned from the images and `transform` works
    without `fit`. It uses one thread. The weights are not part of a pickle, which holds
    their name, place and checksum.

    The last layer tells objects of photographs apart. The further images are from
    photographs, as drawings, digits and textures are, the more the layers in the middle
    tell.

    Parameters
    ----------
    weights : str, path or Weights, default="auto"
        A file, a folder, the name of a model, or "hub:NAME", see
        `automodel.nets.weights.find_weights`. "auto" takes the first weights that are
        found on this machine.
    image_size : int, default=96
        Side in pixels of the squares to which images are resized.
    taps : {"middle", "last", "both"}, default="both"
        Layers of which the maps are pooled: those at the end of each stage but the
        last, the last one, or both.
    pooling : tuple of str, default=("mean", "std")
        What is taken of each channel of a map: its "mean", its standard deviation
        "std", and the means of the four cells of a "grid". The last map has many
        channels, of which only the mean is taken, even if it is not named.
    flip : {"none", "horizontal", "vertical", "average"}, default="none"
        The features of images that are mirrored, or upside down. "average" is the mean
        of those of the image and of its mirror image, and takes twice as long.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of the computation. "auto" stands for bfloat16 where the processor
        multiplies in it, which is two to three times as fast.

    Attributes
    ----------
    weights_ : Weights
        Name, file, licence and checksum of the weights.

    See Also
    --------
    automodel.nets.weights.find_weights : How weights are found.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel import ImageFeatures
    >>> encoder = ImageFeatures("efficientnet_lite0", image_size=64, taps="last")
    >>> encoder.transform(np.zeros((2, 28, 28))).shape  # doctest: +SKIP
    (2, 1280)
    """

    _modality = "image"
    _remedy = f"Name a file or a folder, or install some: {INSTALL_IMAGE}"
    _column = "feature"

    def __init__(
        self,
        weights: str | os.PathLike | Weights = "auto",
        *,
        image_size: int = USUAL_SIZE,
        taps: str = "both",
        pooling: tuple[str, ...] = ("mean", "std"),
        flip: str = "none",
        precision: str = "auto",
    ):
        self.weights = weights
        self.image_size = image_size
        self.taps = taps
        self.pooling = pooling
        self.flip = flip
        self.precision = precision

    def transform(self, X: Any, deadline: Deadline = NO_DEADLINE) -> np.ndarray:
        """Return the features of images.

        Parameters
        ----------
        X : sequence of images, or Images
            The images, as in `AutoImageClassifier`.
        deadline : Deadline, default=NO_DEADLINE
            Checked between images.

        Returns
        -------
        ndarray of shape (n_samples, n_columns), float32
            The features: first the means, by stage, then the standard deviations and
            the cells.

        Raises
        ------
        DeadlineReached
            If they are not ready in time.
        """
        from automodel.nets.backbones import frozen_backbone

        weights, images = self.in_use(), read_images(X)
        if not len(images):
            return np.zeros((0, self._n_columns(weights)), dtype=np.float32)
        net = frozen_backbone(weights, self.precision)
        plan, parts = self._plan(weights), []
        for start in range(0, len(images), PART_ROWS):
            part = images.take(slice(start, start + PART_ROWS))
            squares = resized(part, self.image_size, deadline)
            parts.append(self._pooled(net, squares, plan, deadline))
        return np.concatenate(parts)

    def _pooled(
        self, net: FrozenBackbone, squares: np.ndarray, plan: Plan, deadline: Deadline
    ) -> np.ndarray:
        """Return the features of images of the size of the net."""
        if self.flip != "average":
            return net.pooled(flipped(squares, self.flip), plan, deadline.check)
        mirrored = net.pooled(flipped(squares, "horizontal"), plan, deadline.check)
        return (net.pooled(squares, plan, deadline.check) + mirrored) / 2

    def _plan(self, weights: Weights) -> Plan:
        return plan_of(weights, self.taps, self.pooling)

    def _n_columns(self, weights: Weights) -> int:
        return sum(_width(weights, *part) for part in self._plan(weights))

    def _check_parameters(self) -> None:
        size = self.image_size
        if not isinstance(size, int | np.integer) or size < LEAST_SIZE:
            raise ValueError(
                f"image_size must be an int of at least {LEAST_SIZE}. Got {size!r}."
            )
        for name, choices in (
            ("taps", TAPS),
            ("flip", FLIPS),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} must be one of {', '.join(map(repr, choices))}. Got "
                    f"{getattr(self, name)!r} instead."
                )
        pooling = self.pooling
        if isinstance(pooling, str) or not pooling or not set(pooling) <= set(POOLING):
            raise ValueError(
                "pooling must be a tuple of at least one of 'mean', 'std' and 'grid'. "
                f"Got {pooling!r} instead."
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def flipped(images: np.ndarray, flip: str) -> np.ndarray:
    """Return images mirrored ("horizontal") or upside down ("vertical").

    Parameters
    ----------
    images : ndarray of shape (n_samples, height, width, channels)
        The images.
    flip : {"none", "horizontal", "vertical"}
        How they are changed.
    """
    if flip == "horizontal":
        return np.ascontiguousarray(images[:, :, ::-1])
    return np.ascontiguousarray(images[:, ::-1]) if flip == "vertical" else images


def plan_of(weights: Weights, taps: str, pooling: Collection[str]) -> Plan:
    """Return the stages of a net and what is taken of their maps, column by column.

    The order is the same for all choices, see `ImageFeatures`.
    """
    last = len(weights.channels) - 1
    middle = [] if taps == "last" else list(range(last))
    ends = [] if taps == "middle" else [last]
    averaged = (middle if "mean" in pooling else []) + ends
    others = [name for name in ("std", "grid") if name in pooling]
    return [(stage, "mean") for stage in averaged] + [
        (stage, name) for name in others for stage in middle
    ]


def spans_of(
    weights: Weights, taps: str, pooling: Collection[str]
) -> tuple[tuple[int, int], ...]:
    """Return where the columns of a choice begin and end among all columns.

    All columns are those of both taps and all ways of pooling.
    """
    chosen = set(plan_of(weights, taps, pooling))
    found: list[tuple[int, int]] = []
    end = 0
    for part in plan_of(weights, "both", POOLING):
        start, end = end, end + _width(weights, *part)
        if part in chosen and found and found[-1][1] == start:
            found[-1] = found[-1][0], end
        elif part in chosen:
            found.append((start, end))
    return tuple(found)


def feature_seconds(weights: Weights, image_size: int) -> float:
    """Return about how long the features of an image take on one core."""
    # Other nets are about as slow as a ResNet with a last map of the same width.
    usual = SECONDS["resnet18"] * weights.width / 512
    seconds = SECONDS.get(weights.kind, usual)
    return SECONDS_PER_IMAGE + seconds * (image_size / USUAL_SIZE) ** 2


def _width(weights: Weights, stage: int, name: str) -> int:
    return weights.channels[stage] * (CELLS if name == "grid" else 1)
