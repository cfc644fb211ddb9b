"""Measure whether automodel is as sure as it says, of its score and its predictions.

    python examples/benchmarks/coverage.py TABLES... --seconds 20 --seeds 3 \
        --out figures.jsonl
    python examples/benchmarks/coverage.py FOLDER --tables concrete,auto_mpg

A third of the rows of each table is the test part; tables, splits and scores are those
of compare.py, and each fit has a fresh process with two workers. Figures that the file
`--out` already holds are not measured again. These are measured on the test part:

- whether the score is in `expected_score_interval_`, after the standard error of the
  score itself was added to it, and how far `expected_score_` is above the score;
- how many values are in the intervals of `predict_interval`, and their mean width;
- how many rows have their class in the sets of `predict_set`, on average and for the
  worst class of at least 50 rows, and the mean size of the sets.

If MAPIE is installed, its `CrossConformalRegressor` makes intervals around the best
member of the ensemble, which is fitted again with the same parameters and steps.
"""

import argparse
import copy
import json
import sys
import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
from compare import (
    automodel,
    earlier,
    figures_of,
    interval_of_mean,
    interval_of_share,
    read,
    score,
    split,
    tables_at,
    write,
)
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

KEY = ("table", "seed", "seconds", "level")
LEAST_ROWS = 50  # of a class whose coverage is told
MANY_ROWS = 500  # of a table, of which intervals have to be right one by one
Z = 1.96


class Answers:
    """Predictions that were made before, as a model of row numbers."""

    def __init__(self, answers):
        self.answers = answers

    def predict(self, rows):
        return self.answers[rows]

    predict_proba = predict


class BestMember(RegressorMixin, BaseEstimator):
    """The best member of a search, which is fitted to other rows."""

    def __init__(self, search):
        self.search = search  # frozen, so that a clone of this keeps it

    def fit(self, X, y):
        from automodel.ensemble.blend import Blend, FittedEnsemble

        search = copy.copy(self.search.estimator)
        best = max(search.ensemble_.members, key=lambda member: member.score)
        model = best.models[0]
        model = model.load() if hasattr(model, "load") else model
        model = replace(model, fold=-1)  # which is fitted to all rows
        search.ensemble_ = FittedEnsemble(
            [replace(best, models=[model], weight=1.0, stacking_coefficient=0.0)],
            Blend.mean([1.0], search._target.link),
            search._target,
        )
        self.search_ = search.replay(X, y)
        return self

    def predict(self, X):
        return self.search_.predict(X)


def of_score(model, X, y, kind):
    """Return the score, its standard error, and what was expected of it."""
    from automodel.sampling.bootstrap_interval import bootstrap_interval

    y = np.asarray(y)
    predict = model.predict if kind == "regression" else model.predict_proba
    answers = Answers(predict(X))

    def score_of(rows):
        try:
            return score(answers, rows, y[rows], kind)[0]
        except ValueError:  # a class is missing
            return np.nan

    low, high = bootstrap_interval(score_of, len(y), n_resamples=200)
    expected, (lowest, highest) = model.expected_score_, model.expected_score_interval_
    return {
        "score": float(score_of(np.arange(len(y)))),
        "score_error": (high - low) / (2 * Z),
        "expected": expected,
        "low": lowest,
        "high": highest,
    }


def of_values(model, X, y, level):
    """Return how many values are in their intervals, and how wide these are."""
    return _covered(model.predict_interval(X, confidence_level=level), y)


def _covered(intervals, y):
    low, high = intervals.T
    inside = (low <= y) & (y <= high)
    return {"coverage": float(inside.mean()), "width": float(np.mean(high - low))}


def of_mapie(model, X, y, X_test, y_test, level):
    """Return the same for MAPIE's intervals, or nothing if it is not installed."""
    try:
        from mapie.regression import CrossConformalRegressor
    except ImportError:
        return {}
    judge = CrossConformalRegressor(
        BestMember(FrozenEstimator(model)), confidence_level=level, cv=5
    )
    judge.fit_conformalize(X, y)
    _, intervals = judge.predict_interval(X_test)
    figures = _covered(intervals[:, :, 0], y_test)
    return {f"mapie_{name}": value for name, value in figures.items()}


