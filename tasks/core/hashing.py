"""Hashes of files, values and code: what a cache key and a chain of evidence are made of."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
"""Folder that holds the packages `tasks` and `flows`."""

_CHUNK = 1 << 20


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text.

    Raises:
        ValueError: the value holds a NaN or an infinity, which JSON cannot say.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def json_sha256(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def code_hashes(file: Path, function: str, chosen: frozenset[str]) -> dict[str, str]:
    """Hash every project file that the stage `function` of `file` can reach by its imports.

    The closure is static: imports inside functions count as well. Two refinements keep it honest
    without making it too wide: the bodies of *other* stages declared in the same file are left out,
    and of a kind table (a dict named `…KINDS` of `kind -> "dotted.module:Name"`) only the kinds in
    `chosen` are followed (all of them where none matches, as with a kind called `auto`).

    Returns:
        Path relative to the project → SHA-256, in path order.
    """
    # Cached: the code that runs is the code this process has imported, whatever happens to the files.
    return dict(_code_hashes(file, function, chosen))


@cache
def _code_hashes(file: Path, function: str, chosen: frozenset[str]) -> tuple[tuple[str, str], ...]:
    own_source, own_tree = _without_other_stages(file, function)
    hashes = {_relative(file): hashlib.sha256(own_source.encode()).hexdigest()}
    waiting = list(_targets(own_tree, file, chosen))
    while waiting:
        path = waiting.pop()
        name = _relative(path)
        if name in hashes:
            continue
        hashes[name], tree = _parsed(path)
        waiting.extend(_targets(tree, path, chosen))
    return tuple(sorted(hashes.items()))


def _relative(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


@cache
def _parsed(path: Path) -> tuple[str, ast.Module]:
    source = path.read_bytes()
    return hashlib.sha256(source).hexdigest(), ast.parse(source)


def _without_other_stages(file: Path, function: str) -> tuple[str, ast.Module]:
    source = file.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    tree = ast.parse(source)
    kept: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name != function and _is_stage(node):
            first = min(decorator.lineno for decorator in node.decorator_list)
            for number in range(first - 1, node.end_lineno or first):
                lines[number] = ""
        else:
            kept.append(node)
    return "".join(lines), ast.Module(body=kept, type_ignores=[])


def _is_stage(node: ast.FunctionDef) -> bool:
    return any(
        isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "stage"
        for decorator in node.decorator_list
    )


def _targets(tree: ast.AST, file: Path, chosen: frozenset[str]) -> Iterator[Path]:
    """Project files that this syntax tree imports, or names in a kind table."""
    for node in ast.walk(tree):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, file)
            modules = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            modules = _kind_modules(node, chosen)
        for module in modules:
            path = _module_file(module)
            if path is not None:
                yield path


def _absolute(node: ast.ImportFrom, file: Path) -> str:
    if not node.level:
        return node.module or ""
    package = file.parent
    for _ in range(node.level - 1):
        package = package.parent
    dotted = ".".join(package.relative_to(PROJECT).parts)
    return f"{dotted}.{node.module}" if node.module else dotted


def _kind_modules(node: ast.Assign | ast.AnnAssign, chosen: frozenset[str]) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not any(isinstance(target, ast.Name) and target.id.endswith("KINDS") for target in targets):
        return []
    assert isinstance(node.value, ast.Dict)
    table = {
        key.value: value.value.partition(":")[0]
        for key, value in zip(node.value.keys, node.value.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(value, ast.Constant) and isinstance(value.value, str)
    }
    return [table[kind] for kind in table if kind in chosen] or list(table.values())


@cache
def _module_file(module: str) -> Path | None:
    if module.partition(".")[0] not in ("tasks", "flows"):
        return None
    path = PROJECT.joinpath(*module.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path / "__init__.py" if (path / "__init__.py").is_file() else None
