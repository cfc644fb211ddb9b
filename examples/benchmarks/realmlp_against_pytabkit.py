"""Compare our RealMLP with that of its authors in pytabkit: error and processor time.

    python examples/benchmarks/realmlp_against_pytabkit.py TABLES... \
        --peer-python PEERS/bin/python --regression wine_quality --out figures.jsonl

Each fit has its own process with one thread. Fits of the peer run in the Python of
`--peer-python`, which has pytabkit and need not have automodel. The last column of a
table is the target, and a third of the rows is the test part. The script measures the
processor time of `fit`, after a fit of a few rows has imported everything. Each system
validates as it does by default.

The systems are "automodel", RealMLP with its defaults; "automodel-short", the same with
`--epochs` epochs; "pytabkit", RealMLP_TD with its defaults, which are made for accuracy
(label smoothing, and the epoch of fewest errors); and, for classes,
"pytabkit-log-loss", without smoothing and with the epoch of the lowest log loss. The
primary figures are the log loss for classes, and the RMSE divided by the standard
deviation of the test part for numbers.

`--reuse` takes the figures of the peer, which take long, from an earlier `--out`. Do so
only if they were measured on an idle machine.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

OURS = ("automodel", "automodel-short")
PEERS = ("pytabkit", "pytabkit-log-loss")
RARE = 10  # rows, of which a class has to have as many to be kept
WARM_ROWS = 100
LABELS = {"log_loss": "log loss", "error": "1 - accuracy", "rmse": "RMSE / std"}


def name_of(table):
    return Path(table).name.split(".")[0]


def read(table, is_regression):
    """Return the columns, with strings as categories, and the target."""
    X = pd.read_csv(table)
    y = X.pop(X.columns[-1])
    for column in X.columns:
        if not pd.api.types.is_numeric_dtype(X[column]) or X[column].dtype == bool:
            X[column] = X[column].astype(str).where(X[column].notna(), "missing")
            X[column] = X[column].astype("category")
    if is_regression:
        return X, y.to_numpy(dtype=float)
    keep = y.map(y.value_counts()) >= RARE
    return X[keep].reset_index(drop=True), pd.factorize(y[keep], sort=True)[0]


def is_numeric_target(table, regression):
    if name_of(table) in regression:
        return True
    y = pd.read_csv(table).iloc[:, -1]
    return bool(pd.api.types.is_float_dtype(y) or y.nunique() > 50)


def split(X, y, is_regression, seed):
    """Return the columns and targets of the training and of the test part."""
    from sklearn.model_selection import train_test_split

    parts = train_test_split(
        X, y, test_size=1 / 3, random_state=seed, stratify=None if is_regression else y
    )
    return [p.reset_index(drop=True) if hasattr(p, "iloc") else p for p in parts]


def our_net(system, is_regression, seed, epochs):
    from automodel.nets import RealMLPClassifier, RealMLPRegressor

    kind = RealMLPRegressor if is_regression else RealMLPClassifier
    options = {"max_epochs": epochs} if epochs else {}
    return kind(random_state=seed, **options)


def their_net(system, is_regression, seed, epochs):
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    options = {"device": "cpu", "n_threads": 1, "random_state": seed}
    if epochs:
        options["n_epochs"] = epochs
    if is_regression:
        return RealMLP_TD_Regressor(**options)
    if system == "pytabkit-log-loss":
        options |= {"use_ls": False, "val_metric_name": "cross_entropy"}
    return RealMLP_TD_Classifier(**options)


def measure(system, table, is_regression, seed, epochs):
    """Fit once, and return the figures."""
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    X, X_test, y, y_test = split(*read(table, is_regression), is_regression, seed)
    if system in PEERS:  # which takes no missing numbers
        middle = X.median(numeric_only=True)
        X, X_test = X.fillna(middle), X_test.fillna(middle)
    make = their_net if system in PEERS else our_net
    few = np.random.default_rng(0).permutation(len(y))[:WARM_ROWS]
    warm = make(system, is_regression, seed, 2).fit(X.iloc[few], y[few])
    warm.predict(X.iloc[few])
    net = make(system, is_regression, seed, epochs)
    wall, cpu = time.perf_counter(), time.process_time()
    net.fit(X, y)
    figures = {
        "cpu_seconds": time.process_time() - cpu,
        "seconds": time.perf_counter() - wall,
        "n_train": len(y),
        "n_test": len(y_test),
        "n_features": X.shape[1],
    }
    return figures | errors(net, X_test, y_test, is_regression)


def errors(net, X, y, is_regression):
    if is_regression:
        residual = np.asarray(net.predict(X), dtype=float).ravel() - y
        return {"rmse": float(np.sqrt(np.mean(residual**2)) / np.std(y))}
    proba = np.clip(np.asarray(net.predict_proba(X), dtype=float), 1e-7, None)
    proba /= proba.sum(axis=1, keepdims=True)
    n_wrong = np.sum(proba.argmax(axis=1) != y)
    return {
        "log_loss": float(-np.mean(np.log(proba[np.arange(len(y)), y]))),
        # Half a row for none, so that ratios exist.
        "error": float(max(n_wrong, 0.5) / len(y)),
    }


def run(system, table, seed, is_regression, arguments):
    """Measure in a new process; return its line."""
    line = {"system": system, "table": name_of(table), "split": seed}
    python = arguments.peer_python if system in PEERS else sys.executable
    if python is None:
        raise SystemExit("Pass --peer-python, or --reuse with figures of the peer.")
    epochs = {"automodel-short": arguments.epochs}.get(system, 0)
    command = [python, __file__, str(table), "--one", system, str(seed), str(epochs)]
    command += ["--regression", name_of(table)] if is_regression else []
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=os.environ | one,
            timeout=arguments.limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return line | {"failure": f"took more than {arguments.limit:.0f} s"}
    if done.returncode:
        return line | {"failure": done.stderr.strip().splitlines()[-1]}
    figures = json.loads(done.stdout.splitlines()[-1])
    return line | ({"epochs": epochs} if epochs else {}) | figures


def one(arguments):
    """Print the figures of one fit; what the systems print goes elsewhere."""
    system, seed, epochs = arguments.one
    (table,) = arguments.tables
    answer = os.dup(1)
    os.dup2(2, 1)
    is_regression = is_numeric_target(table, arguments.regression)
    figures = measure(system, table, is_regression, int(seed), int(epochs))
    os.write(answer, (json.dumps(figures) + "\n").encode())


def all_lines(arguments):
    known = {}
    if arguments.reuse:
        for text in Path(arguments.reuse).read_text().splitlines():
            line = json.loads(text)
            if line["system"] in PEERS:
                known[line["system"], line["table"], line["split"]] = line
    for table in arguments.tables:
        is_regression = is_numeric_target(table, arguments.regression)
        for seed in range(arguments.splits):
            for system in arguments.systems:
                if is_regression and system == "pytabkit-log-loss":
                    continue
                line = known.get((system, name_of(table), seed))
                if line is None:
                    line = run(system, table, seed, is_regression, arguments)
                    print(line, file=sys.stderr, flush=True)
                    if arguments.out:
                        with Path(arguments.out).open("a") as file:
                            file.write(json.dumps(line) + "\n")
                yield line


def show(lines):
    """Print the figures of each table, and how the systems compare."""
    frame = pd.DataFrame(lines)
    if "failure" in frame:
        for row in frame[frame["failure"].notna()].itertuples():
            print(f"{row.table}, split {row.split}, {row.system}: {row.failure}")
        frame = frame[frame["failure"].isna()]
    figures = [name for name in LABELS if name in frame]
    means = frame.groupby(["table", "system"])[[*figures, "cpu_seconds"]].mean()
    rows = frame.groupby("table")["n_train"].first()
    primary = []
    for figure in figures:
        error = means[figure].unstack().dropna(how="all").dropna(axis=1, how="all")
        error = error[[s for s in (*PEERS, *OURS) if s in error]]
        cpu = means["cpu_seconds"].unstack().reindex_like(error)
        print(f"\n{LABELS[figure]}, and processor seconds of fit")
        table = pd.concat([rows[error.index].rename("rows"), error.round(4)], axis=1)
        seconds = cpu.round(1).add_suffix(" (s)")
        print(pd.concat([table, seconds], axis=1).to_string())
        compare(error, cpu)
        if figure != "error":
            primary.append((error, cpu))
    if len(primary) > 1:
        print("\nlog loss of classes and RMSE of numbers together")
        compare(*map(pd.concat, zip(*primary, strict=True)))


def compare(error, cpu):
    """Print mean ratios; numbers have one peer, whose figures stand for both."""
    error, cpu = error.copy(), cpu.copy()
    for part in (error, cpu):
        if set(PEERS) <= set(part):
            part[PEERS[1]] = part[PEERS[1]].fillna(part[PEERS[0]])
    for peer in (system for system in PEERS if system in error):
        for ours in (system for system in OURS if system in error):
            ratio = (error[ours] / error[peer]).dropna()
            seconds = (cpu[ours] / cpu[peer]).dropna()
            print(
                f"{ours} / {peer}: error {geometric_mean(ratio):.3f} (median "
                f"{ratio.median():.3f}, largest {ratio.max():.3f}), seconds "
                f"{geometric_mean(seconds):.3f} (largest {seconds.max():.3f}), "
                f"better on {(ratio < 1).sum()} of {len(ratio)} tables"
            )


def geometric_mean(ratios):
    return float(np.exp(np.log(ratios).mean()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", help="CSV files")
    parser.add_argument("--peer-python", help="python that has pytabkit")
    parser.add_argument(
        "--regression", nargs="*", default=[], help="tables whose integers are numbers"
    )
    parser.add_argument("--systems", nargs="+", default=[*PEERS, *OURS])
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=32, help="of automodel-short")
    parser.add_argument("--limit", type=float, default=600, help="seconds of a fit")
    parser.add_argument("--out", help="file to which each line is added, as JSON")
    parser.add_argument("--reuse", help="such a file with figures of the peer")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments)
        return
    lines = list(all_lines(arguments))
    show(lines)


if __name__ == "__main__":
    main()
