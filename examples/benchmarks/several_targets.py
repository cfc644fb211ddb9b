"""Compare one search for several targets with scikit-learn and with separate searches.

    python examples/benchmarks/several_targets.py TABLES --out figures.jsonl
    python examples/benchmarks/several_targets.py TABLES --family catboost
    python examples/benchmarks/several_targets.py TABLES --family catboost

TABLES is a folder of CSV files. Ten problems are made from them by using two to six
columns as targets: five problems of labels and five of numbers. A third of the rows is
the test part. Every fit has a fresh process, and each search has two workers. "singles"
searches each of k columns alone, for 1 / k of the seconds. "histgb" is
`HistGradientBoosting` with its defaults, in `MultiOutputRegressor` or
`MultiOutputClassifier`. The error is that of the default score: the mean log loss of
the labels, or the mean over the columns of the RMSE in standard deviations of the
training part. Figures that the file `--out` already holds are not measured again.

With `--family`, the first setting of a family is evaluated on three folds of at most
2,500 rows: one model of all columns is compared with one model for each. CatBoost then
learns all columns with the same trees.
"""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from compare import boosted, figures_of
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import KFold, train_test_split
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor

from automodel import AutoClassifier, AutoRegressor
from automodel.evaluation.evaluate import Candidate, evaluate
from automodel.families import catboost, find_families

NUMBERS = {
    "auto_mpg": ["mpg", "weight", "acceleration"],
    "bike_sharing": ["cnt", "hum", "windspeed"],
    "california_housing": ["median_house_value", "median_income", "housing_median_age"],
    "cpu_act": ["usr", "freemem", "freeswap", "runqsz"],
    "wine_quality": ["quality", "alcohol", "pH", "sulphates"],
}
LABELS = {  # a column, and the values that count as 1; None for any value
    "adult": {"income": [">50K"], "sex": ["Female"]},
    "churn": {
        "churn": ["True", "1", "yes"],
        "international_plan": ["1", "yes"],
        "number_customer_service_calls": ["3", "4", "5", "6", "7", "8", "9"],
    },
    "credit_g": {
        "class": ["bad"],
        "own_telephone": ["yes"],
        "foreign_worker": ["no"],
        "num_dependents": ["2"],
    },
    "soybean": {
        "plant-growth": ["abnorm"],
        "leaves": ["abnorm"],
        "stem": ["abnorm"],
        "mycelium": ["present"],
        "mold-growth": ["present"],
        "shriveling": ["present"],
    },
    "titanic": {"Survived": ["1"], "Cabin": None, "Embarked": ["S"]},
}
ROWS_OF_FAMILY = 2500
SYSTEMS = ["automodel", "singles", "histgb"]


def read(folder, name):
    """Return the columns and the targets of a problem."""
    X = pd.read_csv(Path(folder, f"{name}.csv.gz"))
    if name in NUMBERS:
        y = X[NUMBERS[name]].astype(float)
    else:
        y = pd.DataFrame(
            {
                column: X[column].notna()
                if values is None
                else X[column].astype(str).isin(values)
                for column, values in LABELS[name].items()
            }
        ).astype(int)
    X = X.drop(columns=y.columns)
    for column in X.columns[~X.dtypes.map(pd.api.types.is_numeric_dtype)]:
        X[column] = X[column].astype(object).where(X[column].notna(), np.nan)
    return X, y


def automodel(X, y, is_labels, seconds, seed):
    estimator = AutoClassifier if is_labels else AutoRegressor
    return estimator(time_budget=seconds, n_jobs=2, random_state=seed).fit(X, y)


def histgb(X, y, is_labels, seed):
    wrapper = MultiOutputClassifier if is_labels else MultiOutputRegressor
    kind = "binary" if is_labels else "regression"
    return wrapper(boosted(kind, seed)).fit(X, y)


def answers(model, X, is_labels):
    """Return predicted numbers, or probabilities of labels, (n_samples,) or more."""
    if not is_labels:
        return model.predict(X)
    proba = model.predict_proba(X)
    if isinstance(proba, list):  # of `MultiOutputClassifier`
        return np.column_stack([of_label[:, 1] for of_label in proba])
    is_one_label = getattr(model, "decision_weights_", None) is not None
    return proba[:, 1] if is_one_label else proba


def error(y, answers, deviations, is_labels):
    """Return the error of the default score, as the mean over columns."""
    errors = [
        log_loss(column, np.clip(answer, 1e-7, 1 - 1e-7), labels=[0, 1])
        if is_labels
        else root_mean_squared_error(column, answer) / deviation
        for column, answer, deviation in zip(
            y.to_numpy().T, answers.T, deviations, strict=True
        )
    ]
    return float(np.mean(errors))


