"""What each command of the command line does."""

from __future__ import annotations

import difflib
import signal
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from automodel.cli.detection import (
    category_ids,
    check_fit_options,
    check_predict_options,
    predict_boxes,
    read_annotations,
)
from automodel.cli.image_files import read_folder, with_columns_of_folder, with_paths
from automodel.cli.interrupts import Reminder, interruptible
from automodel.cli.page import check_report, read_fitted
from automodel.cli.saved_model import load_model, names_of_predictions, read_for
from automodel.cli.table_file import (
    check_writable,
    read_table,
    replaced_when_done,
    table_format,
    write_table,
    write_text,
)
from automodel.cli.target_columns import (
    check_scoring,
    checked,
    is_classification,
    names_of_targets,
    note_of_task,
    rows_with_targets,
)
from automodel.cli.usage import Say, UsageError, listed
from automodel.estimators.checks import as_bytes
from automodel.families import all_families, find_families
from automodel.nets.weights import find_weights
from automodel.reporting.summary import text_summary
from automodel.search.storage.resume import check_storage
from automodel.search.storage.shared import SharedStorage
from automodel.targets.classes import labels_of

DEFAULT_SECONDS = 300.0
EXIT_OF_SIGNAL = 128  # and its number, as shells report it


def fit(arguments: Namespace) -> int:
    """Learn columns of a table, or boxes in images, and save the model."""
    say = _nothing if arguments.quiet else _note
    check_writable(arguments.out)
    if arguments.report is not None:  # before the time budget is spent
        check_report(arguments.report)
    if arguments.image_folder is None:
        arguments = with_columns_of_folder(arguments)
    else:
        check_fit_options(arguments)
    # Cheap, and an unknown name raises before a large table is read.
    find_families(arguments.families, _modality(arguments))
    storage = _storage(arguments)
    weights = _pretrained(arguments)
    notes: list[str] = []  # printed when all checks have passed
    data = _data(arguments, notes.append)
    for note in notes:
        say(note)
    model = _new_model(arguments, data.is_of_classes)
    model.set_params(**storage, **weights)
    with interruptible(model) as (interrupts, held):
        model.set_params(callbacks=[Reminder(interrupts)])
        with _warnings_as_notes(say):
            model.fit(data.X, data.y, **data.extra)
        model.set_params(callbacks=())  # the reminder belongs to this process
        vars(model).update(data.names)
        with replaced_when_done(arguments.out) as part:
            joblib.dump(model, part, compress=1)
    if interrupts:
        say(
            f"the search was ended early by {interrupts[0]}; the best ensemble so far "
            "is saved."
        )
    sys.stdout.write(text_summary(model) + f"\n\nModel saved: {arguments.out}\n")
    if arguments.report is not None and not held:
        rows = (None, None) if interrupts else (data.X, data.y)  # take longer
        return _write_report(model, arguments.report, *rows, say=say)
    return EXIT_OF_SIGNAL + held[0] if held else 0


def predict(arguments: Namespace) -> int:
    """Predict the rows of a table, or the images of a folder, with a saved model."""
    say = _nothing if arguments.quiet else _note
    check_predict_options(arguments)
    if arguments.out != "-" and arguments.image_folder is None:
        table_format(arguments.out)
        check_writable(Path(arguments.out))
    with _warnings_as_notes(say):
        model = load_model(arguments.model)
        _check_source(model, arguments)
        if arguments.image_folder is not None:
            predict_boxes(model, arguments, say)
            return 0
        if arguments.proba and not hasattr(model, "predict_proba"):
            raise UsageError(
                f"--proba needs a classifier, but the model in {arguments.model} is a "
                "regressor."
            )
        X = read_for(model, arguments.table, say)
        predictions = _predictions(model, X, arguments.proba)
    if arguments.table.is_dir():
        predictions = pd.concat([X, predictions], axis=1)
    if arguments.out == "-":
        write_text(predictions, sys.stdout)
        sys.stdout.flush()
    else:
        write_table(predictions, arguments.out)
        say(f"{len(predictions)} predictions written to {arguments.out}.")
    return 0


def report(arguments: Namespace) -> int:
    """Write a page about a saved model."""
    say = _nothing if arguments.quiet else _note
    check_report(arguments.out)
    with _warnings_as_notes(say):
        model = load_model(arguments.model)
        X = y = None
        if arguments.table is not None:
            X, y = read_fitted(model, arguments.table, say)
    options = {"seconds": arguments.seconds, "show_examples": arguments.show_examples}
    return _write_report(model, arguments.out, X, y, say=say, **options)


def families(arguments: Namespace) -> int:
    """List the families with their tasks and whether they are installed."""
    rows = [("name", "tasks", "installed")]
    for family in all_families().values():
        installed = "yes"
        missing = family.missing_libraries()
        if missing:
            installed = f"no: pip install {' '.join(missing)}"
        rows.append((family.name, ", ".join(family.tasks), installed))
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for name, tasks, installed in rows:
        line = f"{name:{widths[0]}}  {tasks:{widths[1]}}  {installed}"
        sys.stdout.write(line.rstrip() + "\n")
    return 0


def _write_report(
    model: Any, path: Path, X: Any, y: Any, *, say: Say, **options
) -> int:
    """Write the page about a model, and return the exit code."""
    sys.stdout.flush()  # a report may take a while
    try:
        with _warnings_as_notes(say):
            model.report(path, X, y, **options)
    except KeyboardInterrupt:
        say("interrupted; there is no report.")
        return EXIT_OF_SIGNAL + signal.SIGINT
    sys.stdout.write(f"Report saved: {path}\n")
    return 0


