"""The page of the largest data is small enough for a browser and a mail."""

import json

import numpy as np
import pytest

from automodel.reporting.page.facts import FORMAT
from automodel.reporting.page.plain import plain, thinned
from automodel.reporting.page.render import render
from tests.reporting.makers import Page

MOST_BYTES = 1_500_000
LONG = "a name that somebody has made much too long " * 5


def curves(n, name):
    x, y = thinned(np.linspace(0, 1, 100_000), np.sqrt(np.linspace(0, 1, 100_000)))
    return [{"name": name, "x": x, "y": y, "area": 0.7, "share": 0.1}] * n


def trials(n):
    params = {f"parameter_{i}": 0.123456789 for i in range(30)}
    statuses = ["complete", "pruned", "failed", "stopped"]
    return [
        {
            "number": i,
            "family": f"family_{i % 14}",
            "status": statuses[i % 4],
            "score": -1 / (i + 1) if i % 4 == 0 else None,
            "seconds": 1.5,
            "predict_seconds": 0.1,
            "weight": 0.0,
            "params": params,
            "error": "ValueError: " + "word " * 100,
        }
        for i in range(n)
    ]


def errors(n_classes):
    names = [f"class {i}: {LONG}" for i in range(n_classes)]
    by_class = [{"name": n, "n": 9, "recall": 0.5, "precision": None} for n in names]
    confused = [{"true": n, "predicted": n, "n": 5, "share": 0.1} for n in names[:100]]
    return {
        "n_rows": 100_000,
        "n_used": 20_000,
        "kind": "classes",
        "classes": names,
        "scores": [{"name": "Accuracy", "value": 0.5}],
        "confusion": None,
        "confused": confused,
        "by_class": by_class,
        "curves": {
            "roc": curves(5, LONG),
            "precision_recall": curves(5, LONG),
            "n_left_out": 495,
        },
        "calibration": {"of": LONG, "predicted": [0.1, 0.9], "observed": [0.2, 0.8]},
    }


def features(n):
    return [
        {"name": f"{LONG}{i}", "position": i, "mean": 1 / (i + 1), "std": 0.01}
        for i in range(n)
    ]


def dependence(feature):
    lines = [list(np.linspace(0, 1, 20))] * 5
    return {
        "name": feature["name"],
        "kind": "number",
        "values": list(range(20)),
        "average": lines,
        "low": lines,
        "high": lines,
        "shares": [0.05] * 20,
    }


@pytest.fixture(scope="module")
def facts():
    """Return facts of 100,000 rows, 3,000 features, 500 classes and 5,000 trials."""
    n, own = 5_000, trials(1_000)
    families = [f"family_{i % 14}" for i in range(n)]
    member = {
        "number": 1,
        "family": "family_1",
        "weight": 0.04,
        "stacking_coefficient": 0.01,
        "score": -0.5,
        "n_refitted": 1,
        "n_of_folds": 3,
        "params": own[0]["params"],
    }
    family = {"statuses": {"complete": 9}, "seconds": 9.0, "best": -0.1, "weight": 0.1}
    shown = features(6)
    facts = {
        "format": FORMAT,
        "estimator": "AutoClassifier",
        "problem": {
            "kind": "multiclass",
            "modality": "tabular",
            "data": "table",
            "n_rows": 100_000,
            "n_columns": 3_000,
            "n_classes": 500,
            "targets": [],
            "is_weighted": False,
            "time_budget": 3600.0,
        },
        "score": {
            "metric": "neg_log_loss",
            "expected": -0.5,
            "interval": [-0.6, -0.4],
            "n_honest": 100_000,
            "chosen": -0.45,
            "best_single": -0.5,
            "baseline": -6.2,
            "is_baseline": False,
        },
        "stages": {"total": 3600.0, "stages": [{"name": "search", "seconds": 3600.0}]},
        "families": [{"family": name, **family} for name in sorted(set(families))],
        "left_out": [{"family": "tabm", "reason": LONG}],
        "ensemble": [member] * 25,
        "trials": {"n": n, "counts": {"complete": n}, "rows": own},
        "history": {
            "seconds": np.arange(n) / 2,
            "scores": -1 / np.arange(1, n + 1),
            "families": families,
        },
        "timeline": {
            "n_earlier": 0,
            "workers": [f"worker {i % 8 + 1}" for i in range(n)],
            "starts": np.arange(n) / 2,
            "ends": np.arange(n) / 2 + 4,
            "families": families,
            "statuses": ["complete", "failed"] * (n // 2),
            "numbers": range(n),
        },
        "curves": [
            {
                "family": f"family_{i}",
                "numbers": list(range(60)),
                "is_pruned": [True, False] * 30,
                "steps": [[1, 2, 4, 8, 16, 32, 64, 128]] * 60,
                "values": [[-0.9, -0.5, -0.4, -0.3, -0.2, -0.2, -0.2, -0.1]] * 60,
            }
            for i in range(14)
        ],
        "errors": errors(500),
        "importance": {
            "features": features(3_000),
            "n_repeats": 5,
            "members": [1],
            "n_rows": 5_000,
            "notes": [],
        },
        "dependence": {
            "outputs": [LONG] * 5,
            "is_probability": True,
            "features": [dependence(feature) for feature in shown],
        },
        "notes": {
            "notes": [
                {
                    "kind": "drift",
                    "severity": "high",
                    "text": LONG,
                    "columns": [f"{LONG}{j}" for j in range(50)],
                }
            ]
            * 3_000
        },
        "examples": {"message": "none"},
        "plan": {
            "lines": [
                {
                    "what": f"trials of {LONG}",
                    "unit": "trials",
                    **dict.fromkeys(("low", "likely", "high"), 10.0),
                    "actual": None,
                }
            ]
            * 3_000
        },
        "recipe": {
            "call": "AutoClassifier().fit(X, y)",
            "seed": 0,
            "is_timed": True,
            "began": "2026-01-01T00:00:00",
            "python": "3.12",
            "platform": "Linux",
            "versions": {"automodel": "1"},
        },
    }
    return plain({**facts, "timeline": {**facts["timeline"], "numbers": []}})


def test_the_page_of_the_largest_data_is_small(facts):
    html = render(facts)
    page = Page(html)
    assert len(html.encode()) < MOST_BYTES
    assert "could not be drawn" not in page.text
    assert page.tags.count("svg") == 2 + 6 + 1 + 3 + 1 + 6
    assert "And 2960 more features" in page.text
    assert "And 470 more classes" in page.text
    assert "3,000 columns" in page.text
    json.dumps(facts, allow_nan=False)
