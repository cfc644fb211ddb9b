"""The command line: `automodel fit`, `plan`, `predict`, `report` and `families`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from automodel import __version__
from automodel.cli.options import (
    TABLES,
    add_column_options,
    add_machine_options,
    add_model_options,
    add_search_options,
    add_storage_options,
    add_target_options,
    add_worker_options,
    positive_float,
)

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # as shells report a program that Ctrl-C ended


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
        dest="command", required=True, metavar="{fit,plan,predict,report,families}"
    )
    _add_fit(commands)
    _add_plan(commands)
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
    add_target_options(fit)
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
    add_search_options(fit)
    add_model_options(fit)
    add_worker_options(fit)
    add_storage_options(fit)
    add_column_options(fit)
    fit.add_argument(
        "--quiet",
        action="store_true",
        help="print only the result, without progress bar and notes",
    )


def _add_plan(commands) -> None:
    plan = commands.add_parser(
        "plan",
        allow_abbrev=False,
        help="say what `fit` will take, in seconds, without fitting",
        description="Say how long a fit with the same options will take, how many "
        "models it will try, how much memory it needs and what it costs. A few short "
        "probes are measured, and no model is saved.",
    )
    add_target_options(plan)
    plan.add_argument(
        "--probe-seconds",
        type=positive_float,
        default=5.0,
        metavar="S",
        help="time for the probes (default: %(default)g)",
    )
    add_search_options(plan)
    add_model_options(plan)
    add_worker_options(plan)
    add_column_options(plan)
    add_machine_options(plan)
    plan.add_argument("--quiet", action="store_true", help="print no notes")
    plan.set_defaults(storage=None, database=None, study_name=None)


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
        type=positive_float,
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
