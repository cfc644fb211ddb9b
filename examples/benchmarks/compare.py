"""Compare automodel with other AutoML packages, and with variants that lack a part.

    python examples/benchmarks/compare.py TABLES... --seconds 60 \
        --systems automodel,flaml,histgb --out figures.jsonl
    python examples/benchmarks/compare.py TABLES... --systems automodel,without-nets

A table is a CSV file whose last column is the target. A third of its rows is the test
part, which is the same for all systems. Every fit has a fresh process, two workers and
the same number of seconds. The score is ROC AUC for two classes, -log loss for more
classes and -RMSE for numbers; greater is better. Each system is told to select by it.
Figures that the file `--out` already holds are not measured again.

The systems are "automodel"; "without-...", which is automodel with one part switched
off; the peers "autogluon-best", "autogluon-medium", "flaml" and "mljar", if they are
installed; "optuna", a search of `HistGradientBoosting` that one would write by hand;
and "histgb", its defaults. If a peer is installed in another environment, name its
Python: `--python flaml=/envs/flaml/bin/python`.
"""

import argparse
import json
import pickle
import random
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

RARE = 10  # rows, of which a class has to have as many to be kept
SCORING = {
    "binary": "roc_auc",
    "multiclass": "neg_log_loss",
    "regression": "neg_root_mean_squared_error",
}


def name_of(table):
    return Path(table).name.split(".")[0]


def tables_at(places):
    """Return the CSV files at some places, which are files or folders, by name."""
    paths = [Path(place) for place in places]
    files = [
        f for p in paths for f in (sorted(p.glob("*.csv*")) if p.is_dir() else [p])
    ]
    return {name_of(file): str(file) for file in files}


def read(table, regression):
    """Return the columns, the target, and the kind of task."""
    X = pd.read_csv(table)
    y = X.pop(X.columns[-1])
    for column in X.columns:
        if X[column].dtype == bool:
            X[column] = X[column].astype(int)
        elif not pd.api.types.is_numeric_dtype(X[column]):
            X[column] = X[column].astype(object).where(X[column].notna(), np.nan)
    is_numeric = pd.api.types.is_float_dtype(y) or y.nunique() > 50
    if name_of(table) in regression or is_numeric:
        return X, y.astype(float), "regression"
    keep = y.map(y.value_counts()) >= RARE
    codes = pd.Series(pd.factorize(y[keep].astype(str), sort=True)[0])
    kind = "binary" if codes.nunique() == 2 else "multiclass"
    return X[keep].reset_index(drop=True), codes, kind


def split(X, y, kind, seed):
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    splitter = ShuffleSplit if kind == "regression" else StratifiedShuffleSplit
    parts = next(splitter(1, test_size=1 / 3, random_state=seed).split(X, y))
    return [data.iloc[rows].reset_index(drop=True) for data in (X, y) for rows in parts]


def automodel(X, y, kind, seconds, seed, **options):
    from automodel import AutoClassifier, AutoRegressor

    estimator = AutoRegressor if kind == "regression" else AutoClassifier
    return estimator(
        time_budget=seconds,
        scoring=SCORING[kind],
        random_state=seed,
        n_jobs=2,
        **options,
    ).fit(X, y)


def without_nets(*data):
    from automodel.families import find_families
    from automodel.families._net import NetFamily

    others = [f for f in find_families(None) if not isinstance(f, NetFamily)]
    return automodel(*data, families=others)


def without_pruning(*data):
    import optuna

    return automodel(*data, pruner=optuna.pruners.NopPruner())


def without_ensemble(*data):
    return automodel(*data, ensemble_size=1)


def without_stacking(*data):
    """The mean of the members is not stacked."""
    from automodel.ensemble import judging

    judging.Judgement.is_better_than = lambda *judgements: False
    return automodel(*data)


def without_portfolio(*data):
    """Settings come from the sampler alone."""
    from automodel.families import all_families

    for family in all_families().values():
        type(family).portfolio = lambda self, task: []
    return automodel(*data)


def without_allocation(*data):
    """Families take turns."""
    from automodel.search import search

    def least_asked(states, seconds_left=float("inf")):
        able = [state for state in states if not state.is_hopeless]
        return min(able, key=lambda s: (s.n_asked, s.rank)).name if able else None

    search.choose_family = least_asked
    return automodel(*data)


