"""Files that a recipe names by path: where they lie, and their fingerprint.

Nothing heavy is imported for files on this machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from tasks.core.errors import RequestError, ServiceError
from tasks.core.hashing import file_sha256, json_sha256
from tasks.core.sources import FileReader

FILE_SUFFIXES = {
    "csv": (".csv", ".csv.gz"),
    "parquet": (".parquet", ".pq"),
    "jsonl": (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"),
    "npz": (".npz",),
}
"""Which files count where `path` names a folder."""


def fingerprint_files(reader: FileReader, recipe_folder: Path) -> str:
    """SHA-256 (hex) of the names and bytes of the files that `path` names.

    Raises:
        RequestError: the path matches nothing.
    """
    return fingerprint_of(locations(reader.path, FILE_SUFFIXES[reader.kind], recipe_folder))


def fingerprint_of(sources: Iterable[tuple[str, Path | str]]) -> str:
    """SHA-256 (hex) of the names and bytes of files, as `locations` gives them."""
    return json_sha256([[name, digest(location)] for name, location in sources])


def file_name(location: Path | str) -> str:
    """The last part of a path or URL, as messages show it."""
    return location.name if isinstance(location, Path) else location.rpartition("/")[2]


def locations(
    path: str, suffixes: tuple[str, ...], recipe_folder: Path, field: str = "data.reader.path"
) -> list[tuple[str, Path | str]]:
    """Every file a path of a recipe names, in the order of their names.

    A path on this machine may be a file, a folder (all files of the kind below it) or a glob; anything
    else with a scheme goes through fsspec.

    Args:
        path: As it stands in the recipe.
        suffixes: How the names of files end that count where it names a folder.
        recipe_folder: Folder that relative paths start from.
        field: The field it stands in, for messages.

    Returns:
        (name as it is hashed and shown, local path or URL); names are relative, so that the same data in
        another folder are the same data.

    Raises:
        RequestError: nothing matches, or nothing handles the URL.
    """
    written, path = path, path.removeprefix("file://")
    if "://" in path:
        return _remote_locations(path, field)
    base = Path(path) if Path(path).is_absolute() else recipe_folder / path
    if base.is_file():
        return [(base.name, base)]
    if base.is_dir():
        found = [item for item in base.rglob("*") if item.name.endswith(suffixes)]
        found = [item for item in found if item.is_file() and not item.name.startswith(".")]
    else:
        found = _matching(base)
    if not found:
        raise _nothing(field, written, f"in {recipe_folder}" if not Path(path).is_absolute() else "")
    root = _common_folder(found)
    return sorted((item.relative_to(root).as_posix(), item) for item in found)


def _matching(pattern: Path) -> list[Path]:
    import glob

    found = (Path(item) for item in glob.glob(str(pattern), recursive=True))
    return [item for item in found if item.is_file()]


def _common_folder(files: Iterable[Path]) -> Path:
    import os

    return Path(os.path.commonpath([item.parent for item in files]))


def _remote_locations(url: str, field: str) -> list[tuple[str, Path | str]]:
    import fsspec

    try:
        handler, path = fsspec.core.url_to_fs(url)
        found = sorted(handler.glob(path)) if any(sign in path for sign in "*?[") else [path]
        found = [item for item in found if _is_there(handler, item)]
    except OSError as error:
        raise ServiceError(
            f"{field} '{url}' cannot be reached ({type(error).__name__}).",
            remedy=f"Run again when the server answers, or correct {field}.",
            code="source",
        ) from error
    except (ImportError, ValueError) as error:
        raise RequestError(
            f"{field} '{url}' cannot be opened: {error}.",
            remedy="Install what fsspec needs for this kind of URL, or name a local path.",
            code="reader",
        ) from error
    if not found:
        raise _nothing(field, url, "")
    return [(item.rpartition("/")[2], handler.unstrip_protocol(item)) for item in found]


def _is_there(handler: Any, path: str) -> bool:
    """Whether a remote file exists; unlike fsspec's own answer, a server that is away is not a missing file."""
    try:
        return bool(handler.info(path)["type"] == "file")
    except FileNotFoundError as error:
        # fsspec says so of a server that refuses the connection as well, and keeps the refusal as the cause.
        if isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, FileNotFoundError):
            raise error.__cause__ from None
        return False


def opened(location: Path | str) -> AbstractContextManager[IO[bytes]]:
    """A file's bytes, wherever it lies."""
    if isinstance(location, Path):
        return location.open("rb")
    import fsspec

    remote: AbstractContextManager[IO[bytes]] = fsspec.open(location, "rb")
    return remote


def digest(location: Path | str) -> str:
    """SHA-256 (hex) of a file's bytes, wherever it lies."""
    if isinstance(location, Path):
        return file_sha256(location)
    found = hashlib.sha256()
    with opened(location) as stream:
        while chunk := stream.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def _nothing(field: str, path: str, where: str) -> RequestError:
    return RequestError(
        f"{field} '{path}' matches nothing{f' {where}' if where else ''}.",
        remedy=f"Correct {field}; it is relative to the recipe's folder.",
        code="reader",
    )
