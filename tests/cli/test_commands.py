import gzip
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from automodel import __version__
from automodel.cli.parser import main
from automodel.estimators import base
from tests.fake_search import (
    CTRL_C,
    REFUSE,
    SIGTERM,
    SWALLOW,
    WARN,
    FakeClassifier,
    FakeRegressor,
    _FakeAuto,
)


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    """Put the stand-in where the command line imports the estimators from."""
    module = ModuleType("automodel.estimators.tabular")
    module.AutoClassifier, module.AutoRegressor = FakeClassifier, FakeRegressor
    monkeypatch.setitem(sys.modules, "automodel.estimators.tabular", module)
    monkeypatch.setattr(base, "AutoEstimator", _FakeAuto)
    monkeypatch.setattr(_FakeAuto, "calls", [])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(
        {
            "size": np.arange(40.0),
            "colour": ["red", "blue"] * 20,
            "price": np.arange(40) * 1.5,
            "grade": [1, 2, 3, 4] * 10,
            "kind": ["a", "b"] * 20,
            "owner": [f"p{i // 4}" for i in range(40)],
        }
    )
    frame.to_csv("train.csv", index=False)
    return tmp_path


@pytest.fixture
def model(folder, capsys):
    assert main(["fit", "train.csv", "--target", "kind", "--quiet"]) == 0
    capsys.readouterr()
    return "model.joblib"


def last_call():
    return _FakeAuto.calls[-1]


def error_of(capsys, argv):
    """Return the one line of an error, from a run that ends with code 2."""
    try:
        code = main(argv)
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    assert code == 2
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("automodel: error: ")
    return printed.err


def test_fit_saves_a_model_that_joblib_loads(folder):
    assert main(["fit", "train.csv", "--target", "kind", "--out", "m.joblib"]) == 0
    loaded = joblib.load("m.joblib")
    assert loaded.predict(pd.read_csv("train.csv")[loaded.feature_names_in_]).size == 40
    assert loaded.target_name_ == "kind"


def test_fit_leaves_no_other_file_behind(folder):
    main(["fit", "train.csv", "--target", "kind", "--out", "m.joblib"])
    assert sorted(p.name for p in folder.iterdir()) == ["m.joblib", "train.csv"]


def test_fit_prints_the_leaderboard_and_the_expected_score(folder, capsys):
    main(["fit", "train.csv", "--target", "kind"])
    out = capsys.readouterr().out
    assert "Expected score on new rows: -0.21 (neg_log_loss" in out
    assert "catboost" in out


def test_quiet_says_nothing_on_stderr(folder, capsys):
    main(["fit", "train.csv", "--target", "kind", "--quiet"])
    assert capsys.readouterr().err == ""
    assert last_call()[0].verbose == 0


def test_options_reach_the_estimator(folder):
    command = (
        "fit train.csv --target kind --time-budget 7 --families linear --scoring "
        "roc_auc --n-trials 3 --cv 4 --jobs 2 --random-state 5"
    )
    main(command.split())
    params = last_call()[0].get_params()
    assert params == {
        "families": ["linear"],
        "scoring": "roc_auc",
        "cv": 4,
        "time_budget": 7.0,
        "n_trials": 3,
        "prediction_time_limit": "auto",
        "model_size_limit": "auto",
        "storage": None,
        "study_name": None,
        "memory_limit": None,
        "callbacks": (),
        "n_jobs": 2,
        "random_state": 5,
        "verbose": 1,
    }


@pytest.mark.parametrize(
    ("options", "seconds", "size"),
    [
        ("--prediction-time-limit 1e-5 --model-size-limit 5MB", 1e-5, "5MB"),
        ("--prediction-time-limit none --model-size-limit none", None, None),
        ("--model-size-limit auto", "auto", "auto"),
    ],
)
def test_limits_of_models_reach_the_estimator(folder, options, seconds, size):
    main(["fit", "train.csv", "--target", "kind", *options.split()])
    params = last_call()[0].get_params()
    assert params["prediction_time_limit"] == seconds
    assert params["model_size_limit"] == size