class FreshEncoder(TransformerMixin, BaseEstimator):
    """An encoder that is like no other, so that what it encodes serves one trial."""

    def __init__(self, encoder, token):
        self.encoder = encoder
        self.token = token

    def fit_transform(self, X, y=None, sample_weight=None):
        return self.encoder.fit_transform(X, y, sample_weight)

    def transform(self, X):
        return self.encoder.transform(X)


def without_cache(*data):
    """Every trial encodes its folds itself."""
    from automodel.families import find_families

    for family in find_families(None):

        def preprocessor(estimator, task, family=family):
            encoder = type(family).preprocessor(family, estimator, task)
            return FreshEncoder(encoder, random.random())

        family.preprocessor = preprocessor
    return automodel(*data)


def flaml(X, y, kind, seconds, seed):
    from flaml import AutoML

    metric = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
    task = "regression" if kind == "regression" else "classification"
    model = AutoML(
        task=task, time_budget=seconds, metric=metric[kind], seed=seed, verbose=0
    )
    model.fit(X, y, n_jobs=2)  # which returns nothing
    return model


def autogluon(X, y, kind, seconds, seed, presets="best_quality"):
    from autogluon.tabular import TabularPredictor

    metric = {"binary": "roc_auc", "multiclass": "log_loss"}
    predictor = TabularPredictor(
        label="target of compare.py",
        problem_type=kind,
        eval_metric=metric.get(kind, "root_mean_squared_error"),
        path=tempfile.mkdtemp(),
        verbosity=0,
    )
    table = X.assign(**{"target of compare.py": y})
    return predictor.fit(table, time_limit=seconds, presets=presets, num_cpus=2)


def mljar(X, y, kind, seconds, seed):
    from supervised.automl import AutoML

    tasks = {
        "binary": "binary_classification",
        "multiclass": "multiclass_classification",
        "regression": "regression",
    }
    metric = {"binary": "auc", "multiclass": "logloss", "regression": "rmse"}
    model = AutoML(
        results_path=str(Path(tempfile.mkdtemp(), "results")),
        mode="Compete",
        total_time_limit=int(seconds),
        ml_task=tasks[kind],
        eval_metric=metric[kind],
        random_state=seed,
        n_jobs=2,
        verbose=0,
        explain_level=0,
    )
    model.fit(X, y)
    return model


def boosted(kind, seed, **params):
    """Return an unfitted pipeline of `HistGradientBoosting` with an encoder."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=254
    )
    names = make_column_selector(dtype_exclude="number")
    encoder = make_column_transformer((codes, names), remainder="passthrough")
    estimators = HistGradientBoostingRegressor, HistGradientBoostingClassifier
    estimator = estimators[kind != "regression"]
    return make_pipeline(encoder, estimator(random_state=seed, **params))


def histgb(X, y, kind, seconds, seed):
    return boosted(kind, seed).fit(X, y)


def optuna_by_hand(X, y, kind, seconds, seed):
    """What one writes in half an hour: TPE, five folds, a refit of the best."""
    import optuna
    from sklearn.model_selection import cross_val_score

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def model(trial):
        return boosted(
            kind,
            seed,
            learning_rate=trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 7, 127, log=True),
            min_samples_leaf=trial.suggest_int("min_samples_leaf", 2, 60, log=True),
            l2_regularization=trial.suggest_float(
                "l2_regularization", 1e-6, 10.0, log=True
            ),
            max_iter=500,
            early_stopping=True,
        )

    def objective(trial):
        options = {"scoring": SCORING[kind], "cv": 5, "n_jobs": 2}
        return cross_val_score(model(trial), X, y, **options).mean()

    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, timeout=0.85 * seconds)  # the rest is for the refit
    return model(optuna.trial.FixedTrial(study.best_params)).fit(X, y)


SYSTEMS = {
    "automodel": automodel,
    "without-nets": without_nets,
    "without-pruning": without_pruning,
    "without-ensemble": without_ensemble,
    "without-stacking": without_stacking,
    "without-portfolio": without_portfolio,
    "without-allocation": without_allocation,
    "without-cache": without_cache,
    "flaml": flaml,
    "autogluon-best": autogluon,
    "autogluon-medium": lambda *data: autogluon(*data, presets="medium_quality"),
    "mljar": mljar,
    "optuna": optuna_by_hand,
    "histgb": histgb,
}


class PeakMemory(threading.Thread):
    """The largest resident memory of this process and its children, in MiB."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.is_over = 0.0, threading.Event()

    def run(self):
        import psutil

        me = psutil.Process()
        while not self.is_over.wait(0.25):
            sizes = []
            for process in [me, *me.children(recursive=True)]:
                try:
                    sizes.append(process.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, sum(sizes) / 2**20)


