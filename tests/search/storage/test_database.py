"""A search whose trials are in PostgreSQL.

`AUTOMODEL_TEST_POSTGRESQL` holds the URL of a database that the tests may fill.
"""

import os
import subprocess
import sys
import uuid

import numpy as np
import pytest

from automodel import SharedStorage
from automodel.exceptions import FitWarning
from tests.conftest import StubFamily, environment
from tests.search.storage.test_sharing import LABELS, X, agree, board, classifier, told

pytestmark = pytest.mark.slow
URL = os.environ.get("AUTOMODEL_TEST_POSTGRESQL", "")
DRIVER_URL = URL.replace("postgresql:", "postgresql+psycopg:")
FAMILY = StubFamily(modes=["sleep"], seconds=0.05)


@pytest.fixture
def name():
    """Return a study name of its own, or skip without a server."""
    if not URL:
        if os.environ.get("AUTOMODEL_TEST_SERVERS"):
            pytest.fail("AUTOMODEL_TEST_POSTGRESQL holds no URL")
        pytest.skip("AUTOMODEL_TEST_POSTGRESQL holds no URL")
    return f"test-{uuid.uuid4().hex[:12]}"


def search(tmp_path, name, **params):
    params = {"families": [FAMILY], "study_name": name, "cv": 2} | params
    return classifier(SharedStorage(URL, tmp_path), **params)


def test_a_second_fit_goes_on(tmp_path, name):
    import optuna

    search(tmp_path, name).fit(X, LABELS)
    second = search(tmp_path, name, n_trials=7, n_jobs=2).fit(X, LABELS)
    assert board(second).index.tolist() == list(range(7))
    study = optuna.load_study(study_name=f"{name}-stub", storage=DRIVER_URL)
    assert sorted(t.user_attrs["number"] for t in study.trials) == list(range(7))
    assert {t.state.name for t in study.trials} <= {"COMPLETE", "PRUNED"}


SCRIPT = """
import sys
from automodel.search.shared_trials import SharedTrials
from tests.search.storage.test_database import FAMILY, search
from tests.search.storage.test_sharing import LABELS, X

tell = SharedTrials.tell

def told(trials, number, evaluation, time_limit=None):
    "Say which trials of this process have ended: callbacks hear of all."
    tell(trials, number, evaluation, time_limit)
    value = evaluation.score if evaluation.status == "complete" else "nan"
    print("told", number, value, flush=True)

if __name__ == "__main__":
    SharedTrials.tell = told
    folder, name = sys.argv[1:]
    search(folder, name, n_trials=60, time_budget=60).fit(X, LABELS)
"""


def start(tmp_path, name):
    script = tmp_path / f"script-{uuid.uuid4().hex}.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, script, tmp_path / "arrays", name],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def test_processes_share_a_search_and_one_of_them_is_killed(tmp_path, name):
    processes = [start(tmp_path, name) for _ in range(3)]
    first = [processes[0].stdout.readline() for _ in range(3)]
    processes[0].kill()
    outputs = [first + processes[0].stdout.read().splitlines()]
    outputs += [process.stdout.read().splitlines() for process in processes[1:]]
    assert [process.wait() for process in processes] == [-9, 0, 0]
    last = search(tmp_path / "arrays", name, n_trials=60).fit(X, LABELS)
    assert board(last).index.tolist() == list(range(60))
    for lines in outputs:
        agree(board(last)["score"], told(lines))


def test_an_error_of_the_database_does_not_end_the_search(tmp_path, name):
    import sqlalchemy

    calls = []

    def cut(study, trial):
        calls.append(trial.number)
        if len(calls) == 3:
            engine = sqlalchemy.create_engine(DRIVER_URL, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                sql = f'ALTER TABLE trials RENAME TO "trials-{name}"'
                connection.execute(sqlalchemy.text(sql))

    def mend():
        engine = sqlalchemy.create_engine(DRIVER_URL, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            sql = f'ALTER TABLE "trials-{name}" RENAME TO trials'
            connection.execute(sqlalchemy.text(sql))

    try:
        with pytest.warns(FitWarning, match="could not be stored"):
            fitted = search(tmp_path, name, n_trials=8, callbacks=[cut]).fit(X, LABELS)
    finally:
        mend()
    assert len(board(fitted)) == 8
    again = search(tmp_path, name, n_trials=8).fit(X, LABELS)
    np.testing.assert_array_equal(board(fitted)["score"], board(again)["score"])


def test_an_unreachable_server_is_told_before_any_training(tmp_path):
    pytest.importorskip("psycopg")
    url = "postgresql://me:s3cret@127.0.0.1:1/none"
    with pytest.raises(Exception, match="Connection refused") as caught:
        classifier(SharedStorage(url, tmp_path)).fit(X, LABELS)
    assert "s3cret" not in str(caught.value)
