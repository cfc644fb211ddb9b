"""Compare the proven settings of a family with settings that other tables choose.

    python examples/benchmarks/portfolio.py TABLES... --family lightgbm --settings 24 \
        --out runs.jsonl

The training part of each table (that of compare.py, at most `--rows` rows of it) is
searched with the family's proven settings, and then with random settings, which are the
same for all tables. A portfolio is learned greedily from the out-of-fold scores: the
next setting is the one that most lowers the mean regret of the best setting so far. The
regret of a setting is the distance of its score from the best one of the table, in
units in which the median setting has a regret of 1.

The learned portfolio is compared with the family's own on tables that were not used to
learn it, by leaving out one table at a time. The test parts are not used.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from compare import SCORING, name_of, read, split

from automodel import AutoClassifier, AutoRegressor
from automodel.families import find_families


def drawn(seed):
    """Return a sampler for one trial: tables share the trial's seed, so its draws."""
    return optuna.samplers.RandomSampler(seed)


def search(table, arguments):
    """Return one record a trial; the proven settings have the first numbers."""
    X, y, kind = read(table, arguments.regression)
    X, _, y, _ = split(X, y, kind, 0)
    X, y = X.head(arguments.rows), y.head(arguments.rows)
    estimator = AutoRegressor if kind == "regression" else AutoClassifier
    model = estimator(
        families=[arguments.family],
        n_trials=arguments.settings,
        time_budget=None,
        sampler=drawn,
        pruner=optuna.pruners.NopPruner(),
        scoring=SCORING[kind],
        ensemble_size=1,
        refit=False,
        cv=5,
        n_jobs=2,
        random_state=0,
    ).fit(X, y)
    family = find_families([arguments.family])[0]
    n_proven = len(family.portfolio(model.task_))
    board = model.leaderboard_.sort_index()  # by the number of the trial
    return [
        {
            "table": name_of(table),
            "family": arguments.family,
            "number": row.Index,
            "is_proven": row.Index < n_proven,
            "score": float(row.score),
            "seconds": round(float(row.seconds), 2),
            "params": {name: _plain(v) for name, v in row.params.items()},
        }
        for row in board.itertuples()
    ]


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def regrets(runs):
    """Return the regret of each setting (column) on each table (row)."""
    scores = runs.pivot_table(index="table", columns="number", values="score")
    best, middle = scores.max(axis=1), scores.median(axis=1)
    gaps = scores.rsub(best, axis=0).div((best - middle).clip(lower=1e-12), axis=0)
    return gaps.clip(upper=2.0).fillna(2.0)  # a failed trial is as bad as can be


def learn(regret, size):
    """Return the settings that most lower the mean regret of the best so far."""
    chosen, reached = [], np.full(len(regret), np.inf)
    for _ in range(size):
        means = regret.clip(upper=pd.Series(reached, regret.index), axis=0).mean()
        chosen.append(means.drop(chosen).idxmin())
        reached = np.minimum(reached, regret[chosen[-1]].to_numpy())
    return chosen


def summarize(runs):
    """Print the regret of the first settings of both portfolios."""
    regret = regrets(runs)
    n_proven = runs[runs["is_proven"]].groupby("table")["number"].nunique().min()
    rows = []
    for table in regret.index:
        others = learn(regret.drop(table), n_proven)
        for size in range(1, n_proven + 1):
            row = {"table": table, "settings": size}
            row["proven"] = regret.loc[table, list(range(size))].min()
            row["learned from others"] = regret.loc[table, others[:size]].min()
            rows.append(row)
    frame = pd.DataFrame(rows)
    print(frame.pivot(index="table", columns="settings").round(2).to_string())
    print(frame.groupby("settings").mean(numeric_only=True).round(3).to_string())
    chosen = learn(regret, n_proven)
    print("learned from all tables:")
    for number in chosen:
        run = runs[runs["number"] == number].iloc[0]
        kind = "proven" if run["is_proven"] else "drawn"
        print(f"  {number} ({kind}): {run['params']}")


def main():
    """Search every table that the file does not hold yet, and print what is learned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", help="CSV files; the target is last")
    parser.add_argument("--family", default="lightgbm")
    parser.add_argument("--settings", type=int, default=24)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--regression", nargs="*", default=[], metavar="TABLE")
    parser.add_argument("--out", required=True, help="file of JSON lines, added to")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    out = Path(arguments.out)
    lines = out.read_text().splitlines() if out.exists() else []
    known = {(r["table"], r["family"]) for r in map(json.loads, lines)}
    for table in arguments.tables:
        if (name_of(table), arguments.family) in known:
            continue
        found = search(table, arguments)
        lines += [json.dumps(record) for record in found]
        with out.open("a") as file:
            file.writelines(json.dumps(record) + "\n" for record in found)
        seconds = sum(record["seconds"] for record in found)
        print(name_of(table), len(found), f"{seconds:.0f} s", flush=True)
    runs = pd.DataFrame([json.loads(line) for line in lines])
    summarize(runs[runs["family"] == arguments.family])


if __name__ == "__main__":
    main()