def test_where_a_search_is_kept_reaches_the_estimator(folder):
    options = "--storage runs --study-name churn --memory-limit 2GB"
    main(["fit", "train.csv", "--target", "kind", *options.split()])
    params = last_call()[0].get_params()
    assert params["storage"] == Path("runs")
    assert (params["study_name"], params["memory_limit"]) == ("churn", "2GB")
    database = ["--database", "sqlite:///trials.db", *options.split()]
    main(["fit", "train.csv", "--target", "kind", *database])
    assert (
        repr(last_call()[0].storage) == "SharedStorage('sqlite:///trials.db', 'runs')"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--database sqlite:///trials.db", "--database needs --storage"),
        ("--storage runs --study-name ../up", "'study_name' parameter must consist"),
        ("--memory-limit four", "such as '4GB'"),
    ],
)
def test_a_place_that_is_none_is_refused(folder, capsys, options, words):
    argv = ["fit", "missing.csv", "--target", "kind", *options.split()]
    assert words in error_of(capsys, argv)


@pytest.mark.parametrize(
    ("options", "seconds"), [([], 300.0), (["--n-trials", "3"], None)]
)
def test_the_default_budget_yields_to_a_number_of_trials(folder, options, seconds):
    main(["fit", "train.csv", "--target", "kind", *options])
    assert last_call()[0].time_budget == seconds


def test_all_cores_are_used_by_default(folder):
    main(["fit", "train.csv", "--target", "kind"])
    assert last_call()[0].n_jobs == -1


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("kind", FakeClassifier),
        ("grade", FakeClassifier),
        ("price", FakeRegressor),
        ("size", FakeRegressor),
    ],
)
def test_the_task_follows_from_the_values_and_is_said(folder, capsys, target, expected):
    main(["fit", "train.csv", "--target", target])
    assert type(last_call()[0]) is expected
    kind = "classification" if expected is FakeClassifier else "regression"
    assert f"{target}: {kind}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, False] * 20, FakeClassifier),
        ([0.0, 1.0] * 20, FakeClassifier),
        ([0.5, 1.0] * 20, FakeRegressor),
        (list(range(40)), FakeRegressor),
        (list(range(20)) * 2, FakeClassifier),
    ],
)
def test_the_task_rule_for_numbers(folder, values, expected):
    pd.read_csv("train.csv").assign(kind=values).to_csv("t.csv", index=False)
    main(["fit", "t.csv", "--target", "kind"])
    assert type(last_call()[0]) is expected


@pytest.mark.parametrize(
    ("target", "task", "words"),
    [
        ("kind", "auto", "kind: classification, 2 classes"),
        ("price", "regression", "price: regression, 0.0 to 58.5"),
    ],
)
def test_a_target_may_be_a_pandas_categorical(folder, capsys, target, task, words):
    pytest.importorskip("pyarrow")
    frame = pd.read_csv("train.csv").astype({"kind": "category", "price": "category"})
    frame.to_parquet("t.parquet")
    assert main(["fit", "t.parquet", "--target", target, "--task", task]) == 0
    assert words in capsys.readouterr().err


def test_task_overrides_the_rule(folder):
    main(["fit", "train.csv", "--target", "grade", "--task", "regression"])
    assert type(last_call()[0]) is FakeRegressor
    assert last_call()[1].y.dtype == float


def test_rows_without_target_are_left_out_and_it_is_said(folder, capsys):
    frame = pd.read_csv("train.csv")
    frame.loc[:2, "grade"] = None
    frame.to_csv("t.csv", index=False)
    main(["fit", "t.csv", "--target", "grade"])
    assert "3 of 40 rows are left out" in capsys.readouterr().err
    assert last_call()[1].y.tolist()[:2] == [4, 1]
    assert last_call()[1].y.dtype == np.int64


def test_words_that_count_as_no_target_are_named(folder, capsys):
    frame = pd.read_csv("train.csv")
    frame.loc[:3, "kind"] = ["None", "NA", "None", ""]
    frame.to_csv("t.csv", index=False)
    main(["fit", "t.csv", "--target", "kind"])
    said = (
        "4 of 40 rows are left out because 'kind' is missing "
        "('NA', 'None' count as missing)."
    )
    assert said in capsys.readouterr().err


