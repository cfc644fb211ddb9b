"""Folds: the data of a search with its splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from automodel.clock import Deadline
from automodel.evaluation.encoding import Encodings
from automodel.evaluation.equal_rows import make_splits_by_distinct_rows
from automodel.evaluation.splits import (
    kept_together,
    make_splits,
    without_rows,
    without_unknown_rows,
)
from automodel.metrics.metric import Metric
from automodel.preprocessing.rows import Encoder, Rows
from automodel.targets.base import Target
from automodel.task import Task

LARGE_SHARE = 0.75  # of the rows of the largest training part


@dataclass
class Folds:
    """The data of a search with its splits, drawn once for all candidates.

    Parameters
    ----------
    rows : Rows
        All of them.
    y : sequence of length n_samples
        Encoded by the target.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    splits : list of (train, valid) index arrays
        Rows may be validated once, several times or never.
    task : Task
        The facts about the problem.
    metric : Metric
        Scores pooled out-of-fold predictions.
    groups : ndarray of shape (n_samples,), default=None
        Numbers of the groups. Rows of one group stay together wherever rows are drawn:
        in inner splits, in bootstraps, and where the ensemble is judged.
    kept : ndarray of bool, default=None
        Which of the rows that the user gave these are; None if they are all.
    """

    rows: Rows
    y: np.ndarray
    sample_weight: np.ndarray | None
    splits: Sequence[tuple[np.ndarray, np.ndarray]]
    task: Task
    metric: Metric
    groups: np.ndarray | None = None
    kept: np.ndarray | None = None

    def __post_init__(self):
        self.encodings = Encodings(
            self.rows, self.splits, self.sample_weight, self.groups
        )

    @classmethod
    def draw(
        cls,
        rows: Rows,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        groups: np.ndarray | None,
        *,
        cv: Any,
        task: Task,
        metric: Metric,
        seed: int,
    ) -> Folds:
        """Draw the splits, and leave out rows and splits of no use.

        Rows of weight zero are left out. For `cv` and `seed` see `make_splits`, for the
        rest the parameters of `Folds`; `groups` are as the user gives them. If rows
        have a method `first_equal`, equal ones are kept together.
        """
        target = metric.target
        make = make_splits
        if hasattr(rows, "first_equal"):
            make = partial(make_splits_by_distinct_rows, rows.first_equal())
        splits = make(cv, task, target, y, groups, seed)
        kept = None
        if sample_weight is not None and not sample_weight.all():
            kept = sample_weight > 0
            splits = without_rows(splits, kept)
            rows, y = rows.take(np.flatnonzero(kept)), y[kept]
            sample_weight = sample_weight[kept]
            groups = None if groups is None else groups[kept]
        splits = without_unknown_rows(splits, target, y)
        task = replace(task, n_samples=len(rows))
        groups = kept_together(groups, splits, len(y))
        return cls(rows, y, sample_weight, splits, task, metric, groups, kept)

    @property
    def target(self) -> Target:
        """What y is."""
        return self.metric.target

    def __len__(self) -> int:
        return len(self.splits)

    def __sizeof__(self) -> int:
        """Return the approximate size, since Dask sends large data only once."""
        splits = sum(part.nbytes for split in self.splits for part in split)
        return self.rows.nbytes + self.y.nbytes + splits

    @property
    def n_given(self) -> int:
        """The number of rows that the user gave."""
        return len(self.y if self.kept is None else self.kept)

    def positions(self, rows: np.ndarray) -> np.ndarray:
        """Return the positions of some rows among those that the user gave."""
        return rows if self.kept is None else np.flatnonzero(self.kept)[rows]

    @property
    def train_share(self) -> float:
        """Mean share of the rows that are in the training part of a fold."""
        return float(np.mean([len(train) for train, _ in self.splits])) / len(self.y)

    def weight_of(self, rows) -> np.ndarray | None:
        """Return the weights of some rows; None if rows have no weights."""
        return None if self.sample_weight is None else self.sample_weight[rows]

    def training_weight_of(self, rows) -> np.ndarray | None:
        """Return the weights of some rows in the loss that models learn by."""
        return self.target.training_weight(self.y[rows], self.weight_of(rows))

    def groups_of(self, rows) -> np.ndarray | None:
        """Return the groups of some rows; None if rows have no groups."""
        return None if self.groups is None else self.groups[rows]

    @cached_property
    def apart(self) -> np.ndarray:
        """Which folds have no validation row in common, of shape (n_folds, n_folds)."""
        valid = [rows for _, rows in self.splits]
        sizes = [len(rows) for rows in valid]
        pointers = np.concatenate([[0], np.cumsum(sizes)])
        shape = len(valid), len(self.y)
        ones = np.ones(pointers[-1], dtype=bool)
        rows = csr_matrix((ones, np.concatenate(valid), pointers), shape=shape)
        return ~(rows @ rows.T).toarray()

    @property
    def can_join(self) -> bool:
        """Whether each fold has another one without common validation rows."""
        return len(self) > 1 and bool(self.apart.any(axis=1).all())

    @property
    def large_folds(self) -> list[int]:
        """The folds with the most training rows, the largest first.

        Splits by time begin with few training rows, and models of these first folds
        would make an ensemble worse.
        """
        weight = self.sample_weight
        sizes = np.array(
            [len(t) if weight is None else weight[t].sum() for t, _ in self.splits]
        )
        shares = np.round(sizes / sizes.max(), 1)
        order = np.argsort(-shares, kind="stable")
        return [int(i) for i in order if sizes[i] >= LARGE_SHARE * sizes.max()]

    def first_folds(self) -> np.ndarray:
        """Return the first fold that validates each row; -1 where none does."""
        first = np.full(len(self.y), -1)
        for fold in range(len(self) - 1, -1, -1):
            first[self.splits[fold][1]] = fold
        return first

    def judging(self, rows: np.ndarray) -> Folds:
        """Return folds that score predictions of some rows, without X.

        The splits are kept for their number; their indices are those of all rows.
        """
        return replace(
            self,
            rows=self.rows.take(slice(0)),
            y=self.y[rows],
            sample_weight=self.weight_of(rows),
            groups=self.groups_of(rows),
        )

    def columns(self) -> list[Folds]:
        """Return what scores each column of a prediction; none if the score is joint.

        See `Metric.of_column`, and `judging` for what is left out.
        """
        metrics = [self.metric.of_column(i) for i in range(self.target.n_outputs)]
        nothing = self.rows.take(slice(0))
        return [
            replace(self, rows=nothing, y=self.y[:, [i]], metric=metric)
            for i, metric in enumerate(metrics)
            if metric is not None
        ]

    def encoded(self, fold: int, encoder: Encoder, y: np.ndarray, deadline: Deadline):
        """See `Encodings.encoded`."""
        return self.encodings.encoded(fold, encoder, y, deadline)

    def use_rows_of(self, same: Folds) -> None:
        """Use the rows and splits of equal folds, such as those of a mapped file."""
        self.rows, self.splits = same.rows, same.splits
        self.encodings.rows, self.encodings.splits = same.rows, same.splits

    def forget_encoded(self, but: int | None = None) -> None:
        """See `Encodings.forget`."""
        self.encodings.forget(but)

    def score(self, oof: np.ndarray) -> float:
        """Score out-of-fold predictions over the rows that were validated."""
        rows = self.target.is_predicted(oof)
        return self.metric.score(self.y[rows], oof[rows], self.weight_of(rows))