def score(model, X, y, kind):
    """Return the score of the test part, and the seconds of its prediction."""
    from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error

    start = time.perf_counter()
    answers = model.predict(X) if kind == "regression" else model.predict_proba(X)
    seconds = time.perf_counter() - start
    answers = np.asarray(answers, dtype=float)
    if kind == "regression":
        return -root_mean_squared_error(y, answers.ravel()), seconds
    if kind == "binary":
        return roc_auc_score(y, answers[:, 1]), seconds
    answers = np.clip(answers, 1e-7, 1)
    answers /= answers.sum(axis=1, keepdims=True)
    return -log_loss(y, answers, labels=np.arange(answers.shape[1])), seconds


def saved_size(model):
    """Return the MiB of the model in a file, or in AutoGluon's folder."""
    if hasattr(model, "disk_usage"):
        return model.disk_usage() / 2**20
    try:
        return len(pickle.dumps(model)) / 2**20
    except Exception:  # noqa: BLE001  mljar's cannot be pickled at times
        return None


def shares(model):
    """Return what automodel says of its families: trials, seconds and weight."""
    board = getattr(model, "leaderboard_", None)
    if board is None:
        return {}
    by_family = board.groupby("family").agg(
        trials=("score", "size"), seconds=("seconds", "sum"), weight=("weight", "sum")
    )
    pruned = (board["status"] == "pruned").groupby(board["family"]).sum()
    return {"families": by_family.assign(pruned=pruned).round(4).T.to_dict()}


def measure(system, table, seconds, seed, regression):
    """Fit once, and return the figures."""
    warnings.simplefilter("ignore")
    X, y, kind = read(table, regression)
    X, X_test, y, y_test = split(X, y, kind, seed)
    memory = PeakMemory()
    memory.start()
    start = time.perf_counter()
    model = SYSTEMS[system](X, y, kind, seconds, seed)
    fit_seconds = time.perf_counter() - start
    value, predict_seconds = score(model, X_test, y_test, kind)
    memory.is_over.set()
    return {
        "rows": len(X),
        "score": float(value),
        "fit_seconds": round(fit_seconds, 2),
        "microseconds_a_row": round(predict_seconds / len(X_test) * 1e6, 1),
        "peak_mib": round(memory.peak),
        "saved_mib": saved_size(model),
        **shares(model),
    }


def in_fresh_process(job, python, arguments):
    """Return the figures of a fit, or its error."""
    call = [python, __file__, "--one", json.dumps(job), *arguments.tables]
    call += ["--regression", *arguments.regression]
    return figures_of(call)


