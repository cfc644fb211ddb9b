"""Notes about data as sentences."""

import pytest

from automodel.reporting.data_note import DataNote, by_severity, listed, percent


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a"], "a"),
        ([1, "b", "c"], "1, b and c"),
        (list("abcdef"), "a, b, c, d, e and 1 other"),
        (list("abcdefgh"), "a, b, c, d, e and 3 others"),
    ],
)
def test_names_are_listed_as_in_a_sentence(names, text):
    assert listed(names) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.001, "less than 1 %"),
        (0.456, "46 %"),
        (0.999, "more than 99 %"),
        (1.0, "100 %"),
    ],
)
def test_a_share_is_rounded_to_nothing_that_is_wrong(share, text):
    assert percent(share) == text


def test_the_most_severe_notes_come_first():
    notes = [DataNote(s, (), "", s) for s in ("low", "high", "medium", "high")]
    assert [n.kind for n in by_severity(notes)] == ["high", "high", "medium", "low"]
