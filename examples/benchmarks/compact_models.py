"""Measure what a model of trees takes as it is trained, and as an ensemble keeps it.

    python examples/benchmarks/compact_models.py letter.csv --target class --seconds 30

The first setting of each family is trained on two thirds of the rows. A line shows the
kilobytes of its pickle, and the milliseconds in which it is loaded and predicts 1, 100
and 10,000 encoded rows, the best of several calls: first the estimator of the library,
then what an ensemble keeps of it. The last column is the largest difference between
their predictions, as a share of the largest prediction.
"""

import argparse
import pickle
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from automodel.clock import Deadline
from automodel.evaluation.fitted_model import FittedModel
from automodel.families import find_families
from automodel.families._boosting import BoostingFamily
from automodel.families._forest import ForestFamily
from automodel.monitor import Monitor
from automodel.preprocessing.encoded import take_rows
from automodel.preprocessing.reader import TableReader
from automodel.targets.classes import ClassTarget
from automodel.targets.objective import Objective
from automodel.targets.values import ValueTarget
from automodel.task import Task

N_ROWS = 1, 100, 10_000
N_CALLS = 7


def train(family, table, y, target, facts, seconds):
    """Return a fitted model, and encoded rows that it has not seen."""
    shuffled = np.random.default_rng(0).permutation(len(y))
    train, valid = np.split(shuffled, [2 * len(y) // 3])
    task = Task.of_target(target, len(train), modality="tabular", facts=facts)
    estimator = family.estimator(task, 0).set_params(**family.portfolio(task)[0])
    encoder = family.preprocessor(estimator, task)
    X = encoder.fit_transform(table.take(train), y[train])
    X_valid = encoder.transform(table.take(valid))
    monitor = Monitor(Deadline.after(seconds), valid=(X_valid, y[valid], None))
    monitor.score = lambda estimator: 0.0
    estimator = family.fit(estimator, X, y[train], monitor=monitor)
    if family.chooses_rounds:
        estimator = family.cut(estimator, monitor.steps_used)
    return estimator, X_valid


def measure(pickled, X, target):
    """Return the seconds to load a model, to predict rows, and the prediction."""
    start = time.perf_counter()
    model = pickle.loads(pickled)
    seconds = [time.perf_counter() - start]
    columns = np.arange(target.n_outputs)
    estimator = model.estimator if isinstance(model, FittedModel) else model
    for n_rows in N_ROWS:
        rows, spent = take_rows(X, np.arange(n_rows) % X.shape[0]), []
        for _ in range(N_CALLS):
            start = time.perf_counter()
            answer = target.predict(estimator, rows, columns)
            spent.append(time.perf_counter() - start)
        seconds.append(min(spent))
    return seconds, answer


def report(name, family, table, y, target, facts, seconds):
    estimator, X = train(family, table, y, target, facts, seconds)
    before = pickle.dumps(estimator)
    own = FittedModel(None, family.compact(estimator), None)
    own.is_compressed = family.is_compressed
    after = pickle.dumps(own)
    (old, expected), (new, found) = (measure(p, X, target) for p in (before, after))
    error = np.abs(found - expected).max() / np.abs(expected).max()
    times = "".join(
        f"{1e3 * own:9.2f}" for pair in zip(old, new, strict=True) for own in pair
    )
    print(
        f"{name:20}{family.name:24}{len(before) / 1e3:9.0f}{len(after) / 1e3:8.0f}"
        f"{len(before) / len(after):7.1f}{times}{error:10.1e}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="a CSV file, which may be compressed")
    parser.add_argument("--target", required=True, help="the column to learn")
    parser.add_argument("--quantile", type=float, help="the quantile to learn")
    parser.add_argument("--families", help="names, with commas between")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each training")
    options = parser.parse_args()
    frame = pd.read_csv(options.table)
    y = frame.pop(options.target)
    if pd.api.types.is_float_dtype(y) or y.nunique() > 50:
        objective = Objective()
        if options.quantile:
            objective = Objective("quantile", options.quantile)
        target, y = ValueTarget(objective), y.to_numpy(float)
    else:
        classes, y = np.unique(y.astype(str), return_inverse=True)
        target = ClassTarget(classes)
    reader = TableReader()
    table = reader.fit_transform(frame)
    names = options.families.split(",") if options.families else None
    print(
        f"{'table':20}{'family':24}{'kB':>9}{'':8}{'ratio':>7}{'load ms':>18}", end=""
    )
    print("".join(f"{f'{n} rows, ms':>18}" for n in N_ROWS), f"{'error':>9}")
    for family in find_families(names):
        if isinstance(family, (BoostingFamily, ForestFamily)):
            facts, name = reader.facts(table), Path(options.table).name.split(".")[0]
            report(name, family, table, y, target, facts, options.seconds)


if __name__ == "__main__":
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