def _note(text: str) -> None:
    sys.stderr.write(f"automodel: {text}\n")


def _nothing(text: str) -> None:
    pass


@dataclass(frozen=True)
class _Data:
    """What `fit` learns.

    `extra` are other arguments of `fit`, and `names` attributes that the model keeps
    for `predict`.
    """

    X: Any
    y: Any
    extra: dict[str, Any]
    is_of_classes: bool
    names: dict[str, Any]


def _data(arguments: Namespace, say: Say) -> _Data:
    """Read what `fit` learns, and check that it can be learned."""
    if arguments.image_folder is not None:
        paths, boxes = read_annotations(arguments, say)
        ids = {"category_ids_": category_ids(arguments.table)}
        return _Data(paths, boxes, {}, False, ids)
    table = _read(arguments, say)
    X, y, extra = _split(table, arguments, say)
    is_of_classes = is_classification(y, arguments.task)
    say(note_of_task(y, arguments.task, is_of_classes))
    target = checked(y, is_of_classes)
    check_scoring(arguments.scoring, target, is_of_classes)
    names = {"target_name_": arguments.target}
    return _Data(X, target, extra, is_of_classes, names)


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


def _storage(arguments: Namespace) -> dict[str, Any]:
    """Return the given parameters that say where a search is stored."""
    storage = arguments.storage
    if arguments.database is not None:
        if storage is None:
            raise UsageError(
                "--database needs --storage, the folder for predictions and models."
            )
        storage = SharedStorage(arguments.database, storage)
    check_storage(storage, arguments.study_name)
    as_bytes(arguments.memory_limit)
    given = {
        "storage": storage,
        "study_name": arguments.study_name,
        "memory_limit": arguments.memory_limit,
    }
    return {name: value for name, value in given.items() if value is not None}


def _pretrained(arguments: Namespace) -> dict[str, Any]:
    """Return the given parameter that says which pretrained weights are used."""
    name = arguments.weights
    if name is None:
        return {}
    modality = _modality(arguments)
    if modality == "tabular":
        raise UsageError(
            "--weights needs --text-column, --image-column or --image-folder."
        )
    weights = None if name == "none" else name
    # An error is raised before a large table is read.
    find_weights(weights, modality="text" if modality == "text" else "image")
    return {"weights": weights}


def _modality(arguments: Namespace) -> str:
    if arguments.image_folder is not None:
        return "detection"
    if arguments.image_column is not None:
        return "image"
    return "tabular" if arguments.text_column is None else "text"


def _new_model(arguments: Namespace, is_of_classes: bool) -> Any:
    from automodel.estimators.detection import AutoObjectDetector
    from automodel.estimators.image import AutoImageClassifier, AutoImageRegressor
    from automodel.estimators.tabular import AutoClassifier, AutoRegressor
    from automodel.estimators.text import AutoTextClassifier, AutoTextRegressor

    regressor, classifier = {
        "tabular": (AutoRegressor, AutoClassifier),
        "text": (AutoTextRegressor, AutoTextClassifier),
        "image": (AutoImageRegressor, AutoImageClassifier),
        "detection": (AutoObjectDetector, AutoObjectDetector),
    }[_modality(arguments)]
    seconds = arguments.time_budget
    if seconds is None and arguments.n_trials is None:
        seconds = DEFAULT_SECONDS
    return (classifier if is_of_classes else regressor)(
        families=arguments.families,
        scoring=arguments.scoring,
        cv=arguments.cv,
        time_budget=seconds,
        n_trials=arguments.n_trials,
        n_jobs=arguments.jobs,
        random_state=arguments.random_state,
        verbose=0 if arguments.quiet else 1,
    )


@contextmanager
def _warnings_as_notes(say: Say) -> Iterator[None]:
    """Print each warning for users as one line, and ignore those for developers."""

    def show(message, category, *rest, **details):
        if issubclass(category, UserWarning):
            say(f"warning: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _check_source(model: Any, arguments: Namespace) -> None:
    """Raise UsageError if a detector has no folder, or another model has one."""
    is_detector = model._modality == "detection"
    if is_detector and arguments.image_folder is None:
        raise UsageError(
            f"the model in {arguments.model} detects boxes in images. Name their "
            "folder with --image-folder."
        )
    if not is_detector and arguments.image_folder is not None:
        raise UsageError(
            f"--image-folder is for detectors, but the model in {arguments.model} is "
            f"an {type(model).__name__}. Name the table or folder without an option."
        )


def _predictions(model, X: pd.DataFrame, with_proba: bool) -> pd.DataFrame:
    names = names_of_predictions(model)
    if not with_proba:
        return _named(np.asarray(model.predict(X)), names)
    proba = model.predict_proba(X)
    if hasattr(model, "decision_thresholds_"):
        labels = (proba > model.decision_thresholds_).astype(np.int64)
        named = _named(labels, names)
        likely = [f"probability_{name}" for name in named.columns]
        return named.assign(**dict(zip(likely, proba.T, strict=True)))
    columns = {
        f"probability_{label}": proba[:, i] for i, label in enumerate(model.classes_)
    }
    labels = model.classes_[labels_of(proba, model.decision_weights_)]
    return _named(labels, names).assign(**columns)


def _named(predicted: np.ndarray, names: list[str] | None) -> pd.DataFrame:
    if predicted.ndim == 1:
        return pd.DataFrame({(names or ["prediction"])[0]: predicted})
    names = names or [f"prediction_{i}" for i in range(predicted.shape[1])]
    return pd.DataFrame(dict(zip(names, predicted.T, strict=True)))
