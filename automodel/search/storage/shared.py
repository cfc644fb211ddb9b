"""SharedStorage: the database and the folder of a search on several machines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PASSWORD = re.compile(r"(://[^:/]*:).*(?=@)|([?&]\w*pass(?:word|wd)?=)[^&]*", re.I)
DATABASE_SECONDS = 5


class SharedStorage:
    """A database for the trials of a search, and a folder for its arrays.

    It is given as ``storage=``. Processes on one or many machines that call `fit` with
    the same data and the same storage share one search.

    Parameters
    ----------
    storage : str or optuna.storages.BaseStorage
        A URL of SQLAlchemy such as ``"postgresql://user:password@host/database"``,
        ``"mysql+pymysql://..."`` or ``"sqlite:///file.db"``; or a storage of Optuna,
        such as a `GrpcStorageProxy`.
    folder : str or Path
        A folder that all machines can access, for predictions and models. Models are
        pickles, so share the folder only with people whom you trust.

    Notes
    -----
    The `repr` does not show the password of a URL. A pickle contains neither the
    password nor the storage object, so that a loaded copy cannot connect. Copies within
    a process, as by `sklearn.base.clone`, can.

    Examples
    --------
    >>> from automodel import SharedStorage
    >>> SharedStorage("postgresql://me:secret@db.example/trials", "/mnt/trials")
    SharedStorage('postgresql://me:***@db.example/trials', '/mnt/trials')
    """

    def __init__(self, storage: Any, folder: str | Path):
        self.storage = storage
        self.folder = folder

    def open(self) -> Any:
        """Return the storage of Optuna.

        Raises
        ------
        ValueError
            If this is a loaded copy, without the password or the storage object.
        ImportError
            If the driver of the database is not installed.
        """
        from optuna.storages import RDBStorage, get_storage

        if self.storage is None or "***" in str(self.storage):
            raise ValueError(
                f"{self!r} was loaded from a pickle, which keeps neither passwords nor "
                "connections. Set storage= to a new SharedStorage."
            )
        if not isinstance(self.storage, str):
            return get_storage(self.storage)  # with a cache of the trials
        url = re.sub(r"^postgresql://", "postgresql+psycopg://", self.storage)
        try:
            storage = RDBStorage(url, engine_kwargs=_limits(url))
        except ImportError as error:
            raise ImportError(
                f"The driver of {self!r} is not installed. Run: pip install "
                "'psycopg[binary]', or for mysql+pymysql:// URLs: pip install pymysql"
            ) from error
        return get_storage(storage)

    def __repr__(self) -> str:
        return f"SharedStorage({self._shown()!r}, {str(self.folder)!r})"

    def __getstate__(self) -> dict[str, Any]:
        is_url = isinstance(self.storage, str)
        return {"storage": self._shown() if is_url else None, "folder": self.folder}

    def __deepcopy__(self, memo: dict) -> SharedStorage:
        return self

    def _shown(self) -> str:
        if isinstance(self.storage, str):
            return PASSWORD.sub(lambda m: f"{m[1] or m[2]}***", self.storage)
        return type(self.storage).__name__


def _limits(url: str) -> dict[str, Any]:
    """Return settings with which a silent server is noticed within seconds."""
    if not url.startswith("postgresql"):
        return {}
    return {
        "pool_pre_ping": True,
        "connect_args": {
            "connect_timeout": DATABASE_SECONDS,
            "tcp_user_timeout": 1000 * DATABASE_SECONDS,
        },
    }
