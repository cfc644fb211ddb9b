"""Measure how much longer a fit takes when it is tracked.

    python examples/benchmarks/tracking.py TABLE --trials 40 --repeats 3
    python examples/benchmarks/tracking.py TABLE --server --systems none,autolog

TABLE is a CSV file whose last column is the target. All fits have the same number of
trials and the same seed, so that they train the same models; `none` has no tracker,
`mlflow` an MLflowTracker, `autolog` follows `mlflow.autolog()`, and `tensorboard` has a
TensorBoardTracker. Each fit runs in a fresh process, the systems take turns, and
imports of automodel and MLflow do not count. The processor time is that of the process
that calls `fit`, with the thread that sends, but without the workers; it varies less
than the seconds. Runs are stored in a new SQLite file, which with `--server` an `mlflow
server` on this machine writes.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from contextlib import contextmanager
from pathlib import Path

from compare import SCORING, read

SYSTEMS = "none", "mlflow", "autolog", "tensorboard"
START_SECONDS = 120.0


@contextmanager
def server(folder):
    """Run a server, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port)]
    command += ["--workers", "1"]  # others would still start when a fit begins
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
    command += ["--artifacts-destination", f"{folder}/artifacts"]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
    try:
        while True:
            try:
                urllib.request.urlopen(f"{address}/health").read()
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def fit_once(job):
    """Fit, and return the figures."""
    import automodel

    warnings.simplefilter("ignore")
    X, y, kind = read(job["table"], ())
    callbacks = []
    if job["system"] in ("mlflow", "autolog"):
        import mlflow

        mlflow.set_tracking_uri(job["uri"])
        if job["system"] == "autolog":
            mlflow.autolog(silent=True)
        else:
            callbacks = [automodel.callbacks.MLflowTracker()]
    elif job["system"] == "tensorboard":
        callbacks = [automodel.callbacks.TensorBoardTracker(job["folder"])]
    name = "AutoRegressor" if kind == "regression" else "AutoClassifier"
    estimator = getattr(automodel, name)(
        time_budget=None,
        n_trials=job["trials"],
        n_jobs=job["jobs"],
        scoring=SCORING[kind],
        callbacks=callbacks,
        random_state=0,
    )
    start, busy = time.perf_counter(), time.process_time()
    estimator.fit(X, y)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    return {"seconds": seconds, "busy": busy, "score": estimator.best_score_}


def measured(job, folder):
    """Fit in a fresh process, which leaves its files in a folder."""
    script = str(Path(__file__).resolve())
    command = [sys.executable, script, "--one", json.dumps(job)]
    output = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, cwd=folder
    ).stdout
    return json.loads(output.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", nargs="?")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(fit_once(json.loads(arguments.one))))
        return
    systems = arguments.systems.split(",")
    seconds, busy = ({system: [] for system in systems} for _ in range(2))
    for repeat in range(arguments.repeats):
        for system in systems:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                job = {
                    "table": str(Path(arguments.table).resolve()),
                    "system": system,
                    "trials": arguments.trials,
                    "jobs": arguments.jobs,
                    "folder": str(folder / "logs"),
                    "uri": f"sqlite:///{folder}/runs.db",
                }
                if arguments.server and system in ("mlflow", "autolog"):
                    with server(folder) as job["uri"]:
                        row = measured(job, folder)
                else:
                    row = measured(job, folder)
            seconds[system].append(row["seconds"])
            busy[system].append(row["busy"])
            print(f"{repeat} {system:12s} {json.dumps(row)}", flush=True)
    usual = statistics.median(seconds[systems[0]])
    for system, own in seconds.items():
        median = statistics.median(own)
        print(
            f"{system:12s} median {median:6.2f} s ({min(own):.2f} to {max(own):.2f}), "
            f"{median / usual - 1:+.1%}, "
            f"{statistics.median(busy[system]):.2f} s of processor time"
        )


if __name__ == "__main__":
    main()
