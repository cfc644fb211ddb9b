"""Scikit-learn estimators that search for models and return an ensemble.

Heavy libraries (torch, Optuna, the boosting libraries, pandas) are imported when they
are first used.
"""

__version__ = "0.2.0"

__all__ = [
    "AutoClassifier",
    "AutoImageClassifier",
    "AutoImageRegressor",
    "AutoObjectDetector",
    "AutoRegressor",
    "AutoTextClassifier",
    "AutoTextRegressor",
    "EnsembleDisplay",
    "EstimatorFamily",
    "ImageFamily",
    "ImageFeatures",
    "LearningCurvesDisplay",
    "Machine",
    "ModelFamily",
    "SearchHistoryDisplay",
    "SharedStorage",
    "TabularFamily",
    "TextEmbedding",
    "TextFamily",
    "TimelineDisplay",
    "TrainingPlan",
    "__version__",
    "boxes_from_coco",
    "boxes_from_voc",
    "boxes_to_coco",
    "draw_boxes",
]

_HOMES = {
    "AutoClassifier": "automodel.estimators.tabular",
    "AutoImageClassifier": "automodel.estimators.image",
    "AutoImageRegressor": "automodel.estimators.image",
    "AutoObjectDetector": "automodel.estimators.detection",
    "AutoRegressor": "automodel.estimators.tabular",
    "AutoTextClassifier": "automodel.estimators.text",
    "AutoTextRegressor": "automodel.estimators.text",
    "EnsembleDisplay": "automodel.reporting.displays",
    "EstimatorFamily": "automodel.families",
    "ImageFamily": "automodel.families",
    "ImageFeatures": "automodel.preprocessing.image.features",
    "LearningCurvesDisplay": "automodel.reporting.displays",
    "Machine": "automodel.training.planning.machine",
    "ModelFamily": "automodel.families.base",
    "SearchHistoryDisplay": "automodel.reporting.displays",
    "SharedStorage": "automodel.search.storage.shared",
    "TabularFamily": "automodel.families",
    "TextEmbedding": "automodel.preprocessing.text.embedding",
    "TextFamily": "automodel.families",
    "TimelineDisplay": "automodel.reporting.displays",
    "TrainingPlan": "automodel.training.planning.training_plan",
    "boxes_from_coco": "automodel.detection.coco",
    "boxes_from_voc": "automodel.detection.voc",
    "boxes_to_coco": "automodel.detection.coco",
    "draw_boxes": "automodel.detection.drawing",
}


def __getattr__(name):
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'automodel' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
