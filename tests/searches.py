"""A small search for each kind of rows that is not a table."""

from automodel import AutoImageClassifier, AutoTextClassifier
from tests.images import CHEAP_IMAGE, make_images
from tests.shapes import detector, make_shapes
from tests.texts import CHEAP_TEXT, make_texts


def make_searches():
    """Return an estimator, rows and targets by the kind of the rows."""
    pictures, places = make_images()
    texts, values = make_texts()
    return {
        "image": (AutoImageClassifier(**CHEAP_IMAGE), pictures, places > 0),
        "text": (AutoTextClassifier(**CHEAP_TEXT), texts, values > 0),
        "detection": (detector(), *make_shapes()),
    }
