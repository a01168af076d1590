"""Which bytes a recipe reads, told apart without reading them as a table, and the table they hold.

Nothing heavy is imported before `read` is called: `plan` and an unchanged `run` fingerprint the source.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tasks.core import refs
from tasks.core.blocks import Custom
from tasks.core.contracts import Gate
from tasks.core.errors import GateStopped, RequestError, ServiceError
from tasks.core.features import RESERVED_COLUMNS
from tasks.core.hashing import file_sha256, json_sha256
from tasks.core.recipe import CsvReader, ParquetReader, Reader, SklearnReader

if TYPE_CHECKING:
    import pandas as pd

READER_KINDS: dict[str, str] = {
    "csv": "tasks.ingest.delimited:read_csv",
    "parquet": "tasks.ingest.columnar:read_parquet",
    "sklearn": "tasks.ingest.bundled:read_bundled",
}
"""Kind of reader → the function that reads one file (or one bundled data set)."""

FILE_SUFFIXES = {"csv": (".csv", ".csv.gz"), "parquet": (".parquet", ".pq")}
"""Which files count where `path` names a folder."""

BUNDLED_FILES = {
    "digits": "digits.csv.gz",
    "breast_cancer": "breast_cancer.csv",
    "diabetes": "diabetes_data_raw.csv.gz",
    "iris": "iris.csv",
    "wine": "wine_data.csv",
}
"""Data set of scikit-learn → the file in `sklearn/datasets/data` that holds it."""


def fingerprint(reader: Reader, recipe_folder: Path) -> str:
    """SHA-256 (hex) of everything the reader would read: names and bytes of its files.

    A custom reader is known by the bytes of its file and by its arguments. Files it reads should be named
    in `args`, relative to the recipe's folder: then their bytes count as well.

    Raises:
        RequestError: the path matches nothing, or the ref names no file.
    """
    if isinstance(reader, Custom):
        code = file_sha256(refs.source_file(reader.ref, recipe_folder))
        named = {name: file_sha256(recipe_folder / name) for name in _files_in(reader.args, recipe_folder)}
        return json_sha256({"ref": reader.ref, "code": code, "args": reader.args, "files": named})
    if isinstance(reader, SklearnReader):
        path = bundled_file(reader.name)
        return json_sha256({"name": reader.name, "bytes": file_sha256(path), "library": _library_version()})
    return json_sha256([[name, _digest(location)] for name, location in locations(reader, recipe_folder)])


def read(reader: Reader, recipe_folder: Path, *, text: Sequence[str] = (), lenient: bool = False) -> pd.DataFrame:
    """Read the whole source as one table.

    Args:
        reader: The recipe's `data.reader`.
        recipe_folder: Folder its paths start from.
        text: Columns to take as they are written (identifiers: 007 is not 7), where the format has no types.
        lenient: Join files with different columns, for a drill that switched the gate `readable` off.

    Returns:
        Rows in the order of the source, with a fresh index; every column has a dtype that Parquet keeps
        (`tasks/stores/shards.py`, `storable`).

    Raises:
        RequestError: the path matches nothing, or a custom reader cannot be loaded.
        GateStopped: gate `readable` failed: a file is empty, damaged or wrongly encoded, files have
            different columns, a column's name is used twice or reserved.
    """
    from tasks.stores.shards import joined, storable

    if isinstance(reader, Custom):
        frames = {reader.ref: _read_custom(reader, recipe_folder)}
    elif isinstance(reader, SklearnReader):
        frames = {reader.name: _function(reader.kind)(reader, bundled_file(reader.name), text)}
    else:
        sources = locations(reader, recipe_folder)
        frames = {name: _function(reader.kind)(reader, location, text) for name, location in sources}
    for name, frame in frames.items():
        _check_columns(name, [str(column) for column in frame.columns])
    if not lenient:
        _check_alike(frames)
    every = [storable(frame).reset_index(drop=True) for frame in frames.values()]
    return every[0] if len(every) == 1 else joined(every)


def locations(reader: CsvReader | ParquetReader, recipe_folder: Path) -> list[tuple[str, Path | str]]:
    """Every file the reader's path names, in the order of their names.

    A path on this machine may be a file, a folder (all files of the kind below it) or a glob; anything
    else with a scheme goes through fsspec.

    Returns:
        (name as it is hashed and shown, local path or URL); names are relative, so that the same data in
        another folder are the same data.

    Raises:
        RequestError: nothing matches, or nothing handles the URL.
    """
    path = reader.path.removeprefix("file://")
    if "://" in path:
        return _remote_locations(path)
    base = Path(path) if Path(path).is_absolute() else recipe_folder / path
    if base.is_file():
        return [(base.name, base)]
    if base.is_dir():
        found = [item for item in base.rglob("*") if item.name.endswith(FILE_SUFFIXES[reader.kind])]
        found = [item for item in found if item.is_file() and not item.name.startswith(".")]
    else:
        found = _matching(base)
    if not found:
        raise _nothing(reader.path, f"in {recipe_folder}" if not Path(path).is_absolute() else "")
    root = _common_folder(found)
    return sorted((item.relative_to(root).as_posix(), item) for item in found)


def bundled_file(name: str) -> Path:
    """The file of a bundled data set, found without importing scikit-learn.

    Raises:
        RequestError: this scikit-learn does not have it.
    """
    spec = importlib.util.find_spec("sklearn")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "datasets" / "data" / BUNDLED_FILES[name]
        if path.is_file():
            return path
    raise RequestError(
        f"data.reader.name '{name}': the installed scikit-learn does not bundle {BUNDLED_FILES[name]}.",
        remedy="Install the scikit-learn of requirements.lock.",
        code="reader",
    )


def unreadable(reason: str, **evidence: Any) -> NoReturn:
    """Stop with the gate `readable`; `reason` is one sentence that names the file or the field."""
    raise GateStopped(
        (Gate("readable", "failed", evidence={"reason": reason, **evidence}),),
        remedy="Mend the file, or correct data.reader.",
    )


def _function(kind: str) -> Any:
    module, _, name = READER_KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), name)


def _read_custom(reader: Custom, recipe_folder: Path) -> pd.DataFrame:
    import pandas as pd

    function = refs.load(reader.ref, recipe_folder)
    named = _files_in(reader.args, recipe_folder)
    # Paths in a recipe start from its folder, also those that are given to its own functions.
    arguments = {
        name: str((recipe_folder / value).resolve()) if value in named else value for name, value in reader.args.items()
    }
    try:
        frame = function(**arguments)
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything; the sentence says what and where
        unreadable(f"The reader {reader.ref} failed with {type(error).__name__}.", reader=reader.ref)
    if not isinstance(frame, pd.DataFrame):
        unreadable(f"The reader {reader.ref} gave a {type(frame).__name__} where a pandas DataFrame is needed.")
    return frame


def _check_columns(name: str, columns: list[str]) -> None:
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        unreadable(f"{name}: the column name '{twice[0]}' is used more than once.", file=name, columns=twice)
    taken = [column for column in columns if column in RESERVED_COLUMNS]
    if taken:
        unreadable(f"{name}: the column name '{taken[0]}' is reserved; rename it.", file=name, columns=taken)


def _check_alike(frames: dict[str, pd.DataFrame]) -> None:
    first, *others = frames
    expected = {str(column) for column in frames[first].columns}
    for name in others:
        columns = {str(column) for column in frames[name].columns}
        if columns != expected:
            differing = sorted(columns ^ expected)
            unreadable(
                f"{name} has other columns than {first}: '{differing[0]}' is only in one of them.",
                file=name,
                columns=differing[:20],
            )


def _matching(pattern: Path) -> list[Path]:
    import glob

    found = (Path(item) for item in glob.glob(str(pattern), recursive=True))
    return [item for item in found if item.is_file()]


def _common_folder(files: Iterable[Path]) -> Path:
    import os

    return Path(os.path.commonpath([item.parent for item in files]))


def _remote_locations(url: str) -> list[tuple[str, Path | str]]:
    import fsspec

    try:
        handler, path = fsspec.core.url_to_fs(url)
        found = sorted(handler.glob(path)) if any(sign in path for sign in "*?[") else [path]
        found = [item for item in found if _is_there(handler, item)]
    except OSError as error:
        raise ServiceError(
            f"data.reader.path '{url}' cannot be reached ({type(error).__name__}).",
            remedy="Run again when the server answers, or correct data.reader.path.",
            code="source",
        ) from error
    except (ImportError, ValueError) as error:
        raise RequestError(
            f"data.reader.path '{url}' cannot be opened: {error}.",
            remedy="Install what fsspec needs for this kind of URL, or name a local path.",
            code="reader",
        ) from error
    if not found:
        raise _nothing(url, "")
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


def _digest(location: Path | str) -> str:
    if isinstance(location, Path):
        return file_sha256(location)
    import fsspec

    digest = hashlib.sha256()
    with fsspec.open(location, "rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _files_in(arguments: dict[str, Any], folder: Path) -> list[str]:
    """Arguments of a custom reader that name files below the recipe's folder."""
    texts = (value for value in arguments.values() if isinstance(value, str) and 0 < len(value) < 1024)
    return sorted({text for text in texts if (folder / text).is_file()})


def _library_version() -> str:
    from importlib.metadata import version

    return version("scikit-learn")


def _nothing(path: str, where: str) -> RequestError:
    return RequestError(
        f"data.reader.path '{path}' matches nothing{f' {where}' if where else ''}.",
        remedy="Correct data.reader.path; it is relative to the recipe's folder.",
        code="reader",
    )
