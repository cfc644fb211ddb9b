"""The page in a browser, where there is one."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from automodel import AutoClassifier
from tests.conftest import StubFamily
from tests.reporting.makers import Page, honest_of

BAD = "<script>alert(1)</script>"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
OPTIONS += ["--disable-background-networking", "--enable-logging=stderr", "--v=0"]

pytestmark = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    X = pd.DataFrame({BAD: np.arange(60.0) % 7, "b": 1.0})
    y = np.where(X[BAD] > 3, BAD, "no")
    trials = [(0.9, "report"), (0.7, "raise"), (0.6, "plain")]
    options = {"cv": 2, "n_trials": 3, "time_budget": None, "random_state": 0}
    model = AutoClassifier(families=[StubFamily(trials=trials)], **options).fit(X, y)
    model._honest = honest_of(model, X, y)
    path = tmp_path_factory.mktemp("page") / "report.html"
    model.report(path, X, y, show_examples=True)
    return path


def run(*options):
    command = [BROWSER, *OPTIONS, *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_reader_finds_the_trials_and_no_error(file):
    found = run("--dump-dom", file.as_uri())
    page = Page(found.stdout[found.stdout.index("<html") :])
    assert "script" not in page.tags
    assert BAD in page.text
    assert "the stub was told to fail" in page.text
    assert "CONSOLE" not in found.stderr


@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_can_be_drawn(file, tmp_path, width):
    picture = tmp_path / "page.png"
    run(f"--window-size={width},3000", f"--screenshot={picture}", file.as_uri())
    assert picture.stat().st_size > 10_000
