"""Measure the search's own cost of a trial: to ask, tell, store and read it.

    python examples/benchmarks/storage_costs.py [--url postgresql://...] [--trials 2000]

The trials belong to one family with seven parameters, and have five folds on 1,000
rows. They are not trained but are told a result at once, so that all of the time is
spent by the search itself.
"""

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification

from automodel import SharedStorage
from automodel.containment import contained
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.evaluation.splits import make_splits
from automodel.families import find_families
from automodel.metrics.metric import Metric
from automodel.preprocessing.reader import TableReader
from automodel.search.budget import Budget
from automodel.search.search import Search, SearchSettings
from automodel.search.storage.memory import SearchStorage
from automodel.search.storage.resume import open_archive
from automodel.search.workers.base import Workers
from automodel.targets.classes import ClassTarget
from automodel.task import Task

FAMILY = "hist_gradient_boosting"
N_ROWS = 1000


def make_folds():
    X, y = make_classification(N_ROWS, random_state=0)
    reader = TableReader()
    table = reader.fit_transform(X)
    target = ClassTarget(np.array([0, 1]))
    facts = reader.facts(table)
    task = Task.of_target(target, len(X), modality="tabular", facts=facts)
    metric = Metric.from_scoring(None, target)
    splits = make_splits(5, task, target, y, None, 0)
    return Folds(table, y, None, splits, task, metric)


def answer(item, folds, rng):
    """Return an evaluation such as a worker would."""
    score = -float(rng.uniform(0.2, 0.7))
    return Evaluation(
        item.candidate,
        "complete",
        score=score,
        fold_scores=[score] * 5,
        seconds=1.0,
        n_iterations=[100] * 5,
        oof=rng.uniform(size=(N_ROWS, 2)).astype(np.float32),
        models=[],
        reports=dict.fromkeys(range(0, 80, 2), score),
    )


def run(storage, folds, n_trials):
    """Return the milliseconds of ask and tell of each trial."""
    rng = np.random.default_rng(0)
    budget = Budget(1e6, n_trials)
    spent = []
    with contained(), storage.opened([FAMILY], budget):
        families, workers = find_families([FAMILY]), Workers(1, folds)
        search = Search(families, folds, budget, storage, workers, SearchSettings())
        while True:
            start = time.perf_counter()
            item = search.ask()
            if item is None:
                return spent
            asked = time.perf_counter()
            evaluation = answer(item, folds, rng)
            told = time.perf_counter()
            search.tell(item, evaluation)
            spent.append((asked - start + time.perf_counter() - told) * 1000)


def seconds_of_going_on(storage, folds, n_trials):
    """Return the seconds until a search that goes on has read all trials."""
    start = time.perf_counter()
    budget = Budget(1e6, n_trials)
    with contained(), storage.opened([FAMILY], budget):
        families, workers = find_families([FAMILY]), Workers(1, folds)
        search = Search(families, folds, budget, storage, workers, SearchSettings())
        assert search.ask() is None
    assert len(storage.evaluations) == n_trials
    return time.perf_counter() - start


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def report(name, spent, n_bytes=None):
    last = spent[-100:]
    text = (
        f"{name:12s} ask + tell: median {statistics.median(spent):6.2f} ms, of the "
        f"last 100 of {len(spent)}: median {statistics.median(last):6.2f}, "
        f"largest {max(last):6.2f} ms"
    )
    if n_bytes is not None:
        text += f", {n_bytes / len(spent) / 1000:.1f} kB a trial"
    print(text, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="database to measure, such as postgresql://...")
    parser.add_argument("--trials", type=int, default=2000)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    folds = make_folds()
    report("memory", run(SearchStorage(30), folds, arguments.trials))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        storages = {
            "folder": folder / "journal",
            "SQLite": SharedStorage(f"sqlite:///{folder}/t.db", folder / "sqlite"),
        }
        if arguments.url:
            study = f"costs {time.time_ns()}"
            storages["database"] = SharedStorage(arguments.url, folder / study)
        for label, storage in storages.items():
            title, n_trials = f"costs {time.time_ns()}", arguments.trials // 4
            archive = open_archive(storage, title)
            spent = run(SearchStorage(30, archive), folds, n_trials)
            report(label, spent, size_of(archive.folder))
            again = SearchStorage(30, open_archive(storage, title))
            seconds = seconds_of_going_on(again, folds, n_trials)
            print(f"{'':12s} to go on with {n_trials} trials: {seconds:.2f} s")


if __name__ == "__main__":
    sys.exit(main())
