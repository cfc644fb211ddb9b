"""Open the workers of a search: here, in processes of our own, or in a backend."""

from __future__ import annotations

from typing import Any

import joblib
from joblib.parallel import get_active_backend

from automodel.evaluation.folds import Folds
from automodel.search.workers.base import ModelFolders, Workers
from automodel.search.workers.own import OwnProcesses


def open_workers(
    n_jobs: int | None,
    folds: Folds,
    memory_limit: int | None = None,
    model_folder: ModelFolders | None = None,
) -> Workers:
    """Return the place where trials run, a context manager.

    Parameters
    ----------
    n_jobs : int or None
        As in joblib; one job runs in this process.
    folds : Folds
        The data, passed once.
    memory_limit : int, default=None
        Bytes of resident memory of a worker. One job then has a worker too, since
        only a process can be ended.
    model_folder : callable, default=None
        Returns what keeps the models of a trial, by its number. None keeps them in
        temporary files until the end of the block; other backends, in memory.
    """
    backend, _ = get_active_backend()
    n_jobs = joblib.effective_n_jobs(n_jobs)
    if _starts_processes(backend) and (n_jobs > 1 or memory_limit is not None):
        return OwnProcesses(n_jobs, folds, memory_limit, model_folder)
    if n_jobs == 1:
        return Workers(1, folds, model_folder)
    from automodel.search.workers.backends import BackendWorkers

    return BackendWorkers(n_jobs, folds, backend, model_folder)


def _starts_processes(backend: Any) -> bool:
    """Tell whether trials run in processes of our own under a backend of joblib.

    Within another parallel call the threads are joblib's choice, not the user's.
    """
    name = type(backend).__name__
    if name == "ThreadingBackend":
        return bool(backend.nesting_level)
    return name in ("LokyBackend", "MultiprocessingBackend", "SequentialBackend")
