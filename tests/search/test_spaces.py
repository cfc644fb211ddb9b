"""The settings of a family that can choose how rows are encoded."""

import optuna
import pytest

from automodel.search.spaces import proven_settings, suggest
from tests.conftest import StubFamily, make_task

TASK = make_task("binary", 100, 4, 2)


class Encoding(StubFamily):
    encoder_param = "scale"

    def encodings(self, task):
        return ("standard", "none")


@pytest.mark.parametrize(
    ("n_proven", "expected"),
    [
        (0, []),
        (1, [(0.9, "standard"), (0.9, "none")]),
        (
            3,
            [(0.9, "standard"), (0.9, "none"), (0.8, "standard"), (0.7, "standard")],
        ),
    ],
)
def test_the_first_setting_is_repeated_with_other_encodings(n_proven, expected):
    trials = [(0.9, "plain"), (0.8, "plain"), (0.7, "plain")][:n_proven]
    settings = proven_settings(Encoding(trials=trials), TASK)
    assert [(s["quality"], s["scale"]) for s in settings] == expected


def test_an_encoding_is_suggested_only_if_there_is_a_choice():
    said = {"quality": 0.5, "mode": "plain", "scale": "none"}
    params, _, error = suggest(Encoding(), optuna.trial.FixedTrial(said), TASK)
    assert (params, error) == (said, "")
    params, _, _ = suggest(StubFamily(), optuna.trial.FixedTrial(said), TASK)
    assert "scale" not in params
