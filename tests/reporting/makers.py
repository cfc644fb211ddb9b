"""What tests of reports share: honest predictions, and a reader of pages."""

from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np

VOID = {"meta", "link", "img", "br", "path", "rect", "use", "circle", "line", "image"}


def honest_of(model, X, y, groups=None):
    """Return predictions of the model with some noise, in place of honest ones."""
    outputs, rng = np.array(model._predict_outputs(X), dtype=float), rng_of()
    y = model._target.encode(np.asarray(y))
    if model.task_.kind in ("binary", "multiclass"):
        noise = rng.dirichlet(np.ones(outputs.shape[1]), len(outputs))
        outputs = 0.7 * outputs + 0.3 * noise
    else:
        outputs += rng.normal(0, 0.3, outputs.shape) * (outputs.std() or 1.0)
    if model.task_.kind == "multilabel":
        outputs = outputs.clip(0, 1)
    return SimpleNamespace(
        rows=np.arange(len(outputs)),
        y=y,
        predictions=outputs.astype(np.float32),
        spread=rng.random(outputs.shape),
        groups=groups,
        sample_weight=None,
        n_rows=len(outputs),
    )


def rng_of(seed=0):
    return np.random.default_rng(seed)


class Page(HTMLParser):
    """Reads a page, and refuses one that is not well formed.

    Attributes
    ----------
    text : str
        The text outside of style sheets.
    links : list of str
        Values of `src`, `href` and their like.
    ids : list of str
        Identifiers of elements.
    tags : list of str
        Names of the elements.
    """

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.text, self.links, self.ids, self.tags, self._open = "", [], [], [], []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.text += data
