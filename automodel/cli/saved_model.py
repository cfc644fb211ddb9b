"""A model that `automodel fit` has saved, and the columns that it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from automodel import __version__
from automodel.cli.image_files import PATH, read_images, with_paths
from automodel.cli.table_file import check_readable, read_table
from automodel.cli.usage import Say, UsageError, listed
from automodel.exceptions import SavedVersionError

if TYPE_CHECKING:
    import pandas as pd


def load_model(path: Path) -> Any:
    """Return a fitted estimator from its file.

    Raises
    ------
    UsageError
        If the file holds anything else, or cannot be loaded here.
    """
    check_readable(path)
    from automodel.estimators.base import AutoEstimator

    try:
        model = joblib.load(path)
    except SavedVersionError as error:
        raise UsageError(f"the model in {path} cannot be loaded. {error}") from error
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("automodel."):
            raise UsageError(
                f"the model in {path} was saved by another version of automodel than "
                f"{__version__}. Install that version, or create it again with: "
                "automodel fit"
            ) from error
        raise UsageError(
            f"the model in {path} needs {error.name}, which is not installed."
        ) from error
    except Exception as error:  # noqa: BLE001  a broken pickle raises anything
        raise UsageError(
            f"{path} is not a model file, or it is damaged or from another version "
            f"({type(error).__name__}). Create it with: automodel fit"
        ) from error
    if not isinstance(model, AutoEstimator):
        raise UsageError(
            f"{path} holds a {type(model).__name__} instead of an automodel estimator. "
            "Create it with: automodel fit"
        )
    if not hasattr(model, "ensemble_"):
        raise UsageError(
            f"the {type(model).__name__} in {path} is not fitted. "
            "Create it with: automodel fit"
        )
    return model


def read_for(model: Any, path: Path, say: Say) -> pd.DataFrame:
    """Read the columns that a model needs from a table, or from a folder of images."""
    is_of_images = model._modality == "image"
    if is_of_images and path.is_dir():
        (column,) = getattr(model, "feature_names_in_", [PATH])
        return read_images(path, column, say)
    table = read_table(path, strings=string_columns(model))
    X = model_columns(model, table, path, say)
    return with_paths(X, X.columns[0], path) if is_of_images else X


def string_columns(model) -> list[str]:
    """Return the columns in which "01" is not 1: those of categories and texts."""
    names = list(getattr(model, "feature_names_in_", []))
    return getattr(model._reader, "strings", names)


def model_columns(model, table: pd.DataFrame, path: Path, say: Say) -> pd.DataFrame:
    """Return the columns that the model learned from, in its order."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        n_needed = getattr(model, "n_features_in_", 1)  # of texts and images, one
        if table.shape[1] != n_needed:
            raise UsageError(
                "the model was fitted without column names and needs a table of "
                f"{n_needed} column(s), but {path} has {table.shape[1]}."
            )
        return table
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise UsageError(
            f"{path} lacks columns that the model needs: "
            f"{listed(map(repr, missing))}. Its columns are: {listed(table.columns)}."
        )
    targets = names_of_predictions(model) or []
    known = {*names, *targets}
    predicted = [repr(name) for name in targets if name in table.columns]
    if predicted:
        say(f"columns that the model predicts are ignored: {listed(predicted)}.")
    ignored = [name for name in table.columns if name not in known]
    if ignored:
        say(f"columns that the model does not know are ignored: {listed(ignored)}.")
    return table[list(names)]


def names_of_predictions(model: Any) -> list[str] | None:
    """Return the names of the targets, or None if the model does not have them."""
    if hasattr(model, "target_names_"):
        return list(model.target_names_)
    return [model.target_name_] if hasattr(model, "target_name_") else None
