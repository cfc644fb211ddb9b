"""Tables of short texts, for terminals and for notebooks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from html import escape

MOST_IN_CELL = 200  # characters
STYLE = (
    ".automodel-report{font-family:sans-serif;font-size:13px;margin-bottom:8px}"
    ".automodel-report table{border-collapse:collapse;margin:4px 0 8px}"
    ".automodel-report th,.automodel-report td{padding:2px 10px;text-align:left;"
    "border-bottom:1px solid rgba(128,128,128,.3)}"
    ".automodel-report td.number,.automodel-report th.number{text-align:right}"
)


def html_table(
    records: Iterable[dict[str, str]],
    columns: Sequence[str],
    numbers: Collection[str],
    most: int = MOST_IN_CELL,
) -> str:
    """Return a table with a row for each record; `numbers` are set to the right.

    The text of a cell has at most `most` characters.
    """

    def row(tag: str, cells: dict[str, str]) -> str:
        parts = []
        for name in columns:
            kind = ' class="number"' if name in numbers else ""
            text = escape(cut(cells[name], most))
            parts.append(f"<{tag}{kind}>{text}</{tag}>")
        return f"<tr>{''.join(parts)}</tr>"

    head = row("th", {name: name for name in columns})
    body = "".join(row("td", record) for record in records)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def text_table(
    records: Sequence[dict[str, str]], columns: Sequence[str], numbers: Collection[str]
) -> list[str]:
    """Return the lines of a table in aligned columns, the names first."""
    rows = [dict(zip(columns, columns, strict=True)), *records]
    widths = {name: max(len(row[name]) for row in rows) for name in columns}
    lines = []
    for row in rows:
        parts = [
            row[name].rjust(width) if name in numbers else row[name].ljust(width)
            for name, width in widths.items()
        ]
        lines.append("  ".join(parts).rstrip())
    return lines


def cut(text: str, width: int) -> str:
    """Return a text in one line of at most `width` characters."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: max(width - 3, 0)] + "..."
