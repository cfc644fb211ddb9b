"""ImageResNetClassifier and ImageResNetRegressor: ResNets trained from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, ClassVar

from sklearn.utils._param_validation import Interval, Options, StrOptions

from automodel.nets._docs import documented
from automodel.nets._recipe import Hooks, Trained
from automodel.nets._supervised import ClassifierTask, RegressorTask
from automodel.nets.image._docs import ATTRIBUTES, PARAMETERS
from automodel.nets.image._estimator import ImageEstimator
from automodel.nets.image._layout import DEPTHS, has_large_stem

if TYPE_CHECKING:
    from torch import nn

OWN_PARAMETERS = """\
learning_rate : float
    Learning rate at the peak of the schedule.
depth : {9, 18, 34, 50}
    Number of layers. The net of 9 layers [13]_ learns small images in the shortest
    time.
width : int
    Channels of the first layer. They double in each later stage.
norm : {"batch", "group"}
    Batch or group normalisation. The latter does not depend on the other images of a
    batch, and suits small batches.
stem : {"auto", "small", "large"}
    Whether the first layers keep the size of images ("small") or divide their sides by
    four ("large"). "auto" is "small" up to 64 pixels.
stochastic_depth : float
    Probability that an image leaves out the last residual block in training [14]_. It
    grows linearly from the first block to the last.
"""


@dataclass(kw_only=True, eq=False, repr=False)
class ImageResNet(ImageEstimator):
    """A residual net; subclasses bring the target."""

    depth: int = 9
    width: int = 32
    norm: str = "batch"
    stem: str = "auto"
    stochastic_depth: float = 0.0
    learning_rate: float = 5e-3
    weight_decay: float = 0.05
    max_epochs: int = 30
    patience: int = 30
    validations_per_epoch: int = 1

    _parameter_constraints: ClassVar[dict] = {
        **ImageEstimator._parameter_constraints,
        "depth": [Options(Integral, {9, *DEPTHS})],
        "width": [Interval(Integral, 1, None, closed="left")],
        "norm": [StrOptions({"batch", "group"})],
        "stem": [StrOptions({"auto", "small", "large"})],
        "stochastic_depth": [Interval(Real, 0, 1, closed="left")],
    }

    def _start_from(self, X, rows, seed: int) -> None:
        self._design = {
            "n_outputs": self.target_.n_outputs,
            "depth": int(self.depth),
            "width": int(self.width),
            "norm": str(self.norm),
            "large_stem": has_large_stem(self.stem, max(self.image_shape_)),
            "stochastic_depth": float(self.stochastic_depth),
            "dropout": float(self.dropout),
        }

    def _new_module(self) -> nn.Module:
        from automodel.nets._device import seeded_draws
        from automodel.nets.image._resnet_module import ResNetModule

        with seeded_draws(0):  # that `initialize` or a state replaces
            return ResNetModule(**self._design)

    def _trained(self, start, rows, valid, seed: int, hooks: Hooks) -> Trained:
        from automodel.nets.image._training import train_from_scratch

        module = self._new_module()
        recipe = self._recipe(seed, module)
        found, self.flips_ = train_from_scratch(
            module, rows, valid, recipe, self._objective(), hooks, self._course()
        )
        return found


@documented(PARAMETERS + OWN_PARAMETERS, ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class ImageResNetClassifier(ClassifierTask, ImageResNet):
    """Classify images with a residual net that is trained from scratch.

    A ResNet [12]_ of 9 to 50 layers, trained with one cycle of the learning rate, on
    images that are changed at random. The target may be classes or an indicator matrix
    of several labels.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    ImageResNetRegressor : The same net for numbers.

    References
    ----------
    .. [10] Müller, Hutter (2021), TrivialAugment: Tuning-free Yet State-of-the-Art Data
       Augmentation.
    .. [11] Yun et al. (2019), CutMix: Regularization Strategy to Train Strong
       Classifiers with Localizable Features.
    .. [12] He et al. (2016), Deep Residual Learning for Image Recognition.
    .. [13] Page (2018), How to Train Your ResNet.
    .. [14] Huang et al. (2016), Deep Networks with Stochastic Depth.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from automodel.nets import ImageResNetClassifier
    >>> digits = load_digits()
    >>> net = ImageResNetClassifier(width=8, max_epochs=3, random_state=0)
    >>> net.fit(digits.images, digits.target).score(digits.images, digits.target) > 0.8
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ImageResNet._parameter_constraints,
        **ClassifierTask._parameter_constraints,
    }


@documented(PARAMETERS + OWN_PARAMETERS, ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class ImageResNetRegressor(RegressorTask, ImageResNet):
    """Predict numbers from images with a residual net that is trained from scratch.

    The net of `ImageResNetClassifier`, trained by squared error on the standardised
    target, of which there may be several columns.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    ImageResNetClassifier : The same net for classes.

    References
    ----------
    .. [10] Müller, Hutter (2021), TrivialAugment: Tuning-free Yet State-of-the-Art Data
       Augmentation.
    .. [11] Yun et al. (2019), CutMix: Regularization Strategy to Train Strong
       Classifiers with Localizable Features.
    .. [13] Page (2018), How to Train Your ResNet.
    .. [14] Huang et al. (2016), Deep Networks with Stochastic Depth.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from automodel.nets import ImageResNetRegressor
    >>> images = load_digits().images
    >>> brightness = images.mean((1, 2))
    >>> net = ImageResNetRegressor(width=8, max_epochs=3, random_state=0)
    >>> net.fit(images, brightness).score(images, brightness) > 0.5
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ImageResNet._parameter_constraints,
        **RegressorTask._parameter_constraints,
    }
