"""What the code imports is what pyproject.toml asks for, and nothing is asked for that is not used."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
OURS = {"flows", "tasks"}
HELD_BACK = {
    "fastapi": "Prefect's server imports it; the cap keeps that working",
    "sqlalchemy": "Prefect's schedules run on it; the cap keeps that working",
}
"""Asked for without being imported, and why."""


def imported() -> dict[str, set[str]]:
    """Top-level module → files that import it."""
    found: dict[str, set[str]] = {}
    for path in [*ROOT.glob("flows/**/*.py"), *ROOT.glob("tasks/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [node.module]
            for name in names:
                found.setdefault(name.split(".")[0], set()).add(path.relative_to(ROOT).as_posix())
    return {name: files for name, files in found.items() if name not in OURS | set(sys.stdlib_module_names)}


def declared() -> set[str]:
    """What is always there, and what the extras add that our own code imports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in ("monitor", "lightning") for line in project["optional-dependencies"][extra]),
    ]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_every_import_is_a_declared_dependency():
    distributions = importlib.metadata.packages_distributions()
    missing = {
        name: sorted(files)
        for name, files in imported().items()
        if not {canonicalize_name(owner) for owner in distributions.get(name, [])} & declared()
    }
    assert missing == {}


def test_every_declared_dependency_is_used():
    distributions = importlib.metadata.packages_distributions()
    used = {canonicalize_name(owner) for name in imported() for owner in distributions.get(name, [])}
    assert declared() - used - set(HELD_BACK) == set()