def test_drop_groups_and_weight_are_no_features(folder):
    options = "--target kind --drop colour,price --groups owner --weight grade"
    main(["fit", "train.csv", *options.split()])
    given = last_call()[1]
    assert given.X.columns.tolist() == ["size"]
    assert given.sample_weight.tolist()[:4] == [1, 2, 3, 4]
    assert given.groups.tolist()[:5] == [0, 0, 0, 0, 1]


def test_a_column_without_a_name_is_pointed_out(folder, capsys):
    pd.read_csv("train.csv").to_csv("t.csv")
    main(["fit", "t.csv", "--target", "kind"])
    assert "'Unnamed: 0' has no name" in capsys.readouterr().err


def test_warnings_are_said_in_one_line(folder, capsys):
    main(["fit", "train.csv", "--target", "kind", "--random-state", str(WARN)])
    assert "automodel: warning: be careful please\n" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["csv.gz", "tsv", "tsv.gz", "parquet"])
def test_every_format_is_read_and_written(folder, model, ending):
    frame = pd.read_csv("train.csv")
    if ending == "parquet":
        frame.to_parquet("new.parquet")
    else:
        mark = "\t" if "tsv" in ending else ","
        frame.to_csv(f"new.{ending}", sep=mark, index=False)
    assert main(["predict", model, f"new.{ending}", "--out", f"p.{ending}"]) == 0
    read = pd.read_parquet if ending == "parquet" else pd.read_csv
    assert read(f"p.{ending}").columns.tolist() == ["kind"]


def test_predict_puts_columns_in_order_and_names_what_it_ignores(folder, model, capsys):
    frame = pd.read_csv("train.csv").assign(note="x")
    frame[frame.columns[::-1]].to_csv("new.csv", index=False)
    assert main(["predict", model, "new.csv", "--out", "p.csv"]) == 0
    said = capsys.readouterr().err
    assert "the model predicts are ignored: 'kind'." in said
    assert "are ignored: note" in said


