"""Compare plans with fits: seconds, trials of each family, memory, speed.

    python examples/benchmarks/plans.py FOLDER --seconds 60 --trials 20 \
        --out figures.jsonl
    python examples/benchmarks/plans.py FOLDER --sets concrete,adult --probe-seconds 10
    python examples/benchmarks/plans.py TEXTS IMAGES --seconds 60 --trials 8

A set is a CSV file whose last column is the target, a CSV file with the columns "text"
and "label", or an .npz file of images X and classes y; tables, texts and images are
read and split as compare.py, texts.py and images.py do. For each set and limit, a fresh
process calls `plan` and then `fit` with the same data, and both are clocked; imports of
automodel itself do not count. Memory is sampled during the fit, as the resident memory
of the process and its children. Figures that the file `--out` already holds are not
measured again.

The error of a figure is |planned / actual - 1|, and its factor the larger of planned /
actual and actual / planned. The error of the trials of a family is the difference,
divided by the actual number or by one. "in band" is the share of figures that lie in
the band of the plan, which is to hold 80 %.
"""

import argparse
import json
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from compare import SCORING, earlier, figures_of, name_of, read, split, write

KEY = ("set", "limit", "probe_seconds", "n_jobs", "seed")
FIGURES = ("whole fit", "first model after", "trials", "memory of all processes")
FIGURES += ("memory of the process of fit", "memory of the largest worker")
FIGURES += ("time to predict a row",)


