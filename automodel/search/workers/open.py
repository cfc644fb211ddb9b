"""Choose the workers: this process, processes of our own, or a backend of joblib."""

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
    """Return the workers that run trials, as a context manager.

    Parameters
    ----------
    n_jobs : int or None
        As in joblib; one job runs in this process.
    folds : Folds
        The data, which are sent to each worker once.
    memory_limit : int, default=None
        Bytes of resident memory above which a worker is ended. Even a single job then
        runs in a worker process, since this process cannot be ended.
    model_folder : callable, default=None
        Returns the `ModelFolder` of a trial, by its number. None keeps models in
        temporary files until the end of the block, or in memory in other backends.
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

    They also do where joblib itself has chosen threads, within another parallel call.
    """
    name = type(backend).__name__
    if name == "ThreadingBackend":
        return bool(backend.nesting_level)
    return name in ("LokyBackend", "MultiprocessingBackend", "SequentialBackend")
