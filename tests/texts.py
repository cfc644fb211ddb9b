"""Texts whose classes and values can be learned, for several tests."""

import numpy as np

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
