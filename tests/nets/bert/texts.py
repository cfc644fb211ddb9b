"""Texts whose words tell the target, and tiny nets that learn it."""

import numpy as np

from automodel.nets import BertClassifier, BertRegressor

GOOD, BAD = ("good", "great"), ("bad", "poor")
OTHER = ("the", "food", "service", "was", "very")


def make_texts(n_texts=120, seed=0):
    """Return texts of 3 to 12 words, and how good each of them is."""
    rng = np.random.default_rng(seed)
    texts, values = [], []
    for _ in range(n_texts):
        n_good, n_bad = rng.integers(0, 4, 2)
        words = [*rng.choice(GOOD, n_good), *rng.choice(BAD, n_bad)]
        words += list(rng.choice(OTHER, rng.integers(3, 6)))
        rng.shuffle(words)
        texts.append(" ".join(words))
        values.append(float(n_good - n_bad))
    return np.array(texts, dtype=object), np.array(values)


def classifier(weights, **params):
    options = {"weights": weights, "max_epochs": 2, "random_state": 0}
    return BertClassifier(**{**options, **params})


def regressor(weights, **params):
    options = {"weights": weights, "max_epochs": 2, "random_state": 0}
    return BertRegressor(**{**options, **params})
