"""Figures as SVG within a page: small, in the colours of the page, with unique ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from io import BytesIO
from typing import Any

from automodel.quiet import no_warnings

INK = "#010203"  # stands for the colour of the text around a figure
WIDTH, HEIGHT = 5.2, 3.1  # inches
MAGNIFICATION = 1.6  # pixels for a point of text, at most
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text, in the font of the page
    "svg.hashsalt": "automodel",  # the same figure has the same ids
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "grid.color": "#808080",
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.dpi": 144,  # of what is an image within the figure
    "legend.frameon": False,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor"), INK
    ),
    **dict.fromkeys(("xtick.color", "ytick.color", "hatch.color"), INK),
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw with the style of the page, whatever that of the user is."""
    import matplotlib

    # A font may lack characters of names, which the font of the page has.
    with matplotlib.rc_context(), no_warnings():
        matplotlib.rcdefaults()  # all but the backend
        matplotlib.rcParams.update(STYLE)
        yield


def figure(
    name: str,
    title: str,
    draw: Callable[[Any], Any],
    *,
    width: float = WIDTH,
    height: float = HEIGHT,
) -> str:
    """Return a figure as SVG.

    Parameters
    ----------
    name : str
        Identifier, which no other figure of the page has.
    title : str
        What the figure shows, for readers that cannot see it.
    draw : callable
        `draw(ax)` plots on the axes of the figure.
    width, height : float
        Size of the axes with their labels, in inches.
    """
    from matplotlib.figure import Figure

    own = Figure(figsize=(width, height))
    draw(own.subplots())
    content = BytesIO()
    own.savefig(content, format="svg", bbox_inches="tight", pad_inches=0.04)
    return _inline(content.getvalue().decode("utf-8"), name, title)


def _inline(svg: str, name: str, title: str) -> str:
    """Return an SVG file as an element of a page."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<style.*?</style>", "", svg, flags=re.DOTALL)
    box = re.findall(r'viewBox="([^"]*)"', svg)[0]
    most = MAGNIFICATION * float(box.split()[2])
    head = f'<svg viewBox="{box}" style="max-width:{most:.0f}px" role="img"'
    svg = f'{head} aria-label="{escape(title)}">' + svg[svg.index(">") + 1 :]
    svg = re.sub(r"<[^>]+>", lambda tag: _of_page(tag.group(), name), svg)
    return re.sub(r">\s+<", "><", svg)


def _of_page(tag: str, name: str) -> str:
    """Return a tag whose ids and references are those of one figure of a page."""
    tag = tag.replace("xlink:href=", "href=")
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = tag.replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    return tag.replace(INK, "currentColor").replace("#000000", "currentColor")
