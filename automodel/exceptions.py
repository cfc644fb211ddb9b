"""Exceptions and warnings of the package."""


class AutoModelError(Exception):
    """Base class of all errors that automodel itself raises."""


class TrialPruned(AutoModelError):
    """Raised if a trial is stopped early because its family has better trials."""


class DeadlineReached(AutoModelError):
    """Raised if time is up before the model in training is usable."""


class MissingLibraryError(AutoModelError, ImportError, ValueError):
    """Raised if an optional library is missing; the message names the pip command."""


class WeightsError(AutoModelError, ValueError):
    """Raised if pretrained weights cannot be found, or cannot be used."""


class ImageError(AutoModelError, ValueError):
    """Raised if an image cannot be read; the message names its row and the cause."""


class SavedVersionError(AutoModelError, RuntimeError):
    """Raised if an estimator was saved by a version that this one cannot read."""


class FitWarning(UserWarning):
    """Warning about the data or the search that concerns the user."""


class WeightsWarning(FitWarning):
    """Warning that there are no pretrained weights, so that models learn without."""


class VersionWarning(UserWarning):
    """Warning that a fitted estimator was saved by another version of automodel."""


def describe_error(error: BaseException) -> str:
    """Return the class and the text of an exception, even if its `__str__` raises."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  `__str__` may raise anything
        return type(error).__name__