def test_predict_writes_csv_to_stdout_alone(folder, model, capsys):
    main(["predict", model, "train.csv", "--out", "-"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "kind"
    assert len(lines) == 41


def test_proba_adds_a_column_per_class(folder, model, capsys):
    main(["predict", model, "train.csv", "--proba"])
    header = capsys.readouterr().out.splitlines()[0]
    assert header == "kind,probability_a,probability_b"


def test_labels_beside_probabilities_are_those_of_predict(model, capsys, monkeypatch):
    monkeypatch.setattr(FakeClassifier, "decision_weights_", np.array([1.0, 4.0]))
    main(["predict", model, "train.csv", "--proba"])
    assert {line[:6] for line in capsys.readouterr().out.splitlines()[1:]} == {"b,0.5,"}


def test_sigterm_ends_the_fit_and_saves(folder, capsys):
    before = signal.getsignal(signal.SIGTERM)
    argv = ["fit", "train.csv", "--target", "kind", "--random-state", str(SIGTERM)]
    assert main(argv) == 0
    assert "ended early by SIGTERM" in capsys.readouterr().err
    assert (folder / "model.joblib").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interrupt_that_a_library_swallowed_comes_again_after_the_trial(folder):
    argv = ["fit", "train.csv", "--target", "kind", "--random-state", str(SWALLOW)]
    assert main(argv) == 0
    assert joblib.load("model.joblib").callbacks == ()


def test_ctrl_c_before_there_is_a_model_ends_with_130(folder, capsys):
    argv = ["fit", "train.csv", "--target", "kind", "--quiet", "--random-state"]
    assert main([*argv, str(CTRL_C)]) == 130
    assert capsys.readouterr().err.count("\n") == 1
    assert not (folder / "model.joblib").exists()


@pytest.fixture
def dump(monkeypatch):
    """Return a function that has something happen when half the model is written."""
    real = joblib.dump

    def then(happen):
        def dump(model, path, **keywords):
            Path(path).write_bytes(b"half a mod")
            happen()
            real(model, path, **keywords)

        monkeypatch.setattr("automodel.cli.commands.joblib.dump", dump)

    return then


FIT = ["fit", "train.csv", "--target", "kind", "--quiet"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_while_the_model_is_saved_comes_after_it(folder, dump, number, code):
    before = signal.getsignal(number)
    dump(lambda: os.kill(os.getpid(), number))
    assert main(FIT) == code
    assert joblib.load("model.joblib").target_name_ == "kind"
    assert signal.getsignal(number) is before


def test_a_second_signal_while_the_model_is_saved_ends_that(folder, dump):
    def twice():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)

    dump(twice)
    assert main(FIT) == 130
    assert [path.name for path in folder.iterdir()] == ["train.csv"]


def test_a_save_that_fails_leaves_the_old_model(folder, dump, capsys):
    def fill():
        raise OSError(28, "No space left on device")

    (folder / "model.joblib").write_bytes(b"an old model")
    dump(fill)
    text = error_of(capsys, FIT)
    assert "model.joblib cannot be written: No space left on device" in text
    assert (folder / "model.joblib").read_bytes() == b"an old model"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["model.joblib", "train.csv"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("fit nowhere.csv --target y", "there is no file nowhere.csv"),
        ("fit . --target y", "is a folder, which has no columns"),
        ("fit train.csv --target Kind", "Did you mean 'kind'?"),
        ("fit train.csv --target knd", "Did you mean 'kind'?"),
        ("fit train.csv --target kind --drop colr", "Did you mean 'colour'?"),
        ("fit train.csv --target kind --groups kind", "only one role"),
        ("fit train.csv --target kind --weight colour", "must be numbers of at"),
        ("fit train.csv --target kind --out no/where.joblib", "no folder no"),
        ("fit train.csv --target kind --out .", "is a folder"),
        ("fit train.csv --target kind --families lineer", "'lineer'"),
        ("fit train.csv --target kind --scoring accurcy", "Did you mean 'accuracy'?"),
        ("fit train.csv --target grade --scoring roc_auc", "'roc_auc_ovr'"),
        ("fit train.csv --target kind --task regression", "holds 'a'"),
        ("fit train.csv --target kind --time-budget -1", "above 0, got '-1'"),
        ("fit train.csv --target kind --n-trials 0", "at least 1, got '0'"),
        ("fit train.csv --target kind --cv 1", "at least 2"),
        ("fit train.csv", "--target"),
        ("fat train.csv", "invalid choice: 'fat'"),
        ("predict nowhere.joblib train.csv", "there is no file nowhere.joblib"),
        ("predict train.csv train.csv", "is not a model file"),
    ],
)
def test_bad_use_gets_one_line_that_names_the_cause(folder, capsys, argv, words):
    assert words in error_of(capsys, argv.split())
    assert _FakeAuto.calls == []


def test_what_fit_refuses_gets_one_line(folder, capsys):
    argv = ["fit", "train.csv", "--target", "kind", "--quiet", "--random-state"]
    text = error_of(capsys, [*argv, str(REFUSE)])
    assert text == "automodel: error: the data are odd\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"x,y\n", "holds no rows"),
        (b"x,y,x\n1,a,2\n", "names 'x' more than once"),
        (b"x,y\n1,a\n2,a\n", "only one class, 'a'"),
        (b"x,y\n1,\n2,\n", "missing in all rows"),
        (b"y\n1\n2\n", "no columns left"),
        (b"x;y\n1;2\n", "not separated by commas"),
        (b"x,y\n\xff\xfe\xe9,2\n", "not text in UTF-8"),
        (b"x,y\n1,2\n1,2,3,4\n", "cannot be read as a table"),
        (b"x,y\n1,2,3\n3,4,5\n", "more values in its lines than names"),
    ],
)
def test_a_bad_table_gets_one_line(folder, capsys, content, words):
    (folder / "bad.csv").write_bytes(content)
    assert words in error_of(capsys, ["fit", "bad.csv", "--target", "y"])


