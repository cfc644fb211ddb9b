"""Measure what a fitted model takes where it is deployed: bytes and milliseconds.

    python examples/benchmarks/latency.py prices.csv titanic.parquet --seconds 30

The last column of each table is learned from the others, unless --target names another.
A model that has been fitted before is measured by its file, --model titanic.joblib. A
line shows, for each table:

- the megabytes of the file that joblib saves, and the number of models in it
- the milliseconds in which a loaded model predicts one row of a DataFrame, the median
- the microseconds for each of 10,000 rows
- the seconds of processor time in which a fresh process loads the model and predicts
  one row, and those of a process that imports the libraries of its models alone

With --parts, lines follow that show where the milliseconds of one row are.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from automodel import AutoClassifier, AutoRegressor
from automodel.evaluation.encoding import transformed

N_CALLS, N_BULK, N_PROCESSES = 200, 10_000, 5
LIBRARIES = "sklearn", "lightgbm", "catboost", "xgboost"
FRESH = """
import joblib, pandas as pd
model, row = joblib.load({model!r}), pd.read_pickle({row!r})
getattr(model, "predict_proba", model.predict)(row)
"""
USED = "\nimport resource; used = resource.getrusage(resource.RUSAGE_SELF)"
USED += "\nprint(used.ru_utime + used.ru_stime)"


def read(path):
    is_parquet = path.suffix in (".parquet", ".pq")
    return pd.read_parquet(path) if is_parquet else pd.read_csv(path)


def fit(X, y, seconds):
    is_of_values = pd.api.types.is_float_dtype(y) or y.nunique() > 50
    kind = AutoRegressor if is_of_values else AutoClassifier
    return kind(time_budget=seconds, random_state=0).fit(X, y)


def seconds_of(call, n_calls):
    """Return the seconds of each call, after a few that are not counted."""
    spent = []
    for number in range(-3, n_calls):
        start = time.perf_counter()
        call(max(number, 0))
        if number >= 0:
            spent.append(time.perf_counter() - start)
    return np.array(spent)


def process_seconds(code):
    """Return the processor seconds of a fresh process, the best of several."""
    command = [sys.executable, "-c", code + USED]
    runs = (
        subprocess.run(command, capture_output=True, text=True, check=True)
        for _ in range(N_PROCESSES)
    )
    return min(float(run.stdout.splitlines()[-1]) for run in runs)


def libraries_of(model):
    """Return the imports that the models of an ensemble need."""
    kinds = {
        kind.__module__
        for member in model.ensemble_.members
        for own in member.models
        for kind in type(getattr(own.estimator, "estimator", own.estimator)).__mro__
    }
    outside = sorted(name for name in kinds if name.partition(".")[0] in LIBRARIES)
    return "import " + ", ".join(["joblib", "pandas", "scipy.special", *outside])


def parts_of(model, row):
    """Return the milliseconds of each part of the prediction of one row."""
    rows, spent = model._reader.transform(row), {}

    def add(name, call):
        milliseconds = 1e3 * np.median(seconds_of(call, N_CALLS // 10))
        n_before, before = spent.get(name, (0, 0.0))
        spent[name] = n_before + 1, before + milliseconds

    add("check of X", lambda _: model._check_X(row, reset=False))
    add("reader", lambda _: model._reader.transform(row))
    seen = set()
    for member in model.ensemble_.members:
        for own in member.models:
            if id(own.encoder) not in seen:
                seen.add(id(own.encoder))
                encoder = own.encoder
                add("encoders", lambda _, encoder=encoder: transformed(encoder, rows))
            X = transformed(own.encoder, rows)
            add(member.family, lambda _, own=own, X=X: own.predict_encoded(X))
    return spent


def measure(model, X, folder):
    """Return the figures of a line."""
    file, row_file = folder / "model.joblib", folder / "row.pickle"
    joblib.dump(model, file)
    X.iloc[[0]].to_pickle(row_file)
    model = joblib.load(file)
    predict = getattr(model, "predict_proba", model.predict)
    rows = [X.iloc[[i % len(X)]] for i in range(N_CALLS)]
    one = 1e3 * seconds_of(lambda i: predict(rows[i]), N_CALLS)
    many = X.iloc[np.arange(N_BULK) % len(X)]
    bulk = seconds_of(lambda _: predict(many), 3).min() / N_BULK
    fresh = process_seconds(FRESH.format(model=str(file), row=str(row_file)))
    return {
        "MB": file.stat().st_size / 1e6,
        "models": sum(len(member.models) for member in model.ensemble_.members),
        "one row, ms": float(np.median(one)),
        "bulk, us": 1e6 * bulk,
        "process, s": fresh,
        "imports, s": process_seconds(libraries_of(model)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path, help="CSV or Parquet files")
    parser.add_argument("--target", help="the column to learn; the last by default")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each fit")
    parser.add_argument("--model", type=Path, help="a fitted model of the only table")
    parser.add_argument(
        "--rows", type=int, default=10_000, help="largest number to fit"
    )
    parser.add_argument("--parts", action="store_true", help="show where the time is")
    parser.add_argument("--json", type=Path, help="a file to add a line to, for each")
    options = parser.parse_args()
    heading_is_shown = False
    for path in options.tables:
        X = read(path)
        X = X.sample(min(len(X), options.rows), random_state=0)
        y = X.pop(options.target or X.columns[-1])
        model = options.model and joblib.load(options.model)
        model = model or fit(X[y.notna()], y[y.notna()], options.seconds)
        with tempfile.TemporaryDirectory() as folder:
            found = measure(model, X, Path(folder))
        if not heading_is_shown:
            print(f"{'table':24}" + "".join(f"{name:>13}" for name in found))
            heading_is_shown = True
        name = path.name.split(".")[0]
        print(f"{name:24}" + "".join(f"{value:13.2f}" for value in found.values()))
        if options.parts:
            for part, (number, spent) in parts_of(model, X.iloc[[0]]).items():
                print(f"    {part:24}{number:5} x {spent / number:8.3f} ms")
        sys.stdout.flush()
        if options.json:
            with options.json.open("a") as lines:
                lines.write(json.dumps({"table": name, **found}) + "\n")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
