"""The page about a model: where it is saved, and the rows that it rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automodel.cli.image_files import read_folder, with_paths
from automodel.cli.saved_model import (
    model_columns,
    names_of_predictions,
    read_for,
    string_columns,
)
from automodel.cli.table_file import check_writable, read_table
from automodel.cli.target_columns import checked, rows_with_targets
from automodel.cli.usage import Say, UsageError, listed
from automodel.reporting.page.report import check_libraries, check_path


def check_report(path: Path) -> None:
    """Raise an error if no page can be made, or if none can be saved there."""
    check_libraries()
    check_writable(path)
    check_path(path)


def read_fitted(model: Any, path: Path, say: Say) -> tuple[Any, Any]:
    """Return X and y of the table, or of the folder of images, that a model learned.

    Raises
    ------
    UsageError
        If the table lacks a column that the model predicts.
    """
    names = names_of_predictions(model)
    if names is None:
        say("the model does not know the name of its target; importance is left out.")
        return read_for(model, path, say), None
    if path.is_dir():
        table = read_folder(path, say)
    else:
        table = read_table(path, strings=string_columns(model))
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise UsageError(
            f"{path} lacks what the model predicts: {listed(map(repr, missing))}. A "
            "report needs the table of `automodel fit`."
        )
    table = rows_with_targets(table, names, path, say)
    X = model_columns(model, table.drop(columns=names), path, say)
    if model._modality == "image" and not path.is_dir():
        X = with_paths(X, X.columns[0], path)
    y = checked(table[names], hasattr(model, "classes_"))
    return X.reset_index(drop=True), y
