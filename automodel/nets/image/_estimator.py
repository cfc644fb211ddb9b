"""What nets for images share as scikit-learn estimators."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from automodel.nets._recipe import Hooks, Recipe
from automodel.nets._unstructured import UnstructuredNet
from automodel.nets.image._images import RESIZE, ImageScale, as_images
from automodel.nets.image.augment import AUGMENTATIONS, ImageAugmentation
from automodel.some_rows import SomeRows

if TYPE_CHECKING:
    from torch import nn

    from automodel.nets.image._training import ImageCourse, ImageRows

PROBABILITY = [Interval(Real, 0, 1, closed="both")]
SHARE = [Interval(Real, 0, 1, closed="left")]
ALPHA = [Interval(Real, 0, None, closed="left")]


@dataclass(kw_only=True, eq=False, repr=False)
class ImageEstimator(UnstructuredNet):
    """Fit and predict of a net; subclasses bring the module and the target."""

    optimizer: Any = "adamw"
    averaging: float = 0.0
    schedule: str = "one-cycle"
    warm_up: float = 0.1
    dropout: float = 0.0
    batch_size: int = 64
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
    guard_flips: bool = False
    flip_average: bool = False

    _parameter_constraints: ClassVar[dict] = {
        **UnstructuredNet._parameter_constraints,
        "optimizer": [StrOptions({"adamw", "sgd", "schedule_free"}), callable],
        "averaging": SHARE,
        "warm_up": SHARE,
        "dropout": SHARE,
        "horizontal_flip": PROBABILITY,
        "vertical_flip": PROBABILITY,
        "translate": SHARE,
        "rotate": [Interval(Real, 0, 180, closed="both")],
        "scale": ALPHA,
        "crop": SHARE,
        "noise": ALPHA,
        "brightness": PROBABILITY,
        "contrast": PROBABILITY,
        "erase": PROBABILITY,
        "trivial": PROBABILITY,
        "mixup": ALPHA,
        "cutmix": ALPHA,
        "guard_flips": ["boolean"],
        "flip_average": ["boolean"],
    }

    @abstractmethod
    def _new_module(self) -> nn.Module:
        """Return a new module of the design."""

    def fit(self, X, y, sample_weight=None):
        """Train the net.

        Parameters
        ----------
        X : array of shape (n_samples, height, width) or \
(n_samples, height, width, channels), or list of arrays
            The images, in grey, RGB, or RGB with opacity, which are laid over white.
            All have the same size: `ResizedImages` in
            `automodel.preprocessing.image.resize` sees to that. Bytes are taken as they
            are; other numbers are scaled by their range.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The target: classes or an indicator matrix of labels for classifiers, one
            or several numbers per image for regressors.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the images; those of weight zero are left out.

        Returns
        -------
        self : object
            The fitted net.

        Raises
        ------
        FloatingPointError
            If the loss is not finite any more.
        """
        return self._fit(X, y, sample_weight)

    def _check_input(self, X, *, reset: bool) -> np.ndarray | SomeRows:
        """Return images as bytes of three colours."""
        name = type(self).__name__
        found = as_images(X, name, least=2 if reset else 1)
        if reset:
            scale = ImageScale.of(found)
            self.value_range_ = scale.low, scale.high
        images = ImageScale(*self.value_range_).to_bytes(found)
        if reset:
            self.image_shape_ = images.shape[1:3]
        elif images.shape[1:3] != self.image_shape_:
            raise ValueError(
                f"{name} was fitted on images of {self.image_shape_} pixels, and got "
                f"images of {images.shape[1:3]}. {RESIZE}"
            )
        return images

    def _course(self) -> ImageCourse:
        """Return how images are changed, and how often the net is validated."""
        from automodel.nets.image._training import ImageCourse

        values = {name: float(getattr(self, name)) for name in AUGMENTATIONS}
        changes = ImageAugmentation(**values)
        return ImageCourse(changes, self.guard_flips, self.validations_per_epoch)

    def _recipe(self, seed: int, module: nn.Module) -> Recipe:
        from automodel.nets.image._training import settled

        recipe = Recipe(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            patience=self.patience,
            device=self.device,
            seed=seed,
            verbose=int(self.verbose),
            optimizer=self.optimizer,
            averaging=self.averaging,
            precision=self.precision,
            callbacks=self.callbacks or (),
            warm_up=self.warm_up,
        )
        recipe = settled(recipe, module)
        self.precision_ = recipe.precision
        return recipe

    def _rows(self, X, rows, target, weight, hooks: Hooks) -> ImageRows:
        from automodel.nets.image._training import ImageRows

        return ImageRows(SomeRows.of(X)[rows], target, weight)

    def _predicting_state(self) -> dict[str, np.ndarray]:
        """Return all weights of the module, by their names."""
        return self.state_

    def _outputs(self, X) -> np.ndarray:
        """Return the outputs of the net for checked images."""
        from automodel.nets.image._prediction import ImagePredictor

        if self._cache.get("device") != self.device:
            predictor = ImagePredictor(
                self._new_module,
                self._predicting_state(),
                self.device,
                self.precision_,
            )
            self._cache.update(predictor=predictor, device=self.device)
        predictor = self._cache["predictor"]
        return predictor.outputs(X, self._averages_flips) * self.factor_

    @property
    def _averages_flips(self) -> bool:
        if not self.flip_average or not self.guard_flips:
            return self.flip_average
        return "horizontal_flip" in getattr(self, "flips_", ())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = False
        tags.input_tags.sparse = False
        return tags
