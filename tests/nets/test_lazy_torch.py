"""Nets load torch when they are fitted, and those of texts and images to predict."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from automodel import nets
from tests.nets import modules

CODE = """
import pickle, sys
from sklearn.base import clone
from automodel import nets
from automodel.nets import RealMLPClassifier

for name in nets.__all__:
    net = clone(getattr(nets, name)(learning_rate=7))
    assert net.get_params()["learning_rate"] == 7
    assert "learning_rate=7" in repr(pickle.loads(pickle.dumps(net)))
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


@pytest.mark.parametrize("name", ["BertClassifier", "ImageResNetClassifier"])
def test_a_fitted_net_is_loaded_without_torch(name):
    X = np.random.default_rng(0).normal(size=(60, 3))
    y, params = X[:, 0] > 0, {}
    if name.startswith("Bert"):
        X, params = [f"{x:.1f}" for x in X[:, 0]], {"weights": None}
    else:
        X = X[:, None]
    net = getattr(nets, name)(max_epochs=1, **params).fit(X, y)
    net.predict(X)
    subprocess.run([sys.executable, "-c", LOAD], input=pickle.dumps(net), check=True)


PREDICT = """
import pickle, sys

for net, X, expected in pickle.load(sys.stdin.buffer):
    assert abs(net.predict(X) * 1.0 - expected).max() < 1e-9
assert "torch" not in sys.modules and "skorch" not in sys.modules
"""


def test_nets_for_tables_predict_without_torch():
    X, y = modules.table(60)
    stored = []
    for name in ("RealMLP", "TabM", "TabularResNet", "FTTransformer", "PackedMLP"):
        for kind in ("Classifier", "Regressor"):
            net = getattr(nets, name + kind)(max_epochs=1).fit(X, y)
            stored.append((net, X, net.predict(X) * 1.0))
    subprocess.run(
        [sys.executable, "-c", PREDICT], input=pickle.dumps(stored), check=True
    )
