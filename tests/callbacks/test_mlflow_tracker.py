"""What MLflow shows of a fit, on a real server, and what a fit does without one."""

import io
import json
import logging
import os
import pickle
import re
import socket
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from automodel import AutoClassifier, AutoRegressor, AutoTextClassifier
from automodel.callbacks import MLflowTracker
from automodel.exceptions import FitWarning, MissingLibraryError
from tests.callbacks.mlflow_server import MLflowServer, free_port
from tests.conftest import CHEAP, StubFamily, environment, make_frame, make_signal

mlflow = pytest.importorskip("mlflow")

X = make_frame()
SIGNAL = make_signal(X)
LABELS = np.where(SIGNAL > 0.3, "yes", "no")
TRIALS = ((0.9, "report"), (0.5, "plain"), (0.1, "raise"))
LONG = "x" * 7000


@pytest.fixture(scope="module", autouse=True)
def patience():
    """Let slow machines take their time: nothing here measures it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("automodel.callbacks.tracker.MOST_SECONDS", 600.0)
        patch.setattr("automodel.callbacks.mlflow_tracker.ANSWER_SECONDS", 60.0)
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        own = MLflowServer(tmp_path_factory.mktemp("mlflow"))
        own.wait()
        yield own
        own.kill()


@pytest.fixture
def client(server, request):
    """Return a client; MLflow of this process uses the server, and a new experiment."""
    mlflow.set_tracking_uri(server.uri)
    mlflow.set_experiment(request.node.name)
    yield mlflow.MlflowClient(server.uri)
    mlflow.end_run()
    mlflow.set_tracking_uri(None)
    mlflow.tracking.fluent._active_experiment_id = None
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID"):
        os.environ.pop(name, None)


@pytest.fixture
def autologged(client):
    """Switch on what the user switches on, and off again."""
    mlflow.autolog(silent=True)
    yield client
    mlflow.autolog(disable=True)


def classifier(*callbacks, **params):
    defaults = CHEAP | {"families": [StubFamily(trials=TRIALS)], "n_trials": 4, "cv": 2}
    return AutoClassifier(**(defaults | {"callbacks": callbacks} | params))


def brief(*args):
    """Return a tracker that logs neither the model nor the report."""
    return MLflowTracker(*args, log_model=False, log_report=False)


def runs_of(client, experiment=None):
    """Return the runs without a parent, and the others by their parents."""
    if experiment is None:
        experiment = mlflow.tracking.fluent._active_experiment_id
    parents, children = [], {}
    for run in client.search_runs([experiment], max_results=1000):
        parent = run.data.tags.get("mlflow.parentRunId")
        if parent is None:
            parents.append(run)
        else:
            children.setdefault(parent, []).append(run)
    return parents, children


def artifacts_of(client, run):
    return {artifact.path for artifact in client.list_artifacts(run.info.run_id)}


def check_a_fit(client, run, trials, search):
    """Check that all of a fit is there."""
    board = search.leaderboard_
    assert run.info.status == "FINISHED"
    assert run.data.params["n_trials"] == str(search.n_trials)
    assert run.data.metrics["expected_score"] == pytest.approx(search.expected_score_)
    assert run.data.metrics["best_trial_score"] == board["score"].max()
    assert sorted(number_of(trial) for trial in trials) == sorted(board.index)
    files = {"leaderboard.csv", "report.html", "fingerprint.json"}
    assert files <= artifacts_of(client, run)
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))


def number_of(trial):
    return int(trial.data.tags["number"])


@pytest.fixture(scope="module")
def shown(server):
    """Return a search, and what the server shows of it."""
    tags = {"team": "a", "a?b": LONG}
    tracker = MLflowTracker(
        "shown", run_name="mine", tracking_uri=server.uri, tags=tags
    )
    search = classifier(tracker)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(X, LABELS)
    client = mlflow.MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("shown").experiment_id
    (run,), children = runs_of(client, experiment)
    assert list(children) == [run.info.run_id]
    trials = sorted(children[run.info.run_id], key=number_of)
    return SimpleNamespace(search=search, run=run, trials=trials)


def test_a_fit_is_one_run_with_a_run_inside_it_for_each_trial(client, shown):
    check_a_fit(client, shown.run, shown.trials, shown.search)
    assert shown.run.info.run_name == "mine"
    assert shown.run.data.tags["team"] == "a"
    assert shown.run.data.params["cv"] == "2"
    assert shown.run.data.tags["metric"] == "neg_log_loss"
    assert "callbacks" not in shown.run.data.params


def test_the_run_of_a_trial_tells_how_it_went(shown):
    for trial in shown.trials:
        row = shown.search.leaderboard_.loc[number_of(trial)]
        tags, metrics = trial.data.tags, trial.data.metrics
        assert tags["status"] == row["status"]
        assert metrics["seconds"] == pytest.approx(row["seconds"])
        assert trial.data.params["quality"] == str(row["params"]["quality"])
        assert trial.info.end_time >= trial.info.start_time
        if row["status"] == "complete":
            assert trial.info.status == "FINISHED"
            assert metrics["score"] == pytest.approx(row["score"])
        else:
            assert trial.info.status == "FAILED"
            assert tags["error"] == row["error"]
    assert shown.trials[0].info.run_name == "0000-stub"


def test_the_learning_curve_of_a_trial_is_a_metric_with_steps(client, shown):
    run_id = shown.trials[0].info.run_id
    history = client.get_metric_history(run_id, "learning_curve")
    assert [point.step for point in history] == [1, 2, 4, 8, 16, 32, 64]
    folds = client.get_metric_history(run_id, "fold_score")
    expected = shown.search.leaderboard_.loc[0, "fold_scores"]
    assert [point.value for point in folds] == pytest.approx(expected)


def test_artifacts_tell_the_leaderboard_the_report_and_the_data(client, shown):
    root = shown.run.info.artifact_uri
    board = pd.read_csv(
        io.StringIO(mlflow.artifacts.load_text(f"{root}/leaderboard.csv"))
    )
    assert list(board["trial"]) == list(shown.search.leaderboard_.index)
    assert "Leaderboard" in mlflow.artifacts.load_text(f"{root}/report.html")
    fingerprint = mlflow.artifacts.load_dict(f"{root}/fingerprint.json")
    assert fingerprint["random_state"] == 0


def test_the_data_are_told_apart_by_their_digests(client, shown):
    classifier(brief(), n_trials=1).fit(X, LABELS[::-1])
    (other,), _ = runs_of(client)
    one, two = (
        client.get_run(run.info.run_id).inputs.dataset_inputs[0].dataset
        for run in (shown.run, other)
    )
    assert one.digest != two.digest
    assert json.loads(one.profile) == {"n_samples": 60, "kind": "tabular"}


def test_the_model_has_a_signature_an_example_and_requirements(client, shown):
    uri = f"runs:/{shown.run.info.run_id}/model"
    info = mlflow.models.get_model_info(uri)
    assert info.signature.inputs.input_names() == list(X.columns)
    assert info.signature.outputs is not None
    folder = mlflow.artifacts.download_artifacts(uri)
    example = mlflow.models.Model.load(folder).load_input_example(folder)
    assert example.shape == (5, X.shape[1])
    lines = Path(folder, "requirements.txt").read_text().splitlines()
    assert {"sklearn-automodel", "scikit-learn", "cloudpickle"} <= {
        line.split("==")[0] for line in lines
    }
    assert not any("+" in line for line in lines)
    loaded = mlflow.sklearn.load_model(uri)
    expected = shown.search.predict_proba(X)
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)


def regression():
    data = load_iris(as_frame=True)
    return AutoRegressor, data.data.iloc[:, :2].to_numpy(), data.data.iloc[:, 2]


def many_kinds_of_columns():
    frame = X.assign(
        day=pd.date_range("2024-01-01", periods=60),
        zone=pd.date_range("2024-01-01", periods=60, tz="UTC"),
        city=X["city"].astype("category"),
        few=pd.array([None, *range(59)], dtype="Int64"),
        mixed=[1 if i % 2 else "a" for i in range(60)],
        hours=pd.to_timedelta(range(60), unit="h"),
    )
    return AutoClassifier, frame, LABELS


def texts():
    words = np.where(SIGNAL > 0.3, "a good film", "a bad one").tolist()
    return AutoTextClassifier, [f"{word} {i}" for i, word in enumerate(words)], LABELS


@pytest.mark.parametrize("make", [regression, many_kinds_of_columns, texts])
def test_models_of_other_data_predict_the_same_when_loaded(client, make):
    cls, rows, y = make()
    family = "text_tfidf" if cls is AutoTextClassifier else "linear"
    params = CHEAP | {"families": [family], "n_trials": 1, "cv": 2}
    search = cls(**params, callbacks=[MLflowTracker(log_report=False)]).fit(rows, y)
    (run,), _ = runs_of(client)
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert loaded.metadata.signature is not None
    np.testing.assert_array_equal(loaded.predict(rows), search.predict(rows))


def test_autolog_does_the_same_and_logs_no_fits_of_models(autologged):
    search = classifier(families=["linear", "random_forest"], n_trials=4)
    search.fit(X, LABELS)
    (run,), children = runs_of(autologged)
    assert list(children) == [run.info.run_id]
    check_a_fit(autologged, run, children[run.info.run_id], search)
    LogisticRegression().fit(np.arange(6.0)[:, None], [0, 1] * 3)  # is still logged
    search.predict(X)
    assert len(runs_of(autologged)[0]) == 2


@pytest.mark.slow
def test_autolog_logs_no_fits_in_workers(autologged):
    search = classifier(families=["linear"], n_trials=3, n_jobs=2).fit(X, LABELS)
    (run,), children = runs_of(autologged)
    check_a_fit(autologged, run, children[run.info.run_id], search)


def test_autolog_logs_fits_that_run_at_the_same_time(autologged):
    inner = classifier(n_trials=1, random_state=1)
    fitted = []

    def fit_another(study, trial):
        if not fitted:
            fitted.append(inner.fit(X, LABELS))

    classifier(fit_another, n_trials=1).fit(X, LABELS)
    parents, children = runs_of(autologged)
    assert sorted(run.data.params["random_state"] for run in parents) == ["0", "1"]
    assert [len(runs) for runs in children.values()] == [1, 1]


def test_autolog_does_not_log_twice_what_a_tracker_logs(autologged):
    classifier(brief(), n_trials=1).fit(X, LABELS)
    (run,), children = runs_of(autologged)
    assert list(children) == [run.info.run_id]


def test_autolog_takes_the_settings_of_the_user(client):
    mlflow.sklearn.autolog(log_models=False, extra_tags={"team": "b"}, silent=True)
    try:
        classifier(n_trials=1).fit(X, LABELS)
        with mlflow.utils.autologging_utils.disable_autologging():
            classifier(n_trials=1).fit(X, LABELS)
    finally:
        mlflow.sklearn.autolog(disable=True)
    classifier(n_trials=1).fit(X, LABELS)
    (run,), _ = runs_of(client)
    assert run.data.tags["team"] == "b"
    assert client.search_logged_models([run.info.experiment_id]) == []


@pytest.mark.filterwarnings("ignore")  # of MLflow itself
def test_a_grid_search_has_the_run_that_autolog_gives_it(client):
    mlflow.sklearn.autolog(log_models=False, silent=True)
    grid = {"ensemble_size": [1, 2]}
    try:
        GridSearchCV(classifier(n_trials=1), grid, cv=2).fit(X, LABELS)
    finally:
        mlflow.sklearn.autolog(disable=True)
    (run,), children = runs_of(client)
    assert run.data.tags["estimator_name"] == "GridSearchCV"
    assert {len(runs) for runs in children.values()} == {2}  # candidates


def test_a_grid_search_with_a_tracker_has_a_run_for_each_fit(client):
    tracker = brief()
    grid = {"ensemble_size": [1, 2]}
    search = GridSearchCV(classifier(tracker, n_trials=1), grid, cv=2, refit=False)
    search.fit(X, LABELS)
    parents, children = runs_of(client)
    assert [run.info.status for run in parents] == ["FINISHED"] * 4
    assert [len(runs) for runs in children.values()] == [1] * 4


def test_fits_in_threads_have_runs_of_their_own(client):
    tracker = brief("fits in threads")
    searches = [classifier(tracker, n_trials=2, random_state=i) for i in range(3)]
    threads = [threading.Thread(target=s.fit, args=(X, LABELS)) for s in searches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    experiment = client.get_experiment_by_name("fits in threads").experiment_id
    parents, children = runs_of(client, experiment)
    assert sorted(run.data.params["random_state"] for run in parents) == list("012")
    assert [len(runs) for runs in children.values()] == [2] * 3


def test_a_run_that_is_active_is_that_of_the_first_fit(client):
    with mlflow.start_run() as run:
        mlflow.log_param("n_trials", "of the user")
        first = classifier(MLflowTracker(log_report=False), n_trials=2).fit(X, LABELS)
        classifier(brief(), n_trials=1).fit(X, LABELS)
        assert mlflow.active_run().info.run_id == run.info.run_id
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
    (own,), children = runs_of(client)
    assert own.data.params["n_trials"] == "of the user"
    assert own.data.params["cv"] == "2"
    inside = children[own.info.run_id]
    trials = [child for child in inside if "number" in child.data.tags]
    (second,) = [child for child in inside if "number" not in child.data.tags]
    assert len(trials) == 2
    assert len(children[second.info.run_id]) == 1
    loaded = mlflow.pyfunc.load_model(f"runs:/{own.info.run_id}/model")
    np.testing.assert_array_equal(loaded.predict(X), first.predict(X))


def test_long_values_are_cut_and_strange_names_are_changed(client, shown):
    assert len(shown.run.data.tags["a_b"]) == 5000
    family = StubFamily(trials=((0.9, LONG),))
    search = classifier(brief(), families=[family], n_trials=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FitWarning)
        search.fit(X, LABELS)
    _, children = runs_of(client)
    ((trial,),) = children.values()
    assert len(trial.data.params["mode"]) == 6000


def test_metrics_that_are_not_finite_are_left_out(client):
    def spoil(study, trial):
        trial.user_attrs |= {"seconds": np.nan, "fold_scores": [np.inf, 0.5]}

    with warnings.catch_warnings():
        warnings.simplefilter("error", FitWarning)
        classifier(spoil, brief(), n_trials=1).fit(X, LABELS)
    _, children = runs_of(client)
    ((trial,),) = children.values()
    assert "seconds" not in trial.data.metrics
    folds = client.get_metric_history(trial.info.run_id, "fold_score")
    assert [(point.step, point.value) for point in folds] == [(1, 0.5)]


def test_a_fit_that_fails_is_a_run_that_has_failed(client):
    def stop(study, trial):
        raise ValueError("of the user")

    with pytest.raises(ValueError, match="of the user"):
        classifier(brief(), stop).fit(X, LABELS)
    (run,), _ = runs_of(client)
    assert run.info.status == "FAILED"


def fit_with_one_warning(search, match):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", FitWarning)
        search.fit(X, LABELS)
    (message,) = [str(warning.message) for warning in caught]
    assert re.search(match, message), message
    assert search.predict(X).shape == (60,)
    return message


def test_a_deleted_experiment_is_named_in_one_warning(client):
    client.delete_experiment(client.create_experiment("gone"))
    fit_with_one_warning(classifier(brief("gone")), "'gone' .* was deleted")


def test_a_deleted_active_run_is_one_warning(client):
    with mlflow.start_run() as run:
        client.delete_run(run.info.run_id)
        fit_with_one_warning(classifier(brief()), run.info.run_id)
        client.restore_run(run.info.run_id)


def test_a_model_that_cannot_be_pickled_is_one_warning_and_the_rest_is_logged(client):
    search = classifier(MLflowTracker())
    search.scoring = Unpicklable()
    fit_with_one_warning(search, "cannot be pickled")
    (run,), _ = runs_of(client)
    assert run.info.status == "FINISHED"
    assert {"leaderboard.csv", "report.html"} <= artifacts_of(client, run)


class Unpicklable:
    """A scorer."""

    def __call__(self, estimator, X, y):
        return estimator.score(X, y)

    def __reduce__(self):
        raise pickle.PicklingError("it cannot be pickled")


def test_a_server_that_is_not_there_is_one_warning():
    uri = f"http://127.0.0.1:{free_port()}"
    search = classifier(MLflowTracker(tracking_uri=uri))
    fit_with_one_warning(search, "does not answer")


def test_a_server_that_never_answers_is_one_warning(monkeypatch, caplog):
    monkeypatch.setattr("automodel.callbacks.mlflow_tracker.ANSWER_SECONDS", 0.2)
    with socket.socket() as silent, caplog.at_level(logging.WARNING):
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        search = classifier(MLflowTracker(tracking_uri=uri))
        fit_with_one_warning(search, "does not answer")
    assert caplog.records == []


def test_a_folder_that_cannot_be_written_is_one_warning(tmp_path):
    file = tmp_path / "file"
    file.touch()  # in which nothing can be, not even for root
    search = classifier(MLflowTracker(tracking_uri=f"sqlite:///{file}/x/mlflow.db"))
    fit_with_one_warning(search, "MLflowTracker has not logged all of the fit")


def test_a_missing_library_is_named_before_the_search(monkeypatch):
    monkeypatch.setattr("automodel.callbacks.mlflow_tracker.find_spec", lambda n: None)
    with pytest.raises(MissingLibraryError, match=r"sklearn-automodel\[mlflow\]"):
        classifier(MLflowTracker()).fit(X, LABELS)


def test_a_tracker_does_not_import_mlflow():
    code = "import sys; from automodel.callbacks import MLflowTracker; MLflowTracker()"
    code += "; assert 'mlflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())


def test_a_server_that_is_killed_in_mid_fit_is_one_warning(server, client):
    """The last test of this file, since the server is gone then."""
    killed = []

    def kill(study, trial):
        if trial.user_attrs["number"] == 2:
            server.kill()
            killed.append(trial)

    search = classifier(MLflowTracker(), kill, n_trials=6, time_budget=60.0)
    message = fit_with_one_warning(search, "does not answer")
    assert killed
    assert "MLflowTracker" in message
    assert search.fit_report_["total"] < 60
    assert len(search.leaderboard_) == 6
