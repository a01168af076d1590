"""Which bytes a recipe reads, told apart without reading them as a table, and the table they hold.

Nothing heavy is imported before `read` is called: `plan` and an unchanged `run` fingerprint the source.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tasks.core.contracts import Gate
from tasks.core.errors import GateStopped
from tasks.core.features import RESERVED_COLUMNS
from tasks.core.sources import FileReader, Reader
from tasks.ingest.files import FILE_SUFFIXES, locations

if TYPE_CHECKING:
    import pandas as pd

READER_KINDS: dict[str, str] = {
    "csv": "tasks.ingest.delimited:read_csv",
    "parquet": "tasks.ingest.columnar:read_parquet",
    "jsonl": "tasks.ingest.lines:read_jsonl",
    "npz": "tasks.ingest.arrays:read_npz",
    "idx": "tasks.ingest.idx:read_idx",
    "image_folder": "tasks.ingest.pictures:read_image_folder",
    "sql": "tasks.ingest.database:read_sql",
    "sklearn": "tasks.ingest.bundled:read_bundled",
    "custom": "tasks.ingest.own:read_own",
}
"""Kind of reader → what reads it: `(reader, location, text)` for one file of a kind that names files by `path`,
`(reader, recipe_folder, text)` for the whole source of any other kind."""

FINGERPRINT_KINDS: dict[str, str] = {
    "csv": "tasks.ingest.files:fingerprint_files",
    "parquet": "tasks.ingest.files:fingerprint_files",
    "jsonl": "tasks.ingest.files:fingerprint_files",
    "npz": "tasks.ingest.files:fingerprint_files",
    "idx": "tasks.ingest.idx:fingerprint_idx",
    "image_folder": "tasks.ingest.pictures:fingerprint_image_folder",
    "sql": "tasks.ingest.database:fingerprint_sql",
    "sklearn": "tasks.ingest.bundled:fingerprint_bundled",
    "custom": "tasks.ingest.own:fingerprint_own",
}
"""Kind of reader → `(reader, recipe_folder)` → what its source is known by."""


def fingerprint(reader: Reader, recipe_folder: Path) -> str:
    """SHA-256 (hex) of everything the reader would read, found without reading it as a table.

    Raises:
        RequestError: the source is not there.
        ServiceError: a server that holds it does not answer.
    """
    found: str = _function(FINGERPRINT_KINDS, reader.kind)(reader, recipe_folder)
    return found


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

    function = _function(READER_KINDS, reader.kind)
    if isinstance(reader, FileReader):
        sources = locations(reader.path, FILE_SUFFIXES[reader.kind], recipe_folder)
        frames = {name: function(reader, location, text) for name, location in sources}
    else:
        frames = {_title(reader): function(reader, recipe_folder, text)}
    for name, frame in frames.items():
        _check_columns(name, [str(column) for column in frame.columns])
    if not lenient:
        _check_alike(frames)
    every = [storable(frame).reset_index(drop=True) for frame in frames.values()]
    return every[0] if len(every) == 1 else joined(every)


def unreadable(reason: str, **evidence: Any) -> NoReturn:
    """Stop with the gate `readable`; `reason` is one sentence that names the file or the field."""
    raise GateStopped(
        (Gate("readable", "failed", evidence={"reason": reason, **evidence}),),
        remedy="Mend the file, or correct data.reader.",
    )


def _title(reader: Any) -> str:
    """What messages call a source that is one table."""
    return str(getattr(reader, "ref", getattr(reader, "name", "data.reader")))


def _function(kinds: Mapping[str, str], kind: str) -> Any:
    module, _, name = kinds[kind].partition(":")
    return getattr(importlib.import_module(module), name)


def _check_columns(name: str, columns: list[str]) -> None:
    twice = sorted(column for column, times in Counter(columns).items() if times > 1)
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