def of_classes(model, X, y, level):
    """Return how many rows have their class in their set, and how large sets are."""
    sets, y = model.predict_set(X, confidence_level=level), np.asarray(y)
    inside = sets[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    shares = [
        inside[y == label].mean()
        for label in model.classes_
        if np.count_nonzero(y == label) >= LEAST_ROWS
    ]
    return {
        "set_coverage": float(inside.mean()),
        "worst_class": float(min(shares, default=np.nan)),
        "set_size": float(sets.sum(axis=1).mean()),
    }


def measure(job):
    """Fit once, and return the figures."""
    warnings.simplefilter("ignore")
    X, y, kind = read(job["path"], job["regression"])
    X, X_test, y, y_test = split(X, y, kind, job["seed"])
    level, start = job["level"], time.perf_counter()
    model = automodel(X, y, kind, job["seconds"], job["seed"])
    figures = {"kind": kind, "rows": len(X)}
    figures["fit_seconds"] = round(time.perf_counter() - start, 2)
    figures |= of_score(model, X_test, y_test, kind)
    if kind == "regression":
        figures |= of_values(model, X_test, y_test, level)
        figures |= of_mapie(model, X, y, X_test, y_test, level)
    else:
        figures |= of_classes(model, X_test, y_test, level)
    return figures


def in_fresh_process(job):
    """Return the figures of a fit, or its error."""
    return figures_of([sys.executable, __file__, "--one", json.dumps(job)])


def widened(frame):
    """Return whether each score is in its interval, widened by its own error."""
    error = Z * frame["score_error"]
    below = np.hypot(frame["expected"] - frame["low"], error)
    above = np.hypot(frame["high"] - frame["expected"], error)
    gap = frame["score"] - frame["expected"]
    return (-below <= gap) & (gap <= above)


def summarize(rows):
    """Print the figures of each fit, and what they say together."""
    frame = pd.DataFrame(rows)
    if "score" in frame:
        frame["is_in"] = widened(frame).where(frame["low"].notna())
        names = ["table", "seed", "rows", "score", "expected", "low", "high", "is_in"]
        names += ["coverage", "width", "mapie_coverage", "mapie_width"]
        names += ["set_coverage", "worst_class", "set_size"]
        shown = frame.reindex(columns=names)
        print(shown.to_string(index=False, float_format=lambda x: f"{x:.4g}"))
        tell_scores(frame)
        tell_intervals(frame)
        tell_sets(frame)
    if "error" in frame:
        failed = frame[frame["error"].notna()]
        print(failed[["table", "seed", "error"]].to_string(index=False))


def tell_scores(frame):
    known = frame[frame["is_in"].notna()]
    if not len(known):
        return
    share, n = known["is_in"].astype(float).mean(), len(known)
    low, high = interval_of_share(share, n)
    print(f"scores in their interval: {share:.3f} of {n} [{low:.3f}, {high:.3f}]")
    half = (known["high"] - known["low"]) / (2 * Z)
    excess = (known["expected"] - known["score"]) / np.hypot(half, known["score_error"])
    of_tables = excess.groupby(known["table"]).mean()
    low, high = interval_of_mean(of_tables)
    print(
        f"expected above the score: {of_tables.mean():+.2f} standard errors "
        f"[{low:+.2f}, {high:+.2f}]; above 0 is optimistic"
    )


def tell_intervals(frame):
    if "coverage" not in frame:
        return
    known = frame[frame["coverage"].notna()]
    large = known[known["rows"] >= MANY_ROWS]["coverage"]
    print(
        f"values in their interval: {known['coverage'].mean():.3f} on average, and at "
        f"least {large.min():.3f} with {MANY_ROWS} rows or more"
    )
    if "mapie_width" in known:
        print(f"values in MAPIE's interval: {known['mapie_coverage'].mean():.3f}")
        logs = np.log(known["width"] / known["mapie_width"])
        logs = logs[np.isfinite(logs)].groupby(known["table"]).mean()
        low, high = np.exp(interval_of_mean(logs))
        print(f"width / MAPIE's: {np.exp(logs.mean()):.3f} [{low:.3f}, {high:.3f}]")


def tell_sets(frame):
    if "set_coverage" not in frame:
        return
    known = frame[frame["set_coverage"].notna()]
    print(
        f"classes in their set: {known['set_coverage'].mean():.3f} on average, and "
        f"{known['worst_class'].mean():.3f} for the worst class of a table; mean size "
        f"{known['set_size'].mean():.2f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="*", help="CSV files, or folders of them")
    parser.add_argument("--tables", help="names of those to take, as concrete,auto_mpg")
    parser.add_argument("--regression", nargs="*", default=[], metavar="TABLE")
    parser.add_argument("--level", type=float, default=0.9)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", help="file of JSON lines, added to")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(json.loads(arguments.one))), flush=True)
        return
    known = {tuple(row[k] for k in KEY): row for row in earlier(arguments.out)}
    chosen = arguments.tables.split(",") if arguments.tables else None
    rows = []
    for seed in range(arguments.seeds):
        for table, path in tables_at(arguments.places).items():
            if chosen is not None and table not in chosen:
                continue
            row = {"table": table, "seed": seed, "seconds": arguments.seconds}
            row["level"] = arguments.level
            key = tuple(row[k] for k in KEY)
            if key not in known:
                job = {**row, "path": path, "regression": arguments.regression}
                row |= in_fresh_process(job)
                write(row, arguments.out)
            rows.append(known.get(key, row))
    summarize(rows)


if __name__ == "__main__":
    main()
