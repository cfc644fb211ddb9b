"""What TensorBoard itself reads of a fit, and that a fit loses nothing by it."""

import json
import math
import pickle
import shutil
import subprocess
import sys
import urllib.request
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from automodel import AutoClassifier
from automodel.callbacks import TensorBoardTracker
from automodel.exceptions import FitWarning, MissingLibraryError
from tests.conftest import CHEAP, StubFamily, environment, make_frame, make_signal

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import (  # noqa: E402
    EventAccumulator,
)
from tensorboard.backend.event_processing.plugin_event_multiplexer import (  # noqa: E402
    EventMultiplexer,
)
from tensorboard.plugins.hparams import metadata  # noqa: E402

X = make_frame()
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")
TRIALS = [(0.5, "report"), (0.9, "plain"), (0.1, "raise")]


def classifier(*callbacks, trials=TRIALS, **params):
    families = [StubFamily(trials=trials)]
    defaults = {"families": families, "n_trials": len(trials), "callbacks": callbacks}
    return AutoClassifier(**(CHEAP | {"scoring": "accuracy"} | defaults | params))


def fit_without_warning(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error", FitWarning)
        return model.fit(X, LABELS)


def runs_in(folder):
    """Return what TensorBoard reads in each of its runs."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    found = {
        run: EventAccumulator(str(Path(folder, run))) for run in multiplexer.Runs()
    }
    for accumulator in found.values():
        accumulator.Reload()
    return found


def scalars(run, tag):
    return [(event.step, event.value) for event in run.Scalars(tag)]


def parameters(run):
    content = run.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    return metadata.parse_session_start_info_plugin_data(content).hparams


def status(run):
    content = run.SummaryMetadata("_hparams_/session_end_info").plugin_data.content
    return metadata.parse_session_end_info_plugin_data(content).status


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """Return a fitted search, and its runs in TensorBoard."""
    folder = tmp_path_factory.mktemp("runs")
    model = fit_without_warning(classifier(TensorBoardTracker(folder, "churn")))
    return model, runs_in(folder)


def test_each_trial_is_one_run(tracked):
    model, runs = tracked
    assert sorted(runs) == [f"churn/000{i}-stub" for i in range(3)]


def test_the_score_and_the_seconds_are_those_of_the_leaderboard(tracked):
    model, runs = tracked
    board = model.leaderboard_
    for number in (0, 1):
        run, row = runs[f"churn/000{number}-stub"], board.loc[number]
        [(step, score)] = scalars(run, "score/accuracy")
        assert (step, score) == (number, pytest.approx(row["score"]))
        [(step, seconds)] = scalars(run, "seconds")
        assert (step, seconds) == (number, pytest.approx(row["seconds"]))


def test_the_learning_curve_is_what_the_trial_has_reported(tracked):
    model, runs = tracked
    reports = model.studies_["stub"][0].intermediate_values
    curve = scalars(runs["churn/0000-stub"], "training/stub")
    assert [step for step, _ in curve] == [1, 2, 4, 8, 16, 32, 64]
    values = [reports[slot] for slot in range(7)]
    assert [value for _, value in curve] == pytest.approx(values)
    others = runs["churn/0001-stub"].Tags()["scalars"]
    assert "training/stub" not in others


def test_the_parameters_belong_to_the_run_of_the_trial(tracked):
    model, runs = tracked
    for number, row in model.leaderboard_.iterrows():
        said = parameters(runs[f"churn/{number:04}-stub"])
        assert said["quality"].number_value == row["params"]["quality"]
        assert said["mode"].string_value == row["params"]["mode"]
        assert said["family"].string_value == "stub"


def test_a_failed_trial_has_its_error_and_no_score(tracked):
    _, runs = tracked
    failed = runs["churn/0002-stub"]
    assert "score/accuracy" not in failed.Tags()["scalars"]
    [event] = failed.Tensors("error")
    said = event.tensor_proto.string_val[0].decode()
    assert said.strip() == "ValueError: the stub was told to fail"
    assert [status(runs[f"churn/000{i}-stub"]) for i in range(3)] == [1, 1, 2]


def served(folder, path, **body):
    """Return the answer of a TensorBoard that shows a folder."""
    from tensorboard import program

    board = program.TensorBoard()
    board.configure(["", "--logdir", str(folder), "--port", "0", "--load_fast=false"])
    url = board.launch()
    content, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}data/{path}", content, kind)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def ended(number=0, value=0.5, params=None, **said):
    """Return a trial that has ended."""
    family = said.pop("family", "mlp")
    facts = {"number": number, "family": family, "status": "complete", "error": ""}
    params = params or {}
    distributions = {
        name: optuna.distributions.CategoricalDistribution([param])
        for name, param in params.items()
    }
    state = optuna.trial.TrialState.COMPLETE
    if said.get("status", "complete") != "complete":
        state, value = optuna.trial.TrialState.FAIL, None
    return optuna.trial.create_trial(
        state=state,
        value=value,
        params=params,
        distributions=distributions,
        intermediate_values=said.pop("reports", {}),
        user_attrs=facts | {"seconds": 1.5} | said,
    )


def log(folder, *trials, metric="accuracy", run_name="fit"):
    """Write trials as the thread of a fit does, and return the runs."""
    facts = SimpleNamespace(metric_name=metric)
    fit = TensorBoardTracker(folder, run_name).track(facts)
    fit.begin()
    for trial in trials:
        fit.log_trial(trial)
    fit.finish(None)
    return runs_in(folder)


ODD = {
    "nothing": None,
    "layers": (64, 32),
    "rate": float("nan"),
    "limit": float("inf"),
    "count": np.int64(3),
    "flag": np.bool_(True),
    "half \ud83d": "a \ud83d character",
    "lines\nof text": "one\ntwo",
    "long": "x" * 10_000,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution")
def test_the_page_of_parameters_shows_odd_values(tmp_path):
    reports = {0: 0.1, 1: float("nan"), 2: float("-inf")}
    runs = log(tmp_path, ended(0, params=ODD, reports=reports), ended(1, -math.inf))
    first = runs["fit/0000-mlp"]
    assert str(scalars(first, "training/mlp")) == str(
        [(1, float(np.float32(0.1))), (2, math.nan), (4, -math.inf)]
    )
    groups = served(
        tmp_path,
        "plugin/hparams/session_groups",
        startIndex=0,
        sliceSize=100,
        allowedStatuses=["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_UNKNOWN"],
        colParams=[],
    )["sessionGroups"]
    assert [group["name"] for group in groups] == ["0000-mlp of fit", "0001-mlp of fit"]
    shown = groups[0]["hparams"]
    assert {name: shown[name] for name in ("nothing", "layers", "rate", "limit")} == {
        "nothing": "None",
        "layers": "(64, 32)",
        "rate": "nan",
        "limit": "inf",
    }
    assert (shown["count"], shown["flag"]) == (3, True)
    assert shown["half ?"] == "a ? character"
    assert shown["lines of text"] == "one two"
    assert len(shown["long"]) == 500
    names = {value["name"]["tag"] for value in groups[0]["metricValues"]}
    assert names == {"score/accuracy", "seconds", "training/mlp"}


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("a/b: c", "0000-a_b_c"),
        ("../..", "0000"),
        ("größer", "0000-größer"),
        ("x" * 300, "0000-" + "x" * 55),
        ("half \ud83d", "0000-half"),
    ],
)
def test_any_name_of_a_family_is_a_folder(tmp_path, family, name):
    runs = log(tmp_path, ended(family=family, reports={0: 0.5}), run_name="a/../b")
    assert list(runs) == [f"a_.._b/{name}"]


def test_any_name_of_a_score_is_a_tag(tmp_path):
    [run] = log(tmp_path, ended(), metric="my \ud83d\nscore").values()
    assert scalars(run, "score/my ? score") == [(0, 0.5)]


def test_a_stopped_trial_that_has_run_again_is_shown_once(tmp_path):
    [run] = log(tmp_path, ended(status="stopped"), ended(value=0.75)).values()
    assert scalars(run, "score/accuracy") == [(0, 0.75)]
    assert status(run) == 1


def test_without_a_name_the_folder_is_named_after_the_time(tmp_path):
    runs = log(tmp_path, ended(), run_name=None)
    runs = log(tmp_path, ended(), run_name=None)
    assert len(runs) == 2
    assert all(name[:2] == "20" and len(name.split("/")) == 2 for name in runs)


@pytest.mark.parametrize("time_budget", [None, 30.0])
def test_a_folder_that_cannot_be_made_is_one_warning(tmp_path, time_budget):
    (tmp_path / "file").write_text("not a folder")
    tracker = TensorBoardTracker(tmp_path / "file" / "runs")
    with pytest.warns(FitWarning) as caught:
        model = classifier(tracker, time_budget=time_budget).fit(X, LABELS)
    [message] = [str(warning.message) for warning in caught]
    assert message.startswith("TensorBoardTracker has not logged all of the fit: ")
    assert "NotADirectoryError" in message
    same = classifier(time_budget=time_budget).fit(X, LABELS)
    np.testing.assert_array_equal(model.predict(X), same.predict(X))


def test_a_folder_that_disappears_during_the_search_is_one_warning(tmp_path):
    def remove(study, trial):
        if trial.user_attrs["number"] == 1:
            shutil.rmtree(tmp_path / "runs", ignore_errors=True)
            (tmp_path / "runs").write_text("in the way")

    tracker = TensorBoardTracker(tmp_path / "runs")
    trials = [(0.1 * i, "plain") for i in range(1, 9)]
    with pytest.warns(FitWarning) as caught:
        model = classifier(remove, tracker, trials=trials).fit(X, LABELS)
    assert len(caught) == 1
    assert len(model.leaderboard_) == 8


def test_fits_in_threads_have_a_folder_each(tmp_path):
    tracker = TensorBoardTracker(tmp_path, "fit")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda i: classifier(tracker).fit(X, LABELS), range(4)))
    folders = {path.name: len(list(path.iterdir())) for path in tmp_path.iterdir()}
    assert folders == {"fit": 3, "fit-2": 3, "fit-3": 3, "fit-4": 3}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_fits_of_a_grid_search_have_a_folder_each(tmp_path, n_jobs):
    model = classifier(TensorBoardTracker(tmp_path))
    grid = GridSearchCV(model, {"ensemble_size": [1, 3]}, cv=2, n_jobs=n_jobs)
    with parallel_config("threading"):
        grid.fit(X, LABELS)
    assert len(runs_in(tmp_path)) == (2 * 2 + 1) * 3
    assert grid.predict(X).shape == (60,)


def test_a_tracker_holds_its_settings_only():
    tracker = TensorBoardTracker("runs", "churn")
    for twin in (pickle.loads(pickle.dumps(tracker)), clone(tracker, safe=False)):
        assert vars(twin) == {"log_dir": "runs", "run_name": "churn"}


def test_without_the_library_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(
        "automodel.callbacks.tensorboard_tracker.find_spec", lambda name: None
    )
    with pytest.raises(MissingLibraryError, match=r"sklearn-automodel\[tensorboard\]"):
        classifier(TensorBoardTracker("runs")).fit(X, LABELS)


WRITES = """
import sys
import optuna
from automodel.callbacks.tensorboard_tracker import _records
said = {"number": 0, "family": "mlp", "status": "failed", "seconds": 1.0}
said["error"] = "one"
state = optuna.trial.TrialState.FAIL
_records(optuna.trial.create_trial(state=state, user_attrs=said), "one", "score")
print("tensorboard" in sys.modules, "tensorflow" in sys.modules)
"""


def test_tensorflow_is_not_imported_where_it_is_installed(tmp_path):
    (tmp_path / "tensorflow.py").write_text("")
    env = environment()
    env["PYTHONPATH"] = f"{tmp_path}:{env['PYTHONPATH']}"
    script = [sys.executable, "-c", WRITES]
    done = subprocess.run(script, env=env, capture_output=True, text=True)
    assert done.stdout == "True False\n", done.stderr
