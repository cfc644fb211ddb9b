"""Measure what an ensemble takes: memory of its search, size, latency; and its error.

    python examples/benchmarks/light.py FOLDER --seconds 60 --out after.jsonl
    PYTHONPATH=BEFORE python examples/benchmarks/light.py FOLDER --seconds 60 \
        --out before.jsonl
    python examples/benchmarks/light.py --out after.jsonl --against before.jsonl

FOLDER holds CSV files, and BEFORE another version of the package. Each table is split
and fitted as compare.py does, in a fresh process with two workers, and the model is
saved, loaded and measured there as latency.py does. Memory is measured as by memory.py,
during the fit. The error is one less AUC, log loss, or the root mean squared error of
the third of the rows that were not trained on. With `--against`, the figures of two
files are compared, table by table; nothing is fitted. Figures that the file `--out`
already holds are not measured again.
"""

import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from compare import SCORING, automodel, earlier, figures_of, read, split, tables_at

KEY = "table", "seconds", "seed"
SHOWN = {  # figures, and by what they are multiplied
    "error": 1.0,
    "pss": 1e-6,
    "rss": 1e-6,
    "MB": 1.0,
    "models": 1.0,
    "one row, ms": 1.0,
    "bulk, us": 1.0,
    "process, s": 1.0,
    "imports, s": 1.0,
    "fit_seconds": 1.0,
}


def measure(job):
    """Fit and measure once; return the figures."""
    from latency import measure as measure_latency
    from memory import Watch
    from sklearn.metrics import get_scorer

    warnings.simplefilter("ignore")
    X, y, kind = read(job["path"], job["regression"])
    X_train, X_test, y_train, y_test = split(X, y, kind, job["seed"])
    with Watch() as watch:
        start = time.perf_counter()
        model = automodel(X_train, y_train, kind, job["seconds"], job["seed"])
        seconds = time.perf_counter() - start
    score = get_scorer(SCORING[kind])(model, X_test, y_test)
    with tempfile.TemporaryDirectory() as folder:
        found = measure_latency(model, X_test, Path(folder))
    return {
        "kind": kind,
        "rows": len(X_train),
        "columns": X.shape[1],
        "error": float(1.0 - score if score > 0 else -score),
        "pss": watch.pss,
        "rss": watch.rss,
        "fit_seconds": seconds,
        "families": sorted(member.family for member in model.ensemble_.members),
        **found,
    }


def show(rows):
    """Print the figures of each table, and their medians and maxima."""
    frame = pd.DataFrame([row for row in rows if "error" in row and "pss" in row])
    if frame.empty:
        return
    frame = frame.set_index("table")
    shown = frame[list(SHOWN)] * pd.Series(SHOWN)
    total = shown.agg(["median", "max"])
    total.loc[:, "error"] = np.nan
    print(pd.concat([shown, total]).round(3).to_string(na_rep=""))


def compare(rows, before):
    """Print the ratios to the figures of other rows."""
    both = [
        pd.DataFrame([row for row in some if "pss" in row]).set_index("table")
        for some in (rows, before)
    ]
    after, before = (frame[list(SHOWN)] for frame in both)
    ratio = (after / before).dropna()
    total = pd.DataFrame(
        {"median": ratio.median(), "geometric mean": np.exp(np.log(ratio).mean())}
    ).T
    print(pd.concat([ratio, total]).round(3).to_string())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", help="CSV files, or folders of them")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--regression", default="", help="tables of few values")
    parser.add_argument("--only", help="names of tables, with commas")
    parser.add_argument("--out", help="a file of JSON lines for the figures")
    parser.add_argument("--against", help="such a file, to compare with")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(json.loads(options.one))))
        return
    rows = earlier(options.out)
    known = {tuple(row[k] for k in KEY) for row in rows if "pss" in row}
    wanted = options.only and options.only.split(",")
    for name, path in tables_at(options.tables).items():
        row = {"table": name, "seconds": options.seconds, "seed": options.seed}
        if tuple(row.values()) in known or (wanted and name not in wanted):
            continue
        job = {**row, "path": path, "regression": options.regression.split(",")}
        row |= figures_of([sys.executable, __file__, "--one", json.dumps(job)])
        rows.append(row)
        print(json.dumps(row), flush=True)
        if options.out:
            with Path(options.out).open("a") as file:
                file.write(json.dumps(row) + "\n")
    show(rows)
    if options.against:
        compare(rows, earlier(options.against))


if __name__ == "__main__":
    main()
