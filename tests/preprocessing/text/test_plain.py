import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from automodel.preprocessing.text.plain import PlainTexts
from automodel.preprocessing.text.reader import read_texts


def test_texts_are_returned_as_they_are():
    texts = read_texts(["a", None, "c"])
    np.testing.assert_array_equal(PlainTexts().transform(texts), ["a", "", "c"])
    assert not get_tags(PlainTexts()).requires_fit


def test_it_works_in_a_pipeline_of_raw_texts():
    model = make_pipeline(PlainTexts(), CountVectorizer())
    assert model.fit_transform(["one", None, "two"]).shape == (3, 2)
