"""Names and messages of any kind as one line of text that can be shown."""

from __future__ import annotations

import re
from typing import Any

# Control characters, and those that turn the direction of the text around them.
HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def one_line(text: Any, most: int) -> str:
    """Return a text in one line of a limited length, which UTF-8 can encode.

    Examples
    --------
    >>> from automodel.reporting.one_line import one_line
    >>> one_line("a long name with a line break", 12)
    'a long na...'
    """
    line = " ".join(str(text).split())
    line = line if len(line) <= most else line[: most - 3] + "..."
    line = line.encode("utf-8", "replace").decode("utf-8")  # half of a character
    return HIDDEN.sub(UNKNOWN, line)
