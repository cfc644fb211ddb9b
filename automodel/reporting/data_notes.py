"""What looks wrong with the data of a fit, in plain English."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from scipy.sparse import issparse

from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.text.texts import Texts
from automodel.reporting.column_notes import column_notes
from automodel.reporting.data_note import DataNote, by_severity
from automodel.reporting.repeat_notes import (
    empty_texts,
    repeated_columns,
    repeated_rows,
    repetition_notes,
)
from automodel.reporting.target_notes import TargetValues, target_notes


def data_notes(estimator: Any, X: Any, y: Any) -> list[DataNote]:
    """Return what looks wrong with the data that an estimator was fitted to.

    Parameters
    ----------
    estimator : AutoClassifier, AutoRegressor or another estimator of automodel
        Fitted to X and y.
    X, y
        The rows of `fit`, in their order.

    Returns
    -------
    list of DataNote
        The most severe first; see `table_notes` and `rows_notes`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from automodel import AutoClassifier
    >>> from automodel.reporting.data_notes import data_notes
    >>> X, y = load_iris(return_X_y=True)
    >>> search = AutoClassifier(families=["linear"], n_trials=1, time_budget=None)
    >>> [note.kind for note in data_notes(search.fit(X, y), X, y)]
    ['drift', 'drift', 'duplicate rows']
    """
    is_classification = hasattr(estimator, "classes_")
    reader = estimator._reader
    X = copy.copy(estimator)._check_X(X, reset=False)
    if isinstance(reader, TableReader):
        return table_notes(X, y, reader=reader, is_classification=is_classification)
    rows = reader.transform(X)
    return rows_notes(rows, y, is_classification=is_classification)


def table_notes(
    X: Any,
    y: Any,
    *,
    is_classification: bool,
    reader: TableReader | None = None,
    random_state: int = 0,
) -> list[DataNote]:
    """Return what looks wrong with a table and its target.

    Columns that add nothing are those that the reader drops. All rows are compared with
    each other to find repeated ones. The other notes rest on at most 20,000 rows that
    are drawn at random, and on fewer if there are many columns:

    - "leak": the rows are cut into five random parts. The target of each part (the
      indicators of its classes, or the ranks of its values) is predicted by the means
      in the bins of one column over the other parts. A bin is a value, or one of at
      most 32 intervals with equally many rows. The note is made if R² is at least 0.95.
    - "drift": a chi-squared test compares the bins of a column in the first and in the
      last third of the rows. The note is made if p is below 0.001, divided by the
      number of columns, and Cramér's V is above 0.3.
    - "order": the numbers or dates of a column increase, or decrease, from row to row.
    - "missing": a column has no value in more than half of the rows.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        The rows, in the order in which they were collected.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The target.
    is_classification : bool
        Whether y holds classes or labels.
    reader : TableReader, default=None
        A reader that was fitted to X; None fits one.
    random_state : int, default=0
        Seed of the rows that are drawn.

    Returns
    -------
    list of DataNote
        The most severe first.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.reporting.data_notes import table_notes
    >>> y = np.random.default_rng(0).normal(size=100)
    >>> X = np.column_stack([np.exp(y), np.ones(100)])
    >>> [(n.kind, n.columns) for n in table_notes(X, y, is_classification=False)]
    [('leak', ('x0',)), ('constant', ('x1',))]
    """
    if not issparse(X) and not hasattr(X, "shape"):
        X = np.asarray(X, dtype=object)
    reader = TableReader().fit(X) if reader is None else reader
    target = TargetValues.of(y, is_classification=is_classification)
    return by_severity(
        [
            *column_notes(X, target, reader, random_state),
            *target_notes(target),
            *repeated_rows(X, target, random_state),
            *repeated_columns(X, reader),
        ]
    )


def rows_notes(rows: Any, y: Any, *, is_classification: bool) -> list[DataNote]:
    """Return what looks wrong with texts or images and their target.

    Parameters
    ----------
    rows : Texts or Images
        What a reader has made of X.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The target.
    is_classification : bool
        Whether y holds classes or labels.

    Returns
    -------
    list of DataNote
        Notes about equal texts or images, empty texts, rare classes and extreme values,
        the most severe first.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.text.texts import Texts
    >>> from automodel.reporting.data_notes import rows_notes
    >>> texts = Texts(np.array(["good", "bad", "good", ""], dtype=object))
    >>> notes = rows_notes(texts, [1.0, 0.0, 1.0, 0.0], is_classification=False)
    >>> print(notes[0].text)
    1 of 4 texts (25 %) repeat an earlier one.
    """
    target = TargetValues.of(y, is_classification=is_classification)
    is_text = isinstance(rows, Texts)
    noun = "texts" if is_text else "images"
    return by_severity(
        [
            *target_notes(target),
            *repetition_notes(rows.first_equal(), target, noun),
            *(empty_texts(rows) if is_text else ()),
        ]
    )
