"""Former paths of public names work for one more release, with a warning."""

import importlib

import pytest

PATHS = {
    "automodel.objective.Objective": "automodel.targets.objective",
    "automodel.holdout.hold_out": "automodel.sampling.holdout",
    "automodel.report.text_summary": "automodel.reporting.summary",
    "automodel.report.html_summary": "automodel.reporting.summary",
}


@pytest.mark.parametrize("path", PATHS)
def test_a_former_path_works_and_names_the_new_one(path):
    module, _, name = path.rpartition(".")
    with pytest.warns(FutureWarning, match=f"has moved to {PATHS[path]}.{name}"):
        found = getattr(importlib.import_module(module), name)
    assert found is getattr(importlib.import_module(PATHS[path]), name)


def test_the_warning_points_at_the_line_that_imports():
    with pytest.warns(FutureWarning) as caught:
        from automodel.objective import Objective  # noqa: F401
    assert caught[0].filename == __file__


def test_a_name_that_never_was_is_an_error_of_the_former_module():
    module = importlib.import_module("automodel.objective")
    with pytest.raises(
        AttributeError, match=r"'automodel.objective' has no .* 'Nothing'"
    ):
        module.Nothing  # noqa: B018
