"""Nets load torch when they are fitted or predict, and not before."""

import subprocess
import sys

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