def measure(folder, name, system, seconds, seed):
    """Fit once, and return the figures."""
    warnings.simplefilter("ignore")
    is_labels = name in LABELS
    X, y = read(folder, name)
    X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, random_state=seed)
    start = time.perf_counter()
    if system == "singles":
        share = seconds / y.shape[1]
        models = [
            automodel(X, y[column], is_labels, share, seed) for column in y.columns
        ]
    elif system == "automodel":
        models = [automodel(X, y, is_labels, seconds, seed)]
    else:
        models = [histgb(X, y, is_labels, seed)]
    fit_seconds = time.perf_counter() - start
    predicted = np.column_stack([answers(m, X_test, is_labels) for m in models])
    deviations = y.to_numpy(float).std(axis=0)
    figures = {
        "rows": len(X),
        "targets": y.shape[1],
        "error": error(y_test, predicted, deviations, is_labels),
        "fit_seconds": round(fit_seconds, 2),
    }
    if system == "automodel":
        figures["trials"] = len(models[0].leaderboard_)
    return figures


def compare_family(folder, names, family_name):
    """Print the errors and seconds of one model of all columns and of one for each."""
    catboost.MOST_APART = 0
    (family,) = find_families([family_name])
    for name in names:
        is_labels = name in LABELS
        X, y = read(folder, name)
        kept = np.random.default_rng(0).permutation(len(X))[:ROWS_OF_FAMILY]
        X, y = (data.iloc[kept].reset_index(drop=True) for data in (X, y))
        splits = list(KFold(3, shuffle=True, random_state=0).split(X))
        joint, joint_seconds = out_of_fold(family, X, y, is_labels, splits)
        each = [
            out_of_fold(family, X, y[column], is_labels, splits) for column in y.columns
        ]
        deviations = y.to_numpy(float).std(axis=0)
        apart = np.column_stack([prediction for prediction, _ in each])
        errors = [error(y, p, deviations, is_labels) for p in (joint, apart)]
        seconds = joint_seconds, sum(seconds for _, seconds in each)
        print(
            f"{name:20} together {errors[0]:.4f}, {seconds[0]:.1f} s; "
            f"apart {errors[1]:.4f}, {seconds[1]:.1f} s; {errors[0] / errors[1]:.3f}",
            flush=True,
        )


def out_of_fold(family, X, y, is_labels, splits):
    """Return the out-of-fold predictions of the first setting, and the seconds."""
    estimator = AutoClassifier if is_labels else AutoRegressor
    search = estimator(time_budget=None, n_trials=1, random_state=0, cv=splits)
    folds = search._prepare(search._check_data(X, y, None, None), 0, None).folds
    params = (family.portfolio(folds.task) or [{}])[0]
    start = time.perf_counter()
    evaluation = evaluate(Candidate(family, params, seed=1), folds)
    seconds = time.perf_counter() - start
    if not is_labels:
        return folds.target.decode(evaluation.oof), seconds
    oof = evaluation.oof
    return (oof if y.ndim == 2 else oof[:, 1]), seconds


def summarize(rows):
    """Print a table of errors, and how often a search of all targets is the best."""
    frame = pd.DataFrame(rows)
    keys = ["problem", "rows", "targets", "seed"]
    wide = frame.pivot_table(index=keys, columns="system", values="error")
    print(wide.reindex(columns=SYSTEMS).round(4).to_string())
    for other in SYSTEMS[1:]:
        pair = wide[["automodel", other]].dropna()
        ratio = np.exp(np.log(pair["automodel"] / pair[other]).mean())
        n_better = int((pair["automodel"] < pair[other]).sum())
        print(f"better than {other} on {n_better} of {len(pair)}; errors x {ratio:.3f}")
    slowest = frame[frame["system"] == "automodel"]["fit_seconds"].max()
    print(f"longest fit {slowest:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--problems", nargs="+", default=[*NUMBERS, *LABELS])
    parser.add_argument("--systems", nargs="+", default=SYSTEMS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", help="a JSON Lines file that keeps the figures")
    parser.add_argument("--family", help="compare one model with one a column")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.folder, **json.loads(arguments.one))))
        return
    if arguments.family:
        compare_family(arguments.folder, arguments.problems, arguments.family)
        return
    out = arguments.out and Path(arguments.out)
    rows = []
    if out and out.exists():
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    done = {(row["problem"], row["system"], row["seed"]) for row in rows}
    jobs = [
        (name, system, seed)
        for seed in arguments.seeds
        for name in arguments.problems
        for system in arguments.systems
    ]
    for name, system, seed in jobs:
        if (name, system, seed) in done:
            continue
        job = {"name": name, "system": system, "seed": seed}
        job["seconds"] = arguments.seconds
        call = [sys.executable, __file__, arguments.folder, "--one", json.dumps(job)]
        row = {"problem": name, "system": system, "seed": seed, **figures_of(call)}
        if not isinstance(row["error"], float):
            raise SystemExit(f"{name} by {system}: {row['error']}")
        print(row, flush=True)
        rows.append(row)
        if out:
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")
    summarize(rows)


if __name__ == "__main__":
    main()
