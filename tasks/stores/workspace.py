"""The files of a dataset on their way into a version and out of it; every file is checked when it moves."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.errors import EvergreenError
from tasks.core.home import Home
from tasks.core.truth import has_truth
from tasks.stores import copies
from tasks.stores.manifest import Candidate, Manifest, Shard, VersionInfo, read_manifest, versions

if TYPE_CHECKING:
    import pandas as pd

TRACKED = "dataset"
"""Name of the folder DVC tracks."""
_STAGING = "staging"


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Keep other processes from committing to the same dataset; waits for its turn."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "commit.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def load_rows(folder: Path, *, quarantined: bool = False) -> pd.DataFrame:
    """The newest version of every row of the dataset in `folder`, after its bytes were checked.

    Args:
        folder: A checked-out version: manifest.json, rows/, quarantine/.
        quarantined: Whether quarantined rows are given too.

    Returns:
        Columns `row_id` (text), `batch` (int64), then the user's columns; one row per row id.

    Raises:
        GateError: a file is missing or damaged.
    """
    from tasks.stores.shards import newest_rows, read_shard

    manifest = read_manifest(folder)
    rows = newest_rows(read_shard(folder / shard.file, shard) for shard in manifest.shards)
    if manifest.quarantine is None or quarantined:
        return rows
    bad = read_shard(folder / manifest.quarantine.file, manifest.quarantine)
    return rows[~rows["row_id"].isin(bad["row_id"])].reset_index(drop=True)


def rows_of(
    home: Home, recipe: str, remote: copies.Remote, manifest: Manifest, near: Sequence[Path] = ()
) -> pd.DataFrame:
    """All rows a manifest names, wherever intact copies of its shards lie.

    Raises:
        GateError: a shard is damaged or missing everywhere.
    """
    from tasks.stores.shards import newest_rows, read_shard

    return newest_rows(read_shard(locate(home, recipe, remote, shard, near), shard) for shard in manifest.shards)


def locate(home: Home, recipe: str, remote: copies.Remote, shard: Shard, near: Sequence[Path] = ()) -> Path:
    """An intact copy of a shard: near by, in the workspace, in DVC's cache, or fetched from the remote.

    Raises:
        GateError: there is none.
    """
    root = home.dataset(recipe)
    places = [*(folder / shard.file for folder in (*near, root / TRACKED)), copies.cached(home, recipe, shard.md5)]
    for path in places:
        if copies.is_intact(path, shard.md5):
            return path
    fetched = root / _STAGING / shard.file
    copies.fetch(home, recipe, remote, shard.md5, fetched, shard.file)
    return fetched


def write_quarantine(home: Home, recipe: str, reasons: Path) -> tuple[Shard | None, Path]:
    """Turn the validator's list of bad rows into a shard; None when no row is bad.

    Args:
        home: The home.
        recipe: Name of the recipe.
        reasons: Parquet file with the columns row_id and reasons.

    Returns:
        The shard and the folder it was written below.
    """
    import pandas as pd

    from tasks.stores.shards import write_shard

    staging = home.dataset(recipe) / _STAGING
    bad = pd.read_parquet(reasons, columns=["row_id", "reasons"])
    if bad.empty:
        return None, staging
    bad = bad.astype(object).sort_values(["row_id", "reasons"]).drop_duplicates("row_id", ignore_index=True)
    return write_shard(bad, staging, "quarantine", 0), staging


def fill(home: Home, recipe: str, remote: copies.Remote, manifest: Manifest, near: Sequence[Path]) -> dict[str, str]:
    """Make the tracked folder hold exactly this manifest and its files.

    What a killed run left there is mended or removed. Files are copied in, never moved: while DVC takes
    a file into its cache there is a moment without it in the workspace.

    Returns:
        File, relative to the tracked folder → MD5.
    """
    tracked = home.dataset(recipe) / TRACKED
    wanted = {shard.file: shard for shard in manifest.files}
    for path in sorted(tracked.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir() if not any(path.iterdir()) else None
        elif path.relative_to(tracked).as_posix() not in wanted:
            path.unlink()
    for file, shard in wanted.items():
        if not copies.is_intact(tracked / file, shard.md5):
            _copy(locate(home, recipe, remote, shard, near), tracked / file, shard.md5)
    tracked.mkdir(parents=True, exist_ok=True)
    (tracked / "manifest.json").write_text(manifest.text())
    md5s = {file: shard.md5 for file, shard in wanted.items()}
    return md5s | {"manifest.json": copies.md5_of(tracked / "manifest.json")}


def describe(
    home: Home, recipe: str, version: str, candidate: Candidate, manifest: Manifest, md5s: Mapping[str, str]
) -> VersionInfo:
    """The record of a version whose files are in the tracked folder."""
    tracked = home.dataset(recipe) / TRACKED
    rows = load_rows(tracked)
    return VersionInfo(
        version=version,
        parent=candidate.parent,
        ingest_key=candidate.ingest_key,
        source=candidate.source,
        rows=len(rows),
        quarantined=manifest.rows - len(rows),
        labelled=int(has_truth(rows, manifest.identity["target"]).sum()),
        batches=manifest.batches,
        sequence=len(versions(home, recipe)) + 1,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        size=sum((tracked / file).stat().st_size for file in md5s),
        manifest=manifest,
        md5s=dict(md5s),
    )


def copy_out(home: Home, recipe: str, md5s: Mapping[str, str], target: Path) -> None:
    """Put a copy of the tracked folder at `target`, replacing what is there.

    Copies, not links: a damaged copy must not damage the dataset.
    """
    part = target.with_name(f".{target.name}.part")
    for folder in (part, target):
        shutil.rmtree(folder, ignore_errors=True)
    for file, md5 in md5s.items():
        _copy(home.dataset(recipe) / TRACKED / file, part / file, md5)
    os.replace(part, target)


def tidy(home: Home, recipe: str) -> None:
    """Remove what was only needed on the way."""
    shutil.rmtree(home.dataset(recipe) / _STAGING, ignore_errors=True)


def listing_name(md5s: Mapping[str, str]) -> str:
    """The name DVC gives the listing of these files: the MD5 of its JSON, plus `.dir`."""
    import hashlib

    entries = [{"md5": md5s[file], "relpath": file} for file in sorted(md5s)]
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _copy(source: Path, target: Path, md5: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.copyfile(source, temporary)
    if not copies.is_intact(temporary, md5):
        temporary.unlink()
        raise EvergreenError(
            f"The copy of {source} has other bytes than its source had.",
            remedy="Check the disk, then run again.",
            code="copy",
        )
    os.replace(temporary, target)
