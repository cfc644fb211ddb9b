"""The command line: `automodel fit`, `automodel predict`, `automodel families`."""

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
    "different whole numbers that repeat (no more than half as many as rows); "
    "regression otherwise. Several targets are classification if all hold 0 and 1 alone"
)
TABLES = "a .csv, .csv.gz, .tsv, .tsv.gz or .parquet file"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, default=None
        Words after the program's name; None for those of the process.

    Returns
    -------
    int
        0, 2 for bad use or bad data, 130 if interrupted with nothing to save, or 143
        (SIGTERM) and 130 (Ctrl-C) if that came while the model was saved, in full.

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
    except BrokenPipeError:  # the reader, such as `head`, has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        _say("interrupted; nothing was saved.")
        return EXIT_INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    # Only now: --help and --version answer without pandas, scikit-learn or torch.
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
    """A parser that answers bad use with one line."""

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
        description="Search models for a table and keep the ensemble of the best.",
    )
    parser.add_argument(
        "--version", action="version", version=f"automodel {__version__}"
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="{fit,predict,families}"
    )
    _add_fit(commands)
    _add_predict(commands)
    commands.add_parser(
        "families",
        help="list the families of models and what is installed",
        description="List the families of models, their tasks and what is installed.",
    )
    return parser


def _add_fit(commands) -> None:
    fit = commands.add_parser(
        "fit",
        allow_abbrev=False,
        help="learn columns of a table from the others",
        description="Learn one or several columns of a table from the others. Ctrl-C "
        "or SIGTERM ends the search early, and the best so far is saved.",
    )
    fit.add_argument("table", type=Path, help=TABLES)
    fit.add_argument(
        "--target",
        required=True,
        metavar="COL[,COL...]",
        help="columns to learn: one, or several of numbers or of 0 and 1; put a name "
        "with a comma in double quotes if there are several",
    )
    fit.add_argument(
        "--out",
        type=Path,
        default=Path("model.joblib"),
        metavar="FILE",
        help="where the model is saved (default: %(default)s)",
    )
    _add_search_options(fit)
    _add_storage_options(fit)
    _add_column_options(fit)
    fit.add_argument(
        "--quiet",
        action="store_true",
        help="no progress bar and no notes; the result is still printed",
    )


def _add_search_options(fit: argparse.ArgumentParser) -> None:
    search = fit.add_argument_group("search")
    search.add_argument(
        "--time-budget",
        type=_positive_float,
        metavar="SECONDS",
        help="for all of the fit: checks, search, ensemble, refit "
        "(default: 300, or none with --n-trials)",
    )
    search.add_argument(
        "--n-trials", type=_positive_int, metavar="N", help="models to try at most"
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
        help="families to try (default: the usual; see `automodel families`)",
    )
    search.add_argument(
        "--scoring", metavar="S", help="a scorer of scikit-learn, such as roc_auc"
    )
    search.add_argument(
        "--cv", type=_fold_count, metavar="K", help="folds (default: by the rows)"
    )
    search.add_argument(
        "--jobs",
        type=_positive_int,
        default=-1,
        metavar="N",
        help="processes (default: all cores)",
    )
    search.add_argument(
        "--random-state", type=_whole_number, metavar="N", help="seed of the search"
    )


def _add_storage_options(fit: argparse.ArgumentParser) -> None:
    storage = fit.add_argument_group("workers and storage")
    storage.add_argument(
        "--memory-limit",
        metavar="SIZE",
        help="resident memory of a worker, such as 4GB; a trial above it fails",
    )
    storage.add_argument(
        "--storage",
        type=Path,
        metavar="DIR",
        help="folder that keeps the search: the same command goes on where it ended, "
        "also after a kill, and several at once share it",
    )
    storage.add_argument(
        "--database",
        metavar="URL",
        help="database for the trials, such as postgresql://user@host/name; "
        "needs --storage for the arrays",
    )
    storage.add_argument(
        "--study-name", metavar="NAME", help="name of the search in the storage"
    )


def _add_column_options(fit: argparse.ArgumentParser) -> None:
    columns = fit.add_argument_group("columns")
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
        help="rows with the same value here stay in the same fold (not a feature)",
    )
    columns.add_argument(
        "--weight", metavar="COL", help="weights of the rows (not a feature)"
    )


def _add_predict(commands) -> None:
    predict = commands.add_parser(
        "predict",
        allow_abbrev=False,
        help="predict the rows of a table with a saved model",
        description="Predict the rows of a table with a saved model. A model file "
        "is a pickle and runs code when it is opened: open only those you trust.",
    )
    predict.add_argument("model", type=Path, help="a file of `automodel fit`")
    predict.add_argument("table", type=Path, help=TABLES)
    predict.add_argument(
        "--out",
        default="-",
        metavar="FILE",
        help=f"{TABLES}, or - for CSV on standard output (default)",
    )
    predict.add_argument(
        "--proba",
        action="store_true",
        help="add a column for the probability of each class or label",
    )
    predict.add_argument("--quiet", action="store_true", help="no notes")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("needs at least one name, got none")
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
