"""The Python blocks of the documentation run, one after another in each page."""

import copy
import re
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_regressor
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.model_selection import train_test_split

from automodel import AutoClassifier, AutoRegressor, SharedStorage
from automodel.families import TabularFamily, find_families
from automodel.monitor import Monitor
from automodel.targets.objective import Objective
from tests.conftest import StubFamily, make_task, mlflow_as_before

ROOT = Path(__file__).parent.parent
NOT_RUN = ["run_grpc_proxy_server", "GrpcStorageProxy"]  # a server never ends
if find_spec("torchvision") is None:
    NOT_RUN += ["AutoObjectDetector", "draw_boxes"]
TABLE = pd.read_csv(ROOT / "examples" / "data" / "penguins.csv")
X, Y = TABLE.drop(columns="species"), TABLE["species"]
NAMES = {  # what readers of a page have at hand
    "AutoClassifier": AutoClassifier,
    "AutoRegressor": AutoRegressor,
    "SharedStorage": SharedStorage,
    "find_families": find_families,
    "my_family": StubFamily("my_family"),
    "np": np,
    "pd": pd,
    "X": X,
    "y": Y,
}


def blocks(page):
    """Return the Python blocks of a page that are to run."""
    text = (ROOT / "docs" / page).read_text()
    found = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    return [code for code in found if not any(word in code for word in NOT_RUN)]


def run(page, words=None, **names):
    """Run the blocks of a page with few trials, and return what they define.

    `words` are replaced by others, such as the address of a server.
    """
    code = "\n".join(blocks(page))
    for word, other in (words or {}).items():
        assert word in code
        code = code.replace(word, other)
    code = re.sub(r"time_budget=\d+", "time_budget=60, n_trials=2", code)
    code = re.sub(r"n_jobs=-?\d+", "n_jobs=2", code)
    namespace = {"__name__": page} | NAMES | names
    exec(compile(code, page, "exec"), namespace)
    return namespace


def statuses(search):
    return set(search.leaderboard_["status"])


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Run in a folder where searches may be stored."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


def test_every_page_with_blocks_is_run():
    pages = {page.name for page in ROOT.glob("docs/*.md") if blocks(page.name)}
    elsewhere = {"add_a_modality.md", "architecture.md"}  # in test_readme.py
    assert pages - elsewhere == {
        "add_a_family.md",
        "deployment.md",
        "distributed.md",
        "index.md",
        "plan.md",
        "tracking.md",
        "user_guide.md",
    }


@pytest.mark.slow
def test_the_first_page():
    parts = train_test_split(X, Y, random_state=0)
    names = dict(zip(("X_train", "X_test", "y_train", "y_test"), parts, strict=True))
    found = run("index.md", **names)
    assert found["model"].score(names["X_test"], names["y_test"]) > 0.9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::automodel.exceptions.FitWarning")
def test_the_user_guide():
    found = run("user_guide.md")
    np.testing.assert_allclose(
        found["same"].predict_proba(X), found["model"].predict_proba(X), rtol=1e-6
    )


@pytest.mark.slow
def test_the_page_about_following_a_search(tmp_path):
    pytest.importorskip("mlflow")
    pytest.importorskip("tensorboard")
    with mlflow_as_before():
        found = run("tracking.md")
    np.testing.assert_array_equal(found["same"].predict(X), found["model"].predict(X))
    [fit] = (tmp_path / "runs").iterdir()
    assert len(list(fit.iterdir())) == 2
    assert (tmp_path / "search" / "automodel" / "journal.log").exists()
    assert len((tmp_path / "trials.jsonl").read_text().splitlines()) == 2
    assert len((tmp_path / "trials.txt").read_text().splitlines()) == 2


@pytest.mark.slow
def test_the_page_about_plans(capsys):
    found = run("plan.md", {"random_state=0": "families=['linear'], random_state=0"})
    assert found["plan"].n_trials["linear"].likely == 2
    assert found["report"].facts["plan"]["lines"][0]["what"] == "whole fit"
    assert "CO2 (g)" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:The `?probability:FutureWarning")
def test_the_page_about_deployment(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run("deployment.md")
    assert len(capsys.readouterr().out.split()) >= 3


def test_the_page_about_families():
    names = {"TabularFamily": TabularFamily, "Lasso": Lasso, "random_state": 0}
    names |= {"LogisticRegression": LogisticRegression, "monitor": Monitor()}
    names["copy"] = copy.copy
    found = run("add_a_family.md", **names)
    families = ["linear", found["svc"], found["NaiveBayes"]()]
    search = found["classifier"].set_params(families=families, cv=2)
    search.set_params(n_trials=6, time_budget=None, random_state=0).fit(X, Y)
    assert statuses(search) <= {"complete", "pruned"}
    assert {"svc", "naive_bayes"} <= set(search.leaderboard_["family"])
    assert sorted([*found["stay"], *found["out"]]) == list(range(len(Y)))
    median = make_task("regression", 9, 2, objective=Objective("absolute_error"))
    assert found["estimator"](None, median, 0).loss == "absolute_error"
    model = SimpleNamespace(trees_=[1, 2, 3])
    assert (found["cut"](None, model, 2).trees_, model.trees_) == ([1, 2], [1, 2, 3])
    ridges = found["Ridges"]().estimator(make_task("multioutput", 9, 2, n_outputs=2), 0)
    assert is_regressor(ridges)


@pytest.mark.slow
def test_the_page_about_several_machines(tmp_path):
    pytest.importorskip("distributed")
    pytest.importorskip("ray")
    import ray
    from distributed import LocalCluster

    words = {
        "AutoClassifier(": "AutoClassifier(families=['linear'], ",
        'address="auto"': "num_cpus=2, include_dashboard=False, log_to_driver=False",
        "postgresql://user:password@db/trials": f"sqlite:///{tmp_path}/trials.db",
        "/mnt/shared/churn": f"{tmp_path}/churn",
    }
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster:
        words["tcp://scheduler:8786"] = cluster.scheduler_address
        try:
            found = run("distributed.md", words)
        finally:
            ray.shutdown()
        found["client"].close()
    assert "complete" in statuses(found["model"])
    assert (tmp_path / "trials.db").exists()
