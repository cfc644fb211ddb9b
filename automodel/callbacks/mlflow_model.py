"""log_model: a fitted estimator as a model of MLflow."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automodel.quiet import no_warnings

if TYPE_CHECKING:
    from automodel.callbacks.tracker import FitFacts

NAME = "model"
EXAMPLE_ROWS, MOST_IN_EXAMPLE = 5, 10_000  # values
DISTRIBUTIONS = {"automodel": "sklearn-automodel"}  # of names in a provenance
CHATTY = ("mlflow.sklearn", "mlflow.utils.requirements_utils", "mlflow.models.model")


def log_model(
    client: Any, experiment_id: str, run_id: str, estimator: Any, fit: FitFacts
) -> None:
    """Log an estimator as the model of a run, with signature, example, requirements.

    Parameters
    ----------
    client : MlflowClient
        The client of the server.
    experiment_id, run_id : str
        The run that the model belongs to.
    estimator : AutoEstimator
        The fitted estimator.
    fit : FitFacts
        Where the example comes from.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    try:
        logged = client.create_logged_model(experiment_id, NAME, run_id)
    except MlflowException as error:
        if error.error_code != "ENDPOINT_NOT_FOUND":
            raise
        with _saved(estimator, fit, Model(NAME, run_id)) as path:
            client.log_artifacts(
                run_id, path, NAME
            )  # as servers before MLflow 3 have it
        return
    own = logged.model_id
    about = Model(logged.artifact_location, run_id, model_uuid=own, model_id=own)
    is_ready = False
    try:
        client.log_outputs(run_id, [LoggedModelOutput(own, step=0)])
        with _saved(estimator, fit, about) as path:
            client.log_model_artifacts(own, path)
        is_ready = True
    finally:
        client.finalize_logged_model(own, "READY" if is_ready else "FAILED")


@contextmanager
def _saved(estimator: Any, fit: FitFacts, about: Any) -> Iterator[str]:
    """Save a model in a temporary folder."""
    import mlflow.sklearn

    signature, example = _signature_and_example(fit)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / NAME)
        with _silent():
            mlflow.sklearn.save_model(
                estimator,
                path,
                mlflow_model=about,
                serialization_format="cloudpickle",
                signature=signature,
                input_example=example,
                pip_requirements=requirements(estimator),
            )
        yield path


def requirements(estimator: Any) -> list[str]:
    """Return the libraries that a fitted estimator needs, as pip writes them."""
    import cloudpickle
    import mlflow

    versions = {
        **estimator._provenance["versions"],
        "cloudpickle": cloudpickle.__version__,
        "mlflow": mlflow.__version__,
    }
    return [
        # Without the part after "+", which names a build that PyPI does not have.
        f"{DISTRIBUTIONS.get(name, name)}=={version.partition('+')[0]}"
        for name, version in versions.items()
    ]


def _signature_and_example(fit: FitFacts) -> tuple[Any, Any]:
    """Return the signature of a model, and rows of X as its example, if there are any.

    There is no signature for images in files, and no example for large images.
    """
    from mlflow.models import infer_signature

    rows = _first_rows(fit.X)
    if rows is None or not isinstance(fit.y, np.ndarray):
        return False, None
    with no_warnings():  # about integers, which cannot be missing
        signature = infer_signature(rows, fit.y[:EXAMPLE_ROWS])
    is_small = not isinstance(rows, np.ndarray) or rows.size <= MOST_IN_EXAMPLE
    return signature, rows if is_small else None


def _first_rows(X: Any) -> Any:
    """Return the first rows of X as a frame or an array; None for files of images."""
    if hasattr(X, "iloc"):
        return X.iloc[:EXAMPLE_ROWS]
    if hasattr(X, "to_pandas"):
        return X[:EXAMPLE_ROWS].to_pandas()
    values = getattr(X, "values", X)  # of images
    is_of_files = values is not X and values.dtype == object
    return None if is_of_files else values[:EXAMPLE_ROWS]


@contextmanager
def _silent() -> Iterator[None]:
    """Leave out what MLflow logs in this thread about pickles and requirements."""
    own = threading.get_ident()

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != own

    loggers = [logging.getLogger(name) for name in CHATTY]
    for logger in loggers:
        logger.addFilter(is_of_others)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_of_others)
