"""Texts in every container, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from automodel.nets.bert._texts import check_texts

TEXTS = ["good", "bad food", ""]


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: np.array(texts, dtype=object)[:, None],
        pd.Series,
        lambda texts: pd.Series(texts, index=[7, 8, 9]),
        lambda texts: pd.Series(texts, dtype="string"),
        lambda texts: pd.DataFrame({"text": texts}),
        iter,
    ],
)
def test_all_containers_hold_the_same_texts(container):
    texts = check_texts(container(TEXTS), "Net")
    assert texts.dtype == object
    assert texts.tolist() == TEXTS


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_columns_of_other_libraries_are_texts(library):
    module = pytest.importorskip(library)
    column = module.Series(TEXTS) if library == "polars" else module.array(TEXTS)
    assert check_texts(column, "Net").tolist() == TEXTS


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, float("nan")])
def test_missing_texts_are_empty(missing):
    assert check_texts(["good", missing], "Net").tolist() == ["good", ""]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("good", "a single"),
        (b"good", "a single"),
        ([], "0 sample"),
        (["good", 3], "row 1 of X is of type int"),
        (["good", b"bad"], "row 1 of X is of type bytes"),
        (["good", ["bad"]], "row 1 of X is of type list"),
        (np.zeros((3, 2)), "2 columns"),
        (pd.DataFrame({"a": TEXTS, "b": TEXTS}), "2 columns"),
    ],
)
def test_what_is_no_text_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        check_texts(X, "Net")
