"""The reading half of the MLflow door: aliases, versions and tags, without importing MLflow.

`import mlflow` takes seconds; a raw read of its tables or its REST interface takes milliseconds. Part of
the MLflow door (`tasks/stores/runs.py`), which offers the functions others need.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.core.hashing import file_sha256, json_sha256
from tasks.core.home import Home
from tasks.stores import rest
from tasks.stores.address import is_http, is_sqlite, select

CHAMPION = "champion"

KEY = "evergreen.key"
DATASET = "evergreen.dataset"
RECIPE = "evergreen.recipe"
CHOSEN = "evergreen.chosen"
COMMIT = "evergreen.commit"
CONTENT = "evergreen.content"
WEIGHTS = "evergreen.weights"
DECISION = "evergreen.decision"
BLOCKED = "evergreen.blocked"
BLOCKED_REASON = "evergreen.blocked_reason"
"""Tags on a model version (KEY also on runs and logged models): the stage key that made it, the dataset
version, the hashes of the resolved recipe and of what people chose in it (`tasks/core/identity.py`), the git
commit, `content_hash` of the model's files, the SHA-256 of the weights, the decision that promoted it, and why
it must not be promoted again."""

_WRITTEN_BY_LOADING = ("registered_model_meta",)


@dataclass(frozen=True)
class VersionInfo:
    """One registered model version."""

    version: str
    run_id: str
    source: str
    """What was registered: `models:/<model id>`."""
    status: str
    created: int
    """Milliseconds since 1970."""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def blocked(self) -> bool:
        """Whether a rollback has ruled this version out."""
        return self.tags.get(BLOCKED) == "true"


def champion_version(home: Home, name: str, alias: str = CHAMPION) -> str | None:
    """The version an alias points to; None where database, model or alias do not exist.

    Raises:
        ServiceError: the database or server cannot be read.
    """
    return aliases(home, name).get(alias)


def aliases(home: Home, name: str) -> dict[str, str]:
    """Alias → version of a registered model; empty where there is no such model.

    Raises:
        ServiceError: the database or server cannot be read.
    """
    if is_http(home):
        found = rest.registered_model(home.tracking_uri, name)
        return {item["alias"]: str(item["version"]) for item in found.get("aliases", [])}
    if not is_sqlite(home):
        found = _model_by_client(home, name)
        return {alias: str(number) for alias, number in found.aliases.items()} if found else {}
    rows = select(
        home, "SELECT alias, version FROM registered_model_aliases WHERE workspace = 'default' AND name = ?", name
    )
    return {alias: str(version) for alias, version in rows}


def model_tags(home: Home, name: str) -> dict[str, str]:
    """Tags of a registered model; empty where there is no such model.

    Raises:
        ServiceError: the database or server cannot be read.
    """
    if is_http(home):
        return {item["key"]: item["value"] for item in rest.registered_model(home.tracking_uri, name).get("tags", [])}
    if not is_sqlite(home):
        found = _model_by_client(home, name)
        return dict(found.tags) if found else {}
    return dict(
        select(home, "SELECT key, value FROM registered_model_tags WHERE workspace = 'default' AND name = ?", name)
    )


def versions(home: Home, name: str) -> list[VersionInfo]:
    """Every version of a registered model, oldest first.

    Raises:
        ServiceError: the database or server cannot be read.
    """
    if is_http(home):
        found = [_version_of_json(item) for item in rest.model_versions(home.tracking_uri, name)]
    elif not is_sqlite(home):
        found = _versions_by_client(home, name)
    else:
        found = _versions_by_sql(home, name)
    return sorted(found, key=lambda item: int(item.version))


def version(home: Home, name: str, number: str) -> VersionInfo | None:
    """One version of a registered model, or None.

    Raises:
        ServiceError: the database or server cannot be read.
    """
    return next((item for item in versions(home, name) if item.version == number), None)


def content_hash(folder: Path) -> str:
    """SHA-256 (hex) over the relative paths and bytes of a model's files.

    What loading a model writes beside it (MLflow's `registered_model_meta`, Python's `__pycache__`)
    does not count.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    files = {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in folder.rglob("*")
        if path.is_file() and path.name not in _WRITTEN_BY_LOADING and "__pycache__" not in path.parts
    }
    return json_sha256(files)


def _versions_by_sql(home: Home, name: str) -> list[VersionInfo]:
    tags: dict[str, dict[str, str]] = {}
    for number, key, value in select(
        home, "SELECT version, key, value FROM model_version_tags WHERE workspace = 'default' AND name = ?", name
    ):
        tags.setdefault(str(number), {})[key] = value
    rows = select(
        home,
        "SELECT version, run_id, source, status, creation_time FROM model_versions"
        " WHERE workspace = 'default' AND name = ? AND current_stage != 'Deleted_Internal'",
        name,
    )
    return [
        VersionInfo(str(number), run_id or "", source or "", status or "", int(created or 0), tags.get(str(number), {}))
        for number, run_id, source, status, created in rows
    ]


def _version_of_json(item: dict[str, Any]) -> VersionInfo:
    return VersionInfo(
        version=str(item["version"]),
        run_id=item.get("run_id", ""),
        source=item.get("source", ""),
        status=item.get("status", ""),
        created=int(item.get("creation_timestamp", 0)),
        tags={tag["key"]: tag["value"] for tag in item.get("tags", [])},
    )


def _model_by_client(home: Home, name: str) -> Any:
    """What MLflow itself reads, from a database other than SQLite."""
    from tasks.stores import tracking

    client = tracking.open_tracking(home)
    with tracking.answering(home):
        return next(iter(client.search_registered_models(f"name = '{name}'")), None)


def _versions_by_client(home: Home, name: str) -> list[VersionInfo]:
    from tasks.stores import tracking

    client = tracking.open_tracking(home)
    with tracking.answering(home):
        return [
            VersionInfo(
                str(item.version), item.run_id, item.source, item.status, item.creation_timestamp, dict(item.tags)
            )
            for item in client.search_model_versions(f"name = '{name}'", max_results=10_000)
        ]
