"""ImportanceMixin: which columns of X the score depends on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from sklearn.utils import Bunch, check_scalar
from sklearn.utils.validation import check_is_fitted

from automodel.clock import Deadline
from automodel.families import find_families
from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.table import Table
from automodel.preprocessing.table_columns import TableColumns

if TYPE_CHECKING:
    from automodel.evaluation.folds import Folds
    from automodel.training.importance import Importance
    from automodel.training.prepare import Prepared

FIT_SHARE = 0.4  # of the time, for fitting models of folds again
MARKED_ROWS = 200  # whose values tell whether X is that of fit
INSTEAD = {
    "text": (
        "To see which words matter, compare the predictions for some texts with those "
        "for the same texts without a word. To see what the texts add to other "
        "columns, put them into a column of a table, and use AutoClassifier or "
        "AutoRegressor."
    ),
    "image": (
        "To see which regions matter, compare the predictions for some images with "
        "those for the same images with a covered region."
    ),
}


class ImportanceMixin:
    """Measure the importance of the columns of X, for the estimators of tables."""

    _reader: Any
    _target: Any
    _seed_: int
    _modality: str
    _check_X: Callable[..., Any]
    _check_data: Callable[..., Any]
    _prepare: Callable[..., Any]

    def permutation_importance(
        self, X, y, sample_weight=None, groups=None, *, n_repeats=5, seconds=20.0
    ):
        """Measure how much worse the score gets when a column of X is permuted.

        The splits of the search are drawn again. The values of a column are permuted
        among the validation rows, each of which is predicted by models that were
        fitted without it. No rows have to be held out for this, and overfitted columns
        do not look important, as they do if a model predicts its training rows
        (Breiman, 2001).

        If members of the ensemble still hold the models of the folds, these are used.
        Otherwise, the heaviest members are fitted again on the training rows of the
        folds, with their settings and numbers of steps, in at most two fifths of the
        time.

        Parameters
        ----------
        X, y, sample_weight, groups
            The same as in `fit`. They are compared with the rows of `fit` by their
            number, all of `y`, the weights, the splits and some of the rows of `X`.
        n_repeats : int, default=5
            Number of permutations of each column.
        seconds : float, default=20.0
            Limit of the time in seconds; None for no limit. If time is short, fewer
            rows are predicted, by fewer members, and then the columns that are likely
            to be unimportant are left out. Only reading X is not interrupted.

        Returns
        -------
        Bunch
            With the attributes of `sklearn.inspection.permutation_importance`, and some
            others:

            importances : ndarray of shape (n_features, n_repeats)
                The score before a permutation minus the score after it, in the units of
                `metric_name_`. NaN for permutations that there was no time for.
            importances_mean, importances_std : ndarray of shape (n_features,)
                Mean and standard deviation over the repeats that are not NaN.
            feature_names : ndarray of shape (n_features,)
                Names of the columns of X; x0, x1 and so on if X has none.
            members : list of int
                Trials whose models predicted the rows, as in `leaderboard_`, the
                heaviest first. Empty if only the baseline was fitted.
            n_rows : int
                Number of rows that were predicted, at most 5,000.
            notes : list of str
                What was not done as requested, and why.

        Raises
        ------
        ValueError
            If X, y, weights or groups are not those of `fit`, or if a row of X is a
            single text or image.

        Notes
        -----
        Columns that are correlated hide each other: if one is permuted, the model reads
        the same from another one, and both look unimportant. Permuting one of them also
        creates rows that do not exist, which models extrapolate to, and this can make
        both look too important (Strobl et al., 2008). Cluster such columns by their
        rank correlation, and keep one of each cluster, before you conclude that a
        column does not matter. The importance is what this ensemble gains from a
        column, and not an effect of the column on the target.

        Columns that the ensemble does not read (constants, copies of other columns, and
        strings that are different in each row) have an importance of 0. Values are
        exchanged between all validation rows, so that splits of a single row work, too.
        The result is the same for each call if the estimator was fitted with a
        `random_state` and time is not short.

        References
        ----------
        .. [1] L. Breiman, "Random forests", Machine Learning 45, 5-32, 2001.
        .. [2] C. Strobl, A.-L. Boulesteix, T. Kneib, T. Augustin and A. Zeileis,
           "Conditional variable importance for random forests", BMC Bioinformatics 9,
           307, 2008.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from automodel import AutoClassifier
        >>> X, y = load_iris(return_X_y=True, as_frame=True)
        >>> search = AutoClassifier(
        ...     families=["linear"], n_trials=1, time_budget=None, random_state=0
        ... ).fit(X, y)
        >>> found = search.permutation_importance(X, y)
        >>> found.feature_names[found.importances_mean.argmax()]
        'petal width (cm)'
        """
        from automodel.containment import contained

        check_is_fitted(self, "ensemble_")
        check_scalar(n_repeats, "n_repeats", Integral, min_val=1)
        if seconds is not None:
            check_scalar(
                seconds, "seconds", Real, min_val=0, include_boundaries="neither"
            )
        deadline = Deadline.after(seconds)
        if not isinstance(self._reader, TableReader):
            kind = type(self).__name__
            raise ValueError(
                f"Each row of {kind} is a single {self._modality}, so that there are "
                f"no columns to permute. {INSTEAD.get(self._modality, '')}".rstrip()
            )
        self._check_X(X, reset=False)
        with contained():
            prepared, has_same_splits = self._prepared_again(
                X, y, sample_weight, groups
            )
            columns = TableColumns(prepared.reader)
            found = self._importance(
                prepared.folds, columns, has_same_splits, n_repeats, deadline
            )
        return _bunch(found, columns.names)

    def _keep_prepared(self, prepared: Prepared) -> None:
        super()._keep_prepared(prepared)  # type: ignore[misc]
        self._marks = _marks(prepared.folds)

    def _prepared_again(self, X, y, sample_weight, groups) -> tuple[Prepared, bool]:
        """Read the data as `fit` did; also tell whether the splits are the same.

        Raises
        ------
        ValueError
            If the data are not those of `fit`.
        """
        again: Any = copy.copy(self)
        data = again._check_data(X, y, sample_weight, groups)
        families = find_families(again.families, self._modality)
        budget = again.task_.time_budget
        prepared = again._prepare(data, families, self._seed_, budget)
        self._target.check_like(prepared.folds.target)
        (of_data, of_splits), own = _marks(prepared.folds), self._marks
        if of_data != own[0]:
            raise ValueError(
                "X, y and sample_weight must be those of fit, with their rows in the "
                "same order, since its splits are drawn again. For other rows, use "
                "sklearn.inspection.permutation_importance, which takes rows that no "
                "model was fitted to."
            )
        is_drawn = again.cv is None or isinstance(again.cv, Integral)
        if of_splits != own[1] and is_drawn:
            raise ValueError(
                "The splits are not those of fit. Pass the same groups as in fit."
            )
        return prepared, of_splits == own[1]

    def _importance(
        self,
        folds: Folds,
        columns: TableColumns,
        has_same_splits: bool,
        n_repeats: int,
        deadline: Deadline,
    ) -> Importance:
        from automodel.training.fold_models import FoldFitter
        from automodel.training.importance import Importance, permute_columns
        from automodel.training.train import BASELINE

        own: Any = self
        if all(member.number == BASELINE for member in own.ensemble_.members):
            note = "Only the baseline was fitted, which uses no column."
            return Importance(np.zeros((len(columns), n_repeats)), notes=[note])
        families = find_families(own.families, self._modality)
        seconds = {
            trial["user_attrs"]["number"]: trial["user_attrs"]["seconds"] / len(folds)
            for trials in own._trials.values()
            for trial in trials
        }
        by_name = {family.name: family for family in families}
        fitter = FoldFitter(folds, by_name, seconds, deadline.share(FIT_SHARE))
        models = fitter.run(own.ensemble_, keeps_models=has_same_splits)
        if models is None:
            note = "There was no time to fit a model of a fold. Give more seconds."
            unknown = np.full((len(columns), n_repeats), np.nan)
            return Importance(unknown, notes=[note])
        weights = getattr(own, "decision_weights_", None)
        return permute_columns(
            models,
            folds,
            columns,
            decision=getattr(own, "decision_thresholds_", weights),
            n_repeats=n_repeats,
            seed=self._seed_,
            deadline=deadline,
        )


def _bunch(found: Importance, names: np.ndarray) -> Bunch:
    importances = found.importances
    is_known = ~np.isnan(importances)
    count = is_known.sum(axis=1)
    n_known = np.where(count, count, np.nan)
    mean = np.where(is_known, importances, 0.0).sum(axis=1) / n_known
    deviations = np.where(is_known, importances - mean[:, None], 0.0)
    return Bunch(
        importances=importances,
        importances_mean=mean,
        importances_std=np.sqrt((deviations**2).sum(axis=1) / n_known),
        feature_names=names,
        members=found.members,
        n_rows=found.n_rows,
        notes=found.notes,
    )


def _marks(folds: Folds) -> tuple[str, str]:
    """Return a hash of the data and one of the splits, which take little time.

    They are empty if the rows are no table.
    """
    table = folds.rows
    if not isinstance(table, Table):
        return "", ""
    some = table.take(np.linspace(0, len(table) - 1, MARKED_ROWS).astype(int))
    sums = None if some.sparse is None else some.sparse.sum(axis=1)
    texts = [texts.codes for texts in some.text]
    values = some.numeric, some.codes, texts, sums
    splits = [(len(t), len(v), v[:: 1 + len(v) // 1000]) for t, v in folds.splits]
    of_data = joblib.hash((len(table), folds.y, folds.sample_weight, *values))
    return of_data, joblib.hash(splits)
