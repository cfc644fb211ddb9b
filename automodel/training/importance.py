"""Permutation importance of the columns of X, from out-of-fold rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from automodel.clock import Deadline
from automodel.evaluation.folds import Folds
from automodel.exceptions import DeadlineReached
from automodel.metrics.scorers import score_or_nan
from automodel.training.fold_models import ENOUGH_WEIGHT, FoldModels

if TYPE_CHECKING:
    from automodel.preprocessing.rows import Rows

MOST_ROWS = 5000  # that are predicted for each permutation
LEAST_ROWS = 500  # if there is no time for more; then some columns are left out
PROBE_ROWS = 300  # that are predicted to see how long it takes
LAST_FACTOR = 1.3  # a permutation may take longer than the slowest one before it


class PermutableColumns(Protocol):
    """The columns of X, as `TableColumns` defines them."""

    is_read: np.ndarray

    def __len__(self) -> int:
        """Return the number of columns of X."""

    def permuted(self, table: Any, column: int, order: Any) -> Any:
        """Return rows whose values of a column are permuted, or None if all agree."""

    def association(self, table: Any, values: np.ndarray, seed: int = 0) -> np.ndarray:
        """Return how much of a prediction each column tells alone."""


@dataclass
class Importance:
    """By how much the score falls when a column of X is permuted.

    Parameters
    ----------
    importances : ndarray of shape (n_features, n_repeats)
        The falls of the score; NaN for permutations that there was no time for.
    members : list of int
        Numbers of the trials whose models predicted the rows.
    n_rows : int
        Number of rows that were predicted.
    notes : list of str
        What the user should know.
    """

    importances: np.ndarray
    members: list[int] = field(default_factory=list)
    n_rows: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Judge:
    """Scores rows with the models of the folds that validate them.

    Parameters
    ----------
    models : FoldModels
        The models of the folds.
    folds : Folds
        Data and splits of the search.
    decision : ndarray or None
        How the estimator turns predictions into labels, if the score needs labels.
    rows : ndarray
        Positions of the rows that are predicted.
    """

    models: FoldModels
    folds: Folds
    decision: np.ndarray | None
    rows: np.ndarray

    @classmethod
    def of_some_rows(
        cls,
        models: FoldModels,
        folds: Folds,
        decision: np.ndarray | None,
        n_rows: int,
        seed: int,
    ) -> Judge:
        """Draw the rows, at random, with at least one row of each class."""
        valid = [folds.splits[fold][1] for fold in models.models]
        known = rows = np.unique(np.concatenate(valid))
        if len(known) > n_rows:
            rng = np.random.default_rng(seed)
            rows = np.sort(rng.choice(known, n_rows, replace=False))
            labels = folds.target.strata(folds.y)
            if labels is not None:
                _, first = np.unique(labels[known], return_index=True)
                missing = ~np.isin(labels[known[first]], labels[rows])
                rows = np.union1d(rows, known[first[missing]])
        return cls(models, folds, decision, rows)

    def taken(self) -> Rows:
        """Return the rows."""
        return self.folds.rows.take(self.rows)

    def predict(self, rows: Rows, deadline: Deadline) -> np.ndarray:
        """Return the out-of-fold predictions for the rows, or a permutation of them."""
        parts = []
        for fold in self.models.models:
            own = np.flatnonzero(np.isin(self.rows, self.folds.splits[fold][1]))
            if len(own):
                predicted = self.models.predict(fold, rows.take(own), deadline)
                parts.append((own, predicted))
        return self.folds.target.pooled(len(self.rows), parts, dtype=np.float64)

    def score(self, prediction: np.ndarray) -> float:
        """Score predictions as the search does; NaN if they have no such score."""
        metric, target = self.folds.metric, self.folds.target
        y, weight = self.folds.y[self.rows], self.folds.weight_of(self.rows)
        if self.decision is None or not metric.needs_threshold:
            return score_or_nan(metric.score, y, prediction, weight)
        decided = target.decided(prediction, self.decision)
        return score_or_nan(metric.score_decided, y, decided, weight)


def permute_columns(
    models: FoldModels,
    folds: Folds,
    columns: PermutableColumns,
    *,
    decision: np.ndarray | None = None,
    n_repeats: int = 5,
    seed: int = 0,
    deadline: Deadline,
) -> Importance:
    """Measure by how much the score of out-of-fold rows falls, column by column.

    The first repeat goes through all columns, those first that alone tell most about
    the predictions. Later repeats begin with the columns that are most important so
    far. If time is short, fewer rows are predicted, by fewer members, and then the last
    permutations are left out.

    Parameters
    ----------
    models : FoldModels
        The models of the folds.
    folds : Folds
        Data and splits of the search.
    columns : PermutableColumns
        The columns of X in the rows.
    decision : ndarray, default=None
        How the estimator turns predictions into labels.
    n_repeats : int, default=5
        Number of permutations of each column.
    seed : int, default=0
        Seed of the rows and of the permutations.
    deadline : Deadline
        Moment at which the measurement ends.
    """
    found = Importance(np.full((len(columns), n_repeats), np.nan))
    found.importances[~columns.is_read] = 0.0
    found.members = [member.number for member in models.members]
    judge = Judge.of_some_rows(models, folds, decision, MOST_ROWS, seed)
    try:
        if deadline.exists and len(judge.rows) > PROBE_ROWS:
            n_columns = int(columns.is_read.sum())
            judge = _affordable(judge, n_columns, n_repeats, seed, deadline)
        found.members = [member.number for member in judge.models.members]
        _permute(judge, columns, found, seed, deadline)
    except DeadlineReached:
        pass
    found.notes += _notes(judge.models, found)
    return found


def _affordable(
    judge: Judge, n_columns: int, n_repeats: int, seed: int, deadline: Deadline
) -> Judge:
    """Return a judge that leaves time for all permutations, as far as possible.

    It predicts fewer rows. If there is no time to permute each column once, it also
    has fewer members.
    """
    seconds = _seconds_of_row(judge, seed, deadline)
    n_predictions = n_columns * n_repeats + 1 + LAST_FACTOR  # one comes before
    left = deadline.seconds_left
    affordable = left / max(n_predictions * seconds, 1e-9)
    if affordable >= len(judge.rows):
        return judge
    models = judge.models
    least = min(LEAST_ROWS, len(judge.rows))
    passes = left / max(n_columns * seconds * least, 1e-9)
    if passes < 1:
        models = models.heaviest(max(int(passes * len(models.members)), 1))
    n_rows = max(int(affordable), least)
    return Judge.of_some_rows(models, judge.folds, judge.decision, n_rows, seed)


def _seconds_of_row(judge: Judge, seed: int, deadline: Deadline) -> float:
    """Measure how long it takes to predict a row, on a few of them."""
    few = Judge.of_some_rows(
        judge.models, judge.folds, judge.decision, PROBE_ROWS, seed
    )
    rows, seconds = few.taken(), math.inf
    for _ in range(2):  # the first prediction may have to import libraries
        start = deadline.clock.now()
        few.predict(rows, deadline)
        seconds = min(seconds, deadline.clock.now() - start)
    return seconds / len(few.rows)


def _permute(
    judge: Judge,
    columns: PermutableColumns,
    found: Importance,
    seed: int,
    deadline: Deadline,
) -> None:
    rows = judge.taken()
    prediction = judge.predict(rows, deadline)
    before = judge.score(prediction)
    found.n_rows = len(judge.rows)
    if math.isnan(before):
        name = judge.folds.metric.name
        found.notes.append(f"The rows that can be predicted have no score {name!r}.")
        return
    order = np.flatnonzero(columns.is_read)
    order = _ordered(order, columns.association(rows, prediction, seed))
    slowest = 0.0
    for repeat in range(found.importances.shape[1]):
        for column in order.tolist():
            start = deadline.clock.now() if deadline.exists else 0.0
            if deadline.seconds_left < LAST_FACTOR * slowest or deadline.is_over:
                return
            rng = np.random.default_rng([seed, column, repeat])
            permuted = columns.permuted(rows, column, rng.permutation(len(rows)))
            fall = 0.0
            if permuted is not None:
                fall = before - judge.score(judge.predict(permuted, deadline))
            found.importances[column, repeat] = fall
            if deadline.exists:
                slowest = max(slowest, deadline.clock.now() - start)
        order = _ordered(order, found.importances[:, : repeat + 1].mean(axis=1))


def _ordered(columns: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return some columns in the order of their values, the greatest first."""
    return columns[np.argsort(-values[columns], kind="stable")]


def _notes(models: FoldModels, found: Importance) -> Sequence[str]:
    notes = []
    if models.train_share < 1:
        notes.append(
            f"There was no time to fit a member to all training rows of a fold, so it "
            f"was fitted to {100 * models.train_share:.2g} % of them."
        )
    weight = sum(member.weight for member in models.members)
    if weight < ENOUGH_WEIGHT - 1e-9:
        notes.append(
            f"The members whose models predicted the rows have {100 * weight:.0f} % of "
            "the weight of the ensemble."
        )
    is_missing = np.isnan(found.importances)
    n_never, n_partly = is_missing.all(axis=1).sum(), is_missing.any(axis=1).sum()
    if n_partly and not found.notes:
        notes.append(
            f"Time was up: {n_never} of {len(is_missing)} columns were not permuted, "
            f"and {n_partly - n_never} were permuted less often than the others."
        )
    return notes
