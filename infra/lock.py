"""Write requirements.lock: the exact version of everything that pyproject.toml asks for, extras included.

    .venv/bin/python infra/lock.py > requirements.lock

It reads what is installed in the running environment and keeps the closure of our requirements, so a
package nobody needs does not enter. No index, host or path is written: the lock says what, pip's own
configuration says where from.
"""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]

HEADER = """\
# Every package that `make install` installs, extras included, at the version the tests ran with.
# Made on Linux for Python 3.11 by `.venv/bin/python infra/lock.py > requirements.lock`; to move to newer
# versions: install them in .venv within the bounds of pyproject.toml, run `make test-full`, write it anew.
# On Linux the default build of torch brings its own CUDA packages, at versions torch itself fixes.
"""


def declared() -> list[Requirement]:
    """The requirements of pyproject.toml: dependencies, every extra and the build."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    lines = [*project["project"]["dependencies"], *(line for extra in extras for line in extra)]
    return [Requirement(line) for line in [*lines, *project["build-system"]["requires"]]]


def closure(requirements: Iterable[Requirement]) -> dict[str, str]:
    """Everything that must be installed for `requirements`: canonical name → installed version.

    Raises:
        importlib.metadata.PackageNotFoundError: something required is not installed.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(requirement.name, frozenset(requirement.extras)) for requirement in requirements]
    while waiting:
        name, extras = waiting.pop()
        key = (canonicalize_name(name), extras)
        if key in seen:
            continue
        seen.add(key)
        distribution = importlib.metadata.distribution(name)
        # A local label such as +cpu names one build of a release; the lock names the release.
        found[key[0]] = Version(distribution.version).public
        for line in distribution.requires or []:
            inner = Requirement(line)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras or {""}):
                waiting.append((inner.name, frozenset(inner.extras)))
    return found


def main() -> None:
    """Print the lock."""
    pins = closure(declared())
    print(HEADER + "\n".join(f"{name}=={pins[name]}" for name in sorted(pins)))  # noqa: T201 - the lock is its output


if __name__ == "__main__":
    main()
