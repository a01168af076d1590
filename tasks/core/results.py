"""The store of stage results: what each stage gave, under its key, as JSON in the home.

A record counts only while every file it names is present and intact. One file per key, written
atomically, plus `latest.json` per stage, which is what a changed key is compared with.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.core.contracts import Artifact
from tasks.core.hashing import file_sha256, json_sha256
from tasks.core.home import Home, write_atomically


@dataclass(frozen=True)
class Record:
    """One result of one stage."""

    stage: str
    key: str
    components: dict[str, Any]
    """What the key was made of: data, parameters, code, environment, inputs."""
    output: dict[str, Any]
    """The stage's contract as JSON."""
    identity: str
    """Hash that stands for this result in the keys of later stages."""
    artifacts: tuple[Artifact, ...]
    seconds: float


@dataclass(frozen=True)
class Damage:
    """The first artifact that keeps a record from being used."""

    cause: str
    """artifact_missing or artifact_damaged."""
    path: str


def artifacts_below(home: Home, folder: Path) -> tuple[Artifact, ...]:
    """Path, size and SHA-256 of every file below a stage's folder, in path order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(Artifact(home.relative(path), path.stat().st_size, file_sha256(path)) for path in files)


def identity_of(output: dict[str, Any], artifacts: tuple[Artifact, ...], fields: tuple[str, ...]) -> str:
    """Hash of what later stages depend on: the named fields, or the whole output and all files."""
    if fields:
        return json_sha256({name: output[name] for name in fields})
    return json_sha256({"output": output, "files": [[item.path, item.sha256] for item in artifacts]})


def save(home: Home, recipe: str, record: Record) -> None:
    """Store a record and make it the stage's latest."""
    folder = home.results(recipe) / record.stage
    write_atomically(folder / f"{record.key}.json", json.dumps(asdict(record), indent=1, sort_keys=True))
    _point(folder, record.key)


def touch(home: Home, recipe: str, record: Record) -> None:
    """Make a record that is used again the stage's latest."""
    _point(home.results(recipe) / record.stage, record.key)


def _point(folder: Path, key: str) -> None:
    latest = folder / "latest.json"
    text = json.dumps({"key": key})
    if not latest.is_file() or latest.read_text() != text:
        write_atomically(latest, text)


def find(home: Home, recipe: str, stage: str, key: str) -> Record | None:
    """The record under a key, whether or not its files are still intact."""
    path = home.results(recipe) / stage / f"{key}.json"
    try:
        values = json.loads(path.read_text())
        artifacts = tuple(Artifact(**item) for item in values.pop("artifacts"))
        return Record(**values, artifacts=artifacts)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        # A damaged record is worth no more than an absent one: the stage runs again.
        return None


def latest(home: Home, recipe: str, stage: str) -> Record | None:
    """The record that was stored or used last."""
    try:
        key = json.loads((home.results(recipe) / stage / "latest.json").read_text())["key"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return find(home, recipe, stage, key)


def every(home: Home, recipe: str, stage: str) -> tuple[Record, ...]:
    """All records of a stage, in the order of their keys."""
    keys = sorted(path.stem for path in (home.results(recipe) / stage).glob("*.json") if path.stem != "latest")
    return tuple(record for key in keys if (record := find(home, recipe, stage, key)) is not None)


def damage(home: Home, record: Record) -> Damage | None:
    """Recompute the hash of every file a record names; None if all are intact."""
    for artifact in record.artifacts:
        path = home.path(artifact.path)
        if not path.is_file():
            return Damage("artifact_missing", artifact.path)
        if path.stat().st_size != artifact.size or file_sha256(path) != artifact.sha256:
            return Damage("artifact_damaged", artifact.path)
    return None
