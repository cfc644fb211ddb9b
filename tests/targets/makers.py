"""Tables with several targets, and families that learn them by scikit-learn alone."""

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputClassifier

from automodel.families import EstimatorFamily


def space_of_linear(trial):
    return {"estimator__C": trial.suggest_float("estimator__C", 1e-3, 1e2, log=True)}


def space_of_ridge(trial):
    return {"alpha": trial.suggest_float("alpha", 1e-2, 1e2, log=True)}


def space_of_trees(trial):
    return {"min_samples_leaf": trial.suggest_int("min_samples_leaf", 3, 20)}


def families_of_labels():
    """Return two families whose answers come in the two shapes of scikit-learn."""
    return [
        EstimatorFamily(
            "linear labels",
            MultiOutputClassifier(LogisticRegression(max_iter=500)),
            space_of_linear,
            portfolio=[{"estimator__C": 1.0}],
        ),
        EstimatorFamily(
            "trees of labels",
            ExtraTreesClassifier(30, max_features=None),
            space_of_trees,
            portfolio=[{"min_samples_leaf": 5}],
            tasks=("multilabel",),
        ),
    ]


def families_of_values():
    return [
        EstimatorFamily(
            "ridge of columns",
            Ridge(),
            space_of_ridge,
            portfolio=[{"alpha": 1.0}],
            tasks=("multioutput",),
        ),
        EstimatorFamily(
            "trees of columns",
            ExtraTreesRegressor(30, max_features=None),
            space_of_trees,
            portfolio=[{"min_samples_leaf": 5}],
            tasks=("multioutput",),
        ),
    ]


def make_table(n_rows=300, seed=0):
    """Return a frame, three signals a row, and groups of rows."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(30, size=n_rows)
    X = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=["a", "b", "c"])
    X["city"] = rng.choice(["Berlin", "Oslo", "Rome"], n_rows)
    X.loc[::9, "a"] = np.nan
    signals = np.column_stack(
        [
            X["a"].fillna(0) + X["c"],
            np.where(X["city"] == "Rome", 1.0, -0.7),
            3 * X["b"].fillna(0).abs() - 2,
        ]
    )
    return X, signals + 0.5 * rng.normal(size=(n_rows, 3)), groups


def make_labels(n_rows=300, seed=0):
    X, signals, groups = make_table(n_rows, seed)
    names = ["warm", "big", "old"]
    return X, pd.DataFrame((signals > 0).astype(int), columns=names), groups


def make_values(n_rows=300, seed=0):
    """Return columns whose units are far apart."""
    X, signals, groups = make_table(n_rows, seed)
    names = ["metres", "grams", "share"]
    return X, pd.DataFrame(signals * [1.0, 1e6, 1e-3] + 5, columns=names), groups
