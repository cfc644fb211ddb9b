"""The rules that keep the package small and its imports one-way."""

import ast
import importlib
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "automodel"
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 450
MOST_FUNCTION_LINES = 42

CORE = ("search", "training", "ensemble", "evaluation")
LIBRARY_OF_FAMILY = ("lightgbm", "xgboost", "catboost")


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def part_of(module):
    """Return the folder or file at the top of the package that a module is in."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def is_for_types_only(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports(node, *, nested):
    """Yield the modules that a tree imports, those for type hints aside."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            if child.module.split(".")[0] == "automodel":  # a name may be a module
                yield from (f"{child.module}.{alias.name}" for alias in child.names)
            else:
                yield child.module
        elif is_for_types_only(child):
            continue
        elif nested or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(child, nested=nested)


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def every_file(files):
    return pytest.mark.parametrize("path", files, ids=[name_of(f) for f in files])


def home_of(module):
    """Return the file that is imported for a dotted name; None if there is none."""
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file in FILES:
            return name_of(file)
    parent = module.rpartition(".")[0]
    return home_of(parent) if parent else None


def import_graph():
    """Return the modules that each module imports, also inside of functions."""
    graph = {}
    for path in FILES:
        own = name_of(path)
        others = {
            home_of(module)
            for module in imports(tree_of(path), nested=True)
            if module.split(".")[0] == "automodel"
        }
        graph[own] = others - {own, None, "automodel.__init__"}
    return graph


def cycle_in(graph):
    """Return the nodes of a cycle; none if there is none."""
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return error.args[1]
    return []


def test_no_files_import_each_other():
    assert cycle_in(import_graph()) == []


def test_imports_between_folders_point_one_way():
    graph = {}
    for own, others in import_graph().items():
        parts = graph.setdefault(part_of(own), set())
        parts.update(part_of(other) for other in others)
        parts.discard(part_of(own))
    graph.pop("__init__")  # it hands names on, and imports nothing until they are used
    assert cycle_in(graph) == []


def test_the_architecture_page_says_which_folder_imports_from_which():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text[text.index("## The direction of imports") :]
    said = {}
    for left, right in re.findall(r"^\| (`.*?) \| (.*?) \|$", section, re.MULTILINE):
        others = set() if right == "no other folder" else set(right.split(", "))
        said |= dict.fromkeys(re.findall(r"`(\w+)`", left), others)
        if "sampling" in said:
            break
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    folders &= {part_of(name_of(path)) for path in FILES}
    graph = {folder: set() for folder in folders}
    for own, others in import_graph().items():
        if part_of(own) in folders:
            found = {part_of(other) for other in others} & folders
            graph[part_of(own)] |= found - {part_of(own)}
    assert said == graph


@every_file(FILES)
def test_libraries_are_imported_where_they_belong(path):
    own, parts = name_of(path), path.relative_to(PACKAGE).parts
    tree = tree_of(path)
    at_import = {m.split(".")[0] for m in imports(tree, nested=False)}
    anywhere = {m.split(".")[0] for m in imports(tree, nested=True)}
    if parts[0] != "nets":
        assert not {"torch", "skorch"} & at_import, own
    if parts[0] != "search":
        assert "optuna" not in at_import, own
    for library in LIBRARY_OF_FAMILY:
        if parts != ("families", f"{library}.py"):
            assert library not in anywhere, own
        assert library not in at_import, own


BELOW_NETS = ("nets", "exceptions", "quiet", "sampling", "shared_context", "some_rows")
BELOW_NETS += ("targets",)


def test_nets_know_nothing_of_the_search():
    for path in (PACKAGE / "nets").rglob("*.py"):
        for module in imports(tree_of(path), nested=True):
            if module.startswith("automodel."):
                assert part_of(module) in BELOW_NETS, module


@every_file([f for f in FILES if f.relative_to(PACKAGE).parts[0] != "nets"])
def test_the_clock_alone_reads_the_time(path):
    if path != PACKAGE / "clock.py":
        assert "time" not in set(imports(tree_of(path), nested=True))


OF_ONE_KIND = {  # of data or target: names that the core does without
    *("ndim", "is_classification", "is_regression", "n_classes", "classes_"),
    *("iloc", "issparse", "sparse", "Table", "TableReader", "ClassTarget"),
    *("ValueTarget", "predict_proba", "DummyClassifier", "DummyRegressor"),
}


def names_of_targets():
    """Return the names of all classes of targets, but the one that may be asked for."""
    found = set()
    for path in FILES:
        if path.parent.name == "targets":
            found |= {n.name for n in tree_of(path).body if isinstance(n, ast.ClassDef)}
    return found


@every_file(
    [f for part in CORE for f in FILES if f.relative_to(PACKAGE).parts[0] == part]
)
def test_the_core_knows_no_kind_of_data_or_target(path):
    for node in ast.walk(tree_of(path)):
        name = getattr(node, "attr", None) or getattr(node, "id", None)
        assert name not in OF_ONE_KIND, (name, node.lineno)
        called = getattr(getattr(node, "func", None), "id", "")
        if called in ("isinstance", "issubclass"):
            kinds = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
            assert not kinds & names_of_targets(), node.lineno
        is_kind = isinstance(node, ast.Attribute) and node.attr == "kind"
        assert not is_kind or path.name == "prepare.py"  # where another one is refused


@every_file(FILES)
def test_files_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def functions(path):
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, kinds)]


@every_file(FILES)
def test_functions_are_short(path):
    for function in functions(path):
        first = function.body[0]  # lines of the docstring are free
        start = (
            first.lineno if ast.get_docstring(function) is None else first.end_lineno
        )
        n_lines = function.end_lineno - start + 1
        assert n_lines <= MOST_FUNCTION_LINES, function.name


def test_there_is_no_drawer_for_all_and_sundry():
    names = {path.stem for path in FILES}
    assert not names & {"utils", "helpers", "misc", "common"}


@every_file(FILES)
def test_errors_are_not_swallowed(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"bare except in line {node.lineno}"


@every_file(FILES)
def test_only_the_command_line_prints(path):
    if path.parent.name == "cli" or path.stem == "__main__":
        return
    for node in ast.walk(tree_of(path)):
        is_print = (
            isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
        )
        assert not is_print, f"print in line {node.lineno}"


@every_file(FILES)
def test_every_public_name_has_a_docstring(path):
    tree = tree_of(path)
    assert ast.get_docstring(tree) or not tree.body
    bodies = [tree.body]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bodies.append(node.body)
    is_override = "families" in path.parts  # described in families/base.py
    for body in bodies:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            if node.name.startswith("_") or (is_override and body is not tree.body):
                continue
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_the_public_names_are_there():
    import automodel

    for name in automodel.__all__:
        assert getattr(automodel, name) is not None
    assert sorted(automodel.__all__) == dir(automodel)


def test_every_module_can_be_imported_and_has_a_docstring():
    """No two of them import each other, so that their order does not matter."""
    names = [name_of(f).removesuffix(".__init__") for f in FILES]
    for name in names:
        if not name.endswith("__main__"):
            assert importlib.import_module(name).__doc__, name