@pytest.mark.parametrize("name", ["bad.csv.gz", "bad.parquet"])
def test_a_broken_container_gets_one_line(folder, capsys, name):
    whole = gzip.compress(b"x,y\n" + b"1,2\n" * 9999)
    (folder / name).write_bytes(whole[:40])
    assert "cannot be read" in error_of(capsys, ["fit", name, "--target", "y"])


def test_parquet_without_pyarrow_names_the_pip_command(folder, capsys, monkeypatch):
    (folder / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    text = error_of(capsys, ["fit", "t.parquet", "--target", "y"])
    assert "pip install pyarrow" in text


def test_a_byte_order_mark_is_no_part_of_the_first_name(folder):
    frame = pd.read_csv("train.csv")[["kind", "size"]]
    frame.to_csv("t.csv", index=False, encoding="utf-8-sig")
    assert main(["fit", "t.csv", "--target", "kind"]) == 0


def test_a_comma_at_the_end_of_each_line_shifts_nothing(folder):
    Path("t.csv").write_text("x,y,z\n1,a,2,\n3,b,4,\n")
    main(["fit", "t.csv", "--target", "y"])
    assert last_call()[1].X.to_dict("list") == {"x": [1, 3], "z": [2, 4]}


def test_missing_columns_are_named(folder, model, capsys):
    pd.read_csv("train.csv")[["size"]].to_csv("new.csv", index=False)
    text = error_of(capsys, ["predict", model, "new.csv"])
    assert "needs: 'colour', 'price', 'grade', 'owner'" in text


def test_proba_of_a_regressor_is_an_error(folder, capsys):
    main(["fit", "train.csv", "--target", "price", "--quiet"])
    capsys.readouterr()
    text = error_of(capsys, ["predict", "model.joblib", "train.csv", "--proba"])
    assert "--proba needs a classifier" in text


def test_another_estimator_is_not_taken_for_a_model(folder, capsys):
    joblib.dump(LinearRegression(), "other.joblib")
    text = error_of(capsys, ["predict", "other.joblib", "train.csv"])
    assert "holds a LinearRegression" in text


def test_an_estimator_before_fit_is_not_taken_for_a_model(folder, capsys):
    joblib.dump(FakeClassifier(), "early.joblib")
    text = error_of(capsys, ["predict", "early.joblib", "train.csv"])
    assert "is not fitted" in text


def test_a_bad_place_for_predictions_is_found_before_the_model_is_read(folder, capsys):
    text = error_of(capsys, ["predict", "no.joblib", "no.csv", "--out", "no/p.csv"])
    assert "no folder no" in text


def test_families_lists_names_tasks_and_what_is_installed(capsys):
    assert main(["families"]) == 0
    assert capsys.readouterr().out.startswith("name")


@pytest.mark.parametrize("argv", [["--version"], ["--help"], ["fit", "--help"]])
def test_the_start_is_light(argv):
    script = (
        "import sys, runpy\n"
        f"sys.argv = ['automodel', *{argv}]\n"
        "try:\n"
        "    runpy.run_module('automodel', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "heavy = {'torch', 'optuna', 'pandas', 'numpy', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"automodel {__version__}\n"


# The package under test, also where it is not installed.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def run(*argv):
    command = [sys.executable, "-m", "automodel", *argv]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)


def test_fit_and_predict_for_real(folder):
    options = "--families linear --n-trials 2 --jobs 1 --random-state 0"
    done = run("fit", "train.csv", "--target", "grade", *options.split())
    assert done.returncode == 0, done.stderr
    assert "2/2 trials" in done.stderr
    assert "Expected score on new rows" in done.stdout
    predicted = run("predict", "model.joblib", "train.csv", "--proba")
    table = pd.read_csv(io.StringIO(predicted.stdout))
    assert table.shape == (40, 5)
    assert set(table["grade"]) <= {1, 2, 3, 4}
    assert np.allclose(table.iloc[:, 1:].sum(axis=1), 1)


def test_categories_are_read_as_in_the_file_of_fit(folder):
    """Codes of digits alone are still codes, and True beside True still a word."""
    frame = pd.read_csv("train.csv")
    frame["code"] = ["01", "02", "2A", "02"] * 10
    frame["flag"] = ["True", "False", "unknown", "False"] * 10
    frame = frame[["code", "flag", "grade"]]
    frame.to_csv("t.csv", index=False)
    frame[frame["grade"] != 3].to_csv("new.csv", index=False)
    options = "--families linear --n-trials 1 --jobs 1 --task classification"
    assert run("fit", "t.csv", "--target", "grade", *options.split()).returncode == 0
    whole, part = (
        pd.read_csv(io.StringIO(run("predict", "model.joblib", name, "--proba").stdout))
        for name in ("t.csv", "new.csv")
    )
    whole = whole[frame["grade"] != 3].reset_index(drop=True)
    pd.testing.assert_frame_equal(whole, part)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "jobs"), [(signal.SIGTERM, "2"), (signal.SIGINT, "1")]
)
def test_a_signal_during_the_search_ends_it_with_a_model(folder, number, jobs):
    code, rest = interrupted_fit(number, jobs)
    if code == -signal.SIGSEGV:
        # Of interrupts of native code in this process, one in a hundred crashes it.
        code, rest = interrupted_fit(number, jobs)
    assert code == 0, rest
    assert b"the best ensemble so far is saved" in rest
    assert run("predict", "model.joblib", "train.csv").stdout.count("\n") == 41


