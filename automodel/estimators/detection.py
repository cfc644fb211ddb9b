"""AutoObjectDetector: the public estimator of boxes in images."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn.utils._param_validation import Interval

from automodel.estimators.checks import check_groups
from automodel.estimators.image import ImageEstimator
from automodel.metrics.average_precision import (
    average_precision_per_class,
    mean_average_precision,
)
from automodel.preprocessing.image.images import Images
from automodel.targets.detection import BoxTarget

if TYPE_CHECKING:
    from automodel.training.prepare import Data


class AutoObjectDetector(ImageEstimator):
    """Search for detectors of objects within a time budget and combine the best.

    X is a sequence of images, as in `AutoImageClassifier`. y has a dictionary for each
    image: its ``boxes`` of shape (k, 4), in pixels x1, y1, x2, y2 of the image, and
    their ``labels`` of shape (k,). An image may have no boxes. A dictionary may also
    have ``ignored`` of shape (k,): boxes where it is True, such as crowds of COCO or
    difficult objects of VOC, are neither learned nor scored.

    Parameters
    ----------
    weights : str, Path or None, default="auto"
        As in `AutoImageClassifier`.
    image_size : int or "auto", default="auto"
        Length in pixels to which the shorter side of images is resized, at least 8.
        "auto" leaves it to the search.
    augmentations : tuple of str, "auto" or None, default="auto"
        Random changes of training images, and of their boxes, that the search may try.
        Their names are "horizontal_flip", "vertical_flip", "scale", "crop" and
        "brightness". "auto" stands for all of them, and None for none.
    score_threshold : float, default=0.05
        Least score of a box that `predict` returns, from 0 to 1.
    families, scoring, cv, time_budget, n_trials, sampler, pruner, ensemble_size, \
refit, prediction_time_limit, model_size_limit, storage, study_name, memory_limit, \
callbacks, n_jobs, random_state, verbose
        As in `AutoClassifier`, with these differences. ``families=None`` tries the
        families of detectors. `scoring` is "map", the mean average precision over
        overlaps from 0.50 to 0.95, "map_50", that at an overlap of 0.5, or a scorer
        that takes lists of dictionaries. ``cv=None`` draws a single split if there is
        no time for five folds, or no time budget: it validates a fifth of the images,
        but at least 30, or half of fewer than 60. An integer `cv` draws shuffled folds
        that are stratified by the rarest class of each image.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    image_shape_ : tuple of int or None
        As in `AutoImageClassifier`.
    feature_names_in_ : ndarray of shape (1,)
        Name of the column of X, if X is a frame.
    weights_ : tuple of Weights
        Name, source, licence and checksum of the weights that were found.
    ensemble_, best_estimator_, best_score_, expected_score_, metric_name_, \
leaderboard_, failures_, studies_, fit_report_
        As in `AutoImageClassifier`.

    See Also
    --------
    automodel.metrics.mean_average_precision : The default score.
    automodel.detection.boxes_from_coco : Reads X and y from annotations of COCO.
    automodel.detection.draw_boxes : Draws boxes into an image.

    Notes
    -----
    An ensemble of several detectors fuses their boxes [1]_. It is made only if its
    score is better than that of the best detector, on images that did not choose it.

    References
    ----------
    .. [1] Solovyev, Wang, Gabruseva (2021), Weighted boxes fusion: Ensembling boxes
       from different object detection models.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel import AutoObjectDetector
    >>> X = np.zeros((40, 32, 32), dtype=np.uint8)
    >>> X[:, 8:20, 4:24] = 255
    >>> y = [{"boxes": [[4, 8, 24, 20]], "labels": ["bright"]}] * 40
    >>> search = AutoObjectDetector(time_budget=60)
    >>> search.fit(X, y).predict(X[:1])  # doctest: +SKIP
    [{'boxes': array([[ 4.,  8., 24., 20.]], dtype=float32), ...
    """

    _modality = "detection"
    _flips = True
    _changes = ("horizontal_flip", "vertical_flip", "scale", "crop", "brightness")
    _parameter_constraints: dict = {
        **ImageEstimator._parameter_constraints,
        "score_threshold": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        *,
        weights="auto",
        image_size="auto",
        augmentations="auto",
        score_threshold=0.05,
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
            weights=weights,
            image_size=image_size,
            augmentations=augmentations,
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
        self.score_threshold = score_threshold

    def _check_data(self, X, y, sample_weight, groups) -> Data:
        if sample_weight is not None:
            raise ValueError(
                f"{type(self).__name__} does not use sample weights, since average "
                "precision has none. Leave sample_weight out, and repeat images that "
                "count more."
            )
        from automodel.training.prepare import Data

        sources = self._check_X(X, reset=True)
        images = Images(sources.values)
        sizes = np.array([images.size(i) for i in range(len(images))])
        boxes = BoxTarget.check(y, (sizes[:, 0], sizes[:, 1]))
        return Data(sources, boxes, None, check_groups(groups, len(images)))

    def _target_of(self, y, sample_weight) -> BoxTarget:
        return BoxTarget.of(y)

    def _keep_prepared(self, prepared):
        super()._keep_prepared(prepared)
        self.classes_ = cast(BoxTarget, self._target).labels

    def predict(self, X) -> list[dict[str, np.ndarray]]:
        """Predict the boxes of each image.

        Parameters
        ----------
        X : sequence of images
            Images of the same kind as in `fit`.

        Returns
        -------
        list of dict
            For each image ``boxes`` of shape (k, 4), in pixels x1, y1, x2, y2 of the
            image, ``labels`` of shape (k,), of the type that `fit` got, and ``scores``
            of shape (k,), from 0 to 1. The boxes with the highest scores come first.
        """
        found = self._predict_outputs(X)
        return self._target.decode(found, self.score_threshold)

    def score(self, X, y) -> float:
        """Return the mean average precision of the predicted boxes, whatever `scoring`.

        Parameters
        ----------
        X : sequence of images
            Images of the same kind as in `fit`.
        y : sequence of dict
            True boxes and labels of each image.

        Returns
        -------
        float
            The mean over the classes, and over overlaps from 0.50 to 0.95.
        """
        return mean_average_precision(y, self.predict(X))

    def average_precision_per_class(self, X, y) -> Any:
        """Return the average precision of each class.

        Parameters
        ----------
        X : sequence of images
            Images of the same kind as in `fit`.
        y : sequence of dict
            True boxes and labels of each image.

        Returns
        -------
        DataFrame
            A row for each label in y, with the columns `average_precision`, the mean
            over overlaps from 0.50 to 0.95, and `average_precision_50`.
        """
        import pandas as pd

        found = self.predict(X)
        columns = {
            "average_precision": average_precision_per_class(y, found),
            "average_precision_50": average_precision_per_class(
                y, found, iou_thresholds=0.5
            ),
        }
        return pd.DataFrame(columns).rename_axis("label")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
