"""What a script or a notebook defines works in worker processes."""

import subprocess
import sys

import pytest

from tests.conftest import environment

pytestmark = pytest.mark.slow

DEFINITIONS = """
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from automodel import AutoClassifier
from automodel.families import EstimatorFamily
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

def profit(y_true, y_pred):
    return float(2.0 * ((y_true == "yes") & (y_pred == "yes")).sum())

def accuracy(estimator, X, y):
    return float((estimator.predict(X) == y).mean())

class Own(LogisticRegression):
    pass

class OwnFamily(StubFamily):
    def fit(self, estimator, X, y, **keywords):
        return super().fit(estimator, X, y, **keywords)

def space(trial):
    return {"C": trial.suggest_float("C", 0.1, 10.0)}

class Halves:
    def split(self, X, y=None, groups=None):
        rows = np.arange(len(X))
        yield rows[::2], rows[1::2]
        yield rows[1::2], rows[::2]

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2

CASES = {
    "function, family": {"scoring": accuracy, "families": [OwnFamily()]},
    "lambda, estimator": {
        "scoring": lambda estimator, X, y: accuracy(estimator, X, y),
        "families": [EstimatorFamily("own", Own(), space)],
    },
    "made of a function, splitter": {"scoring": make_scorer(profit), "cv": Halves()},
    "made of a lambda": {"scoring": make_scorer(lambda y, p: float((y == p).mean()))},
}

def main():
    X = make_frame()
    y = np.where(make_signal(X) > 0.3, "yes", "no")
    for name, case in CASES.items():
        params = CHEAP | {"memory_limit": "4GB"} | case
        search = AutoClassifier(**params).fit(X, y)
        failures = list(search.failures_["error"])
        assert not failures, (name, failures)
        assert len(search.predict(X)) == len(X)
        print(name)
"""
GUARD = 'if __name__ == "__main__":\n    main()\n'
NAMES = [
    "function, family",
    "lambda, estimator",
    "made of a function, splitter",
    "made of a lambda",
]


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-W", "error::automodel.exceptions.FitWarning", *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        **options,
    )


@pytest.mark.parametrize("end", ["main()\n", GUARD], ids=["bare", "guarded"])
def test_a_script(tmp_path, end):
    script = tmp_path / "script.py"
    script.write_text(DEFINITIONS + end)
    done = run(script)
    assert done.stdout.splitlines() == NAMES, done.stderr


def test_a_command():
    done = run("-c", DEFINITIONS + "main()\n")
    assert done.stdout.splitlines() == NAMES, done.stderr


def test_a_session_without_a_file():
    """What a console runs has no file either."""
    done = run("-", input=DEFINITIONS + "main()\n")
    assert done.stdout.splitlines() == NAMES, done.stderr


def test_a_notebook_kernel(tmp_path, monkeypatch):
    manager = pytest.importorskip("jupyter_client.manager")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    kernel, client = manager.start_new_kernel(env=environment())
    told = []
    try:
        for cell in (DEFINITIONS, "main()"):
            reply = client.execute_interactive(
                cell, timeout=300, output_hook=told.append
            )
            assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
    streams = [
        message["content"] for message in told if message["msg_type"] == "stream"
    ]
    said = "".join(stream["text"] for stream in streams if stream["name"] == "stdout")
    assert said.splitlines() == NAMES, streams


def test_a_module_beside_the_script(tmp_path):
    (tmp_path / "beside.py").write_text(DEFINITIONS)
    script = tmp_path / "script.py"
    script.write_text("import beside\nbeside.main()\n")
    done = run(script)
    assert done.stdout.splitlines() == NAMES, done.stderr


def test_a_module_of_a_path_that_was_added(tmp_path):
    (tmp_path / "added").mkdir()
    (tmp_path / "added" / "elsewhere.py").write_text(DEFINITIONS)
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys\nsys.path.append({str(tmp_path / 'added')!r})\n"
        "import elsewhere\nelsewhere.main()\n"
    )
    done = run(script)
    assert done.stdout.splitlines() == NAMES, done.stderr


BY_FILE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("plugin", {path!r})
module = importlib.util.module_from_spec(spec)
sys.modules["plugin"] = module
spec.loader.exec_module(module)
module.main()
"""


def test_a_module_that_was_loaded_from_a_file(tmp_path):
    path = tmp_path / "some plugin.py"
    path.write_text(DEFINITIONS)
    done = run("-c", BY_FILE.format(path=str(path)))
    assert done.stdout.splitlines() == NAMES, done.stderr
