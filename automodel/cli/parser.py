"""The command line: `automodel fit`, `predict`, `report` and `families`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from automodel import __version__

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # as shells report a program that Ctrl-C ended

TASK_RULE = (
    "auto: classification if the target holds text, true/false, or at most 20 "
    "distinct whole numbers that repeat (at most half as many as there are rows); "
    "regression otherwise. Several targets are classification if all hold only 0 and 1"
)
TABLES = "a .csv, .csv.gz, .tsv, .tsv.gz or .parquet file"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments after the name of the program; None for those of the process.

    Returns
    -------
    int
        0 for success, 2 for wrong options or unusable data, and 130 if the command was
        interrupted before there was a model. If a signal arrived while the model was
        being saved, saving is completed, and the code is 143 (SIGTERM) or 130 (Ctrl-C).

    Examples
    --------
    >>> from automodel.cli.parser import main
    >>> main(["families"])  # doctest: +ELLIPSIS
    name ...
    0
    """
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        _say("interrupted; nothing was saved.")
        return EXIT_INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    # Imported late, so that --help and --version do not wait for heavy libraries.
    from automodel.cli import commands
    from automodel.exceptions import AutoModelError

    try:
        return getattr(commands, arguments.command)(arguments)
    except BrokenPipeError:
        raise
    except (AutoModelError, ValueError, TypeError, OSError, MemoryError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        _say(f"error: {text}")
        return EXIT_USAGE


class _Parser(argparse.ArgumentParser):
    """A parser that reports wrong options in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(
            EXIT_USAGE, f"automodel: error: {message} (help: {self.prog} --help)\n"
        )


def _say(text: str) -> None:
    sys.stderr.write(f"automodel: {text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="automodel",
        allow_abbrev=False,
        description="Search for models of a table and save an ensemble of the best.",
    )
    parser.add_argument(
        "--version", action="version", version=f"automodel {__version__}"
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="{fit,predict,report,families}"
    )
    _add_fit(commands)
    _add_predict(commands)
    _add_report(commands)
    commands.add_parser(
        "families",
        help="list the families of models",
        description="List the families of models with their tasks and whether they "
        "are installed.",
    )
    return parser


def _add_fit(commands) -> None:
    fit = commands.add_parser(
        "fit",
        allow_abbrev=False,
        help="learn columns of a table from the others",
        description="Learn one or several columns of a table from the others. Ctrl-C "
        "or SIGTERM ends the search early, and the best ensemble so far is saved.",
    )
    fit.add_argument(
        "table",
        type=Path,
        help=f"{TABLES}, or a folder with one subfolder of images for each class, or "
        "a .json file of boxes in the format of COCO, with --image-folder",
    )
    fit.add_argument(
        "--target",
        metavar="COL[,COL...]",
        help="column to learn, or several columns of numbers or of 0 and 1; among "
        "several, put a name with a comma in double quotes (not for a folder)",
    )
    fit.add_argument(
        "--out",
        type=Path,
        default=Path("model.joblib"),
        metavar="FILE",
        help="where the model is saved (default: %(default)s)",
    )
    fit.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="page of HTML about the fit, such as report.html, which is made after the "
        "time budget and may take half a minute; its facts are saved beside it as JSON",
    )
    _add_search_options(fit)
    _add_storage_options(fit)
    _add_column_options(fit)
    fit.add_argument(
        "--quiet",
        action="store_true",
        help="print only the result, without progress bar and notes",
    )


def _add_search_options(fit: argparse.ArgumentParser) -> None:
    search = fit.add_argument_group("search")
    search.add_argument(
        "--time-budget",
        type=_positive_float,
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
        "--jobs",
        type=_positive_int,
        default=-1,
        metavar="N",
        help="number of worker processes (default: one for each core)",
    )
    search.add_argument(
        "--random-state", type=_whole_number, metavar="N", help="seed of the search"
    )


def _add_storage_options(fit: argparse.ArgumentParser) -> None:
    storage = fit.add_argument_group("workers and storage")
    storage.add_argument(
        "--memory-limit",
        metavar="SIZE",
        help="limit of the resident memory of a worker, such as 4GB; a trial that "
        "exceeds it fails",
    )
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


def _add_column_options(fit: argparse.ArgumentParser) -> None:
    columns = fit.add_argument_group("columns")
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


def _add_predict(commands) -> None:
    predict = commands.add_parser(
        "predict",
        allow_abbrev=False,
        help="predict the rows of a table with a saved model",
        description="Predict the rows of a table with a saved model. A model file "
        "is a pickle and can run code when it is loaded: open only files you trust.",
    )
    predict.add_argument("model", type=Path, help="a file saved by `automodel fit`")
    predict.add_argument(
        "table", type=Path, nargs="?", help=f"{TABLES}, or a folder of images"
    )
    predict.add_argument(
        "--image-folder",
        type=Path,
        metavar="FOLDER",
        help="folder of the images in which a detector finds boxes, instead of a table",
    )
    predict.add_argument(
        "--out",
        default="-",
        metavar="FILE",
        help=f"{TABLES}, or a .json file for boxes, or - for standard output (default)",
    )
    predict.add_argument(
        "--draw",
        type=Path,
        metavar="FOLDER",
        help="folder for copies of the images with the boxes of scores above one half",
    )
    predict.add_argument(
        "--proba",
        action="store_true",
        help="add a column for the probability of each class or label",
    )
    predict.add_argument("--quiet", action="store_true", help="print no notes")


def _add_report(commands) -> None:
    report = commands.add_parser(
        "report",
        allow_abbrev=False,
        help="write a page of HTML about a saved model",
        description="Write a page of HTML about a saved model, and its facts beside it "
        "as JSON. A model file is a pickle and can run code when it is loaded: open "
        "only files you trust.",
    )
    report.add_argument("model", type=Path, help="a file saved by `automodel fit`")
    report.add_argument(
        "table",
        type=Path,
        nargs="?",
        help="the table or folder of `automodel fit`, for importance, dependence and "
        "notes about the data",
    )
    report.add_argument(
        "--out",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="where the page is saved (default: %(default)s)",
    )
    report.add_argument(
        "--seconds",
        type=_positive_float,
        default=20.0,
        metavar="S",
        help="time for importance and dependence (default: %(default)g)",
    )
    report.add_argument(
        "--show-examples",
        action="store_true",
        help="show rows of the table that are predicted badly",
    )
    report.add_argument("--quiet", action="store_true", help="print no notes")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"must be at least one name, got {text!r}")
    return names


def _positive_float(text: str) -> float:
    value = _parsed(float, text)
    if value is None or not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
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
