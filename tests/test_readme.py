import contextlib
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import mlflow_as_before

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
GUIDE = ROOT / "docs" / "user_guide.md"
NEEDED = {
    "detect_shapes.py": "torchvision",
    "track_mlflow.py": "mlflow",
    "track_tensorboard.py": "tensorboard",
    "watch_dashboard.py": "optuna_dashboard",
}
PLAN = ROOT / "docs" / "plan.md"
EXAMPLES = sorted(ROOT.glob("examples/*.py"))


def blocks(language, page=README):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def hurried(code):
    """Return the code with six seconds where it gives a search thirty."""
    return re.sub(r"(time_budget=|SECONDS = )30\b", r"\g<1>6", code)


@pytest.mark.slow
def test_python_blocks_run_one_after_another(monkeypatch, capsys, tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)  # a search is stored there
    namespace: dict = {}
    for block in blocks("python"):
        exec(compile(hurried(block), str(README), "exec"), namespace)
    accuracy = float(capsys.readouterr().out.splitlines()[0])
    assert accuracy > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_examples_run(path, capsys, monkeypatch, tmp_path):
    if path.name in NEEDED:
        pytest.importorskip(NEEDED[path.name])
    monkeypatch.chdir(tmp_path)  # some write files
    code = compile(hurried(path.read_text()), str(path), "exec")
    with mlflow_as_before():
        exec(code, {"__name__": "__main__", "__file__": str(path)})
    assert capsys.readouterr().out


def test_commands_are_understood_by_the_parser():
    from automodel.cli.parser import _parser

    found = blocks("console", GUIDE) + blocks("console", PLAN)
    words = [shlex.split(line)[1:] for block in found for line in block.splitlines()]
    assert len(words) == 14
    for argv in words:
        with contextlib.redirect_stderr(None):
            _parser().parse_args(argv)


@pytest.mark.parametrize("page", [README, *sorted(ROOT.glob("docs/*.md"))])
def test_links_to_files_lead_somewhere(page):
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#]+)", prose)
    missing = [
        target
        for target in targets
        if not target.startswith("http") and not (page.parent / target).exists()
    ]
    assert missing == []


@pytest.mark.slow
def test_the_blocks_about_a_modality_of_ones_own_run_one_after_another():
    text = (ROOT / "docs" / "add_a_modality.md").read_text()
    # Without a name, cloudpickle looks for the functions in all modules.
    namespace: dict = {"__name__": "add_a_modality.md"}
    n_searches = 0
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "add_a_modality.md", "exec"), namespace)
        search = namespace.pop("search", None)
        if search is not None:
            n_searches += 1
            assert list(search.leaderboard_["status"]) == ["complete"] * 4
    assert n_searches == 2


def test_the_architecture_page_names_every_file():
    text = (ROOT / "docs" / "architecture.md").read_text()
    tree = text[text.index("```text\nautomodel/") : text.index("## The direction")]
    named = Counter(re.findall(r"\w+\.py", tree))
    there = Counter(
        path.name
        for path in ROOT.glob("automodel/**/*.py")
        if path.name != "__init__.py" or path.parent.name == "automodel"
    )
    assert named - there == Counter()
    assert there - named == Counter()
    assert len(text.splitlines()) < 440


@pytest.mark.slow
def test_the_twin_of_the_loop_in_the_architecture_page_runs():
    text = (ROOT / "docs" / "architecture.md").read_text()
    [block] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    namespace: dict = {}
    exec(compile(block, "architecture.md", "exec"), namespace)
    assert namespace["proba"].shape == (569, 2)
