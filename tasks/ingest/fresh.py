"""Rows that are not in the dataset yet, for those who look at them before they are taken in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from tasks.core.errors import GateStopped, RequestError
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe
from tasks.core.sources import Reader
from tasks.ingest.files import FILE_SUFFIXES
from tasks.ingest.readers import fingerprint, read
from tasks.ingest.windows import with_windows
from tasks.stores import datasets

if TYPE_CHECKING:
    import pandas as pd


def kind_of(path: Path) -> str:
    """Which kind of reader takes a file, by its suffix.

    Raises:
        RequestError: it does not exist, is a folder, or has another suffix.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise RequestError(f"The file {path} {what}.", remedy="Name a file of rows with --data.", code="data")
    kind = next((kind for kind, suffixes in FILE_SUFFIXES.items() if path.name.endswith(suffixes)), None)
    if kind is None:
        known = ", ".join(suffix for suffixes in FILE_SUFFIXES.values() for suffix in suffixes)
        raise RequestError(f"The file {path} is of no known kind.", remedy=f"Name a file in {known}.", code="data")
    return kind


def read_file(path: Path, loaded: LoadedRecipe) -> pd.DataFrame:
    """The rows of one file, read as the recipe reads its own source where that is of the same kind.

    Raises:
        RequestError: it does not exist, has another suffix, or cannot be read.
    """
    kind = kind_of(path)
    own, whole = loaded.recipe.data.reader, path.absolute().as_posix()
    if own.kind == kind:
        return _read(own.model_copy(update={"path": whole}), loaded, str(path))
    return _read(TypeAdapter(Reader).validate_python({"kind": kind, "path": whole}), loaded, str(path))


def read_source(loaded: LoadedRecipe) -> pd.DataFrame:
    """All rows of the recipe's source as they are now.

    Raises:
        RequestError: it cannot be read.
    """
    return _read(loaded.recipe.data.reader, loaded, f"{loaded.file}, data.reader")


def source_changed(home: Home, loaded: LoadedRecipe) -> bool:
    """Whether the source's bytes are others than those the newest dataset version was made from; reads no table.

    Raises:
        RequestError: the source's path matches nothing.
    """
    head = datasets.head(home, loaded.recipe.name)
    return head is None or fingerprint(loaded.recipe.data.reader, loaded.folder) != head.source


def identified(home: Home, name: str, version: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with the ids that a dataset version gives to its own, and whether it has them.

    Where the rows lack the column that tells rows apart, none of them is taken for a known one.

    Returns:
        `frame` with `row_id` (text) and `known` (the version has the row) and `known_labelled` (with a target);
        one row per id, the last one where an id is repeated.

    Raises:
        GateError: a file of the dataset is damaged everywhere.
    """
    from tasks.core.rows import Identity, row_ids
    from tasks.core.truth import has_truth

    rows = datasets.version_rows(home, name, version)
    stored = datasets.version_info(home, name, version).manifest.identity
    identity = Identity(**(stored | {"columns": tuple(stored["columns"])}))
    if identity.id is not None and identity.id not in frame.columns:
        without = tuple(str(column) for column in frame.columns if column != identity.target)
        ids = "?" + row_ids(frame, Identity(None, identity.target, without))
    else:
        ids = row_ids(frame, identity, rows)
    labelled = rows["row_id"][has_truth(rows, identity.target)]
    found = frame.assign(row_id=ids, known=ids.isin(rows["row_id"]), known_labelled=ids.isin(labelled))
    return found.drop_duplicates("row_id", keep="last", ignore_index=True)


def _read(reader: Reader, loaded: LoadedRecipe, what: str) -> pd.DataFrame:
    data = loaded.recipe.data
    text = tuple(name for name in (data.id, getattr(data.split, "group", None)) if name is not None)
    try:
        return with_windows(read(reader, loaded.folder, text=text), data)
    except GateStopped as stopped:
        reason = next(gate.reason for gate in stopped.gates if gate.blocks)
        raise RequestError(f"{what}: {reason}", remedy=stopped.remedy, code="data") from stopped
