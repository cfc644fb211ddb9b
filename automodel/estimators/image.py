"""AutoImageClassifier and AutoImageRegressor: the public estimators of images."""

from __future__ import annotations

from numbers import Integral
from os import PathLike

from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from automodel.estimators.base import AutoEstimator
from automodel.estimators.checks import check_augmentations, check_images
from automodel.estimators.pretrained import PretrainedEstimator
from automodel.estimators.supervised import SupervisedClassifier, SupervisedRegressor
from automodel.preprocessing.image.images import AUGMENTATIONS
from automodel.preprocessing.image.reader import ImageReader


class ImageEstimator(PretrainedEstimator):
    """Base class of the estimators of images."""

    _modality = "image"
    _flips: bool  # whether a flipped image usually has the same target
    _changes: tuple[str, ...] = AUGMENTATIONS  # which keep the target, or change it too
    _parameter_constraints: dict = {
        **AutoEstimator._parameter_constraints,
        "weights": [str, PathLike, None],
        "image_size": [
            StrOptions({"auto"}),
            Interval(Integral, 8, None, closed="left"),
        ],
        "augmentations": [StrOptions({"auto"}), tuple, list, None],
    }

    def __init__(
        self,
        *,
        weights="auto",
        image_size="auto",
        augmentations="auto",
        families=None,
        scoring=None,
        cv=None,
        time_budget=300.0,
        n_trials=None,
        sampler=None,
        pruner=None,
        ensemble_size=25,
        refit="auto",
        prediction_time_limit="auto",
        model_size_limit="auto",
        storage=None,
        study_name=None,
        memory_limit=None,
        callbacks=(),
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            families=families,
            scoring=scoring,
            cv=cv,
            time_budget=time_budget,
            n_trials=n_trials,
            sampler=sampler,
            pruner=pruner,
            ensemble_size=ensemble_size,
            refit=refit,
            prediction_time_limit=prediction_time_limit,
            model_size_limit=model_size_limit,
            storage=storage,
            study_name=study_name,
            memory_limit=memory_limit,
            callbacks=callbacks,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.weights = weights
        self.image_size = image_size
        self.augmentations = augmentations

    def _check_X(self, X, *, reset):
        if reset:
            check_augmentations(self.augmentations, self._changes)
        return check_images(self, X, reset=reset)

    def _new_reader(self) -> ImageReader:
        return ImageReader(
            self.weights,
            image_size=self.image_size,
            augmentations=self.augmentations,
            flips=self._flips,
            changes=self._changes,
        )

    @property
    def image_shape_(self) -> tuple[int, int, int] | None:
        """Height, width and channels of the images; None if they differ."""
        check_is_fitted(self, "ensemble_")
        facts = self.task_.facts
        if not facts.is_uniform:
            return None
        return int(facts.heights[0]), int(facts.widths[0]), facts.channels

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


class AutoImageClassifier(SupervisedClassifier, ImageEstimator):
    """Search for classifiers of images within a time budget and combine the best.

    X is a sequence of images. They may have different sizes and any number of channels,
    and all of them become colour images with values from 0 to 255: grey ones get three
    equal channels, and transparent ones a white background. Photographs are turned as
    their camera was held. The values of 16-bit and float images are scaled by the range
    of those in `fit`. Rows with the same image are in the same fold, unless `cv` is a
    splitter or there are groups.

    Parameters
    ----------
    weights : str, Path or None, default="auto"
        Pretrained weights that families may use: a file, a folder, the name of a model,
        or "hub:NAME", which downloads them once. "auto" stands for those that are found
        on this machine, if there are any, and None for none; see
        `automodel.nets.weights.find_weights`.
    image_size : int or "auto", default="auto"
        Side in pixels to which images are resized, at least 8. "auto" leaves it to the
        search.
    augmentations : tuple of str, "auto" or None, default="auto"
        Random changes of training images that the search may try. Their names are
        "horizontal_flip", "vertical_flip", "translate", "rotate", "scale", "crop",
        "noise", "brightness", "contrast", "erase", "trivial", "mixup" and "cutmix".
        "auto" stands for all that keep the meaning of the images, and None for none.
        For digits or arrows, leave flips out.
    families, scoring, cv, time_budget, n_trials, sampler, pruner, ensemble_size, \
refit, prediction_time_limit, model_size_limit, storage, study_name, memory_limit, \
callbacks, n_jobs, random_state, verbose
        As in `AutoClassifier`. ``families=None`` tries the families of images.

    Attributes
    ----------
    image_shape_ : tuple of int or None
        Height, width and channels of the images of `fit`, which are 1 if all of them
        are grey and 3 otherwise. None if the images differ in size.
    feature_names_in_ : ndarray of shape (1,)
        Name of the column of X, if X is a frame.
    weights_ : tuple of Weights
        Name, source, licence and checksum of the weights that were found.
    leaderboard_ : DataFrame
        As in `AutoClassifier`, with a column `weights` for the name, source, licence
        and checksum of the pretrained weights of each trial.
    classes_, ensemble_, best_estimator_, best_score_, expected_score_, \
expected_score_interval_, oof_predictions_, metric_name_, decision_weights_, \
decision_thresholds_, failures_, studies_, fit_report_, target_names_
        As in `AutoClassifier`.

    See Also
    --------
    AutoImageRegressor : The same search for numeric targets.

    Notes
    -----
    These forms of X are accepted, and give the same predictions:

    - arrays of shape (n, height, width) or (n, height, width, channels), with 1, 3 or 4
      channels,
    - torch tensors of shape (n, channels, height, width),
    - lists, object arrays, Series and frames of one column that hold arrays, tensors,
      images of PIL, paths, or the content of files as bytes.

    Files need Pillow: ``pip install 'sklearn-automodel[image]'``. They are decoded when
    they are needed, and never all at once.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from automodel import AutoImageClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X.reshape(-1, 8, 8)
    >>> options = {"n_trials": 2, "time_budget": None, "cv": 2, "random_state": 0}
    >>> search = AutoImageClassifier(
    ...     weights=None, families=["image_pixels"], **options
    ... )
    >>> search.fit(X[:200], y[:200]).score(X[200:300], y[200:300]) > 0.8
    True
    """

    _flips = True


class AutoImageRegressor(SupervisedRegressor, ImageEstimator):
    """Search for regressors of images within a time budget and combine the best.

    X is a sequence of images, as in `AutoImageClassifier`.

    Parameters
    ----------
    weights : str, Path or None, default="auto"
        As in `AutoImageClassifier`.
    image_size : int or "auto", default="auto"
        As in `AutoImageClassifier`.
    augmentations : tuple of str, "auto" or None, default="auto"
        As in `AutoImageClassifier`, except that "auto" includes no flips, since a
        number may depend on the direction.
    families, scoring, cv, time_budget, n_trials, sampler, pruner, ensemble_size, \
refit, prediction_time_limit, model_size_limit, storage, study_name, memory_limit, \
callbacks, n_jobs, random_state, verbose
        As in `AutoRegressor`. ``families=None`` tries the families of images.

    Attributes
    ----------
    image_shape_ : tuple of int or None
        As in `AutoImageClassifier`.
    feature_names_in_ : ndarray of shape (1,)
        Name of the column of X, if X is a frame.
    weights_ : tuple of Weights
        Name, source, licence and checksum of the weights that were found.
    ensemble_, best_estimator_, best_score_, expected_score_, \
expected_score_interval_, oof_predictions_, metric_name_, \
leaderboard_, failures_, studies_, fit_report_, target_names_
        As in `AutoRegressor`; `leaderboard_` as in `AutoImageClassifier`.

    See Also
    --------
    AutoImageClassifier : The same search for classes.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel import AutoImageRegressor
    >>> X = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    >>> y = X.mean(axis=(1, 2))
    >>> options = {"n_trials": 2, "time_budget": None, "cv": 2, "random_state": 0}
    >>> search = AutoImageRegressor(weights=None, families=["image_pixels"], **options)
    >>> search.fit(X, y).predict(X[:2]).shape
    (2,)
    """

    _flips = False
