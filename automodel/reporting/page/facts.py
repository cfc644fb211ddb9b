"""All facts of a report, as plain values that JSON can hold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from automodel.clock import Deadline
from automodel.exceptions import describe_error
from automodel.reporting.one_line import one_line
from automodel.reporting.page.errors import error_facts
from automodel.reporting.page.examples import example_facts
from automodel.reporting.page.explained import (
    dependence_facts,
    importance_facts,
    note_facts,
)
from automodel.reporting.page.honest import honest_of
from automodel.reporting.page.names import names_of_targets
from automodel.reporting.page.plain import plain
from automodel.reporting.page.recipe import recipe_facts
from automodel.reporting.plan_actual import plan_facts
from automodel.reporting.trials import TrialFacts, lanes, trials_of

FORMAT = 1  # of the dict and of the JSON file, raised when keys change their meaning
MOST_TRIALS = 1_000  # whose parameters and errors are kept
MOST_ERROR = 600  # characters
MODALITIES = {
    **{"tabular": "table", "text": "texts"},
    **{"image": "images", "detection": "images"},
}


def gather(
    estimator: Any,
    X: Any = None,
    y: Any = None,
    *,
    seconds: float = 20.0,
    show_examples: bool = False,
    plan: Any = None,
) -> dict[str, Any]:
    """Return the facts of a report about a fitted estimator.

    A part that cannot be made holds a message instead.

    Parameters
    ----------
    estimator, X, y, seconds, show_examples, plan
        As in the method `report`.

    Returns
    -------
    dict
        Plain values: dicts with strings as keys, lists, strings, numbers and None.
    """
    deadline = Deadline.after(seconds)
    trials = trials_of(estimator)
    importance = _part(importance_facts, estimator, X, y, deadline.share(0.6))
    parts = {
        "format": FORMAT,
        "estimator": type(estimator).__name__,
        "problem": _problem(estimator),
        "score": _score(estimator, trials),
        "stages": _stages(estimator),
        "families": _families(estimator, trials),
        "left_out": _left_out(estimator),
        "ensemble": _ensemble(estimator),
        "cost": _cost(estimator),
        "trials": _trials(trials),
        "history": _history(trials),
        "timeline": _timeline(trials),
        "curves": _curves(trials),
        "errors": _part(error_facts, estimator),
        "importance": importance,
        "dependence": _part(dependence_facts, estimator, X, importance, deadline),
        "notes": _part(note_facts, estimator, X, y),
        "examples": _part(example_facts, estimator, X, show_examples),
        "plan": _part(plan_facts, estimator, plan, X),
        "recipe": recipe_facts(estimator),
    }
    return plain(parts)


def _part(make: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Return a part of the facts, or a message: the others do not depend on it."""
    try:
        return make(*arguments)
    except Exception as error:  # noqa: BLE001  of a metric, of a library, of a model
        reason = one_line(describe_error(error), MOST_ERROR)
        return {"message": f"This part could not be made. {reason}"}


def _problem(estimator: Any) -> dict[str, Any]:
    task = vars(estimator).get("task_")
    if task is None:
        return {}
    names = getattr(estimator, "feature_names_in_", [])
    several = task.kind in ("multilabel", "multioutput")
    return {
        "kind": task.kind,
        "modality": task.modality,
        "data": MODALITIES.get(task.modality, task.modality),
        "n_rows": task.n_samples,
        "n_columns": getattr(estimator, "n_features_in_", len(names) or None),
        "n_classes": task.n_classes,
        "targets": names_of_targets(estimator) if several else [],
        "is_weighted": task.is_weighted,
        "time_budget": estimator.get_params(deep=False).get("time_budget"),
    }


def _score(estimator: Any, trials: Sequence[TrialFacts]) -> dict[str, Any]:
    honest = honest_of(estimator)
    interval = getattr(estimator, "expected_score_interval_", None)
    scores = [trial.score for trial in trials if trial.status == "complete"]
    return {
        "metric": estimator.metric_name_,
        "expected": estimator.expected_score_,
        "interval": [math.nan] * 2 if interval is None else list(interval),
        "n_honest": None if honest is None else len(honest.rows),
        "chosen": estimator.best_score_,
        "best_single": max(scores, default=math.nan),
        "baseline": vars(estimator).get("_provenance", {}).get("baseline_score"),
        "is_baseline": all(m.number < 0 for m in estimator.ensemble_.members),
    }


