"""The rules of the house, kept true by a machine."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*ROOT.glob("flows/**/*.py"), *ROOT.glob("tasks/**/*.py")])
TESTS = sorted(ROOT.glob("tests/**/*.py"))
STAGE_MODULES = sorted(ROOT.glob("tasks/*/stage.py"))

LONGEST_FILE = 300
SCHEMAS = {"tasks/core/contracts.py": 340}
"""Declarations one after another, without logic: looked up in, not read through."""
LONGEST_FUNCTION = 60
VAGUE_NAMES = {"utils", "helpers", "common", "misc", "tools", "base"}
LIGHT = {"tasks.stage", "tasks.core.contracts", "tasks.core.context", "tasks.core.errors", "tasks.core.recipe"}


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported_at_top(module: ast.Module) -> set[str]:
    """What runs at import: `if TYPE_CHECKING:` and function bodies do not count."""
    names: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


def test_the_import_contracts_hold():
    command = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout[-4000:]
    assert "0 broken" in result.stdout


def test_the_import_contracts_bite(tmp_path: Path):
    """A stage that imports another stage, and a door left open, are each found."""
    for folder in ("flows", "tasks"):
        for path in ROOT.glob(f"{folder}/**/*.py"):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text())
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / "tasks" / "ingest" / "trespass.py").write_text("import mlflow\nimport dvc.repo\nimport tasks.train\n")
    command = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([command, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    broken = [line for line in result.stdout.splitlines() if line.rstrip().endswith("BROKEN") or " BROKEN " in line]
    assert {"Four", "MLflow", "DVC"} <= {line.split()[0] for line in broken}


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_a_module_says_in_one_sentence_what_it_is(path: Path):
    docstring = ast.get_docstring(tree(path))
    assert docstring, f"{shown(path)} has no docstring"
    first = docstring.splitlines()[0]
    assert first[0].isupper() or first[0] in "`'\"", first
    assert first.rstrip().endswith((".", "?", ":")), f"the first line of {shown(path)} is not a sentence: {first}"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=shown)
def test_a_file_is_short_enough_to_be_read(path: Path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= SCHEMAS.get(shown(path), LONGEST_FILE), f"{shown(path)} has {lines} lines; split it by idea"


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_a_function_is_short_enough_to_be_understood(path: Path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{shown(path)}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", STAGE_MODULES, ids=shown)
def test_a_stage_can_be_declared_without_its_libraries(path: Path):
    ours = {name for name in imported_at_top(tree(path)) if name.split(".")[0] in ("tasks", "flows")}
    assert ours <= LIGHT, f"{shown(path)} imports {sorted(ours - LIGHT)} at module level"
    foreign = {name.split(".")[0] for name in imported_at_top(tree(path))} - {"tasks"} - set(sys.stdlib_module_names)
    assert foreign <= {"__future__"}, f"{shown(path)} imports {sorted(foreign)} at module level"


def test_mlflow_holds_configuration_and_no_python():
    folder = ROOT / "mlflow"
    assert folder.is_dir()
    assert list(folder.rglob("*.py")) == [], "a module in mlflow/ would shadow the library"


def test_the_library_is_what_import_mlflow_finds():
    import importlib.util

    found = importlib.util.find_spec("mlflow")
    assert found is not None
    assert "site-packages" in str(found.origin)


def test_no_module_has_a_name_that_says_nothing():
    assert [shown(path) for path in SOURCES if path.stem in VAGUE_NAMES] == []


def test_tests_have_names_of_their_own_and_no_packages():
    names = Counter(path.name for path in TESTS if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_nothing_is_left_to_do_in_the_code():
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    found = [
        f"{shown(path)}: {mark}" for path in [*SOURCES, *TESTS] for mark in marks if mark in path.read_text("utf-8")
    ]
    assert found == []


def test_nothing_is_pickled():
    found = []
    for path in SOURCES:
        for name in ("pickle", "cloudpickle", "joblib", "dill"):
            if name in {part.split(".")[0] for part in _imported_anywhere(tree(path))}:
                found.append(f"{shown(path)} imports {name}")
    assert found == []


def _imported_anywhere(module: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


def test_every_python_folder_of_tasks_is_a_package():
    missing = {shown(path.parent) for path in SOURCES if not (path.parent / "__init__.py").exists()}
    assert missing == set()


def test_the_console_script_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"evergreen": "flows.cli:main"}


def test_no_stub_stands_where_code_is_due():
    """A function whose whole body is `pass`, `...` or NotImplementedError is a stub, unless it declares a protocol."""
    stubs = []
    for path in SOURCES:
        module = tree(path)
        protocols = {
            inner
            for node in ast.walk(module)
            if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)
            for inner in ast.walk(node)
        }
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef) and node not in protocols and _is_stub(node):
                stubs.append(f"{shown(path)}: {node.name}")
    assert stubs == []


def _is_stub(function: ast.FunctionDef) -> bool:
    if any("overload" in ast.unparse(decorator) for decorator in function.decorator_list):
        return False
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return True
    text = "\n".join(ast.unparse(node) for node in body)
    return text in ("pass", "...") or text.startswith("raise NotImplementedError")
