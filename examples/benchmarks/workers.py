"""Measure the workers: trials in the same time, start, interrupt, overruns.

    python examples/benchmarks/workers.py trials adult.csv.gz --target class
    python examples/benchmarks/workers.py faults --fits 50

"trials" fits a table with one worker and with two, a few times each in turn, and
prints the ratio of the finished trials, once the search runs, and the seconds until
the first. "interrupt" sends SIGINT in the middle of a fit and prints the seconds until
`fit` returns. "faults" runs fits whose trials hang, crash and eat memory, and prints
the largest overrun of the time budget.
"""

import argparse
import os
import signal
import statistics
import threading
import time
import warnings

import numpy as np
import pandas as pd

from automodel import AutoClassifier, AutoRegressor

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


def one_fit(arguments, n_jobs, seed, families=None):
    kind, X, y = read(arguments)
    moments = Moments()
    kind(
        time_budget=arguments.seconds,
        n_jobs=n_jobs,
        random_state=seed,
        families=families,
        n_trials=100_000,  # so that no search ends early
        callbacks=[moments],
    ).fit(X, y)
    return moments.seconds


def trials(arguments):
    """Compare settings of one cost, so that only the workers differ."""
    ratios, firsts = [], {1: [], 2: []}
    for seed in range(arguments.repeats):
        counts = {}
        for n_jobs in (1, 2):
            seconds = one_fit(arguments, n_jobs, seed, arguments.families)
            firsts[n_jobs].append(seconds[0])
            end = arguments.seconds * 0.9
            counts[n_jobs] = sum(WARM_SECONDS <= s <= end for s in seconds)
        ratios.append(counts[2] / counts[1])
        print(f"seed {seed}: {counts}, ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}")
    for n_jobs, seconds in firsts.items():
        print(f"first trial with n_jobs={n_jobs}: {statistics.median(seconds):.2f} s")


def interrupt(arguments):
    kind, X, y = read(arguments)
    for n_jobs in (1, 2):
        seconds = []
        for seed in range(arguments.repeats):
            search = kind(time_budget=60, n_jobs=n_jobs, random_state=seed)
            sent = []

            def send(sent=sent):
                sent.append(time.monotonic())
                os.kill(os.getpid(), signal.SIGINT)

            threading.Timer(arguments.seconds, send).start()
            search.fit(X, y)
            seconds.append(time.monotonic() - sent[0])
        print(f"n_jobs={n_jobs}: {', '.join(f'{s:.2f}' for s in seconds)} s after it")


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
    parser.add_argument("--families", type=lambda text: text.split(","))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    {"trials": trials, "interrupt": interrupt, "faults": faults}[arguments.what](
        arguments
    )


if __name__ == "__main__":
    main()
