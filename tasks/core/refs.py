"""Parts of your own: `recipe.py:TinyNet` or `package.module:Name`, found, loaded and hashed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from tasks.core.errors import RequestError
from tasks.core.hashing import file_sha256, json_sha256


def source_file(ref: str, folder: Path) -> Path:
    """The Python file behind a reference, found without running it.

    Raises:
        RequestError: there is no such file or module.
    """
    where = ref.partition(":")[0]
    if where.endswith(".py"):
        path = (folder / where).resolve()
        if path.is_file():
            return path
        raise RequestError(
            f"The file {where} of ref '{ref}' does not exist in {folder}.",
            remedy="Create it beside recipe.yaml, or mend the ref.",
            code="ref",
        )
    try:
        spec = importlib.util.find_spec(where)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.origin:
        raise RequestError(
            f"The module {where} of ref '{ref}' cannot be found.",
            remedy="Install the package that holds it, or name a file as recipe.py:Name.",
            code="ref",
        )
    return Path(spec.origin)


def load(ref: str, folder: Path) -> Any:
    """The object a reference names. A file runs once per content, in each folder it lies in.

    Raises:
        RequestError: the file or module is absent, fails when imported, or lacks the name.
    """
    where, _, name = ref.partition(":")
    path = source_file(ref, folder)
    try:
        module = _load_file(path) if where.endswith(".py") else importlib.import_module(where)
    except Exception as error:  # a user's file may raise anything; the sentence says what and where
        raise RequestError(
            f"{path.name} of ref '{ref}' fails when it is imported: {type(error).__name__}: {error}",
            remedy=f"Mend {path}.",
            code="ref",
        ) from error
    try:
        return getattr(module, name)
    except AttributeError:
        raise RequestError(
            f"{path.name} has no '{name}', which ref '{ref}' asks for.",
            remedy=f"Define {name} in {path}, or mend the ref.",
            code="ref",
        ) from None


def _load_file(path: Path) -> Any:
    # The place counts as well: what a file reads beside itself differs where equal files lie in two folders.
    name = f"evergreen_ref_{json_sha256([str(path), file_sha256(path)])[:12]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
