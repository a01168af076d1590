"""The code that travels inside a packaged model, under a name made of its content.

Two models that ship one package name, loaded in one process, collide: the second silently runs the
first one's code. So the apply half of the transforms and the chosen architecture are copied into
`evergreen_rt_<12 hex of their hash>`; same name means same code.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks import models, transforms
from tasks.core import refs
from tasks.core.errors import EvergreenError, RequestError
from tasks.core.hashing import json_sha256

ALLOWED = frozenset({"numpy", "pandas", "torch", "safetensors"}) | sys.stdlib_module_names
"""What shipped code may import beside itself."""

APPLY_HALF = ("apply", "cells", "words", "dates", "outputs", "units")
"""Modules of `tasks/transforms` that a packaged model needs."""
_MARKER = '"""Part of a packaged model; named after its content."""\n'


def runtime_files(model: Mapping[str, Any], recipe_folder: Path) -> dict[str, str]:
    """Path inside the runtime package → source, for a recipe's `model` section as plain values.

    Raises:
        RequestError: a custom architecture's file is absent, or imports what a packaged model cannot have.
    """
    files = {
        "__init__.py": _MARKER,
        "transforms/__init__.py": _MARKER,
        "models/__init__.py": _source(models.__file__),
        "models/predict.py": _beside(models.__file__, "predict.py"),
        "models/scored.py": _beside(models.__file__, "scored.py"),
        **{f"transforms/{name}.py": _beside(transforms.__file__, f"{name}.py") for name in APPLY_HALF},
    }
    if model["kind"] != "custom":
        module = models.KINDS[model["kind"]].partition(":")[0].rpartition(".")[2]
        _add_with_siblings(files, module)
    for path, source in files.items():
        _check_own(path, source, files)
    if model["kind"] == "custom":
        files["custom.py"] = _custom_source(model["ref"], recipe_folder)
    return dict(sorted(files.items()))


def runtime_name(files: Mapping[str, str]) -> str:
    """`evergreen_rt_` and the first 12 hex digits of the SHA-256 over paths and sources."""
    return f"evergreen_rt_{json_sha256({path: _sha256(source) for path, source in files.items()})[:12]}"


def write_runtime(files: Mapping[str, str], folder: Path) -> Path:
    """Write the package below `folder` and give its path."""
    package = folder / runtime_name(files)
    for path, source in files.items():
        target = package / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source, encoding="utf-8")
    return package


def foreign_imports(source: str) -> list[str]:
    """Modules that are imported absolutely, anywhere in the source, and that a packaged model does not have."""
    found = {module for _, module in _absolute_imports(ast.walk(ast.parse(source)))}
    return sorted(module for module in found if module.partition(".")[0] not in ALLOWED)


def _custom_source(ref: str, folder: Path) -> str:
    path = refs.source_file(ref, folder)
    source = _source(str(path))
    try:
        nodes = list(_run_on_import(ast.parse(source)))
    except SyntaxError as error:
        raise RequestError(
            f"{path.name} of model.ref '{ref}' is not valid Python: {error.msg} in line {error.lineno}.",
            remedy=f"Mend {path}.",
            code="ref",
        ) from None
    # Only what runs when the file is imported: a reader in the same file may import what it likes inside its body.
    for line, module in _absolute_imports(nodes):
        if module.partition(".")[0] not in ALLOWED:
            raise _cannot_ship(path, ref, line, module)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            raise _cannot_ship(path, ref, node.lineno, "." * node.level + (node.module or ""))
    return source


def _cannot_ship(path: Path, ref: str, line: int, module: str) -> RequestError:
    return RequestError(
        f"{path.name} of model.ref '{ref}' imports '{module}' in line {line}, which a packaged model does not have.",
        remedy="Use the standard library, numpy, pandas and torch in one file, or import it inside a function.",
        code="ref",
    )


def _add_with_siblings(files: dict[str, str], module: str) -> None:
    """Add a module of `models/` and, where it is one of several files, those beside it that it imports."""
    path = f"models/{module}.py"
    if path in files:
        return
    files[path] = _beside(models.__file__, f"{module}.py")
    for node in _run_on_import(ast.parse(files[path])):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            _add_with_siblings(files, node.module)


def _check_own(path: str, source: str, files: Mapping[str, str]) -> None:
    """Shipped files import allowed libraries and, when they are imported, only each other."""
    problems = foreign_imports(_without_type_checking(source))
    for node in _run_on_import(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = Path(path).parents[node.level - 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            problems += [name for name in names if (base / f"{name.replace('.', '/')}.py").as_posix() not in files]
    if problems:
        raise EvergreenError(f"{path} is shipped inside models but imports {', '.join(problems)}, which is not.")


def _run_on_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that are executed when a module is imported: not function bodies, not `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_type_checking(node):
            continue
        yield node
        yield from _run_on_import(node)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _without_type_checking(source: str) -> str:
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not _is_type_checking(node)]
    return ast.unparse(tree)


def _absolute_imports(nodes: Any) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module or ""


def _beside(file: str, name: str) -> str:
    return _source(str(Path(file).with_name(name)))


def _source(file: str | None) -> str:
    assert file is not None
    return Path(file).read_text(encoding="utf-8")


def _sha256(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()
