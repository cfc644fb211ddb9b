"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
from pathlib import Path

TABLES = "a .csv, .csv.gz, .tsv, .tsv.gz or .parquet file"
TASK_RULE = (
    "auto: classification if the target holds text, true/false, or at most 20 "
    "distinct whole numbers that repeat (at most half as many as there are rows); "
    "regression otherwise. Several targets are classification if all hold only 0 and 1"
)


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Add the table and its target."""
    parser.add_argument(
        "table",
        type=Path,
        help=f"{TABLES}, or a folder with one subfolder of images for each class, or "
        "a .json file of boxes in the format of COCO, with --image-folder",
    )
    parser.add_argument(
        "--target",
        metavar="COL[,COL...]",
        help="column to learn, or several columns of numbers or of 0 and 1; among "
        "several, put a name with a comma in double quotes (not for a folder)",
    )


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Add what limits a search, and what it tries."""
    search = parser.add_argument_group("search")
    search.add_argument(
        "--time-budget",
        type=positive_float,
        metavar="SECONDS",
        help="limit for the whole fit: checks, search, ensemble and refit "
        "(default: 300, or no limit with --n-trials)",
    )
    search.add_argument(
        "--n-trials", type=_positive_int, metavar="N", help="maximum number of trials"
    )
    search.add_argument(
        "--task",
        choices=("auto", "classification", "regression"),
        default="auto",
        help=TASK_RULE,
    )
    search.add_argument(
        "--families",
        type=_names,
        metavar="A,B",
        help="families to try (default: most of those that `automodel families` lists)",
    )
    search.add_argument(
        "--scoring", metavar="S", help="a scorer of scikit-learn, such as roc_auc"
    )
    search.add_argument(
        "--cv",
        type=_fold_count,
        metavar="K",
        help="number of folds (default: depends on the number of rows)",
    )
    search.add_argument(
        "--random-state", type=_whole_number, metavar="N", help="seed of the search"
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add what the models of the ensemble may cost."""
    models = parser.add_argument_group("models")
    models.add_argument(
        "--prediction-time-limit",
        type=_seconds_or_none,
        default="auto",
        metavar="SECONDS",
        help="limit of the seconds that the models take to predict a row among many, "
        "or none (default: auto, see the user guide)",
    )
    models.add_argument(
        "--model-size-limit",
        default="auto",
        metavar="SIZE",
        help="limit of the size of all models, such as 20MB, or none (default: auto)",
    )


def add_worker_options(parser: argparse.ArgumentParser) -> None:
    """Add how many workers there are, and how much memory they may use."""
    workers = parser.add_argument_group("workers")
    workers.add_argument(
        "--jobs",
        type=_positive_int,
        default=-1,
        metavar="N",
        help="number of worker processes (default: one for each core)",
    )
    workers.add_argument(
        "--memory-limit",
        metavar="SIZE",
        help="limit of the resident memory of a worker, such as 4GB; a trial that "
        "exceeds it fails",
    )


def add_storage_options(parser: argparse.ArgumentParser) -> None:
    """Add where a search is stored."""
    storage = parser.add_argument_group("storage")
    storage.add_argument(
        "--storage",
        type=Path,
        metavar="DIR",
        help="folder that stores the search: the same command continues it, also after "
        "it was killed, and several commands at a time share it",
    )
    storage.add_argument(
        "--database",
        metavar="URL",
        help="database for the trials, such as postgresql://user@host/name; also needs "
        "--storage, for predictions and models",
    )
    storage.add_argument(
        "--study-name", metavar="NAME", help="name of the search in the storage"
    )


def add_column_options(parser: argparse.ArgumentParser) -> None:
    """Add which columns are learned from."""
    columns = parser.add_argument_group("columns")
    kind = columns.add_mutually_exclusive_group()
    kind.add_argument(
        "--text-column",
        metavar="COL",
        help="column of texts to learn from, instead of from all columns",
    )
    kind.add_argument(
        "--image-column",
        metavar="COL",
        help="column of the paths of images to learn from, instead of from all columns",
    )
    kind.add_argument(
        "--image-folder",
        type=Path,
        metavar="FOLDER",
        help="folder of the images in which boxes are to be detected",
    )
    columns.add_argument(
        "--weights",
        metavar="NAME",
        help="pretrained weights for texts or images: a folder, a file (of images), "
        "the name of a model, hub:NAME to download it, or none (default: those found "
        "on this machine)",
    )
    columns.add_argument(
        "--drop",
        type=_names,
        default=[],
        metavar="COL,...",
        help="columns to leave out",
    )
    columns.add_argument(
        "--groups",
        metavar="COL",
        help="column whose equal values mark rows that stay in the same fold "
        "(not a feature)",
    )
    columns.add_argument(
        "--weight", metavar="COL", help="column of row weights (not a feature)"
    )


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Add another machine, and what a machine costs."""
    machine = parser.add_argument_group("another machine")
    machine.add_argument(
        "--cores", type=_positive_int, metavar="N", help="number of its cores"
    )
    machine.add_argument("--memory", metavar="SIZE", help="its memory, such as 64GB")
    machine.add_argument(
        "--gpu",
        action=argparse.BooleanOptionalAction,
        help="whether it has a GPU (default: as this machine)",
    )
    rates = parser.add_argument_group("rates")
    rates.add_argument(
        "--per-hour", type=_rate, metavar="MONEY", help="price of an hour"
    )
    rates.add_argument("--watts", type=_rate, metavar="W", help="power of the machine")
    rates.add_argument(
        "--per-kwh",
        type=_rate,
        metavar="MONEY",
        help="price of a kWh, in addition to --per-hour (needs --watts)",
    )
    rates.add_argument(
        "--grams-per-kwh",
        type=_rate,
        metavar="G",
        help="grams of CO2 for a kWh (needs --watts)",
    )


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"must be at least one name, got {text!r}")
    return names


def positive_float(text: str) -> float:
    """Return a number above 0."""
    value = _parsed(float, text)
    if value is None or not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value


def _seconds_or_none(text: str) -> float | str | None:
    if text == "none":
        return None
    return text if text == "auto" else positive_float(text)


def _rate(text: str) -> float:
    value = _parsed(float, text)
    if value is None or not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(
            f"must be a number of at least 0, got {text!r}"
        )
    return value


def _positive_int(text: str) -> int:
    return _at_least(1, text)


def _fold_count(text: str) -> int:
    return _at_least(2, text)


def _whole_number(text: str) -> int:
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    value = _parsed(int, text)
    if value is None or value < least:
        raise argparse.ArgumentTypeError(
            f"must be a whole number of at least {least}, got {text!r}"
        )
    return value


def _parsed(kind, text: str):
    try:
        return kind(text)
    except ValueError:
        return None
