"""What is known of the world outside the recipe: the source's bytes, the dataset's head, the champion."""

from __future__ import annotations

from typing import Any

from tasks.core import results
from tasks.core.errors import RequestError
from tasks.core.hashing import file_sha256
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe
from tasks.core.plan import Facts, components_of, key_of
from tasks.ingest.readers import fingerprint
from tasks.ingest.stage import ingest
from tasks.stores import datasets, registry


def gather(loaded: LoadedRecipe, home: Home, disabled: frozenset[str] = frozenset()) -> Facts:
    """Collect the facts a plan is made from, without importing pandas, DVC or MLflow.

    Raises:
        RequestError: the source's path matches nothing, or the expectation suite is absent.
        ServiceError: the registry does not answer.
    """
    name = loaded.recipe.name
    source = fingerprint(loaded.recipe.data.reader, loaded.folder)
    champion = registry.champion_version(home, name)
    deciding: dict[str, Any] = {"champion": champion, **_standing(home, name)}
    data = {
        "ingest": {"source": source, "parent": _parent(loaded, home, source, disabled)},
        "validate": {"expectations": _suite(loaded)},
        "decide": deciding,
        "promote": {"champion": champion},
    }
    return Facts(data, _package_of(home, name, champion), disabled)


def _suite(loaded: LoadedRecipe) -> str | None:
    """Hash of the expectation suite, which the recipe names by path only."""
    named = loaded.recipe.data.expectations
    if named is None:
        return None
    path = loaded.folder / named
    if not path.is_file():
        raise RequestError(
            f"{loaded.file}: data.expectations names {path}, which does not exist.",
            remedy="Write one with `evergreen init`, or correct data.expectations.",
            code="expectations",
        )
    return file_sha256(path)


def _parent(loaded: LoadedRecipe, home: Home, source: str, disabled: frozenset[str]) -> str | None:
    """The dataset version this ingest extends.

    The head, unless the head was made by this very ingest: then its parent, so that the same source
    gives the same key again and is found in the cache.
    """
    head = datasets.head(home, loaded.recipe.name)
    if head is None:
        return None
    made_it = Facts({"ingest": {"source": source, "parent": head.parent}}, disabled=disabled)
    key = key_of("ingest", components_of(ingest, loaded, made_it, {}))
    return head.parent if key == head.ingest_key else head.version


def _standing(home: Home, name: str) -> dict[str, Any]:
    """Which versions a person has ruled out."""
    versions = registry.versions(home, name)
    blocked = sorted(version.version for version in versions if version.blocked)
    return {"blocked": ",".join(blocked)}


def _package_of(home: Home, name: str, champion: str | None) -> str | None:
    """Identity of the package result behind the champion, if this home made it."""
    if champion is None:
        return None
    for record in results.every(home, name, "package"):
        if record.output.get("version") == champion:
            return record.identity
    return None
