"""Measure the workers: number of trials, start, interrupts and overruns.

    python examples/benchmarks/workers.py trials adult.csv.gz --target class
    python examples/benchmarks/workers.py faults --fits 50

"trials" fits a table with one worker and with two in turn, a few times each, with
trials of equal cost. It prints the ratio of the numbers of trials that finish during
the search, and the seconds until the first one. "interrupt" sends SIGINT in the middle
of a fit and prints the seconds until `fit` returns. "faults" runs fits whose trials
hang, crash and exhaust memory, and prints the largest overrun of the time budget.
"""

import argparse
import os
import signal
import statistics
import subprocess
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import optuna
import pandas as pd

from automodel import AutoClassifier, AutoRegressor, EstimatorFamily

WARM_SECONDS = 10.0  # after which both searches run


def read(arguments):
    table = pd.read_csv(arguments.table)
    target = arguments.target or table.columns[-1]
    y = table.pop(target)
    is_regression = pd.api.types.is_float_dtype(y) or y.nunique() > 50
    return (AutoRegressor if is_regression else AutoClassifier), table, y


class Moments:
    """A callback that notes when trials end."""

    def __init__(self):
        self.start = time.monotonic()
        self.seconds = []

    def __call__(self, study, trial):
        self.seconds.append(time.monotonic() - self.start)


def steady_family(is_classifier):
    """Return a family whose trials all cost the same, whatever is drawn."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMClassifier if is_classifier else LGBMRegressor
    model = kind(n_estimators=60, n_jobs=1, verbose=-1)

    def space(trial):
        return {"learning_rate": trial.suggest_float("learning_rate", 0.05, 0.06)}

    return EstimatorFamily("steady", model, space)


def one_fit(arguments, n_jobs, seed):
    kind, X, y = read(arguments)
    moments = Moments()
    kind(
        time_budget=arguments.seconds,
        n_jobs=n_jobs,
        random_state=seed,
        families=[steady_family(kind is AutoClassifier)],
        n_trials=100_000,  # so that no search ends early
        pruner=optuna.pruners.NopPruner(),
        callbacks=[moments],
    ).fit(X, y)
    return moments.seconds


def trials(arguments):
    """Compare one worker, two workers, and two fits of one worker at a time.

    The last is what the machine can do: two cores are seldom twice one.
    """
    ratios, bounds, firsts = [], [], {1: [], 2: []}
    for seed in range(arguments.repeats):
        counts = {}
        for n_jobs in (1, 2):
            seconds = one_fit(arguments, n_jobs, seed)
            firsts[n_jobs].append(seconds[0])
            counts[n_jobs] = count_warm(seconds, arguments)
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            two = [pool.submit(one_fit, arguments, 1, seed) for _ in range(2)]
            counts["two fits"] = sum(count_warm(f.result(), arguments) for f in two)
        ratios.append(counts[2] / counts[1])
        bounds.append(counts["two fits"] / counts[1])
        print(
            f"seed {seed}: {counts}, ratio {ratios[-1]:.2f} of {bounds[-1]:.2f}",
            flush=True,
        )
    print(
        f"median ratio {statistics.median(ratios):.2f}, where two fits at a time come "
        f"to {statistics.median(bounds):.2f}"
    )
    for n_jobs, seconds in firsts.items():
        print(f"first trial with n_jobs={n_jobs}: {statistics.median(seconds):.2f} s")


def count_warm(seconds, arguments):
    """Count the trials that end while the search runs: not at its start or end."""
    return sum(WARM_SECONDS <= s <= 0.9 * arguments.seconds for s in seconds)


def interrupt(arguments):
    kind, X, y = read(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background
    for n_jobs in (1, 2):
        seconds = []
        for seed in range(arguments.repeats):
            search = kind(time_budget=60, n_jobs=n_jobs, random_state=seed)
            after = arguments.seconds * (1 + seed / 3)
            command = f"sleep {after}; kill -INT {os.getpid()}"
            moment = time.monotonic() + after
            with subprocess.Popen(["sh", "-c", command]):
                search.fit(X, y)
                seconds.append(time.monotonic() - moment)
        text = ", ".join(f"{s:.2f}" for s in seconds)
        print(f"n_jobs={n_jobs}: fit returned {text} s after it", flush=True)


def faults(arguments):
    from tests.conftest import StubFamily

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = X[:, 0] > 0
    overruns = []
    for seed in range(arguments.fits):
        budget = float(rng.choice([3.0, 5.0, 8.0]))
        modes = ["plain", "hang", "gil", "eat", "exit", "segfault"]
        family = StubFamily(modes=modes, trials=[(0.9, "plain")])
        start = time.monotonic()
        search = AutoClassifier(
            families=[family],
            time_budget=budget,
            n_trials=100_000,
            n_jobs=int(rng.choice([1, 2])) if seed % 2 else 2,
            memory_limit="700MB",
            random_state=seed,
        ).fit(X, y)
        overruns.append(time.monotonic() - start - budget)
        board = search.leaderboard_["status"].value_counts().to_dict()
        print(
            f"{seed}: budget {budget:.0f} s, {overruns[-1]:+.2f} s, {board}", flush=True
        )
    print(f"{arguments.fits} fits, largest overrun {max(overruns):+.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["trials", "interrupt", "faults"])
    parser.add_argument("table", nargs="?", help="CSV file")
    parser.add_argument("--target", help="its last column, unless named")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--fits", type=int, default=50)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    {"trials": trials, "interrupt": interrupt, "faults": faults}[arguments.what](
        arguments
    )


if __name__ == "__main__":
    main()