def figures_of(call):
    """Return the figures that a process prints in its last line, or its error."""
    done = subprocess.run(call, check=False, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if lines:
        return json.loads(lines[-1])
    last = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
    return {"error": last[0][:300]}


def errors(scores):
    """Return what is to be small: 1 - AUC, the log loss, or the RMSE."""
    return scores.where(scores <= 0, scores - 1).abs()


def interval_of_share(share, n):
    """Return the 95 % interval of a share of n (Wilson, 1927)."""
    z = 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    width = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    return middle - width, middle + width


def interval_of_mean(values):
    """Return the 95 % interval of the mean of one value a table, by bootstrap."""
    rng = np.random.default_rng(0)
    drawn = rng.choice(values.to_numpy(), (10_000, len(values)))
    return np.quantile(drawn.mean(axis=1), [0.025, 0.975])


def summarize(rows, order):
    """Print the scores, and how often the first system is better than each other."""
    frame = pd.DataFrame(rows)
    splits = frame.groupby(["table", "seed", "system"], sort=False)
    tried = splits.size().unstack().reindex(columns=order)
    wide = splits["score"].first().unstack().reindex_like(tried)
    print(wide.round(4).to_string())
    by_all = wide.loc[tried.dropna().index]
    ranks = by_all.rank(axis=1, ascending=False, na_option="bottom").mean().round(2)
    print(f"mean rank on the {len(by_all)} that all have tried:", ranks.to_dict())
    worst, best = wide.min(axis=1), wide.max(axis=1)
    normalised = wide.sub(worst, axis=0).div(best - worst, axis=0)
    normalised = normalised.mask(wide.eq(best, axis=0), 1.0).fillna(0.0)
    for other in order[1:]:
        both = tried[[order[0], other]].dropna().index
        pair = [order[0], other]
        compare(wide.loc[both, pair], normalised.loc[both, pair])
    if "error" in frame:
        failed = frame[frame["error"].notna()]
        print(failed[["system", "table", "error"]].to_string())


def compare(scores, normalised):
    """Print how the first of two columns fares, with intervals of 95 %.

    The splits of a table count as one: what is said of them is averaged first. A
    system that failed has lost, but for the ratios, which leave out errors of 0 too. A
    normalised score is 0 for the worst system of a split, also if it failed, and 1 for
    the best.
    """
    name, other = scores.columns
    ours, theirs = scores[name], scores[other]
    wins = (ours > theirs) | (theirs.isna() & ours.notna())
    shares = wins.groupby(level="table").mean()
    low, high = interval_of_share(shares.mean(), len(shares))
    print(
        f"{name} is better than {other} on {wins.sum()} of {len(wins)} splits", end=""
    )
    print(f", on {shares.mean():.0%} of {len(shares)} tables", end="")
    print(f" [{low:.2f}, {high:.2f}]", end="")
    with np.errstate(divide="ignore"):
        logs = np.log(errors(ours) / errors(theirs))
    logs = logs[np.isfinite(logs)]
    ratios = logs.groupby(level="table").mean()
    if len(ratios):
        low, high = np.exp(interval_of_mean(ratios))
        print(f"; errors {np.exp(ratios.mean()):.3f} [{low:.3f}, {high:.3f}]", end="")
    gaps = (normalised[name] - normalised[other]).groupby(level="table").mean()
    low, high = interval_of_mean(gaps)
    print(f"; normalised scores {gaps.mean():+.3f} [{low:+.3f}, {high:+.3f}]")


def key_of(row):
    return tuple(row[name] for name in ("system", "table", "seed", "seconds"))


def write(row, out):
    line = json.dumps(row)
    print(line, flush=True)
    if out:
        with Path(out).open("a") as file:
            file.write(line + "\n")


def earlier(out):
    if not out or not Path(out).exists():
        return []
    return [json.loads(line) for line in Path(out).read_text().splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", help="CSV files; the target is last")
    parser.add_argument("--systems", default="automodel,histgb")
    parser.add_argument("--regression", nargs="*", default=[], metavar="TABLE")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--python", nargs="*", default=[], metavar="SYSTEM=PYTHON")
    parser.add_argument("--out", help="file of JSON lines, added to")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        job = json.loads(arguments.one)
        print(json.dumps(measure(**job, regression=arguments.regression)), flush=True)
        return
    pythons = dict(pair.split("=", 1) for pair in arguments.python)
    systems = arguments.systems.split(",")
    known = {key_of(row): row for row in earlier(arguments.out)}
    rows = []
    for seed in range(arguments.seeds):
        for table in arguments.tables:
            for system in systems:
                job = {"system": system, "table": table}
                job |= {"seconds": arguments.seconds, "seed": seed}
                row = {**job, "table": name_of(table)}
                if key_of(row) not in known:
                    python = pythons.get(system, sys.executable)
                    row |= in_fresh_process(job, python, arguments)
                    write(row, arguments.out)
                rows.append(known.get(key_of(row), row))
    summarize(rows, systems)


if __name__ == "__main__":
    main()
