"""Measure whether `fit` ends within its time budget, including imports.

    python examples/benchmarks/budgets.py FOLDER --seconds 5,10,60 --n-jobs 1,2 \
        --out figures.jsonl

Every table is fitted with each budget and each number of workers, in a fresh process.
The clock runs from before the import of `automodel` to the return of `fit`; reading the
table does not count. "late" is the time that a fit took minus its budget, in seconds.
With one worker, as many fits run at a time as there are processors. Tables and their
splits are those of compare.py. Two wide tables of 165 rows and 1,107 columns are also
generated, and two thirds of their rows are fitted. Figures that the file `--out`
already holds are not measured again.
"""

import argparse
import json
import os
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from compare import SCORING, earlier, figures_of, read, split, tables_at, write

KEY = ("table", "seconds", "n_jobs")
WIDE = ("wide_classes", "wide_numbers")  # generated


def wide(name):
    """Return a table of few rows and many columns, a tenth of which say something."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(165, 1107))
    signal = X[:, ::10] @ rng.normal(size=111) + rng.normal(scale=3.0, size=165)
    frame = pd.DataFrame(X).add_prefix("x")
    if name == "wide_numbers":
        return frame, pd.Series(signal), "regression"
    return frame, pd.Series((signal > 0).astype(int)), "binary"


def measure(job):
    """Fit once; return how late it was, and how good the model is."""
    warnings.simplefilter("ignore")
    table, seed = job["table"], 0
    X, y, kind = wide(table) if table in WIDE else read(job["path"], ())
    X, X_test, y, y_test = split(X, y, kind, seed)
    start = time.perf_counter()
    from automodel import AutoClassifier, AutoRegressor

    imported = time.perf_counter() - start
    estimator = AutoRegressor if kind == "regression" else AutoClassifier
    model = estimator(
        time_budget=job["seconds"],
        scoring=SCORING[kind],
        n_jobs=job["n_jobs"],
        random_state=seed,
    ).fit(X, y)
    late = time.perf_counter() - start - job["seconds"]
    return {
        "late": round(late, 3),
        "import_seconds": round(imported, 3),
        "score": float(model.score(X_test, y_test)),
        "n_trials": len(model.leaderboard_),
    }


def run(row, path, out):
    job = json.dumps({**row, "path": path})
    row |= figures_of([sys.executable, __file__, "--one", job])
    write(row, out)
    return row


def summarize(rows):
    """Print the largest overrun of each kind of fit, and what was late."""
    frame = pd.DataFrame(rows)
    late = frame.groupby(["n_jobs", "seconds"])["late"]
    print(late.agg(["count", "median", "max"]).round(2).to_string())
    print(frame[~(frame["late"] <= 0)].to_string())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="*", help="CSV files, or folders of them")
    parser.add_argument("--tables", help="names of those to take")
    parser.add_argument("--seconds", default="5,10,60")
    parser.add_argument("--n-jobs", default="1,2")
    parser.add_argument("--out", help="file of JSON lines, added to")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(json.loads(arguments.one))), flush=True)
        return
    tables = tables_at(arguments.places) | dict.fromkeys(WIDE, "")
    if arguments.tables:
        tables = {name: tables[name] for name in arguments.tables.split(",")}
    known = {tuple(row[k] for k in KEY): row for row in earlier(arguments.out)}
    rows = []
    for n_jobs in map(int, arguments.n_jobs.split(",")):
        with ThreadPoolExecutor(max((os.cpu_count() or 1) // n_jobs, 1)) as pool:
            for seconds in map(float, arguments.seconds.split(",")):
                for table, path in tables.items():
                    row = {"table": table, "seconds": seconds, "n_jobs": n_jobs}
                    found = known.get(tuple(row[k] for k in KEY))
                    done = found or pool.submit(run, row, path, arguments.out)
                    rows.append(done)
    summarize([row if isinstance(row, dict) else row.result() for row in rows])


if __name__ == "__main__":
    main()
