"""PlanMixin: what a fit will take, before it is done."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from automodel.estimators.checks import as_bytes
from automodel.families import able_families

if TYPE_CHECKING:
    from automodel.evaluation.folds import Folds
    from automodel.training.plan import Fit
    from automodel.training.planning.training_plan import TrainingPlan


class PlanMixin:
    """Adds `plan` to an estimator."""

    # What an estimator has.
    families: Any
    random_state: Any
    time_budget: float | None
    n_trials: int | None
    memory_limit: int | str | None
    get_params: Callable[..., dict[str, Any]]
    _checked: Callable[..., Any]
    _seed_and_seconds: Callable[..., Any]
    _prepare: Callable[..., Any]
    _settings: Callable[..., Any]

    @_fit_context(prefer_skip_nested_validation=True)
    def plan(
        self, X, y, sample_weight=None, groups=None, *, probe_seconds=5.0
    ) -> TrainingPlan:
        """Tell how long `fit` will take, how much memory, and what would change that.

        Proven settings of the families are trained on growing parts of the rows, in
        processes that are ended after `probe_seconds`. Then the search of `fit` runs
        several times on a simulated clock, with the time and memory that were measured.
        The estimator is not fitted, and its parameters do not change. If it is fitted
        with the same parameters and the same kind of data afterwards, its `report`
        shows the plan beside what the fit has taken.

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
        from automodel.training.planning.probes import probe_processes

        allowed = {"probe_seconds": [Interval(Real, 0, None, closed="neither")]}
        name = f"{type(self).__name__}.plan"
        validate_parameter_constraints(allowed, {"probe_seconds": probe_seconds}, name)
        with probe_processes(as_bytes(self.memory_limit)) as pool:
            # They start while Optuna is imported, and while the data are read.
            from automodel.training.plan import plan_fit

            fit = self._fit_to_plan(X, y, sample_weight, groups)
            plan = plan_fit(fit, probe_seconds, pool)
        # Without what would keep all data alive:
        figures = replace(plan, advice=(), _plan_on=None)
        self._planned = self._fit_id(fit.folds), figures
        return plan

    def _fit_to_plan(self, X, y, sample_weight, groups) -> Fit:
        """Check and read the data as `fit` does, and leave this estimator alone."""
        from automodel.search.budget import Budget
        from automodel.training.plan import Fit

        own = copy.copy(self)  # a check of X sets `n_features_in_`
        own.random_state = copy.deepcopy(self.random_state)  # `fit` draws from it, too
        budget = Budget(None)
        families, data = own._checked(X, y, sample_weight, groups)
        seed, seconds = own._seed_and_seconds(None)
        prepared = own._prepare(data, families, seed, seconds)
        task = prepared.folds.task
        used, left_out = able_families(families, task, own.families is None)
        settings = own._settings(prepared.seed)
        return Fit(
            prepared.folds,
            used,
            left_out,
            settings,
            own.time_budget,
            own.n_trials,
            budget.elapsed,
        )

    def _keep_plan(self, folds: Folds) -> None:
        """Keep the plan of this fit, if there is one, for the report."""
        planned_for, plan = self.__dict__.get("_planned", ("", None))
        self._plan_of_fit = plan if planned_for == self._fit_id(folds) else None

    def _fit_id(self, folds: Folds) -> str:
        """Return what a fit has in common with its plan."""
        params = sorted(self.get_params(deep=False).items())
        return f"{params} {folds.n_given} {folds.task.facts}"
