"""FineTunedImageClassifier and FineTunedImageRegressor: pretrained nets, trained on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from automodel.exceptions import WeightsError
from automodel.nets._docs import documented
from automodel.nets._recipe import Hooks, Trained
from automodel.nets._supervised import ClassifierTask, RegressorTask
from automodel.nets.image._docs import ATTRIBUTES, PARAMETERS
from automodel.nets.image._estimator import ImageEstimator
from automodel.nets.weights import INSTALL_IMAGE, Weights, find_weights, located

if TYPE_CHECKING:
    from torch import nn

    from automodel.nets.image._pretrained import PretrainedImageNet

OWN_PARAMETERS = """\
weights : str, path or Weights
    Pretrained weights of a net of images: a file, a folder, or a name, see
    `automodel.nets.weights.find_weights`. "auto" takes the first that is found on this
    machine, and it is an error if there is none.
layers : "all", "head" or int
    Which layers are trained: all of them, the head alone, or also so many of the last
    stages. A stage ends where maps become smaller. Fewer layers train faster.
taps : {"all", "last"}
    Whether the head takes the means of the maps of all stages, or of the last one. The
    first stages know more about images that are unlike the photographs on which the
    net was trained before.
learning_rate : float
    Learning rate of the last stage at the peak of the schedule.
head_rate : float
    Learning rate of the head, as a multiple of `learning_rate`.
layer_decay : float
    Factor of the learning rate from each stage to the one before it.
frozen_statistics : bool
    Whether batch normalisation keeps the means that it has learned before. Those of
    small batches would be noisy.
probe : bool
    Whether the head starts from linear probing: as the linear model that suits the
    net as it is [12]_. From another start, the first steps would spoil the net.
"""

OWN_ATTRIBUTES = """\
weights_ : Weights
    Name, licence and checksum of the pretrained weights.
frozen_ : dict of ndarray
    The weights that were not trained. Models in one process share them.
"""


@dataclass(kw_only=True, eq=False, repr=False)
class FineTunedImageNet(ImageEstimator):
    """A pretrained net with a head; subclasses bring the target."""

    weights: Any = "auto"
    layers: str | int = "all"
    taps: str = "all"
    learning_rate: float = 3e-4
    head_rate: float = 10.0
    layer_decay: float = 0.9
    frozen_statistics: bool = True
    probe: bool = True
    weight_decay: float = 0.01
    batch_size: int = 32
    max_epochs: int = 5
    patience: int = 20

    _parameter_constraints: ClassVar[dict] = {
        **ImageEstimator._parameter_constraints,
        "weights": [str, os.PathLike, Weights],
        "layers": [
            StrOptions({"all", "head"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "taps": [StrOptions({"all", "last"})],
        "head_rate": [Interval(Real, 0, None, closed="neither")],
        "layer_decay": [Interval(Real, 0, 1, closed="right")],
        "frozen_statistics": ["boolean"],
        "probe": ["boolean"],
    }

    def _start_from(self, X, rows, seed: int) -> PretrainedImageNet:
        from automodel.nets.image._pretrained import load_pretrained

        found = find_weights(self.weights, "image")
        if not found:
            raise WeightsError(
                f"{type(self).__name__} found no weights of a net of images. Name a "
                f"file or a folder, or install some: {INSTALL_IMAGE}. Without weights, "
                "use ImageResNetClassifier or ImageResNetRegressor."
            )
        self.weights_ = found[0]
        path, own = str(located(self.weights_)), self.weights_
        pretrained = load_pretrained(path, own.kind, own.checksum)
        self._design = {
            "n_outputs": self.target_.n_outputs,
            "taps": str(self.taps),
            "layers": self.layers,
            "frozen_statistics": bool(self.frozen_statistics),
            "dropout": float(self.dropout),
            "head_rate": float(self.head_rate),
            "layer_decay": float(self.layer_decay),
        }
        self._backbone = pretrained.design
        return pretrained

    def _new_module(self) -> nn.Module:
        from automodel.nets.image._finetune_module import FineTunedModule
        from automodel.nets.image._pretrained import new_net

        return FineTunedModule(new_net(self._backbone), **self._design)

    def _trained(self, start, rows, valid, seed: int, hooks: Hooks) -> Trained:
        from automodel.nets.image._training import finetune, load_backbone

        module = self._new_module()
        load_backbone(module, start.state)
        self.frozen_ = start.shared(module.frozen)
        recipe = self._recipe(seed, module)
        shared = rows, valid, recipe, self._objective(), hooks, self._course()
        found, self.flips_ = finetune(module, *shared, probes=self.probe)
        return found

    def _predicting_state(self) -> dict[str, np.ndarray]:
        return {**self.frozen_, **self.state_}


@documented(PARAMETERS + OWN_PARAMETERS, ATTRIBUTES + OWN_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class FineTunedImageClassifier(ClassifierTask, FineTunedImageNet):
    """Classify images with a pretrained net that is fine-tuned.

    A net of images without its classifier, the means of the maps of its stages, and a
    linear head. The head starts as the linear model that suits the frozen net, and then
    both are trained. The target may be classes or an indicator matrix of several
    labels.

    A fitted net holds all weights as arrays, so that it predicts in any process without
    files or network.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    FineTunedImageRegressor : The same net for numbers.
    ImageResNetClassifier : A net that needs no pretrained weights.

    References
    ----------
    .. [10] Müller, Hutter (2021), TrivialAugment: Tuning-free Yet State-of-the-Art Data
       Augmentation.
    .. [11] Yun et al. (2019), CutMix: Regularization Strategy to Train Strong
       Classifiers with Localizable Features.
    .. [12] Kumar et al. (2022), Fine-Tuning can Distort Pretrained Features and
       Underperform Out-of-Distribution.

    Examples
    --------
    >>> from automodel.nets import FineTunedImageClassifier
    >>> net = FineTunedImageClassifier(weights="resnet18.pth", max_epochs=3)
    >>> net.fit(images, y).predict(new_images)  # doctest: +SKIP
    """

    _parameter_constraints: ClassVar[dict] = {
        **FineTunedImageNet._parameter_constraints,
        **ClassifierTask._parameter_constraints,
    }


@documented(PARAMETERS + OWN_PARAMETERS, ATTRIBUTES + OWN_ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class FineTunedImageRegressor(RegressorTask, FineTunedImageNet):
    """Predict numbers from images with a pretrained net that is fine-tuned.

    The net of `FineTunedImageClassifier`, trained by squared error on the standardised
    target, of which there may be several columns.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    FineTunedImageClassifier : The same net for classes.
    ImageResNetRegressor : A net that needs no pretrained weights.

    References
    ----------
    .. [10] Müller, Hutter (2021), TrivialAugment: Tuning-free Yet State-of-the-Art Data
       Augmentation.
    .. [11] Yun et al. (2019), CutMix: Regularization Strategy to Train Strong
       Classifiers with Localizable Features.
    .. [12] Kumar et al. (2022), Fine-Tuning can Distort Pretrained Features and
       Underperform Out-of-Distribution.

    Examples
    --------
    >>> from automodel.nets import FineTunedImageRegressor
    >>> net = FineTunedImageRegressor(weights="resnet18.pth", max_epochs=3)
    >>> net.fit(images, y).predict(new_images)  # doctest: +SKIP
    """

    _parameter_constraints: ClassVar[dict] = {
        **FineTunedImageNet._parameter_constraints,
        **RegressorTask._parameter_constraints,
    }