def _stages(estimator: Any) -> dict[str, Any]:
    used = dict(estimator.fit_report_)
    total = used.pop("total")
    others = max(total - sum(used.values()), 0.0)
    stages = [{"name": name, "seconds": value} for name, value in used.items()]
    return {"total": total, "stages": [*stages, {"name": "other", "seconds": others}]}


def _families(estimator: Any, trials: Sequence[TrialFacts]) -> list[dict[str, Any]]:
    """Return what each family has used and brought, the heaviest first."""
    found = {}
    for family in dict.fromkeys(trial.family for trial in trials):
        own = [trial for trial in trials if trial.family == family]
        scores = [trial.score for trial in own if trial.status == "complete"]
        found[family] = {
            "family": family,
            "n_trials": len(own),
            "statuses": dict(Counter(trial.status for trial in own)),
            "seconds": sum(trial.seconds for trial in own),
            "best": max(scores, default=math.nan),
            "weight": sum(trial.weight for trial in own),
        }
    return sorted(found.values(), key=lambda f: (-f["weight"], -_ranked(f["best"])))


def _left_out(estimator: Any) -> list[dict[str, Any]]:
    reasons = vars(estimator).get("_left_out", {})
    return [
        {
            "family": name,
            "reason": one_line(reason, MOST_ERROR).removeprefix("left out: "),
        }
        for name, reason in reasons.items()
    ]


def _ensemble(estimator: Any) -> list[dict[str, Any]]:
    members = sorted(estimator.ensemble_.members, key=lambda m: -m.weight)
    return [
        {
            "number": member.number,
            "family": member.family,
            "weight": member.weight,
            "stacking_coefficient": member.stacking_coefficient,
            "score": member.score,
            "n_refitted": sum(model.fold < 0 for model in member.models),
            "n_of_folds": sum(model.fold >= 0 for model in member.models),
            "params": member.params,
        }
        for member in members
    ]


def _cost(estimator: Any) -> dict[str, Any]:
    """Return what the models cost, and what limits and pruning have left out."""
    cost = vars(estimator).get("_model_cost")
    if cost is None:
        return {}
    return {
        "n_bytes": cost["n_bytes"],
        "seconds_per_row": cost["seconds"],
        "left_out": vars(estimator).get("_economies", []),
    }


def _trials(trials: Sequence[TrialFacts]) -> dict[str, Any]:
    """Return the trials, the best first, with the failures after the complete ones."""
    order = {"complete": 0, "failed": 1, "stopped": 2, "pruned": 3}
    ranked = sorted(
        trials,
        key=lambda t: (order.get(t.status, 4), -_ranked(t.score), t.number),
    )
    rows = [
        {
            **{name: value for name, value in vars(trial).items() if name != "curve"},
            "error": one_line(trial.error, MOST_ERROR),
        }
        for trial in ranked[:MOST_TRIALS]
    ]
    counts = Counter(trial.status for trial in trials)
    return {"n": len(trials), "counts": dict(counts), "rows": rows}


def _ranked(score: float) -> float:
    return score if math.isfinite(score) else -math.inf


def _history(trials: Sequence[TrialFacts]) -> dict[str, Any]:
    known = [t for t in trials if t.status == "complete" and math.isfinite(t.end)]
    return {
        "seconds": [round(max(trial.end, 0.0), 3) for trial in known],
        "scores": [trial.score for trial in known],
        "families": [trial.family for trial in known],
    }


def _timeline(trials: Sequence[TrialFacts]) -> dict[str, Any]:
    known = [trial for trial in trials if trial.ran_here]
    return {
        "n_earlier": sum(trial.end <= 0 for trial in trials),
        "workers": lanes(known),
        "starts": [round(trial.start, 3) for trial in known],
        "ends": [round(trial.end, 3) for trial in known],
        "families": [trial.family for trial in known],
        "statuses": [trial.status for trial in known],
        "numbers": [trial.number for trial in known],
    }


def _curves(trials: Sequence[TrialFacts]) -> list[dict[str, Any]]:
    from automodel.reporting.displays.learning_curves import curves_of

    return [
        {
            "family": family,
            "numbers": [trial.number for trial in own],
            "is_pruned": [trial.status != "complete" for trial in own],
            "steps": [[step for step, _ in trial.curve] for trial in own],
            "values": [[value for _, value in trial.curve] for trial in own],
        }
        for family, own in curves_of(trials).items()
    ]