class Memory(threading.Thread):
    """The largest resident memory of this process, of a child, and of all together."""

    def __init__(self):
        super().__init__(daemon=True)
        self.own = self.child = self.all = 0
        self.is_over = threading.Event()

    def run(self):
        import psutil

        me = psutil.Process()
        while not self.is_over.wait(0.1):
            own, children = me.memory_info().rss, []
            for process in me.children(recursive=True):
                try:
                    children.append(process.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            self.own = max(self.own, own)
            self.child = max(self.child, *children, 0)
            self.all = max(self.all, own + sum(children))


def sets_at(places):
    """Return the files of sets at some places, which are files or folders, by name."""
    found = {}
    for place in map(Path, places):
        files = [place]
        if place.is_dir():
            files = sorted([*place.glob("*.csv*"), *place.glob("*.npz")])
        found |= {name_of(file): str(file) for file in files}
    return found


def data_of(path, seed, regression):
    """Return the estimator and its options, the training part, and the X to test."""
    import automodel

    file = Path(path)
    if file.suffix == ".npz":
        import images

        X, y, X_test, _ = images.read(file.parent, name_of(file), seed)
        return automodel.AutoImageClassifier, {"scoring": "accuracy"}, X, y, X_test
    if list(pd.read_csv(file, nrows=0).columns) == ["text", "label"]:
        import texts

        X, y, X_test, _ = texts.read(file.parent, name_of(file), seed)
        return automodel.AutoTextClassifier, {"scoring": "accuracy"}, X, y, X_test
    X, y, kind = read(path, regression)
    X, X_test, y, _ = split(X, y, kind, seed)
    is_of_values = kind == "regression"
    estimator = automodel.AutoRegressor if is_of_values else automodel.AutoClassifier
    return estimator, {"scoring": SCORING[kind]}, X, y, X_test


def limits_of(limit):
    """Return the parameters of a limit such as "60 s" or "20 trials"."""
    value, unit = limit.split()
    if unit == "s":
        return {"time_budget": float(value), "n_trials": None}
    return {"time_budget": None, "n_trials": int(value)}


def measure(job):
    """Plan and fit once, and return the figures of both."""
    warnings.simplefilter("ignore")
    path, seed = job["path"], job["seed"]
    estimator, options, X, y, X_test = data_of(path, seed, job["regression"])
    from automodel.reporting.plan_actual import compared

    search = estimator(
        n_jobs=job["n_jobs"],
        random_state=seed,
        **limits_of(job["limit"]),
        **options,
    )
    start = time.perf_counter()
    plan = search.plan(X, y, probe_seconds=job["probe_seconds"])
    plan_seconds = time.perf_counter() - start
    memory = Memory()
    memory.start()
    model = search.fit(X, y)
    memory.is_over.set()
    memory.join()
    lines = {line.what: vars(line) for line in compared(plan, model, X_test)}
    lines["memory of all processes"]["actual"] = memory.all
    parts = {"process of fit": (plan.memory_parent, memory.own)}
    parts["largest worker"] = plan.memory_worker, memory.child
    for name, (likely, actual) in parts.items():
        own = {"likely": likely, "actual": actual, "low": np.nan, "high": np.nan}
        lines[f"memory of the {name}"] = own
    return {
        "rows": len(y),
        "plan_seconds": round(plan_seconds, 2),
        "seconds_to_convergence": plan.seconds_to_convergence.likely,
        "left_out": plan.left_out,
        "lines": lines,
    }


def run(row, path, arguments):
    job = {**row, "path": path, "regression": arguments.regression}
    row |= figures_of([sys.executable, __file__, "--one", json.dumps(job)])
    write(row, arguments.out)
    return row


def figures(rows):
    """Return one row for each figure of each run, with its error and factor."""
    found = []
    for row in rows:
        for what, line in row.get("lines", {}).items():
            planned, actual = line["likely"], line["actual"]
            is_family = what.startswith("trials of ")
            least = 1.0 if is_family else 1e-12
            ratio = max(planned, least) / max(actual, least)
            found.append(
                {
                    "set": row["set"],
                    "limit": row["limit"],
                    "figure": "trials of a family" if is_family else what,
                    "planned": planned,
                    "actual": actual,
                    "error": abs(planned - actual) / max(actual, least),
                    "factor": max(ratio, 1 / ratio),
                    "in band": _in_band(line),
                }
            )
    return pd.DataFrame(found)


def _in_band(line):
    """Return whether the figure is in the band; NaN if there is no band."""
    low, high = (np.nan if line[end] is None else line[end] for end in ("low", "high"))
    if np.isnan(low + high):
        return np.nan
    return float(low <= line["actual"] <= high)


def summarize(rows):
    """Print the figures of each set, and the errors of all."""
    pd.set_option("display.width", 200, "display.max_columns", 30)
    frame = pd.DataFrame(rows)
    for row in rows:
        if "error" in row:
            print(f"{row['set']}, {row['limit']}: {row['error']}")
    table = figures(rows)
    if table.empty:
        return
    for limit, own in table.groupby("limit"):
        print(f"\n{limit}: planned, actual")
        print(_by_set(own).to_string())
    over = frame["plan_seconds"] - frame["probe_seconds"]
    typical, most = over.median(), over.max()
    print(f"\nbeyond its probes, a plan takes {typical:.1f} s, at most {most:.1f} s\n")
    groups = table.groupby(["limit", "figure"])
    summary = groups.agg(
        n=("error", "count"),
        median_error=("error", "median"),
        error_of_90=("error", lambda errors: errors.quantile(0.9)),
        factor_of_90=("factor", lambda factors: factors.quantile(0.9)),
        in_band=("in band", "mean"),
    )
    print(summary.round(2).to_string())


def _by_set(own):
    """Return a table of the figures planned and actual, and the errors of trials."""
    columns = {}
    for figure in FIGURES:
        lines = own[own["figure"] == figure].set_index("set")
        if not lines.empty:
            columns[figure, "planned"] = lines["planned"].map("{:.3g}".format)
            columns[figure, "actual"] = lines["actual"].map("{:.3g}".format)
    families = own[own["figure"] == "trials of a family"]
    errors = families.groupby("set")["error"].median().map("{:.0%}".format)
    columns["trials of a family", "median error"] = errors
    return pd.DataFrame(columns)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="*", help="files of sets, or folders of them")
    parser.add_argument("--sets", help="names of those to take, as concrete,auto_mpg")
    parser.add_argument("--regression", nargs="*", default=[], metavar="SET")
    parser.add_argument("--seconds", default="60", help="time budgets, as 10,60")
    parser.add_argument("--trials", default="20", help="numbers of trials, as 8,20")
    parser.add_argument("--probe-seconds", type=float, default=5.0)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="file of JSON lines, added to")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(json.loads(arguments.one))), flush=True)
        return
    limits = [f"{float(s):g} s" for s in arguments.seconds.split(",") if s]
    limits += [f"{int(n)} trials" for n in arguments.trials.split(",") if n]
    sets = sets_at(arguments.places)
    if arguments.sets:
        sets = {name: sets[name] for name in arguments.sets.split(",")}
    known = {tuple(row[k] for k in KEY): row for row in earlier(arguments.out)}
    rows = []
    for name, path in sets.items():
        for limit in limits:
            row = {name: getattr(arguments, name, None) for name in KEY}
            row |= {"set": name, "limit": limit}
            key = tuple(row[k] for k in KEY)
            rows.append(known.get(key) or run(row, path, arguments))
    summarize(rows)


if __name__ == "__main__":
    main()
