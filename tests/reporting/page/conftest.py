"""Stand-ins for what finds out things about the data, and has tests of its own."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest


def data_notes(estimator, X, y):
    text = "<i>b</i> holds the same value in all rows."
    one = {"kind": "constant", "columns": ("<i>b</i>",), "text": text}
    return [SimpleNamespace(**one, severity="medium")]


def partial_dependence(estimator, X, features, *, seconds):
    assert seconds >= 0
    n_outputs = len(getattr(estimator, "classes_", [0]))
    kinds = [
        ("number", [1.0, 2.5, None]),
        ("category", ["a$", "_b", None]),
        ("date", [np.datetime64("2026-01-01", "us").item()] * 2 + [None]),
    ]
    average = np.arange(3.0 * n_outputs).reshape(3, n_outputs) / 10
    return [
        SimpleNamespace(
            feature=f"x{feature}",
            kind=kind,
            values=values,
            average=average,
            low=average - 0.1,
            high=average + 0.1,
            shares=np.full(3, 1 / 3),
        )
        for feature, (kind, values) in zip(features, kinds, strict=False)
    ]


@pytest.fixture(autouse=True, scope="session")
def other_parts():
    """Put the stand-ins where the page imports these functions from."""
    with pytest.MonkeyPatch.context() as patch:
        for name, function in (
            ("data_notes", data_notes),
            ("dependence", partial_dependence),
        ):
            module = ModuleType(f"automodel.reporting.{name}")
            setattr(module, function.__name__, function)
            patch.setitem(sys.modules, module.__name__, module)
        yield
