"""Read and write tables in files: CSV, TSV and Parquet."""

from __future__ import annotations

import csv
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from automodel.exceptions import AutoModelError, MissingLibraryError

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {".csv": ",", ".tsv": "\t"}
FORMATS = ".csv, .csv.gz, .tsv, .tsv.gz, .parquet"


class FileError(AutoModelError, OSError):
    """Raised if a file cannot be read or written; the message says what to do."""


def read_table(path: str | Path, strings: Iterable[str] = ()) -> pd.DataFrame:
    """Read a table from a file whose first line names the columns.

    Parameters
    ----------
    path : str or Path
        The file.
    strings : iterable of str, default=()
        Columns of a CSV file to read as text, even if they look like numbers.

    Raises
    ------
    FileError
        If the file is missing, empty or damaged, or two columns have the same name.
    MissingLibraryError
        If the file is Parquet and pyarrow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from automodel.cli.table_file import read_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "small.csv")
    ...     _ = path.write_text("a,b" + chr(10) + "1,x" + chr(10))
    ...     read_table(path).columns.tolist()
    ['a', 'b']
    """
    path = Path(path)
    kind = table_format(path)
    check_readable(path)
    if kind == ".parquet":
        table = _read_parquet(path)
    else:
        table = _read_text(path, kind, dtype=dict.fromkeys(strings, str))
    if table.shape[1] == 0 or table.empty:
        raise FileError(
            f"{path} holds no rows. A header and at least one row are needed."
        )
    return table.rename(columns=str)


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table completely or not at all; the file's name gives the format."""
    path = Path(path)
    kind = table_format(path)
    with replaced_when_done(path) as part:
        if kind == ".parquet":
            _need_pyarrow(path)
            table.to_parquet(part, index=False)
        else:
            table.to_csv(part, sep=SEPARATORS[kind], index=False)


def write_text(table: pd.DataFrame, stream: TextIO) -> None:
    """Write a table to an open stream, as CSV."""
    table.to_csv(stream, index=False)


def table_format(path: str | Path) -> str:
    """Return the format of a file, gzipped or not: ".csv", ".tsv" or ".parquet"."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    kind = suffixes[-1] if suffixes else ""
    if kind == ".gz" and len(suffixes) > 1 and suffixes[-2] in SEPARATORS:
        return suffixes[-2]
    if kind in SEPARATORS or kind == ".parquet":
        return kind
    raise FileError(f"{path} has no known extension. Use one of {FORMATS}.")


def check_readable(path: Path) -> None:
    """Raise FileError unless a file can be opened and is not empty."""
    if path.is_dir():
        raise FileError(f"{path} is a folder. Name a file instead.")
    if not path.exists():
        raise FileError(f"there is no file {path}. Check the name and the folder.")
    if not os.access(path, os.R_OK):
        raise FileError(f"{path} cannot be read. Check its permissions.")
    if path.stat().st_size == 0:
        raise FileError(f"{path} is empty.")


def check_writable(path: Path) -> None:
    """Raise FileError unless a file can be written there."""
    folder = path.parent
    if not folder.is_dir():
        raise FileError(
            f"there is no folder {folder} for {path.name}. Create it first."
        )
    if path.is_dir():
        raise FileError(f"{path} is a folder. Name a file instead.")
    if not os.access(folder, os.W_OK):
        raise FileError(f"the folder {folder} cannot be written to.")


@contextmanager
def replaced_when_done(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside `path`, which replaces `path` at the end."""
    check_writable(path)
    try:
        with tempfile.TemporaryDirectory(prefix=".automodel-", dir=path.parent) as part:
            yield Path(part, path.name)
            Path(part, path.name).replace(path)
    except FileError:
        raise
    except OSError as error:
        raise FileError(
            f"{path} cannot be written: {error.strerror or error}."
        ) from error


def words_of_missing(path: str | Path, column: pd.Series) -> list[str]:
    """Return the words of a column, such as "None", that are read as missing."""
    path = Path(path)
    kind = table_format(path)
    if kind == ".parquet":
        return []
    options = {"usecols": [column.name], "dtype": str, "keep_default_na": False}
    words = _read_text(path, kind, **options)[column.name][column.isna().to_numpy()]
    return sorted(set(words.str.strip()) - {""})


def _read_text(path: Path, kind: str, **options) -> pd.DataFrame:
    import pandas as pd

    mark, text = SEPARATORS[kind], "utf-8-sig"
    try:
        header = pd.read_csv(
            path, sep=mark, encoding=text, header=None, nrows=1, dtype=str
        )
        _check_names(path, header.iloc[0].dropna().tolist())
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                path,
                sep=mark,
                encoding=text,
                index_col=False,  # a comma at the end of each line shifts nothing
                low_memory=False,
                **options,
            )
    except pd.errors.ParserWarning as error:
        raise FileError(
            f"{path} has more values in its lines than names in its first line. Name "
            f"every column, and quote values that contain {mark!r}."
        ) from error
    except UnicodeDecodeError as error:
        raise FileError(
            f"{path} is not text in UTF-8. Save it in that encoding."
        ) from error
    except pd.errors.EmptyDataError as error:
        raise FileError(f"{path} is empty.") from error
    except (ValueError, csv.Error, OSError, EOFError) as error:
        # pandas' ParserError is a ValueError; a broken gzip is an OSError.
        cause = " ".join(str(error).split())
        raise FileError(f"{path} cannot be read as a table: {cause}") from error


def _read_parquet(path: Path) -> pd.DataFrame:
    _need_pyarrow(path)
    import pandas as pd
    from pyarrow import ArrowException

    try:
        return pd.read_parquet(path)
    except (ArrowException, ValueError, OSError) as error:
        cause = " ".join(str(error).split())
        raise FileError(f"{path} cannot be read as Parquet: {cause}") from error


def _check_names(path: Path, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileError(
            f"{path} names {', '.join(map(repr, twice))} more than once in its first "
            "line. Give every column a different name."
        )


def _need_pyarrow(path: Path) -> None:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise MissingLibraryError(
            f"{path} is Parquet, which needs pyarrow. Run: pip install pyarrow"
        )
