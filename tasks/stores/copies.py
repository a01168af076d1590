"""Where the bytes of a dataset version lie, and how a copy is believed: only after its MD5 was recomputed.

DVC serves a corrupt cache file without a word, so every file is hashed here, each time it is taken from
the cache or the remote.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from tasks.core.errors import GateError, RequestError
from tasks.core.home import Home

REMOTE_VARIABLE = "EVERGREEN_DVC_REMOTE"
"""Environment variable with the URL of another remote than the home's own, such as s3://bucket/path."""


class Remote(Protocol):
    """The DVC remote, by the MD5s of what it holds (`<md5>.dir` for listings)."""

    def read(self, name: str, target: Path) -> bool:
        """Copy an object to `target`; False: it is not there."""

    def remove(self, name: str) -> None:
        """Delete an object if it is there."""


class FolderRemote:
    """A remote that is a folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str, target: Path) -> bool:
        """Copy an object to `target`; False: it is not there."""
        try:
            shutil.copyfile(_object(self.folder, name), target)
        except FileNotFoundError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Delete an object if it is there."""
        _object(self.folder, name).unlink(missing_ok=True)


class UrlRemote:
    """A remote behind a URL, read and mended through DVC's own file system for it."""

    def __init__(self, repository: Callable[[], AbstractContextManager[Any]]) -> None:
        self.repository = repository
        """Opens the DVC repository whose remote this is."""

    def read(self, name: str, target: Path) -> bool:
        """Copy an object to `target`; False: it is not there."""
        with self.repository() as repository:
            store = repository.cloud.get_remote_odb()
            try:
                store.fs.get_file(store.oid_to_path(name), str(target))
            except FileNotFoundError:
                return False
            return True

    def remove(self, name: str) -> None:
        """Delete an object if it is there."""
        with self.repository() as repository:
            store = repository.cloud.get_remote_odb()
            if store.fs.exists(store.oid_to_path(name)):
                store.fs.remove(store.oid_to_path(name))


def dvc_settings(home: Home, root: Path) -> str:
    """What `dvc init --no-scm` writes, plus the remote; written by us because it must be whole or absent."""
    return f"""[core]
    no_scm = True
    remote = store
    analytics = False
    check_update = False
    site_cache_dir = "{root / ".dvc" / "tmp" / "site"}"
['remote "store"']
    url = "{remote_url(home)}"
"""


def remote_url(home: Home) -> str:
    """Where the DVC remote is: the URL in the environment, else a folder of the home."""
    given = "" if home.isolated else os.environ.get(REMOTE_VARIABLE)
    return (given or str(home.remote)).removeprefix("file://")


def cached(home: Home, recipe: str, name: str) -> Path:
    """Path of an object in the recipe's DVC cache, whether or not it is there."""
    return _object(home.dataset(recipe) / ".dvc" / "cache", name)


def md5_of(path: Path) -> str:
    """MD5 (hex) of a file's bytes: what DVC calls it."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def is_intact(path: Path, name: str) -> bool:
    """Whether a file is there and has the bytes its name promises."""
    return path.is_file() and md5_of(path) == name.removesuffix(".dir")


def discard_damaged(home: Home, recipe: str, names: Iterable[str]) -> None:
    """Remove objects with wrong bytes from the cache, so that DVC takes them in again."""
    for name in names:
        path = cached(home, recipe, name)
        if path.exists() and not is_intact(path, name):
            path.unlink()


def remote_problems(remote: Remote, names: Mapping[str, str]) -> dict[str, str]:
    """Read every object back and hash it.

    Args:
        remote: Where they are.
        names: Object name → the file it holds, for the sentence.

    Returns:
        Object name → what is wrong with it; empty if all are intact.
    """
    problems = {}
    with tempfile.TemporaryDirectory(prefix="evergreen-verify-") as folder:
        for name, file in names.items():
            copy = Path(folder) / "object"
            if not remote.read(name, copy):
                problems[name] = f"{file} is missing from the remote"
            elif not is_intact(copy, name):
                problems[name] = f"{file} has other bytes in the remote than its MD5 {name} says"
    return problems


def cache_problems(home: Home, recipe: str, names: Mapping[str, str]) -> dict[str, str]:
    """The same for the cache; what is not in the cache at all is no problem, the remote has it."""
    damaged = (name for name in names if cached(home, recipe, name).exists())
    return {
        name: f"{names[name]} has other bytes in the cache than its MD5 {name} says"
        for name in damaged
        if not is_intact(cached(home, recipe, name), name)
    }


def fetch(home: Home, recipe: str, remote: Remote, name: str, target: Path, file: str) -> None:
    """Copy one object to `target` from the cache, or else from the remote, and check it.

    Raises:
        GateError: neither has it intact.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    source = cached(home, recipe, name)
    if source.is_file():
        shutil.copyfile(source, temporary)
    if not is_intact(temporary, name) and not (remote.read(name, temporary) and is_intact(temporary, name)):
        temporary.unlink(missing_ok=True)
        raise GateError(
            f"{file} (MD5 {name}) is damaged or missing both in DVC's cache and in its remote.",
            remedy=f"Restore {source} or the remote's copy from a backup.",
            code="dataset_damaged",
        )
    os.replace(temporary, target)


def listing(home: Home, recipe: str, remote: Remote, version: str) -> dict[str, str]:
    """File → MD5, from DVC's own listing of a version.

    Raises:
        GateError: the listing is damaged or missing in the cache and in the remote.
    """
    with tempfile.TemporaryDirectory(prefix="evergreen-listing-") as folder:
        copy = Path(folder) / "listing"
        fetch(home, recipe, remote, f"{version}.dir", copy, "The list of files")
        return {entry["relpath"]: entry["md5"] for entry in json.loads(copy.read_text())}


def checkout_files(home: Home, recipe: str, remote: Remote, version: str, out: Path) -> None:
    """Write every file of a version below `out`, all or none.

    Raises:
        RequestError: `out` is there and not an empty folder.
        GateError: a file is damaged or missing in the cache and in the remote.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError(
            f"The folder {out} is there already and is not empty.",
            remedy="Name a new or an empty folder with --out.",
            code="out",
        )
    files = listing(home, recipe, remote, version)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        inside = Path(folder) / "files"
        inside.mkdir()
        for file, name in files.items():
            fetch(home, recipe, remote, name, inside / file, file)
        os.replace(inside, out)


def _object(store: Path, name: str) -> Path:
    return store / "files" / "md5" / name[:2] / name[2:]
