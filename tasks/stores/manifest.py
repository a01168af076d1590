"""What a dataset version consists of, as JSON: its shards, its quarantine, and which version is the newest.

    datasets/<recipe>/dataset/manifest.json    part of the version's bytes; the same content gives the same file
    datasets/<recipe>/versions/<version>.json  where each version came from and what it holds
    datasets/<recipe>/head.json                the committed version; moved last, in one step

Only the standard library is imported here: `plan` and an unchanged `run` read these files.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tasks.core.errors import GateError, RequestError
from tasks.core.home import Home

FORMAT = 1
"""Raised when the layout of a dataset's files changes."""


@dataclass(frozen=True)
class Shard:
    """One content-addressed Parquet file. `file` is relative to the dataset's folder."""

    file: str
    sha256: str
    md5: str
    """DVC's name for the same bytes."""
    rows: int
    batch: int
    """Newest batch among its rows; 0 for a quarantine."""


@dataclass(frozen=True)
class Manifest:
    """The shards of one version, oldest first; where two hold the same row id, the later row counts."""

    shards: tuple[Shard, ...]
    identity: dict[str, Any]
    """What its rows are known by (`tasks/core/rows.py`, `Identity`)."""
    rows: int
    """Rows with different row ids, quarantined ones included."""
    batches: int
    quarantine: Shard | None = None
    """Parquet file with the columns row_id and reasons; None: nothing is quarantined."""

    @property
    def files(self) -> tuple[Shard, ...]:
        """Every Parquet file of the version, each once."""
        every = (*self.shards, *((self.quarantine,) if self.quarantine else ()))
        return tuple({shard.file: shard for shard in every}.values())

    def text(self) -> str:
        """The bytes of manifest.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Candidate:
    """A dataset that is not committed: the parent's shards and the new one, which lies beside this file."""

    recipe: str
    ingest_key: str
    parent: str | None
    source: str
    manifest: Manifest


@dataclass(frozen=True)
class VersionInfo:
    """One committed dataset version and where it came from."""

    version: str
    """DVC's hash without its `.dir`."""
    parent: str | None
    ingest_key: str
    source: str
    rows: int
    """Rows that may be trained on or judged by: quarantined ones are not counted."""
    quarantined: int
    labelled: int
    """Rows, of `rows`, whose target is known; all where none is predicted."""
    batches: int
    sequence: int
    """1 for the first version of the recipe."""
    created: str
    """ISO time, UTC."""
    size: int
    """Bytes of all files."""
    manifest: Manifest
    md5s: dict[str, str] = field(default_factory=dict)
    """Every file of the version → MD5, as in DVC's listing."""


@dataclass(frozen=True)
class Head:
    """The committed version, and by which ingest it became the newest."""

    version: str
    parent: str | None
    ingest_key: str
    source: str
    rows: int


def manifest_of(values: dict[str, Any]) -> Manifest:
    """Rebuild a manifest from its JSON."""
    shards = tuple(Shard(**shard) for shard in values["shards"])
    quarantine = Shard(**values["quarantine"]) if values.get("quarantine") else None
    return Manifest(shards, values["identity"], values["rows"], values["batches"], quarantine)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a dataset that lies in a folder.

    Raises:
        GateError: it is missing or damaged.
    """
    path = folder / "manifest.json"
    try:
        return manifest_of(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GateError(
            f"{path} is missing or damaged.",
            remedy="Run again: the dataset is fetched back from DVC.",
            code="dataset_damaged",
        ) from error


def candidate_text(candidate: Candidate) -> str:
    """A candidate as JSON."""
    return json.dumps(asdict(candidate), indent=1, sort_keys=True) + "\n"


def read_candidate(path: Path) -> Candidate:
    """The candidate a JSON file describes."""
    values = json.loads(path.read_text())
    return Candidate(**(values | {"manifest": manifest_of(values["manifest"])}))


def head(home: Home, recipe: str) -> Head | None:
    """The committed version; None before the first."""
    try:
        values = json.loads((home.dataset(recipe) / "head.json").read_text())
    except FileNotFoundError:
        return None
    return Head(**values)


def versions(home: Home, recipe: str) -> list[VersionInfo]:
    """Every committed version, oldest first."""
    found = [_read_version(path) for path in (home.dataset(recipe) / "versions").glob("*.json")]
    return sorted(found, key=lambda info: (info.sequence, info.version))


def version_info(home: Home, recipe: str, version: str) -> VersionInfo:
    """One committed version, by its hash or the first digits of it.

    Raises:
        RequestError: no version, or more than one, begins so.
    """
    folder = home.dataset(recipe) / "versions"
    exact = folder / f"{version}.json"
    if version.isalnum() and exact.is_file():
        return _read_version(exact)
    known = versions(home, recipe)
    matching = [info for info in known if len(version) >= 4 and info.version.startswith(version)]
    if len(matching) == 1:
        return matching[0]
    newest = ", ".join(info.version[:12] for info in known[-3:])
    raise RequestError(
        f"'{version}' names {len(matching) or 'no'} dataset version{'s' if matching else ''} of {recipe}.",
        remedy=f"The newest are {newest}; `evergreen data list {recipe}` shows all."
        if known
        else f"There are none yet: `evergreen run {recipe} --until version` makes the first.",
        code="dataset_version",
    )


def version_text(info: VersionInfo) -> str:
    """A version's record as JSON."""
    return json.dumps(asdict(info), indent=1, sort_keys=True) + "\n"


def _read_version(path: Path) -> VersionInfo:
    values = json.loads(path.read_text())
    return VersionInfo(**(values | {"manifest": manifest_of(values["manifest"])}))
