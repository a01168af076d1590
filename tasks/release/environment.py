"""An environment that holds a packaged model's requirements and nothing else, made in under a second.

No network and no copy: a virtual environment without pip whose packages are links to the distributions
of the running environment. The gate `servable`, the drill and the tests all use it.
"""

from __future__ import annotations

import csv
import importlib.metadata
import os
import venv
from collections.abc import Iterable
from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tasks.core.errors import RequestError

MODEL_LIBRARIES = ("mlflow", "torch", "numpy", "pandas", "safetensors")
"""All that a packaged model may import beside the standard library and its own code."""


def pinned_requirements() -> tuple[str, ...]:
    """The exact versions a packaged model asks for: those it was made with.

    A local build tag (`2.13.0+cpu`) is left out, because no index offers it under that name.
    """
    return tuple(f"{name}=={Version(importlib.metadata.version(name)).public}" for name in MODEL_LIBRARIES)


def distribution_closure(requirements: Iterable[str]) -> dict[str, Distribution]:
    """Every installed distribution these requirements need, by normalised name, found without a resolver.

    Markers are evaluated for this interpreter and extras are followed.

    Raises:
        RequestError: one of the requirements is not installed here, or in another version.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            found[name] = _installed(requirement)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting.extend(_needed(found[name], extra))
    return found


def consumer_environment(requirements: Iterable[str], folder: Path) -> Path:
    """Make a virtual environment in `folder` that can import these requirements and what they need.

    Returns:
        Path of its Python.

    Raises:
        RequestError: a requirement is not installed here in the version asked for.
    """
    distributions = distribution_closure(requirements)
    venv.EnvBuilder(with_pip=False, symlinks=True, clear=True).create(folder)
    packages = next((folder / "lib").glob("python3*")) / "site-packages"
    for distribution in distributions.values():
        _link(distribution, packages)
    return folder / "bin" / "python"


def _installed(requirement: Requirement) -> Distribution:
    try:
        distribution = importlib.metadata.distribution(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        raise RequestError(
            f"The packaged model needs {requirement}, which is not installed here.",
            remedy=f"Install it: pip install '{requirement}'.",
            code="requirements",
        ) from None
    if not requirement.specifier.contains(distribution.version, prereleases=True):
        raise RequestError(
            f"The packaged model needs {requirement}, but {distribution.version} is installed here.",
            remedy=f"Install the version it was made with: pip install '{requirement}'.",
            code="requirements",
        )
    return distribution


def _needed(distribution: Distribution, extra: str) -> list[Requirement]:
    """Requirements of one distribution that hold for this interpreter: of the bare one, or of one extra."""
    needed = []
    for text in distribution.requires or []:
        requirement = Requirement(text)
        always = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if (not extra and always) or (
            extra and not always and requirement.marker and requirement.marker.evaluate({"extra": extra})
        ):
            needed.append(requirement)
    return needed


def _link(distribution: Distribution, packages: Path) -> None:
    """Link what one distribution installed; a namespace package, shared by several, is linked file by file."""
    root = Path(str(distribution.locate_file("")))
    record = distribution.read_text("RECORD")  # read as text: building a path object per file takes five times as long
    rows = csv.reader(record.splitlines()) if record else ([str(file)] for file in distribution.files or [])
    files = [PurePosixPath(row[0]) for row in rows if row]
    inside = {file for file in files if file.parts and file.parts[0] != ".." and not file.is_absolute()}
    whole = {file.parent for file in inside if file.name == "__init__.py" or file.parts[0].endswith(".dist-info")}
    for file in inside:
        owner = next((parent for parent in reversed(file.parents[:-1]) if parent in whole), file)
        target = packages / owner
        if not target.is_symlink() and (root / owner).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(root / owner, target)
