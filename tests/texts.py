"""Texts whose classes and values can be learned, for several tests."""

import pickle
import subprocess
import sys

import numpy as np

from automodel.preprocessing.text.texts import TextFacts
from tests.conftest import environment
from tests.makers import unstructured_task

OFFLINE = """
import pickle, socket, sys
import numpy as np

def refuse(*args, **options):
    raise AssertionError("the network is used")

socket.socket.connect = socket.getaddrinfo = refuse
with open(sys.argv[1], "rb") as file:
    model, X = pickle.load(file)
np.save(sys.argv[2], model.predict_proba(X))
"""
GOOD = ["good", "great", "lovely", "superb"]
BAD = ["bad", "awful", "dull", "poor"]
OTHERS = ["film", "the", "a", "plot", "actor", "scene", "was", "and", "story", "music"]
CHEAP_TEXT = {
    "families": ["text_tfidf"],
    "weights": None,
    "n_trials": 3,
    "time_budget": None,
    "cv": 3,
    "random_state": 0,
}


def make_texts(n_rows=90, seed=0):
    """Return texts, and how many more good than bad words each of them has."""
    rng = np.random.default_rng(seed)
    texts, values = [], []
    for row in range(n_rows):
        n_good, n_bad = rng.integers(0, 4, 2)
        words = [*rng.choice(GOOD, n_good), *rng.choice(BAD, n_bad)]
        words += [*rng.choice(OTHERS, 6), f"number{row}"]
        texts.append(" ".join(rng.permutation(words)))
        values.append(float(n_good - n_bad))
    return texts, np.array(values)


def make_labels(values):
    """Return a label of each value."""
    return np.where(values > 0, "yes", "no")


def text_task(kind, n_samples=90, n_classes=None, *, mean_chars=50.0, **facts):
    """Return the task of texts that are all different."""
    most = int(3 * mean_chars)
    own = TextFacts(mean_chars, most, n_distinct=n_samples, **facts)
    return unstructured_task(kind, n_samples, n_classes, "text", own)


def predicted_offline(model, X, folder):
    """Return probabilities of a fresh process that prints nothing, without network."""
    pickled, found = folder / "model.pkl", folder / "found.npy"
    pickled.write_bytes(pickle.dumps((model, X)))
    command = [sys.executable, "-c", OFFLINE, pickled, found]
    run = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    return np.load(found)
