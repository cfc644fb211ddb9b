"""Measure how much longer a pack trains than one of its members on one of its folds.

A pack of 16 members times 5 folds is trained in turns with single members on the
first fold, by the same code and for the same number of epochs, on one thread. The aim
is at most 4 times the time of the mean member.

    python examples/benchmarks/packed_nets.py TABLE.csv --rows 2000
"""

import argparse
import statistics
import time

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from automodel.nets import PackedMLPClassifier, PackedMLPRegressor
from automodel.nets._recipe import FoldPart


def read(path, n_rows):
    """Return the columns, categories as such, and the last column as target."""
    X = pd.read_csv(path).sample(frac=1, random_state=0).head(n_rows)
    y = X.pop(X.columns[-1])
    X = X.reset_index(drop=True)
    for name in X.columns:
        if not pd.api.types.is_numeric_dtype(X[name]):
            X[name] = X[name].astype("category")
    return X, y.to_numpy()


def seconds_of(net, parts):
    """Train a pack on the folds, and return processor seconds and the net."""
    start = time.process_time()
    net._fit_folds(parts)
    return time.process_time() - start, net


def one_member(net, member):
    """Return a net like this one whose only member is a given one."""
    single = type(net)(**{**net.get_params(), "n_members": 1})
    single._draw_members = lambda seed: [member]
    return single


def main():
    """Print the seconds of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    X, y = read(options.table, options.rows)
    is_classification = y.dtype == object or len(np.unique(y)) <= 20
    kind = PackedMLPClassifier if is_classification else PackedMLPRegressor
    parts = [
        FoldPart(X.iloc[train], y[train], None, X.iloc[valid], y[valid], None)
        for train, valid in KFold(5, shuffle=True, random_state=0).split(X)
    ]
    settings = {"n_members": options.members, "max_epochs": options.epochs}
    ratios = []
    for seed in range(options.rounds):
        net = kind(random_state=seed, **settings)
        members = net._draw_members(seed)
        chosen = members[:: max(len(members) // 6, 1)]
        singles = [
            seconds_of(one_member(net, member), parts[:1])[0] for member in chosen[:3]
        ]
        pack, net = seconds_of(net, parts)
        singles += [
            seconds_of(one_member(net, member), parts[:1])[0] for member in chosen[3:]
        ]
        mean = statistics.mean(singles)
        ratios.append(pack / mean)
        print(
            f"pack {pack:.2f} s, single {mean:.2f} s ({min(singles):.2f} to "
            f"{max(singles):.2f}), ratio {ratios[-1]:.1f}, steps {net.n_steps_}, "
            f"validation loss {net.validation_loss_:.4f}",
            flush=True,
        )
    print(
        f"{X.shape[0]} rows, {X.shape[1]} columns: median ratio "
        f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
    )


if __name__ == "__main__":
    main()
