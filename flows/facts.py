"""What is known of the world outside the recipe: the source's bytes, the dataset's head, the champion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tasks.core import results
from tasks.core.context import START
from tasks.core.errors import RequestError
from tasks.core.hashing import file_sha256
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe
from tasks.core.plan import Facts, components_of, key_of
from tasks.ingest.readers import fingerprint
from tasks.ingest.stage import ingest
from tasks.stores import datasets, outside, registry
from tasks.stores.ledger import Ledger


def gather(loaded: LoadedRecipe, home: Home, disabled: frozenset[str] = frozenset()) -> Facts:
    """Collect the facts a plan is made from, without importing pandas, DVC or MLflow.

    Raises:
        RequestError: the source's path matches nothing, or the expectation suite is absent.
        ServiceError: the registry does not answer.
    """
    name = loaded.recipe.name
    source = fingerprint(loaded.recipe.data.reader, loaded.folder)
    champion = registry.champion_version(home, name)
    versions = registry.versions(home, name)
    registered = {version.version: version.tags.get(registry.KEY, "") for version in versions}
    standing = {"champion": champion, "since": _last_move(home, name)}
    blocked = ",".join(sorted(version.version for version in versions if version.blocked))
    data: dict[str, dict[str, Any]] = {
        "ingest": {"source": source, "parent": _parent(loaded, home, source, disabled)},
        "validate": {"expectations": _suite(loaded)},
        "decide": {**standing, "blocked": blocked},
        "promote": standing,
    }
    if loaded.recipe.retraining.start_from == "champion":
        own = next((info.tags for info in versions if info.version == champion), {})
        data |= _starting_from(own.get(registry.WEIGHTS))
    package = _package_of(home, name, champion, registered)
    return Facts(data, registered, package, disabled, lambda record: outside.damage(home, record))


def before_champion(loaded: LoadedRecipe, home: Home, facts: Facts) -> Iterator[Facts]:
    """The facts as they were when the champion was trained, where a training starts from a champion's weights.

    What made the champion would otherwise be stale as soon as it has: the same data would be trained on again,
    from its own weights, in every run.
    """
    start = facts.data.get("train", {}).get(START)
    if start is None:
        return
    for record in results.every(home, loaded.recipe.name, "train"):
        if record.output["weights_sha256"] == start and START in record.components["data"]:
            yield replace(facts, data={**facts.data, **_starting_from(record.components["data"][START])})


def _starting_from(weights: str | None) -> dict[str, dict[str, Any]]:
    return {"preflight": {START: weights}, "train": {START: weights}}


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


def _last_move(home: Home, name: str) -> str | None:
    """The ledger line of the champion's last move: what was decided before it counts for nothing after it."""
    moves = Ledger(home.ledger).moves(name) if home.ledger.exists() else []
    return moves[-1].entry.hash if moves else None


def _package_of(home: Home, name: str, champion: str | None, registered: dict[str, str]) -> str | None:
    """Identity of the package result behind the champion, if this home made it."""
    if champion is None:
        return None
    for record in results.every(home, name, "package"):
        # The number alone would not do: numbers begin anew where a registered model was deleted.
        if record.output.get("version") == champion and registered.get(champion) == record.key:
            return record.identity
    return None
