"""Whether what a stage left outside its own folder, a run and a stored model in MLflow, is there and intact.

Read without importing MLflow, from an SQLite store on this machine; what lies on a server is checked when it
is used.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from tasks.core.hashing import file_sha256
from tasks.core.home import Home
from tasks.core.results import Damage, Record
from tasks.stores import registry
from tasks.stores.address import is_sqlite, select


def damage(home: Home, record: Record) -> Damage | None:
    """What of a `train` or `package` result is gone from MLflow's store or was changed there; None: nothing known.

    Raises:
        ServiceError: the database cannot be read.
    """
    if not is_sqlite(home):
        return None
    if record.stage == "train":
        return _run_damage(home, record.output["run_id"])
    if record.stage == "package":
        return _model_damage(home, record)
    return None


def _run_damage(home: Home, run_id: str) -> Damage | None:
    stages = select(home, "SELECT lifecycle_stage FROM runs WHERE run_uuid = ?", run_id)
    return None if stages and stages[0][0] == "active" else Damage("artifact_missing", f"MLflow run {run_id}")


def _model_damage(home: Home, record: Record) -> Damage | None:
    model_id = record.output["model_uri"].removeprefix("models:/")
    found = select(home, "SELECT artifact_location FROM logged_models WHERE model_id = ?", model_id)
    folder = local_folder(found[0][0]) if found else None
    if not found or (folder is not None and not folder.is_dir()):
        return Damage("artifact_missing", f"stored model {model_id}")
    if folder is None or registry.content_hash(folder) == record.output["content"]:
        return None
    return _first_damaged(folder, record) or Damage("artifact_damaged", str(folder))


def _first_damaged(folder: Path, record: Record) -> Damage | None:
    """The file that differs, among those the stage itself wrote and MLflow copied."""
    places = {"package": folder / "artifacts" / "package", "code": folder / "code"}
    for artifact in record.artifacts:
        _, _, _, _, part, *rest = Path(artifact.path).parts  # work/<recipe>/package/<key>/…
        if part in places:
            stored = places[part].joinpath(*rest)
            if not stored.is_file():
                return Damage("artifact_missing", str(stored))
            if file_sha256(stored) != artifact.sha256:
                return Damage("artifact_damaged", str(stored))
    return None


def local_folder(location: str) -> Path | None:
    """The folder an artifact location names, or None where it lies on a server."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if len(parts.scheme) > 1 else Path(location)
