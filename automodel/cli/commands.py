"""What each command of the command line does."""

from __future__ import annotations

import signal
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from automodel.cli.detection import (
    check_fit_options,
    check_predict_options,
    predict_boxes,
)
from automodel.cli.fit_data import FitData, read_fit_data
from automodel.cli.image_files import with_columns_of_folder
from automodel.cli.interrupts import Reminder, interruptible
from automodel.cli.page import check_report, read_fitted
from automodel.cli.saved_model import load_model, names_of_predictions, read_for
from automodel.cli.table_file import (
    check_writable,
    replaced_when_done,
    table_format,
    write_table,
    write_text,
)
from automodel.cli.usage import Say, UsageError
from automodel.estimators.checks import as_bytes
from automodel.families import all_families, find_families
from automodel.nets.weights import find_weights
from automodel.reporting.summary import text_summary
from automodel.search.storage.resume import check_storage
from automodel.search.storage.shared import SharedStorage
from automodel.targets.classes import labels_of
from automodel.training.planning.machine import Machine
from automodel.training.planning.plan_cost import check_rates

DEFAULT_SECONDS = 300.0
EXIT_OF_SIGNAL = 128  # and its number, as shells report it


def fit(arguments: Namespace) -> int:
    """Learn columns of a table, or boxes in images, and save the model."""
    say = _nothing if arguments.quiet else _note
    check_writable(arguments.out)
    if arguments.report is not None:  # before the time budget is spent
        check_report(arguments.report)
    model, data = _unfitted(arguments, say)
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


def plan(arguments: Namespace) -> int:
    """Say what a fit would take, without fitting."""
    say = _nothing if arguments.quiet else _note
    machine = _machine(arguments)  # wrong values raise before a table is read
    names = ("per_hour", "watts", "per_kwh", "grams_per_kwh")
    rates = {name: getattr(arguments, name) for name in names}
    check_rates(**rates)
    model, data = _unfitted(arguments, say)
    options = {**data.extra, "probe_seconds": arguments.probe_seconds}
    with _warnings_as_notes(say):
        planned = model.plan(data.X, data.y, **options)
        if machine is not None:
            planned = planned.on(machine)
    sys.stdout.write(f"{planned}\n")
    if any(rate is not None for rate in rates.values()):
        sys.stdout.write(f"\n{planned.cost(**rates)}\n")
    return 0


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


def _unfitted(arguments: Namespace, say: Say) -> tuple[Any, FitData]:
    """Return the estimator that the options describe, and what it is to learn."""
    if arguments.image_folder is None:
        arguments = with_columns_of_folder(arguments)
    else:
        check_fit_options(arguments)
    # Cheap, and an unknown name raises before a large table is read.
    find_families(arguments.families, _modality(arguments))
    given = _given(arguments) | _limits(arguments) | _pretrained(arguments)
    notes: list[str] = []  # printed when all checks have passed
    data = read_fit_data(arguments, notes.append)
    for note in notes:
        say(note)
    return _new_model(arguments, data.is_of_classes).set_params(**given), data


def _machine(arguments: Namespace) -> Machine | None:
    """Return the other machine that the options describe, if there is one."""
    memory = as_bytes(arguments.memory, "memory")
    given = {"n_cores": arguments.cores, "memory": memory, "gpu": arguments.gpu}
    is_other = any(value is not None for value in given.values())
    return Machine(**given) if is_other else None


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


def _given(arguments: Namespace) -> dict[str, Any]:
    """Return the given parameters of memory, and of where a search is stored."""
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


def _limits(arguments: Namespace) -> dict[str, Any]:
    """Return the given limits of the models of the ensemble."""
    size = arguments.model_size_limit
    given = {
        "prediction_time_limit": arguments.prediction_time_limit,
        "model_size_limit": None if size == "none" else size,
    }
    if size not in ("auto", "none"):
        as_bytes(size, "model_size_limit")
    return {name: value for name, value in given.items() if value != "auto"}


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
