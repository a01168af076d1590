"""Dataset versions: appended to, committed in one step, fetched back byte for byte. The only door to DVC.

    datasets/<recipe>/            a DVC repository without git, not shared with another recipe
        dataset/                  what DVC tracks: manifest.json, rows/*.parquet, quarantine/*.parquet
        versions/, head.json      see tasks/stores/manifest.py
    remote/                       the DVC remote, or the URL in EVERGREEN_DVC_REMOTE

DVC and pandas load inside the functions that need them. A crash at any point leaves the old head; a rerun
comes to the same version.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.contracts import Ingested, Validated
from tasks.core.errors import EvergreenError, RequestError, ServiceError
from tasks.core.home import Home, write_atomically
from tasks.stores import copies, workspace
from tasks.stores.manifest import (
    Candidate,
    Head,
    Manifest,
    Shard,
    VersionInfo,
    candidate_text,
    head,
    read_candidate,
    version_info,
    version_text,
    versions,
)
from tasks.stores.workspace import load_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Candidate",
    "Head",
    "Manifest",
    "Shard",
    "VersionInfo",
    "candidate_rows",
    "checkout",
    "commit",
    "head",
    "load_rows",
    "pin",
    "show",
    "verify",
    "version_info",
    "version_rows",
    "versions",
    "write_candidate",
]


def candidate_rows(home: Home, ingested: Ingested) -> pd.DataFrame:
    """All rows of a candidate, as `load_rows` gives them; nothing is left out.

    Raises:
        GateError: a shard is damaged or missing in the dataset, in DVC's cache and in its remote.
    """
    path = home.path(ingested.candidate)
    candidate = read_candidate(path)
    recipe = candidate.recipe
    return workspace.rows_of(home, recipe, _remote(home, recipe), candidate.manifest, (path.parent,))


def version_rows(home: Home, recipe: str, version: str, *, quarantined: bool = True) -> pd.DataFrame:
    """All rows of a committed version, quarantined ones included unless they are not wanted.

    Raises:
        RequestError: there is no such version.
        GateError: a shard is damaged or missing everywhere.
    """
    manifest, remote = version_info(home, recipe, version).manifest, _remote(home, recipe)
    rows = workspace.rows_of(home, recipe, remote, manifest)
    if quarantined or manifest.quarantine is None:
        return rows
    from tasks.stores.shards import read_shard

    bad = read_shard(workspace.locate(home, recipe, remote, manifest.quarantine), manifest.quarantine)
    return rows[~rows["row_id"].isin(bad["row_id"])].reset_index(drop=True)


def write_candidate(home: Home, folder: Path, candidate: Candidate) -> str:
    """Write candidate.json beside its new shard; gives its path relative to the home."""
    write_atomically(folder / "candidate.json", candidate_text(candidate))
    return home.relative(folder / "candidate.json")


def commit(home: Home, recipe: str, ingested: Ingested, validated: Validated, folder: Path) -> str:
    """Make a candidate the recipe's dataset: add it to DVC, push it, check what was pushed, move the head.

    Doing it again gives the same version and changes nothing. `folder`/dataset gets a copy of exactly
    this version.

    Returns:
        The version: DVC's hash without its `.dir`.

    Raises:
        GateError: a shard of the parent is damaged or missing everywhere.
        ServiceError: the remote does not take or give back the bytes.
    """
    path = home.path(ingested.candidate)
    candidate = read_candidate(path)
    root = home.dataset(recipe)
    with workspace.alone(root):
        quarantine, staging = workspace.write_quarantine(home, recipe, home.path(validated.quarantine))
        manifest = replace(candidate.manifest, quarantine=quarantine)
        remote = _remote(home, recipe)
        md5s = workspace.fill(home, recipe, remote, manifest, (path.parent, staging))
        version = _track(home, recipe, remote, md5s)
        record = root / "versions" / f"{version}.json"
        if not record.is_file():
            write_atomically(record, version_text(workspace.describe(home, recipe, version, candidate, manifest, md5s)))
        workspace.copy_out(home, recipe, md5s, folder / workspace.TRACKED)
        workspace.tidy(home, recipe)
        rows = version_info(home, recipe, version).rows
        newest = Head(version, candidate.parent, candidate.ingest_key, candidate.source, rows)
        if head(home, recipe) != newest:
            write_atomically(root / "head.json", json.dumps(asdict(newest), indent=1, sort_keys=True) + "\n")
    return version


def checkout(home: Home, recipe: str, version: str, out: Path) -> VersionInfo:
    """Write the files of a version below `out`, byte for byte, from DVC's cache or its remote.

    Raises:
        RequestError: there is no such version, or `out` is there and not an empty folder.
        GateError: a file is damaged or missing everywhere.
        ServiceError: the remote does not answer.
    """
    info = version_info(home, recipe, version)
    copies.checkout_files(home, recipe, _remote(home, recipe), info.version, out)
    return info


def verify(home: Home, recipe: str, version: str) -> list[str]:
    """Recompute every hash of a version, in DVC's cache and in its remote.

    Returns:
        One sentence per problem; empty: every byte can be fetched back.

    Raises:
        RequestError: there is no such version.
        ServiceError: the remote does not answer.
    """
    info = version_info(home, recipe, version)
    names = {f"{info.version}.dir": "The list of files"} | {md5: file for file, md5 in info.md5s.items()}
    remote = _remote(home, recipe)
    in_cache, in_remote = copies.cache_problems(home, recipe, names), copies.remote_problems(remote, names)
    problems = [*in_cache.values(), *in_remote.values()]
    if not problems and copies.listing(home, recipe, remote, info.version) != info.md5s:
        problems.append(f"the record of version {info.version} lists other files than DVC does")
    return problems


def show(home: Home, recipe: str, version: str, rows: int) -> list[dict[str, Any]]:
    """The first rows of a version as records of JSON values; quarantined rows are left out.

    Raises:
        RequestError: there is no such version.
        GateError: a file is damaged or missing everywhere.
    """
    with tempfile.TemporaryDirectory(prefix="evergreen-show-") as folder:
        checkout(home, recipe, version, Path(folder) / "dataset")
        frame = load_rows(Path(folder) / "dataset").head(rows)
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso", double_precision=15))
    return records


def pin(home: Home, recipe: str, recipe_folder: Path) -> Path:
    """Write DVC's pointer to the newest version into the recipe's folder, for git.

    Raises:
        RequestError: nothing has been versioned yet, or the folder cannot be written.
    """
    newest = head(home, recipe)
    if newest is None:
        raise RequestError(
            f"{recipe} has no dataset version yet.",
            remedy=f"Make the first with `evergreen run {recipe} --until version`.",
            code="dataset_version",
        )
    info = version_info(home, recipe, newest.version)
    lines = [
        "outs:",
        f"- md5: {info.version}.dir",
        f"  size: {info.size}",
        f"  nfiles: {len(info.md5s)}",
        "  hash: md5",
        f"  path: {recipe}",
    ]
    path = recipe_folder / f"{recipe}.dvc"
    try:
        write_atomically(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise RequestError(
            f"{path} cannot be written: {error.strerror}.", remedy="Make the recipe's folder writable.", code="pin"
        ) from error
    return path


def _track(home: Home, recipe: str, remote: copies.Remote, md5s: Mapping[str, str]) -> str:
    """Add the tracked folder to DVC and push it; believe neither before the bytes were read back.

    Returns:
        The version.
    """
    root = home.dataset(recipe)
    names = {workspace.listing_name(md5s): "The list of files"} | {md5: file for file, md5 in md5s.items()}
    copies.discard_damaged(home, recipe, names)
    # A pointer that a killed run left half written would be refused; DVC writes a new one.
    (root / f"{workspace.TRACKED}.dvc").unlink(missing_ok=True)
    # Locks left by a killed process whose number another has now would be waited for in vain.
    (root / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)
    with _repository(home, recipe) as repository:
        (pointer,) = repository.add(str(root / workspace.TRACKED))
        version = str(pointer.outs[0].hash_info.value).removesuffix(".dir")
        if copies.remote_problems(remote, {f"{version}.dir": "The list of files"}):
            remote.remove(f"{version}.dir")  # DVC fails on a damaged one, and trusts an intact one blindly
        repository.push()
        problems = copies.remote_problems(remote, names)
        if problems:
            # DVC does not replace an object that is there under the right name, whatever its bytes.
            for name in (*problems, f"{version}.dir"):
                remote.remove(name)
            repository.push()
            problems = copies.remote_problems(remote, names)
    if problems or f"{version}.dir" not in names:
        raise ServiceError(
            f"The DVC remote did not give back what was pushed: {next(iter(problems.values()), version)}.",
            remedy=f"Check the disk or the server behind it ({copies.remote_url(home)}), then run again.",
            code="dvc_remote",
        )
    return version


@contextmanager
def _repository(home: Home, recipe: str) -> Iterator[Any]:
    """The recipe's DVC repository, made if it is not there; its locks are waited for.

    Raises:
        ServiceError: DVC or its remote failed.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # also silences its progress bars
    root = home.dataset(recipe)
    (root / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
    settings = copies.dvc_settings(home, root)
    config = root / ".dvc" / "config"
    if not config.is_file() or config.read_text() != settings:
        write_atomically(config, settings)
    try:
        with Repo(str(root), _wait_for_lock=True) as repository:
            yield repository
    except EvergreenError:
        raise
    except Exception as error:  # behind a URL, every remote's library raises kinds of its own
        if not isinstance(error, DvcException | OSError) and "://" not in copies.remote_url(home):
            raise
        raise ServiceError(
            f"DVC could not store the dataset of {recipe} ({type(error).__name__}: {error}).",
            remedy=f"Check the disk and the remote {copies.remote_url(home)}, then run again.",
            code="dvc_remote",
        ) from error


def _remote(home: Home, recipe: str) -> copies.Remote:
    url = copies.remote_url(home)
    if "://" in url:
        return copies.UrlRemote(partial(_repository, home, recipe))
    return copies.FolderRemote(Path(url))
