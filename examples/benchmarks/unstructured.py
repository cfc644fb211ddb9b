"""What texts.py, images.py and detection.py share: one run, and the command line."""

import argparse
import json
import sys
import time
import warnings
from importlib import import_module

import numpy as np
import pandas as pd
from compare import PeakMemory, earlier, figures_of, write

KEY = ("dataset", "system", "seed", "budget", "weights", "families", "train", "jobs")


class Search:
    """An estimator of automodel, or with `families` a search of some of them."""

    package = "automodel"

    def __init__(self, estimator, job, **options):
        self.model = estimator(
            weights=None if job["weights"] == "none" else job["weights"],
            families=job["families"] and job["families"].split(","),
            time_budget=job["budget"],
            n_jobs=job["jobs"],
            random_state=job["seed"],
            **{"scoring": "accuracy", **options},
        )

    def fit(self, X, y):
        self.model.fit(X, y)

    def predict(self, X):
        return self.model.predict(X)

    def figures(self):
        board = self.model.leaderboard_
        tried = board[board["status"] != "skipped"]
        of_family = tried.groupby("family").agg(
            trials=("score", "size"),
            seconds=("seconds", "sum"),
            weight=("weight", "sum"),
        )
        return {
            "n_trials": len(tried),
            "status": tried["status"].value_counts().to_dict(),
            "ensemble": sorted(of_family.index[of_family["weight"] > 0]),
            "of_family": of_family.round(4).T.to_dict(),
            "found_weights": [weights.name for weights in self.model.weights_],
            "valid_score": self.model.best_score_,
        }


class Fixed:
    """A scikit-learn estimator that is not searched."""

    package = "sklearn"

    def __init__(self, model):
        self.model = model

    def fit(self, X, y):
        self.model.fit(X, y)

    def predict(self, X):
        return self.model.predict(X)

    def figures(self):
        return {}


def cpu_seconds():
    """Return the processor time that this process and its children have used."""
    import psutil

    me = psutil.Process()
    times = [process.cpu_times() for process in [me, *me.children(recursive=True)]]
    ended = times[0].children_user + times[0].children_system
    return ended + sum(own.user + own.system for own in times)


def accuracy(y, predicted):
    """Return the share of the predictions that are right."""
    return {"accuracy": float(np.mean(np.asarray(predicted).ravel() == y))}


def measure(new_system, job, data, n_bytes, n_timed, scores=accuracy):
    """Fit once, and return the figures.

    The speed is that of a second prediction, of the first `n_timed` test rows.
    `scores` returns a dictionary.
    """
    warnings.simplefilter("ignore")
    X, y, X_test, y_test = data
    memory = PeakMemory()
    memory.start()
    start = time.perf_counter()
    system = new_system(job)
    imported = time.perf_counter()
    system.fit(X, y)
    fit_seconds = time.perf_counter() - imported
    start_predict = time.perf_counter()
    predicted = system.predict(X_test)
    predict_seconds = time.perf_counter() - start_predict
    some, before, cpu_before = X_test[:n_timed], time.time(), cpu_seconds()
    system.predict(some)
    seconds, cpu = time.time() - before, cpu_seconds() - cpu_before
    memory.is_over.set()
    budget = job["budget"]
    return {
        "rows": len(X),
        **scores(y_test, predicted),
        "import_seconds": round(imported - start, 2),
        "fit_seconds": round(fit_seconds, 2),
        "in_time": budget and fit_seconds <= budget + max(1.0, 0.02 * budget),
        "predict_seconds": round(predict_seconds, 2),
        "rows_a_second": round(len(some) / seconds),
        "rows_a_cpu_second": round(len(some) / max(cpu, 0.01)),
        "peak_mib": round(memory.peak),
        "data_mib": round(n_bytes / 2**20, 2),
        "version": import_module(system.package).__version__,
        **system.figures(),
    }


def jobs_of(arguments, fixed, searches):
    """Yield what is to be measured; fixed models have no budget."""
    for seed in arguments.seeds.split(","):
        for dataset in arguments.datasets.split(","):
            for system in arguments.systems.split(","):
                is_own, is_fixed = system in searches, system in fixed
                yield {
                    "dataset": dataset,
                    "system": system,
                    "seed": int(seed),
                    "budget": None if is_fixed else arguments.budget,
                    "weights": arguments.weights if is_own else None,
                    "families": arguments.families if is_own else None,
                    "train": arguments.train,
                    "jobs": None if is_fixed else arguments.jobs,
                }


def summarize(rows, score):
    """Print mean scores and the extremes of time, memory and speed."""
    frame = pd.DataFrame([row for row in rows if score in row])
    if frame.empty:
        return
    parts = frame[["system", "budget", "weights", "families"]].astype(object)
    frame["run"] = parts.apply(
        lambda row: " ".join(f"{part}" for part in row if pd.notna(part)), axis=1
    )
    order = frame["dataset"].unique()
    wide = frame.pivot_table(index="run", columns="dataset", values=score, sort=False)
    print(wide[order].round(4).to_string())
    spread = frame.groupby(["run", "dataset"], sort=False).agg(
        runs=(score, "size"),
        lowest=(score, "min"),
        longest_fit=("fit_seconds", "max"),
        late=("in_time", lambda column: int((column == False).sum())),  # noqa: E712
        slowest=("rows_a_second", "min"),
        slowest_core=("rows_a_cpu_second", "min"),
        peak_mib=("peak_mib", "max"),
    )
    print(spread.round(4).to_string())


def command_line(description, datasets, systems):
    """Return the parser of the options that both comparisons have."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("folder", help="of the data sets")
    parser.add_argument("--datasets", default=",".join(datasets))
    parser.add_argument("--systems", default=systems)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--weights", default="auto", help="of automodel; none, or auto")
    parser.add_argument("--families", help="of automodel; all by default")
    parser.add_argument("--train", type=int, help="number of training rows")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--python", nargs="*", default=[], metavar="SYSTEM=PYTHON")
    parser.add_argument("--out", help="file of JSON lines, added to")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser


def compare(file, arguments, jobs, more_of=lambda job: {}, score="accuracy"):
    """Measure each job in a process of its own, and print a summary of a score.

    `more_of` returns what else the process of a job has to know.
    """
    pythons = dict(pair.split("=", 1) for pair in arguments.python)
    known = {
        tuple(row[k] for k in KEY): row
        for row in earlier(arguments.out)
        if "error" not in row
    }
    rows = []
    for job in jobs:
        row = known.get(tuple(job[k] for k in KEY))
        if row is None:
            python = pythons.get(job["system"], sys.executable)
            one = json.dumps(job | more_of(job))
            row = job | figures_of([python, file, arguments.folder, "--one", one])
            write(row, arguments.out)
        rows.append(row)
    summarize(rows, score)
