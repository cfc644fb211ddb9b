import pytest

from automodel.reporting.one_line import one_line


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("a\n b\t c", 10, "a b c"),
        ("abcdefghij", 6, "abc..."),
        (7, 10, "7"),
        ("half \ud800", 20, "half ?"),
        ("a\x00b\x1bc", 20, "a\ufffdb\ufffdc"),
        ("left\u202eright", 20, "left\ufffdright"),
        ("\u6b63\u3057\u3044", 20, "\u6b63\u3057\u3044"),
    ],
)
def test_any_text_becomes_one_line_that_can_be_shown(text, most, expected):
    assert one_line(text, most) == expected
