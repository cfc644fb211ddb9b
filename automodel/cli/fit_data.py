"""What `fit` and `plan` learn: a table, a folder of images, or boxes."""

from __future__ import annotations

import difflib
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from automodel.cli.detection import category_ids, read_annotations
from automodel.cli.image_files import read_folder, with_paths
from automodel.cli.table_file import read_table
from automodel.cli.target_columns import (
    check_scoring,
    checked,
    is_classification,
    names_of_targets,
    note_of_task,
    rows_with_targets,
)
from automodel.cli.usage import Say, UsageError, listed


@dataclass(frozen=True)
class FitData:
    """What a search learns.

    `extra` are other arguments of `fit`, and `names` attributes that the model keeps
    for `predict`.
    """

    X: Any
    y: Any
    extra: dict[str, Any]
    is_of_classes: bool
    names: dict[str, Any]


def read_fit_data(arguments: Namespace, say: Say) -> FitData:
    """Read what a search learns, and check that it can be learned."""
    if arguments.image_folder is not None:
        paths, boxes = read_annotations(arguments, say)
        ids = {"category_ids_": category_ids(arguments.table)}
        return FitData(paths, boxes, {}, False, ids)
    table = _read(arguments, say)
    X, y, extra = _split(table, arguments, say)
    is_of_classes = is_classification(y, arguments.task)
    say(note_of_task(y, arguments.task, is_of_classes))
    target = checked(y, is_of_classes)
    check_scoring(arguments.scoring, target, is_of_classes)
    names = {"target_name_": arguments.target}
    return FitData(X, target, extra, is_of_classes, names)


def _read(arguments: Namespace, say: Say) -> pd.DataFrame:
    """Read the table, or the folder of images, of `fit`."""
    if arguments.table.is_dir():
        return read_folder(arguments.table, say)
    columns = [arguments.text_column, arguments.image_column]
    return read_table(arguments.table, strings=[c for c in columns if c is not None])


def _split(table: pd.DataFrame, arguments: Namespace, say: Say):
    """Return features, target and the other arguments of `fit`."""
    targets, path = names_of_targets(arguments.target, table), arguments.table
    column = arguments.text_column or arguments.image_column
    others = [arguments.groups, arguments.weight, column]
    others = [name for name in others if name is not None]
    special = targets + others
    for name in [*special, *arguments.drop]:
        _check_column(name, table, path)
    twice = {name for name in special if (special + arguments.drop).count(name) > 1}
    if twice:
        raise UsageError(
            f"the column {twice.pop()!r} can have only one role. It is named more than "
            "once by --target, --text-column, --image-column, --groups, --weight and "
            "--drop."
        )
    table = rows_with_targets(table, targets, path, say)
    X = table[[column]] if column else _features(table, special, arguments, say)
    if arguments.text_column:
        _check_texts(table[arguments.text_column])
    if arguments.image_column:
        X = with_paths(X, arguments.image_column, path)
    extra = {}
    if arguments.groups is not None:
        extra["groups"] = _groups(table[arguments.groups])
    if arguments.weight is not None:
        extra["sample_weight"] = _weights(table[arguments.weight])
    return X.reset_index(drop=True), table[targets], extra


def _features(
    table: pd.DataFrame, special: list[str], arguments: Namespace, say: Say
) -> pd.DataFrame:
    X = table.drop(columns=[*special, *dict.fromkeys(arguments.drop)])
    if X.shape[1] == 0:
        raise UsageError(
            f"{arguments.table} has no columns left from which {arguments.target!r} "
            "can be learned."
        )
    for name in X.columns:
        if name.startswith("Unnamed: "):
            say(
                f"the column {name!r} has no name. If it holds row numbers, leave it "
                "out with --drop."
            )
    return X


def _check_column(name: str, table: pd.DataFrame, path: Path) -> None:
    if name in table.columns:
        return
    near = difflib.get_close_matches(name, table.columns, n=1, cutoff=0.5)
    same = [c for c in table.columns if c.lower() == name.lower()]
    hint = ""
    if table.shape[1] == 1 and any(mark in table.columns[0] for mark in ";\t|"):
        hint = " The file is not separated by commas."
    elif same or near:
        hint = f" Did you mean {(same or near)[0]!r}?"
    raise UsageError(
        f"{path} has no column {name!r}.{hint} Its columns are: "
        f"{listed(table.columns)}."
    )


def _check_texts(column: pd.Series) -> None:
    values = column.dropna().astype(str)
    are_numbers = pd.to_numeric(values, errors="coerce").notna()
    are_codes = values.str.match(r"[+-]?0\d")  # such as postcodes
    if len(values) and are_numbers.all() and not are_codes.any():
        raise UsageError(
            f"the text column {column.name!r} holds numbers. To learn from numbers, "
            "leave out --text-column."
        )


def _groups(column: pd.Series) -> np.ndarray:
    if column.isna().any():
        raise UsageError(
            f"the groups column {column.name!r} has {column.isna().sum()} missing "
            "values. Every row needs a group."
        )
    return pd.factorize(column)[0]


def _weights(column: pd.Series) -> np.ndarray:
    weights = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    if not (np.isfinite(weights) & (weights >= 0)).all() or weights.sum() == 0:
        raise UsageError(
            f"the values of the weight column {column.name!r} must be numbers of at "
            "least 0, and not all of them 0."
        )
    return weights
