"""How images are changed in training, and the names of the changes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, kw_only=True)
class ImageAugmentation:
    """Random changes of images, drawn anew for each image and each time.

    The fields are the names of the changes, and 0 turns each of them off. What comes
    into view from outside of an image has the median colour of its edge.

    Parameters
    ----------
    horizontal_flip, vertical_flip : float, default=0.0
        Probability of a reflection that swaps left and right, or top and bottom.
    translate : float, default=0.0
        Largest shift, as a share of the side.
    rotate : float, default=0.0
        Largest rotation, in degrees.
    scale : float, default=0.0
        Largest change of the size, as a logarithm: 0.2 stands for 82 to 122 percent.
    crop : float, default=0.0
        Largest share of the area that is cut off, before the rest is enlarged. Its
        ratio of width to height is up to 4/3 or 3/4 of that of the image.
    noise : float, default=0.0
        Largest standard deviation of normal noise, as a share of the range of pixels.
    brightness : float, default=0.0
        Largest change of the factor by which pixels are multiplied.
    contrast : float, default=0.0
        Largest change of the factor by which the distance of pixels from their mean is
        multiplied.
    erase : float, default=0.0
        Probability that a rectangle of 2 to 33 percent of the image is filled with one
        random colour [1]_.
    trivial : float, default=0.0
        Probability of TrivialAugment [2]_: one change, drawn with its strength from a
        wide set of changes of position and colour. It includes strong rotations and
        translations, but no flips.
    mixup : float, default=0.0
        Parameter alpha of the Beta distribution of shares, with which two images and
        their targets are mixed [3]_.
    cutmix : float, default=0.0
        The same for replacing a rectangle of an image by that of another one [4]_. If
        mixup is on as well, each batch draws one of both.

    References
    ----------
    .. [1] Zhong et al. (2020), Random Erasing Data Augmentation.
    .. [2] Müller, Hutter (2021), TrivialAugment: Tuning-free Yet State-of-the-Art Data
       Augmentation.
    .. [3] Zhang et al. (2018), mixup: Beyond Empirical Risk Minimization.
    .. [4] Yun et al. (2019), CutMix: Regularization Strategy to Train Strong
       Classifiers with Localizable Features.

    Examples
    --------
    >>> from automodel.nets.image.augment import ImageAugmentation
    >>> ImageAugmentation(horizontal_flip=0.5, translate=0.1).names
    ('horizontal_flip', 'translate')
    """

    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    translate: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    crop: float = 0.0
    noise: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    erase: float = 0.0
    trivial: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the changes that are made."""
        return tuple(name for name, value in asdict(self).items() if value)


AUGMENTATIONS = tuple(field.name for field in fields(ImageAugmentation))
FLIPS = ("horizontal_flip", "vertical_flip")
MIXES = ("mixup", "cutmix")
