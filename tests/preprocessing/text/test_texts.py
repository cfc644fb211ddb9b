import pickle
import subprocess
import sys

import numpy as np
import pytest

from automodel.preprocessing.text.texts import Texts
from tests.conftest import environment


def texts_of(*texts):
    return Texts(np.array(texts, dtype=object))


TEXTS = texts_of("a", "bb", "", "a", "")


@pytest.mark.parametrize(
    "rows", [np.array([3, 1]), slice(1, 3), slice(0), np.empty(0, dtype=int)]
)
def test_some_of_the_texts(rows):
    taken = TEXTS.take(rows)
    assert list(taken) == TEXTS.values[rows].tolist()
    assert len(taken) == len(TEXTS.values[rows])


def test_equal_texts_are_found_but_empty_ones_are_not_equal():
    np.testing.assert_array_equal(TEXTS.first_equal(), [0, 1, 2, 0, 4])


def test_case_and_outer_blanks_make_no_difference():
    texts = texts_of("Good film", "good film ", " ", "good  film", "\tGOOD FILM\n", "")
    np.testing.assert_array_equal(texts.first_equal(), [0, 0, 2, 3, 0, 5])


def test_the_size_counts_the_characters():
    assert texts_of("a" * 10_000).nbytes > 10_000


def test_the_fingerprint_tells_texts_apart_also_by_their_limits():
    one, other = texts_of("ab", "c"), texts_of("a", "bc")
    assert one.fingerprint() == texts_of("ab", "c").fingerprint()
    assert one.fingerprint() != other.fingerprint()
    assert texts_of("a\udc00").fingerprint() != texts_of("a").fingerprint()


def test_the_fingerprint_is_the_same_in_another_process():
    code = (
        "import pickle, sys; texts = pickle.load(sys.stdin.buffer);"
        "print(texts.fingerprint())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(TEXTS),
        capture_output=True,
        env=environment(PYTHONHASHSEED="7"),
        check=True,
    )
    assert run.stdout.decode().strip() == TEXTS.fingerprint()
