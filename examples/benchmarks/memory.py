"""Measure the memory of a fit and of its workers.

    python examples/benchmarks/memory.py FOLDER --seconds 60 --n-jobs 2 \
        --out figures.jsonl
    python examples/benchmarks/memory.py --shape 1000000x20 --seconds 300

Every table is fitted in a fresh process, and so is a generated table of each `--shape`,
in float32. While `fit` runs, the memory of its process and of all processes below it
is read from /proc, five times a second. "pss" is the largest sum of their proportional
sizes, in which a page that n processes share counts as 1/n of a page in each of them,
and "rss" the largest sum of their resident sizes, in which it counts n times. "start"
is the proportional size of the process before `fit`: libraries and data. The last
column holds the proportional sizes at the moment of the peak, of the process of `fit`
and of each process below it. Figures that the file `--out` already holds are not
measured again. It runs on Linux.
"""

import argparse
import json
import os
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from compare import earlier, figures_of, read, tables_at

KEY = ("table", "seconds", "n_jobs")
POLL_SECONDS = 0.2
MEGABYTE = 1e6


def family_of(pid):
    """Return the ids of a process and of all processes below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family_of(int(child))
    return found


def sizes_of(pid):
    """Return the proportional and the resident size of a process in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines}
    return sizes["Pss"], sizes["Rss"]


class Watch:
    """Reads the memory of this process and those below it until the block ends."""

    def __init__(self):
        self.pss, self.rss, self.parts = 0, 0, []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._end.set()
        self._thread.join()

    def look(self):
        sizes = []
        for pid in family_of(os.getpid()):
            try:
                sizes.append(sizes_of(pid))
            except (OSError, KeyError):  # it has ended
                continue
        pss, rss = (sum(one) for one in zip(*sizes, strict=True))
        self.rss = max(self.rss, rss)
        if pss > self.pss:
            self.pss, self.parts = pss, [own for own, _ in sizes]

    def _run(self):
        while not self._end.wait(POLL_SECONDS):
            try:
                self.look()
            except OSError:  # a process has ended
                continue


def generated(shape):
    """Return a table in float32 of two classes that depend on three of its columns."""
    n_rows, n_columns = map(int, shape.split("x"))
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_columns), dtype=np.float32)
    signal = X[:, 0] * X[:, 1] + X[:, 2] + rng.standard_normal(n_rows, np.float32)
    return X, (signal > 0).astype(int), "binary"


def measure(job):
    """Fit once; return the peaks of memory, and how good the model is said to be."""
    warnings.simplefilter("ignore")
    X, y, kind = read(job["path"], ()) if job["path"] else generated(job["table"])
    from automodel import AutoClassifier, AutoRegressor

    estimator = AutoRegressor if kind == "regression" else AutoClassifier
    start, _ = sizes_of(os.getpid())
    begun = time.perf_counter()
    with Watch() as watch:
        model = estimator(
            time_budget=job["seconds"], n_jobs=job["n_jobs"], random_state=0
        ).fit(X, y)
    return {
        "start": start,
        "pss": watch.pss,
        "rss": watch.rss,
        "parts": watch.parts,
        "fit_seconds": round(time.perf_counter() - begun, 2),
        "score": float(model.expected_score_),
        "n_trials": len(model.leaderboard_),
    }


def run(row, path, out):
    job = json.dumps({**row, "path": path})
    row |= figures_of([sys.executable, __file__, "--one", job])
    if out:
        with Path(out).open("a") as file:
            file.write(json.dumps(row) + "\n")
    return row


def report(row):
    if "pss" not in row:
        print(f"{row['table']:24}{row.get('error', '')}", flush=True)
        return
    own, *others = (f"{part / MEGABYTE:.0f}" for part in row["parts"])
    print(
        f"{row['table']:24}{row['seconds']:8g}{row['n_jobs']:7}"
        + "".join(f"{row[name] / MEGABYTE:8.0f}" for name in ("start", "pss", "rss"))
        + f"{row['n_trials']:8}   {own} + {' + '.join(others)}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", help="CSV files, or folders of them")
    parser.add_argument("--shape", action="append", default=[], help="as 50000x20")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--out", help="a file of JSON lines for the figures")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(json.loads(options.one))))
        return
    known = {tuple(row[k] for k in KEY): row for row in earlier(options.out)}
    tables = tables_at(options.tables) | dict.fromkeys(options.shape, "")
    print(
        f"{'table':24}{'seconds':>8}{'jobs':>7}{'start':>8}{'pss':>8}{'rss':>8}"
        f"{'trials':>8}   MB of each process at the peak"
    )
    rows = []
    for name, path in tables.items():
        row = {"table": name, "seconds": options.seconds, "n_jobs": options.n_jobs}
        found = known.get(tuple(row.values()))
        rows.append(found or run(row, path, options.out))
        report(rows[-1])
    peaks = pd.DataFrame([row for row in rows if "pss" in row])
    if len(peaks):
        median, most = peaks[["pss", "rss"]].median(), peaks[["pss", "rss"]].max()
        print(
            f"median pss {median['pss'] / MEGABYTE:.0f} MB, "
            f"rss {median['rss'] / MEGABYTE:.0f} MB; "
            f"largest {most['pss'] / MEGABYTE:.0f} MB, "
            f"{most['rss'] / MEGABYTE:.0f} MB"
        )


if __name__ == "__main__":
    main()
