"""Measure how many epochs a RealMLP needs, alone and beside boosted trees.

    python examples/benchmarks/net_epochs.py TABLES... --epochs 16 32 64 128

Tables, splits and scores are those of compare.py. For each number of epochs, the script
prints the score of the net alone on the test part, the seconds of its fit on one
thread, and the score of its best mixture with CatBoost, where the net has a weight of
0, .1, ... or .9. The mixture is chosen on the test part, so it shows the largest
possible gain.
"""

import argparse
import time
import warnings

import numpy as np
import torch
from catboost import CatBoostClassifier, CatBoostRegressor
from compare import name_of, read, score, split

from automodel.nets import RealMLPClassifier, RealMLPRegressor
from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.tabular import TabularEncoder


class Answers:
    """A model that answers with predictions made before."""

    def __init__(self, prediction):
        self.prediction = prediction

    def predict(self, X):
        return self.prediction

    predict_proba = predict


def encoded(X, X_test, y, **options):
    reader, encoder = TableReader(), TabularEncoder(**options)
    train = encoder.fit_transform(reader.fit_transform(X), y)
    return train, encoder.transform(reader.transform(X_test))


def predictions(estimator, X, y, X_test, kind):
    """Fit, and return the answers to the test part and the seconds."""
    start = time.perf_counter()
    estimator.fit(X, y)
    seconds = time.perf_counter() - start
    if kind == "regression":
        return estimator.predict(X_test), seconds
    return estimator.predict_proba(X_test), seconds


def measure(table, epochs, regression, seed=0):
    """Yield the figures of CatBoost, then of each number of epochs."""
    X, y, kind = read(table, regression)
    X, X_test, y, y_test = split(X, y, kind, seed)
    target = y.to_numpy()

    def judged(prediction):
        return score(Answers(prediction), X_test, y_test, kind)[0]

    is_regression = kind == "regression"
    train, test = encoded(X, X_test, target, target_encode_above=None)
    trees = (CatBoostRegressor if is_regression else CatBoostClassifier)(
        iterations=600,
        learning_rate=0.08,
        thread_count=1,
        verbose=0,
        allow_writing_files=False,
        cat_features=list(train.select_dtypes("category"))
        if hasattr(train, "select_dtypes")
        else [],
    )
    of_trees, _ = predictions(trees, train, target, test, kind)
    yield f"{name_of(table)} {len(X)} rows: CatBoost {judged(of_trees):.5g}"
    train, test = encoded(
        X, X_test, target, missing="keep", categories="native", dtype="float32"
    )
    net = RealMLPRegressor if is_regression else RealMLPClassifier
    for n in epochs:
        own, seconds = predictions(
            net(max_epochs=n, random_state=seed), train, target, test, kind
        )
        weights = np.arange(10) / 10
        mixed = [judged((1 - w) * of_trees + w * own) for w in weights]
        best = int(np.argmax(mixed))
        yield (
            f"    {n:4d} epochs {seconds:6.1f} s: alone {judged(own):.5g}, "
            f"mixed {mixed[best]:.5g} with a weight of {weights[best]:.1f}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", help="CSV files; the target is last")
    parser.add_argument("--epochs", nargs="+", type=int, default=[16, 32, 64, 128])
    parser.add_argument("--regression", nargs="*", default=[], metavar="TABLE")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for table in arguments.tables:
        for line in measure(table, arguments.epochs, arguments.regression):
            print(line, flush=True)


if __name__ == "__main__":
    main()
