"""FasterRCNNDetector: find objects in images with a small Faster R-CNN."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from automodel.exceptions import DeadlineReached, MissingLibraryError, WeightsError
from automodel.nets._docs import documented
from automodel.nets._recipe import Hooks, Recipe
from automodel.nets._rows import draw_seed
from automodel.nets.detection._anchors import anchors_of, strides_of
from automodel.nets.detection._canvas import (
    CANVAS,
    as_canvases,
    canvas_of,
    extents_of,
    on_canvas,
    sizes_of,
)
from automodel.nets.detection._docs import ATTRIBUTES, PARAMETERS
from automodel.nets.weights import Weights, find_weights, located
from automodel.some_rows import SomeRows
from automodel.targets.boxes import Boxes

if TYPE_CHECKING:
    from automodel.nets.detection._module import FasterRCNNModule
    from automodel.nets.detection._training import DetectionCourse

POSITIVE = [Interval(Integral, 1, None, closed="left")]
EPOCHS = [Interval(Integral, 0, None, closed="left")]
PROBABILITY = [Interval(Real, 0, 1, closed="both")]
SHARE = [Interval(Real, 0, 1, closed="left")]
ABOVE_ZERO = [Interval(Real, 0, None, closed="neither")]


@documented(PARAMETERS, ATTRIBUTES)
@dataclass(kw_only=True, eq=False, repr=False)
class FasterRCNNDetector(BaseEstimator):
    """Detect objects with Faster R-CNN [10]_ on a feature pyramid [11]_.

    Light heads and a small backbone make it fast enough for a processor. The first
    epochs train the heads on the maps of the frozen backbone, which are computed once.
    Then all layers are trained.

    A fitted net holds all weights as arrays, so that it predicts in any process without
    files or network. It needs torchvision to be fitted and to predict.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    automodel.preprocessing.image.canvas.ImageCanvas : Places images on canvases.

    References
    ----------
    .. [10] Ren et al. (2015), Faster R-CNN: Towards Real-Time Object Detection with
       Region Proposal Networks.
    .. [11] Lin et al. (2017), Feature Pyramid Networks for Object Detection.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from automodel.nets.detection import FasterRCNNDetector
    >>> from automodel.preprocessing.image.canvas import ImageCanvas
    >>> from automodel.targets.boxes import Boxes
    >>> detector = make_pipeline(ImageCanvas(320), FasterRCNNDetector())
    >>> y = Boxes.of([([[10, 20, 50, 80]], [0]), ([], [])])
    >>> detector.fit(images, y).predict(new_images)  # doctest: +SKIP
    """

    weights: Any = "auto"
    net: str | None = None
    n_classes: int | None = None
    backbone_width: int = 32
    pyramid_width: int = 96
    head_width: int = 256
    regions_per_image: int = 128
    anchor_sizes: int = 2
    anchor_ratios: int | str = "auto"
    frozen_epochs: int = 3
    full_epochs: int = 3
    layers: str | int = "all"
    learning_rate: float = 2e-3
    full_rate: float = 0.25
    optimizer: Any = "adamw"
    weight_decay: float = 0.01
    averaging: float = 0.0
    schedule: str = "one-cycle"
    warm_up: float = 0.1
    batch_size: int = 4
    horizontal_flip: float = 0.5
    vertical_flip: float = 0.0
    scale: float = 0.0
    crop: float = 0.0
    brightness: float = 0.0
    score_threshold: float = 0.05
    overlap: float = 0.5
    reports_per_epoch: int = 4
    callbacks: list | None = None
    precision: str = "auto"
    device: str = "auto"
    random_state: Any = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict] = {
        "weights": [str, os.PathLike, Weights, tuple, None],
        "net": [str, None],
        "n_classes": [*POSITIVE, None],
        "backbone_width": POSITIVE,
        "pyramid_width": POSITIVE,
        "head_width": POSITIVE,
        "regions_per_image": POSITIVE,
        "anchor_sizes": POSITIVE,
        "anchor_ratios": [StrOptions({"auto"}), *POSITIVE],
        "frozen_epochs": EPOCHS,
        "full_epochs": EPOCHS,
        "layers": [StrOptions({"all"}), *POSITIVE],
        "learning_rate": ABOVE_ZERO,
        "full_rate": ABOVE_ZERO,
        "optimizer": [StrOptions({"adamw", "sgd"}), callable],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "averaging": SHARE,
        "schedule": [StrOptions({"one-cycle", "cosine", "constant"})],
        "warm_up": SHARE,
        "batch_size": POSITIVE,
        "horizontal_flip": PROBABILITY,
        "vertical_flip": PROBABILITY,
        "scale": [Interval(Real, 0, None, closed="left")],
        "crop": SHARE,
        "brightness": PROBABILITY,
        "score_threshold": PROBABILITY,
        "overlap": PROBABILITY,
        "reports_per_epoch": POSITIVE,
        "callbacks": [list, None],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def fit(self, X, y):
        """Train the net.

        Parameters
        ----------
        X : structured array of shape (n_samples,)
            The images on canvases of one shape, as `ImageCanvas` returns them.
        y : Boxes
            The true boxes, in pixels of the original images.

        Returns
        -------
        self : FasterRCNNDetector
            The fitted net.

        Raises
        ------
        MissingLibraryError
            If torchvision is not installed.
        FloatingPointError
            If the loss is not finite any more.
        """
        return self._fit(X, y)

    def _fit(self, X, y, *, n_predicted: int = 0, **hooks):
        """Train with the hooks of a search, which are those of `Hooks`.

        `on_epoch(progress, net)` is called after each part of an epoch, with the share
        of the training that is over and the net in its present state. `n_predicted`
        images are predicted after the training, inside of its time. After a training
        with `seconds_left`, `step_plan_` repeats it without a clock.
        """
        _check_torchvision(self)
        self._validate_params()
        if not self.frozen_epochs + self.full_epochs:
            raise ValueError("frozen_epochs and full_epochs must not both be 0.")
        images = as_canvases(X, type(self).__name__)
        self._learn_boxes(images, y)
        self.canvas_ = canvas_of(images)
        self._cache: dict = {}
        seed = draw_seed(self.random_state)
        from automodel.nets.detection._training import drawn, train_detector

        start = self._start(images, y)
        module = drawn(self._new_module, seed, start.state if start else {})
        self.frozen_ = start.shared(module.frozen) if start else {}
        told = Hooks(**hooks)
        if told.on_epoch is not None:
            told = replace(told, on_epoch=partial(self._told, told.on_epoch))
        course = self._course(n_predicted)
        shared = self._recipe(seed), told, course
        result = train_detector(module, images, y, *shared)
        if not result.n_steps:
            raise DeadlineReached
        self._keep(result.state)
        self.n_iter_ = result.n_epochs
        self.n_steps_ = result.n_steps
        self.step_plan_ = result.step_plan
        self.history_ = result.history
        return self

    def predict(self, X, check: Callable[[], None] | None = None) -> Boxes:
        """Return the boxes of the objects in images.

        Parameters
        ----------
        X : structured array of shape (n_samples,)
            The images on canvases of the shape of `fit`.
        check : callable, default=None
            It is called before each batch of images, and may raise an exception to end
            the work.

        Returns
        -------
        Boxes
            At most 100 boxes for each image, best first, in pixels of the original
            images, with scores of at least `score_threshold`.
        """
        check_is_fitted(self)
        _check_torchvision(self)
        images = as_canvases(X, type(self).__name__, least=0)
        if canvas_of(images) != self.canvas_:
            raise ValueError(
                f"{type(self).__name__} was fitted on canvases of {self.canvas_} "
                f"pixels, and got canvases of {canvas_of(images)}. {CANVAS}"
            )
        from automodel.nets.detection._prediction import DetectionPredictor

        if self._cache.get("device") != self.device:
            state = {**self.frozen_, **self.state_}
            shared = state, self.device, self.precision_
            predictor = DetectionPredictor(self._new_module, *shared)
            self._cache.update(predictor=predictor, device=self.device)
        return self._cache["predictor"].boxes(images, check or _unchecked)

    def _learn_boxes(self, images: SomeRows, y: Any) -> None:
        name = type(self).__name__
        if not isinstance(y, Boxes):
            raise TypeError(
                f"{name} expects y to be Boxes of automodel.targets.boxes. Got "
                f"{type(y).__name__} instead."
            )
        if len(y) != len(images):
            raise ValueError(
                f"{name} got {len(images)} images, and the boxes of {len(y)}."
            )
        n_found = int(y.classes.max(initial=-1)) + 1
        self.n_classes_ = max(n_found, 1) if self.n_classes is None else self.n_classes
        if n_found > self.n_classes_:
            raise ValueError(
                f"y has boxes of class {n_found - 1}, but the classes end with "
                f"{self.n_classes_ - 1}, since n_classes={self.n_classes}."
            )

    def _start(self, images: SomeRows, y: Boxes) -> Any:
        """Return the weights to start from, if any; set the design of the module."""
        from automodel.nets._device import seeded_draws
        from automodel.nets.detection._backbone import (
            levels_of,
            new_backbone,
            scratch_design,
        )
        from automodel.nets.image._pretrained import load_pretrained

        self.weights_ = self._chosen_weights()
        start = None
        if self.weights_ is not None:
            own = self.weights_
            start = load_pretrained(str(located(own)), own.kind, own.checksum)
        backbone = start.design if start else scratch_design(self.backbone_width)
        sides, classes = _box_sides(images, y)
        strides = strides_of(sides, classes)
        with seeded_draws(0):
            levels = levels_of(new_backbone(backbone), strides)
        self.strides_ = tuple(stride for _, stride in levels)
        counts = len(levels), self.anchor_sizes, self.anchor_ratios
        self.anchors_ = anchors_of(sides, classes, *counts)
        self._design = {
            "backbone": backbone,
            "levels": levels,
            "anchors": self.anchors_.tolist(),
            "n_classes": int(self.n_classes_),
            "width": int(self.pyramid_width),
            "head_width": int(self.head_width),
            "n_regions": int(self.regions_per_image),
            "score_threshold": float(self.score_threshold),
            "overlap": float(self.overlap),
        }
        if start is not None:
            self._design["n_trained"] = self._n_trained(max(levels)[0] + 1)
        return start

    def _n_trained(self, n_stages: int) -> int:
        if not self.full_epochs:
            return 0
        return n_stages if self.layers == "all" else min(int(self.layers), n_stages)

    def _chosen_weights(self) -> Weights | None:
        found = {own.name: own for own in find_weights(self.weights, "image")}
        if self.net is None:
            return next(iter(found.values()), None)
        if self.net not in found:
            raise WeightsError(
                f"There are no weights {self.net!r}. Found: {', '.join(found)}."
            )
        return found[self.net]

    def _new_module(self) -> FasterRCNNModule:
        from automodel.nets.detection._module import FasterRCNNModule

        return FasterRCNNModule(**self._design)

    def _course(self, n_predicted: int) -> DetectionCourse:
        from automodel.nets.detection._training import DetectionCourse
        from automodel.nets.detection._views import BOX_AUGMENTATIONS, BoxAugmentation

        values = {name: float(getattr(self, name)) for name in BOX_AUGMENTATIONS}
        frozen, full, rate = self.frozen_epochs, self.full_epochs, self.full_rate
        if self.weights_ is None:  # all layers are new
            frozen, full, rate = 0, frozen + full, 1.0
        return DetectionCourse(
            frozen,
            full,
            rate,
            BoxAugmentation(**values),
            self.reports_per_epoch,
            n_predicted,
        )

    def _recipe(self, seed: int) -> Recipe:
        from automodel.nets.detection._training import settled

        recipe = Recipe(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            batch_size=self.batch_size,
            max_epochs=1,
            patience=1,
            device=self.device,
            seed=seed,
            verbose=int(self.verbose),
            optimizer=self.optimizer,
            averaging=self.averaging,
            precision=self.precision,
            callbacks=self.callbacks or (),
            warm_up=self.warm_up,
        )
        recipe = settled(recipe)
        self.precision_ = recipe.precision
        return recipe

    def _told(self, on_epoch: Callable, progress: float, get_weights: Callable):
        """Tell a search that a part of an epoch is over."""
        self._keep(get_weights()[0])
        return on_epoch(progress, self)

    def _keep(self, state: dict[str, np.ndarray]) -> None:
        """Predict with these weights from now on."""
        self.state_ = state
        if "predictor" in self._cache:
            self._cache["predictor"].load(state)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "state_")

    def __getstate__(self):
        state = super().__getstate__()
        if "_cache" in state:
            state = {**state, "_cache": {}}
        # Without what callbacks have learned, such as an optimizer of torch.
        return {**state, "callbacks": clone(self.callbacks, safe=False)}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def _box_sides(images: SomeRows, boxes: Boxes) -> tuple[np.ndarray, np.ndarray]:
    """Return the sides of boxes to learn in pixels of the canvas, and their classes."""
    sizes = sizes_of(images)
    extents = extents_of(sizes, canvas_of(images))
    corners = on_canvas(boxes.coordinates, sizes[boxes.images], extents[boxes.images])
    sides = corners[:, 2:] - corners[:, :2]
    is_learned = ~boxes.ignored & (sides >= 1).all(axis=1)
    return sides[is_learned].astype(float), boxes.classes[is_learned]


def _check_torchvision(net: Any) -> None:
    if find_spec("torchvision") is None:
        raise MissingLibraryError(
            f"{type(net).__name__} needs torchvision, which is not installed. Run: pip "
            "install torchvision"
        )


def _unchecked() -> None:
    """Check nothing."""
