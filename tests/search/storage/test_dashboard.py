"""What optuna-dashboard shows of a search, while it runs and afterwards."""

import json
import threading
import urllib.request
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server

import numpy as np
import pytest

from automodel import AutoClassifier, SharedStorage
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

optuna_dashboard = pytest.importorskip("optuna_dashboard")

X = make_frame()
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")
TRIALS = [(0.5, "report"), (0.9, "plain"), (0.1, "raise"), (0.7, "plain")]


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


@contextmanager
def dashboard(storage):
    """Serve the dashboard of a storage; yield a function that asks it."""
    app = optuna_dashboard.wsgi(storage)
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def ask(path):
            url = f"http://127.0.0.1:{server.server_port}/api/{path}"
            with urllib.request.urlopen(url, timeout=60) as answer:
                return json.load(answer)

        try:
            yield ask
        finally:
            server.shutdown()
            thread.join()


def studies_of(ask):
    """Return what the dashboard shows of each study."""
    studies = ask("studies")["study_summaries"]
    return {s["study_name"]: ask(f"studies/{s['study_id']}") for s in studies}


def families():
    return [StubFamily("one", trials=TRIALS), StubFamily("two", trials=TRIALS)]


def classifier(**params):
    own = {"families": families(), "n_trials": 8, "scoring": "accuracy"}
    return AutoClassifier(**(CHEAP | own | params))


def journal(folder):
    return str(folder / "automodel" / "journal.log"), folder


def database(folder):
    url = f"sqlite:///{folder}/trials.db"
    return url, SharedStorage(url, folder / "arrays")


@pytest.mark.parametrize("kind", [journal, database])
def test_a_running_search_is_shown(tmp_path, kind):
    address, storage = kind(tmp_path)
    shown = []

    def look(study, trial):
        if trial.user_attrs["number"] == 5:
            with dashboard(address) as ask:
                shown.append(studies_of(ask))

    model = classifier(storage=storage, callbacks=[look]).fit(X, LABELS)
    [studies] = shown
    assert sorted(studies) == ["automodel-one", "automodel-two"]
    assert sum(len(study["trials"]) for study in studies.values()) == 6
    assert len(model.leaderboard_) == 8


@pytest.mark.parametrize("kind", [journal, database])
def test_it_shows_the_trials_of_the_leaderboard(tmp_path, kind):
    address, storage = kind(tmp_path)
    model = classifier(storage=storage).fit(X, LABELS)
    with dashboard(address) as ask:
        studies = studies_of(ask)
    board = model.leaderboard_
    for family in ("one", "two"):
        study = studies[f"automodel-{family}"]
        assert study["directions"] == ["maximize"]
        assert study["objective_names"] == ["accuracy"]
        assert study["has_intermediate_values"]
        rows = board[board["family"] == family]
        said = [
            {attribute["key"]: attribute["value"] for attribute in trial["user_attrs"]}
            for trial in study["trials"]
        ]
        assert sorted(int(one["number"]) for one in said) == sorted(rows.index)
        for one, trial in zip(said, study["trials"], strict=True):
            row = rows.loc[int(one["number"])]
            assert one["status"] == row["status"]
            scores = trial.get("values", [])
            assert scores == ([] if row["status"] == "failed" else [row["score"]])
            params = {p["name"]: p["param_external_value"] for p in trial["params"]}
            assert float(params["quality"]) == row["params"]["quality"]


def test_looking_at_a_search_changes_nothing(tmp_path):
    classifier(storage=tmp_path, n_trials=4).fit(X, LABELS)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with dashboard(journal(tmp_path)[0]) as ask:
        studies_of(ask)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    model = classifier(storage=tmp_path, n_trials=8).fit(X, LABELS)
    assert len(model.leaderboard_) == 8
