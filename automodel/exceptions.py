"""Exceptions and warnings of the package, by who can act on them."""


class AutoModelError(Exception):
    """Base of all errors that are raised by automodel itself."""


class TrialPruned(AutoModelError):
    """A trial is worse than its family's earlier ones and ends early."""


class DeadlineReached(AutoModelError):
    """Time is up, and the model in training is not usable yet."""


class MissingLibraryError(AutoModelError, ImportError, ValueError):
    """An optional library is needed; the message names the pip command."""


class FitWarning(UserWarning):
    """Something about the data or the search that the user should know."""


class VersionWarning(UserWarning):
    """A fitted estimator was saved by another version of automodel."""


def describe_error(error: BaseException) -> str:
    """Return the class and the text of an exception, whatever its own code does."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  of `__str__`
        return type(error).__name__
