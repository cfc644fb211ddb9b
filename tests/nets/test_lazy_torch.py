"""Nets load torch when they are fitted or predict, and not before."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from automodel import nets

CODE = """
import pickle, sys
from sklearn.base import clone
from automodel import nets
from automodel.nets import RealMLPClassifier

for name in nets.__all__:
    net = clone(getattr(nets, name)(max_epochs=7))
    assert net.get_params()["max_epochs"] == 7
    assert "max_epochs=7" in repr(pickle.loads(pickle.dumps(net)))
assert "torch" not in sys.modules and "skorch" not in sys.modules
"""


def test_a_net_that_is_not_fitted_does_not_load_torch():
    subprocess.run([sys.executable, "-c", CODE], check=True)


LOAD = """
import pickle, sys

net = pickle.load(sys.stdin.buffer)
assert len(net.state_) > 1
assert "torch" not in sys.modules and "skorch" not in sys.modules
"""


NEEDS_WEIGHTS = "FineTuned"
FITTED = [
    name
    for name in nets.__all__
    if name.endswith("Classifier") and not name.startswith(NEEDS_WEIGHTS)
]


@pytest.mark.parametrize("name", FITTED)
def test_a_fitted_net_is_loaded_without_torch(name):
    X = np.random.default_rng(0).normal(size=(60, 3))
    y, params = X[:, 0] > 0, {}
    if name.startswith("Bert"):
        X, params = [f"{x:.1f}" for x in X[:, 0]], {"weights": None}
    elif name.startswith("Image"):
        X = X[:, None]
    net = getattr(nets, name)(max_epochs=1, **params).fit(X, y)
    net.predict(X)
    subprocess.run([sys.executable, "-c", LOAD], input=pickle.dumps(net), check=True)