def interrupted_fit(number, jobs):
    """Return the exit status, and what is written to stderr after the signal."""
    options = ["--target", "kind", "--time-budget", "120", "--jobs", jobs]
    script = (
        "import faulthandler, sys\n"
        "faulthandler.enable()\n"
        "from automodel.callbacks import progress\n"
        "progress.LOG_SECONDS = 0.1\n"
        "from automodel.cli.parser import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, "fit", "train.csv", *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        env=ENVIRONMENT,
    )
    seen = b""
    while b"best" not in seen:
        byte = process.stderr.read(1)
        assert byte, seen
        seen += byte
    process.send_signal(number)
    rest = process.communicate(timeout=60)[1]
    return process.returncode, rest


@pytest.fixture
def several(folder):
    frame = pd.read_csv("train.csv")
    frame["warm"], frame["big, wide"] = [0, 1] * 20, [True, False, True, True] * 10
    frame.to_csv("several.csv", index=False)
    return frame


@pytest.mark.parametrize(
    ("targets", "expected", "words"),
    [
        ("price,size", FakeRegressor, "price,size: regression, 2 columns"),
        ("warm, price", FakeRegressor, "warm,price: regression, 2 columns"),
        ("big, wide", FakeClassifier, "big, wide: classification, 2 classes"),
    ],
)
def test_several_columns_are_learned(several, capsys, targets, expected, words):
    assert main(["fit", "several.csv", "--target", targets]) == 0
    assert type(last_call()[0]) is expected
    assert words in capsys.readouterr().err
    given = last_call()[1]
    if expected is FakeRegressor:
        assert list(given.y.columns) == words.split(":")[0].split(",")
        assert not set(given.y.columns) & set(given.X.columns)


def test_labels_of_zero_and_one_are_classification(several, capsys):
    frame = several.rename(columns={"big, wide": "big"})
    frame.loc[0, "warm"] = None
    frame.to_csv("labels.csv", index=False)
    main(["fit", "labels.csv", "--target", "warm,big"])
    text = capsys.readouterr().err
    assert "warm,big: classification, 2 labels" in text
    assert "1 of 40 rows are left out because 'warm' is missing" in text
    assert last_call()[1].y.shape == (39, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--target kind,price", "target 'kind' holds 'a'"),
        ("--target kind,price", "Encode labels as 0 and 1, or learn one column"),
        ("--target ,", "',' names no column"),
        ("--target grade,warm --task classification", "MultiOutputClassifier"),
        ("--target warm,warm", "only one role"),
        ("--target warm,pice", "Did you mean 'price'?"),
        ("--target warm,price --scoring neg_mean_poisson_deviance", "for one column"),
    ],
)
def test_several_columns_that_cannot_be_learned_are_refused(
    several, capsys, options, words
):
    assert words in error_of(capsys, ["fit", "several.csv", *options.split()])


