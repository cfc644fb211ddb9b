"""Compare models that learn the loss that is scored with models of squared errors.

    python examples/benchmarks/objectives.py TABLES... --seconds 20 \
        --scoring neg_mean_absolute_error --out figures.jsonl
    python examples/benchmarks/objectives.py FOLDER --tables concrete,auto_mpg

Three systems predict each regression table and are scored by `--scoring`: "asked" is
`AutoRegressor(scoring=...)`, which learns what the score asks for; "squares" is
`AutoRegressor()`, which learns squared errors and selects by them; "constant" is the
best constant of the training target, a quantile or the mean. Tables and splits are
those of compare.py, and each fit has a fresh process. Tables of classes are left out.
Figures that the file `--out` already holds are not measured again.
"""

import argparse
import json
import sys
import time
import warnings

import numpy as np
import pandas as pd
from compare import earlier, figures_of, interval_of_mean, read, split, tables_at, write
from sklearn.dummy import DummyRegressor
from sklearn.metrics import get_scorer

KEY = ("system", "table", "seed", "seconds", "scoring")
QUANTILES = np.linspace(0, 1, 101)  # the median is one of them


def asked(X, y, scorer, job):
    return fitted(X, y, job, scoring=job["scoring"])


def squares(X, y, scorer, job):
    return fitted(X, y, job)


def fitted(X, y, job, **options):
    from automodel import AutoRegressor

    options |= {"time_budget": job["seconds"], "random_state": job["seed"], "n_jobs": 2}
    return AutoRegressor(**options).fit(X, y)


def constant(X, y, scorer, job):
    """Return the constant that scores best on the training part."""
    models = [
        DummyRegressor(strategy="constant", constant=value).fit(X, y)
        for value in {*np.quantile(y, QUANTILES).tolist(), float(y.mean())}
    ]
    scores = [score_or_nan(scorer, model, X, y) for model in models]
    return models[int(np.nanargmax(scores))]


def score_or_nan(scorer, model, X, y):
    try:
        return scorer(model, X, y)
    except ValueError:  # the score does not take such a prediction
        return np.nan


SYSTEMS = {"asked": asked, "squares": squares, "constant": constant}


def measure(job):
    """Fit once, and return the figures."""
    warnings.simplefilter("ignore")
    X, y, kind = read(job["path"], job["regression"])
    X, X_test, y, y_test = split(X, y, kind, job["seed"])
    scorer = get_scorer(job["scoring"])
    start = time.perf_counter()
    model = SYSTEMS[job["system"]](X, y, scorer, job)
    seconds = round(time.perf_counter() - start, 2)
    score = float(scorer(model, X_test, y_test))
    return {"rows": len(X), "score": score, "fit_seconds": seconds}


def in_fresh_process(job):
    """Return the figures of a fit, or its error."""
    call = [sys.executable, __file__, "--one", json.dumps(job)]
    return figures_of(call)


def tables_of(arguments):
    """Return the regression tables, of files and folders, by name."""
    chosen = arguments.tables.split(",") if arguments.tables else None
    return {
        name: path
        for name, path in tables_at(arguments.places).items()
        if (chosen is None or name in chosen)
        and read(path, arguments.regression)[2] == "regression"
    }


def errors(scores, scoring):
    """Return what is to be small: the loss, or what a gain lacks to 1."""
    is_gain = get_scorer(scoring)._sign > 0
    return 1 - scores if is_gain else -scores


def summarize(rows, scoring):
    """Print the scores, who is best, and how "asked" fares against the others."""
    frame = pd.DataFrame(rows)
    if "score" not in frame:
        frame["score"] = np.nan
    wide = frame.pivot(index=["table", "seed"], columns="system", values="score")
    wide = wide.reindex(columns=[*SYSTEMS])
    ranks = wide.rank(axis=1, ascending=False, method="min", na_option="bottom")
    best = ranks.eq(1) & wide.notna()
    winners = best.apply(lambda row: " = ".join(wide.columns[row]), axis=1)
    print(wide.round(4).assign(best=winners).to_string())
    for other in ("squares", "constant"):
        compare(wide, other, scoring)
    if "error" in frame:
        failed = frame[frame["error"].notna()]
        print(failed[["system", "table", "error"]].to_string())


def compare(wide, other, scoring):
    """Print wins and the ratio of errors; the splits of a table count as one."""
    ours, theirs = wide["asked"], wide[other]
    n_wins = int(((ours > theirs) | (theirs.isna() & ours.notna())).sum())
    n_ties = int((ours == theirs).sum())
    print(f"asked is better than {other} on {n_wins} of {len(wide)} splits", end="")
    print(f", and equal on {n_ties}", end="")
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(errors(ours, scoring) / errors(theirs, scoring))
    logs = logs[np.isfinite(logs)]
    ratios = logs.groupby(level="table").mean()
    if len(ratios):
        low, high = np.exp(interval_of_mean(ratios))
        print(f"; errors {np.exp(ratios.mean()):.3f} [{low:.3f}, {high:.3f}]", end="")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="*", help="CSV files, or folders of them")
    parser.add_argument("--tables", help="names of those to take, as concrete,auto_mpg")
    parser.add_argument("--regression", nargs="*", default=[], metavar="TABLE")
    parser.add_argument("--scoring", default="neg_mean_absolute_error")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", help="file of JSON lines, added to")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(json.loads(arguments.one))), flush=True)
        return
    known = {tuple(row[k] for k in KEY): row for row in earlier(arguments.out)}
    tables = tables_of(arguments)
    if not tables:
        parser.error("no regression table is there: name CSV files or their folder")
    rows = []
    for seed in range(arguments.seeds):
        for table, path in tables.items():
            for system in SYSTEMS:
                row = {"system": system, "table": table, "seed": seed}
                row |= {"seconds": arguments.seconds, "scoring": arguments.scoring}
                key = tuple(row[k] for k in KEY)
                if key not in known:
                    job = {**row, "path": path, "regression": arguments.regression}
                    row |= in_fresh_process(job)
                    write(row, arguments.out)
                rows.append(known.get(key, row))
    summarize(rows, arguments.scoring)


if __name__ == "__main__":
    main()
