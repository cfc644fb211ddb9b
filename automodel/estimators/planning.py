"""PlanMixin: what a fit will take, before it is done."""

from __future__ import annotations

import copy
from numbers import Real
from typing import TYPE_CHECKING

from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from automodel.families import able_families

if TYPE_CHECKING:
    from automodel.training.planning.training_plan import TrainingPlan


class PlanMixin:
    """Adds `plan` to an estimator."""

    @_fit_context(prefer_skip_nested_validation=True)
    def plan(
        self, X, y, sample_weight=None, groups=None, *, probe_seconds=5.0
    ) -> TrainingPlan:
        """Tell how long `fit` will take, how much memory, and what would change that.

        Proven settings of the families are trained on growing parts of the rows, in
        processes that are ended after `probe_seconds`. Then the search of `fit` runs
        several times on a simulated clock, with the time and memory that were measured.
        The estimator is not fitted.

        Parameters
        ----------
        X, y, sample_weight, groups
            The same as in `fit`.
        probe_seconds : float, default=5.0
            Seconds for the measurements. More of them make the plan more precise.

        Returns
        -------
        TrainingPlan
            Seconds, trials, memory, and advice.

        Raises
        ------
        ValueError, TypeError
            If the data or a parameter is invalid, as in `fit`.
        RuntimeError
            If every family fails on the data.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from automodel import AutoClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> search = AutoClassifier(families=["linear"], n_trials=4, time_budget=None)
        >>> search.plan(X, y, probe_seconds=20).n_trials["linear"].likely
        4.0
        """
        allowed = {"probe_seconds": [Interval(Real, 0, None, closed="neither")]}
        name = f"{type(self).__name__}.plan"
        validate_parameter_constraints(allowed, {"probe_seconds": probe_seconds}, name)
        plan = self._plan(X, y, sample_weight, groups, probe_seconds)
        self._last_plan = plan
        return plan

    def _plan(self, X, y, sample_weight, groups, probe_seconds) -> TrainingPlan:
        from automodel.search.budget import Budget
        from automodel.training.plan import Fit, plan_fit

        own = copy.copy(self)  # a check of X sets `n_features_in_`
        budget = Budget(None)
        families, data = own._checked(X, y, sample_weight, groups)
        seed, seconds = own._seed_and_seconds(None)
        prepared = own._prepare(data, families, seed, seconds)
        task = prepared.folds.task
        used, left_out = able_families(families, task, own.families is None)
        settings = own._settings(prepared.seed)
        fit = Fit(
            prepared.folds,
            used,
            left_out,
            settings,
            own.time_budget,
            own.n_trials,
            budget.elapsed,
        )
        return plan_fit(fit, probe_seconds)
