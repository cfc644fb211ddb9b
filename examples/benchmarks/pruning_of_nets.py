"""Measure how much pruning improves a search of nets.

    python examples/benchmarks/pruning_of_nets.py TABLES... --seconds 60 --seeds 3

Each table is searched with the default pruner and without one, with the same seed and
time, one worker, and only nets; the seed decides which search comes first. The script
prints the share of trials that were pruned, the number of trials of each search, and a
ratio of times: the time at which the search with pruning first had a trial as good as
the best of the other search, divided by the time at which the other had it. `inf` means
that it never had such a trial.
"""

import argparse
import math
import statistics
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import optuna
import pandas as pd

from automodel import AutoClassifier, AutoRegressor

WARM_ROWS = 200


def read(table, regression):
    """Return the class of estimator, the columns and the target."""
    X = pd.read_csv(table)
    y = X.pop(X.columns[-1])
    is_regression = (
        name_of(table) in regression
        or pd.api.types.is_float_dtype(y)
        or y.nunique() > 50
    )
    return (AutoRegressor if is_regression else AutoClassifier), X, y


def name_of(table):
    return Path(table).name.split(".")[0]


@dataclass
class Moments:
    """A callback that notes when each complete trial ended, and its score."""

    start: float = field(default_factory=time.monotonic)
    scores: list[tuple[float, float]] = field(default_factory=list)

    def __call__(self, study, trial):
        if trial.state.name == "COMPLETE":
            self.scores.append((time.monotonic() - self.start, trial.value))

    @property
    def best(self):
        return max((score for _, score in self.scores), default=-math.inf)

    def reached(self, score):
        """Return the seconds until the first trial that is so good."""
        return next((s for s, own in self.scores if own >= score), math.inf)


def search(table, pruner, seed, arguments):
    """Return the moments of a search, and the count of each status."""
    kind, X, y = read(table, arguments.regression)
    moments = Moments()
    fitted = kind(
        families=[arguments.family],
        time_budget=arguments.seconds,
        n_trials=100_000,  # so that no search ends early
        pruner=pruner,
        random_state=seed,
        callbacks=[moments],
        n_jobs=1,
        refit=False,
    ).fit(X, y)
    return moments, fitted.leaderboard_["status"].value_counts()


def warm_up(table, arguments):
    """Load what the first net of a process loads."""
    kind, X, y = read(table, arguments.regression)
    few = X.index[:WARM_ROWS]
    kind(families=[arguments.family], time_budget=None, n_trials=1).fit(
        X.loc[few], y[few]
    )


def compare(table, seed, arguments):
    """Search with and without pruning, and return the figures."""
    pruners = {"pruned": None, "unpruned": optuna.pruners.NopPruner()}
    found = {}
    for name in sorted(pruners, reverse=seed % 2 == 1):
        found[name] = search(table, pruners[name], seed, arguments)
    (moments, statuses), (other, other_statuses) = found["pruned"], found["unpruned"]
    target = other.best
    unpruned_seconds = other.reached(target)
    return {
        "table": name_of(table),
        "seed": seed,
        "trials": statuses.sum(),
        "pruned": statuses.get("pruned", 0) / statuses.sum(),
        "unpruned trials": other_statuses.sum(),
        "best": moments.best,
        "unpruned best": target,
        "seconds": moments.reached(target),
        "unpruned seconds": unpruned_seconds,
        # Where no trial ended there is nothing to reach.
        "ratio": moments.reached(target) / unpruned_seconds if other.scores else None,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", help="CSV files; the target is last")
    parser.add_argument("--regression", nargs="*", default=[], metavar="TABLE")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--family", default="mlp")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    warm_up(arguments.tables[0], arguments)
    rows = []
    for table in arguments.tables:
        for seed in range(arguments.seeds):
            rows.append(compare(table, seed, arguments))
            print(rows[-1], flush=True)
    frame = pd.DataFrame(rows)
    by_table = frame.drop(columns="seed").groupby("table", sort=False).median()
    print(by_table.round(4).to_string())
    ratios = frame["ratio"].dropna()
    print(
        f"pruned: median {statistics.median(frame['pruned']):.2f} of the trials\n"
        "time to the best score of the search without: median ratio "
        f"{statistics.median(ratios):.2f}, reached by "
        f"{sum(map(math.isfinite, ratios))} of {len(ratios)} searches"
    )


if __name__ == "__main__":
    main()