def test_targets_that_no_row_has_together_are_refused(several, capsys):
    several.loc[::2, "price"], several.loc[1::2, "size"] = None, None
    several.to_csv("gaps.csv", index=False)
    text = error_of(capsys, ["fit", "gaps.csv", "--target", "price,size"])
    assert "no row of gaps.csv has values for all targets: 'price', 'size'" in text


def test_dates_among_several_targets_are_refused(several, capsys):
    pytest.importorskip("pyarrow")
    several["day"] = pd.date_range("2024-01-01", periods=40)
    several.to_parquet("dates.parquet")
    argv = ["fit", "dates.parquet", "--target", "price,day"]
    assert "target 'day' holds dates" in error_of(capsys, argv)


@pytest.mark.parametrize("target", ['"big, wide",price', 'price, "big, wide"'])
def test_a_name_with_a_comma_is_quoted_among_several(several, target):
    assert main(["fit", "several.csv", "--target", target]) == 0
    assert set(last_call()[1].y.columns) == {"big, wide", "price"}


def test_targets_in_the_table_of_predict_are_named_in_one_line(several, capsys):
    main(["fit", "several.csv", "--target", "price,size"])
    model = joblib.load("model.joblib")
    model.target_names_ = np.array(["price", "size"], dtype=object)
    joblib.dump(model, "named.joblib")
    main(["predict", "named.joblib", "several.csv"])
    said = capsys.readouterr().err
    assert "columns that the model predicts are ignored: 'price', 'size'." in said


def test_predictions_of_several_columns_have_their_names(several, capsys):
    main(["fit", "several.csv", "--target", "price,size"])
    model = joblib.load("model.joblib")
    model.target_names_ = np.array(["price", "size"], dtype=object)
    joblib.dump(model, "named.joblib")
    capsys.readouterr()
    main(["predict", "named.joblib", "several.csv", "--quiet"])
    assert capsys.readouterr().out.splitlines()[0] == "price,size"


def test_probabilities_of_labels_have_their_names(several, monkeypatch, capsys):
    proba = np.tile([0.7, 0.2], (40, 1))
    monkeypatch.setattr(FakeClassifier, "predict_proba", lambda self, X: proba)
    monkeypatch.setattr(
        FakeClassifier, "decision_thresholds_", np.array([0.8, 0.1]), raising=False
    )
    several["big"] = 1 - several["warm"]
    several.to_csv("labels.csv", index=False)
    main(["fit", "labels.csv", "--target", "warm,big", "--quiet"])
    model = joblib.load("model.joblib")
    model.target_names_ = np.array(["warm", "big"], dtype=object)
    joblib.dump(model, "named.joblib")
    capsys.readouterr()
    main(["predict", "named.joblib", "labels.csv", "--quiet", "--proba"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["warm,big,probability_warm,probability_big", "0,1,0.7,0.2"]


def test_several_targets_for_real(several):
    options = "--families linear --n-trials 2 --jobs 1 --random-state 0"
    several["big"] = several["price"] > 20
    several.to_csv("labels.csv", index=False)
    for targets, answers in (("warm,big", {0, 1}), ("price,size", None)):
        done = run("fit", "labels.csv", "--target", targets, *options.split())
        assert done.returncode == 0, done.stderr
        proba = ["--proba"] if answers else []
        predicted = run("predict", "model.joblib", "labels.csv", *proba)
        table = pd.read_csv(io.StringIO(predicted.stdout))
        names = targets.split(",")
        if answers:
            assert set(table[names].to_numpy().ravel()) <= answers
            names = [*names, *(f"probability_{name}" for name in names)]
        assert table.columns.tolist() == names
        assert len(table) == 40
