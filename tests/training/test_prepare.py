"""What is decided, read and drawn before a search."""

import numpy as np
import pandas as pd
import pytest

from automodel.preprocessing.reader import TableReader
from automodel.targets.classes import ClassTarget
from automodel.targets.values import ValueTarget
from automodel.training.prepare import Data, prepare

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.abs(X[:, 0]) + 1.0


def prepared(data, target, scoring=None, **options):
    settings = {"modality": "tabular", "cv": 3, "time_budget": None, "seed": 0}
    settings |= {"scoring": scoring, **options}
    return prepare(data, target, TableReader(), **settings)


def test_what_is_learned_follows_what_is_scored():
    found = prepared(Data(X, Y), ValueTarget(), "neg_mean_squared_log_error")
    np.testing.assert_allclose(found.folds.y, np.log1p(Y))
    assert found.folds.target.objective.is_log
    assert found.folds.task.objective is found.folds.target.objective


def test_the_task_has_the_facts_of_the_rows_and_of_the_target():
    labels = np.where(Y > 1.5, "b", "a")
    found = prepared(Data(X, labels), ClassTarget.of(labels), time_budget=7.0)
    task = found.folds.task
    assert (task.kind, task.n_outputs, task.n_classes) == ("binary", 2, 2)
    assert (task.modality, task.facts.n_features, task.n_samples) == ("tabular", 3, 60)
    assert task.time_budget == 7.0
    assert not task.is_weighted
    assert found.reader.n_features_in_ == 3


def test_rows_without_weight_are_no_rows():
    weight = np.ones(60)
    weight[:12] = 0.0
    found = prepared(Data(X, Y, weight), ValueTarget())
    assert len(found.folds.rows) == len(found.folds.y) == 48
    assert found.folds.task.n_samples == 48
    assert found.folds.task.is_weighted


def test_a_value_outside_the_domain_counts_only_with_its_weight():
    y, weight = Y.copy(), np.ones(60)
    y[5], weight[5] = -1.0, 0.0
    prepared(Data(X, y, weight), ValueTarget(), "neg_mean_poisson_deviance")
    with pytest.raises(ValueError, match="row 5 of y"):
        prepared(Data(X, y), ValueTarget(), "neg_mean_poisson_deviance")


def test_a_score_of_another_kind_is_refused_before_anything_is_read():
    class Unread(TableReader):
        def fit_transform(self, X, y=None):
            raise AssertionError("it was read")

    with pytest.raises(ValueError, match="cannot score this regression target"):
        prepare(
            Data(X, Y),
            ValueTarget(),
            Unread(),
            modality="tabular",
            scoring="neg_log_loss",
            cv=None,
            time_budget=None,
            seed=0,
        )


def test_other_names_of_columns_or_of_categories_are_another_table():
    frame = pd.DataFrame({"number": Y, "colour": ["blue", "red"] * 30})

    def fingerprint(frame):
        data = Data(frame, Y)
        found = prepared(data, ValueTarget())
        return found.fingerprint(data, cv=3, scoring=None)["X"]

    same = fingerprint(frame)
    assert fingerprint(frame.copy()) == same
    assert fingerprint(frame.rename(columns={"number": "size"})) != same
    assert fingerprint(frame.assign(colour=["blue", "rose"] * 30)) != same
