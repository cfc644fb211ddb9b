"""log_model: a fitted estimator as a model of MLflow."""

from __future__ import annotations

import logging
import shutil
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
TYPES = {  # of MLflow, by those of pandas
    "bool": "boolean",
    "float32": "float",
    "float64": "double",
    "int32": "integer",
    "int64": "long",
    "str": "string",
    "string": "string",
}
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
        # A server before MLflow 3 knows models as files of runs only.
        with _saved(estimator, fit, Model(NAME, run_id)) as path:
            client.log_artifacts(run_id, path, NAME)
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


def prepare() -> None:
    """Save a model without content, after which others are saved in half the time.

    MLflow looks once for the packages that are installed, which takes about a second.
    """
    import mlflow
    import mlflow.sklearn
    from sklearn.dummy import DummyRegressor

    with tempfile.TemporaryDirectory() as folder, _silent():
        mlflow.sklearn.save_model(
            DummyRegressor(),
            str(Path(folder) / NAME),
            serialization_format="cloudpickle",
            pip_requirements=[f"mlflow=={mlflow.__version__}"],
        )


@contextmanager
def _saved(estimator: Any, fit: FitFacts, about: Any) -> Iterator[str]:
    """Save a model in a temporary folder."""
    import mlflow.sklearn
    from mlflow.exceptions import MlflowException

    rows = _rows_of(fit.X)
    with tempfile.TemporaryDirectory() as folder:
        path, example = str(Path(folder) / NAME), str(Path(folder) / "example")
        # MLflow warns of columns of integers, and is warned by pandas.
        with no_warnings():
            try:
                signature = _signature(rows, fit.y, estimator)
            except MlflowException:  # of types that MLflow does not know
                signature = False
            _save_example(rows, example, about)
        with _silent():
            mlflow.sklearn.save_model(
                estimator,
                path,
                mlflow_model=about,
                serialization_format="cloudpickle",
                signature=signature,
                pip_requirements=requirements(estimator),
            )
        shutil.copytree(example, path, dirs_exist_ok=True)
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


def _signature(rows: Any, y: Any, estimator: Any) -> Any:
    """Return the signature of a model; False if it takes files of images.

    Columns of a frame that MLflow would change or refuse may hold anything.
    """
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    if rows is None or not isinstance(y, np.ndarray):
        return False
    if hasattr(rows, "columns"):
        columns: list[Any] = [
            ColSpec(_type_of(column) or AnyType(), name)
            for name, column in rows.items()
        ]
    elif rows.ndim == 1:  # texts, for which MLflow makes a frame of a list
        (name,) = getattr(estimator, "feature_names_in_", [None])
        columns = [ColSpec("string", name)]
    else:
        return infer_signature(rows[:EXAMPLE_ROWS], y[:EXAMPLE_ROWS])
    outputs = infer_signature(model_output=y[:EXAMPLE_ROWS]).outputs
    return ModelSignature(Schema(columns), outputs)


def _type_of(column: Any) -> str | None:
    """Return the type of MLflow that keeps a column of pandas as it is, or None."""
    name = str(column.dtype)
    if name.startswith("datetime64") and "," not in name:  # without a time zone
        return "datetime"
    if name != "object":
        return TYPES.get(name)
    from pandas.api.types import infer_dtype

    return "string" if infer_dtype(column, skipna=True) == "string" else None


def _save_example(rows: Any, path: str, about: Any) -> None:
    """Save a few rows as the example of a model, if there are any and JSON takes them.

    This is done apart from the model, whose pickle takes long, since warnings are off
    for all threads meanwhile.
    """
    from mlflow.models.utils import _save_example

    Path(path).mkdir()
    example = rows.iloc if hasattr(rows, "iloc") else rows
    example = None if rows is None else example[:EXAMPLE_ROWS]
    if isinstance(example, np.ndarray):
        if example.size > MOST_IN_EXAMPLE:
            return
        example = example.tolist() if example.ndim == 1 else example
    try:
        _save_example(about, example, path)
    except Exception:  # noqa: BLE001  MLflow raises what its parts raise
        about.saved_input_example_info = None


def _rows_of(X: Any) -> Any:
    """Return X as a frame of pandas, an array or a matrix; None for files of images."""
    if hasattr(X, "columns"):
        return X if hasattr(X, "iloc") else X.to_pandas()
    values = getattr(X, "values", X)  # of images
    return None if values is not X and values.dtype == object else values


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
