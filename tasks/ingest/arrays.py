"""NumPy archives: an array of inputs, an array of targets, and arrays for further columns."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.core.sources import NpzReader
from tasks.ingest.files import file_name, opened
from tasks.ingest.grids import number_columns
from tasks.ingest.readers import unreadable


def read_npz(reader: NpzReader, location: Path | str, text: Sequence[str]) -> pd.DataFrame:
    """Read one archive; its own types stand, so `text` changes nothing. Pickled arrays are refused.

    Returns:
        One row per example: the columns of the inputs, then the further columns, then the target.

    Raises:
        GateStopped: gate `readable` failed; the sentence names the file and the array.
    """
    name = file_name(location)
    wanted = (reader.inputs, *reader.columns, reader.target)
    try:
        with opened(location) as stream:
            arrays = _members(name, stream, wanted)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError) as error:
        unreadable(f"{name} is damaged or is no NumPy archive: {type(error).__name__}.", file=name)
    try:
        frame = number_columns(reader.inputs, arrays[reader.inputs])
    except ValueError as error:
        unreadable(f"{name}: the array '{reader.inputs}' {error}.", file=name, array=reader.inputs)
    further = {key: _column(name, key, arrays[key], len(frame), reader.inputs) for key in wanted[1:]}
    return pd.concat([frame, pd.DataFrame(further, index=frame.index)], axis=1)


def _members(name: str, stream: Any, wanted: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    archive = np.load(stream, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        unreadable(f"{name} is a single array, where an archive of named arrays is needed.", file=name)
    with archive:
        absent = [key for key in wanted if key not in archive.files]
        if absent:
            there = ", ".join(sorted(archive.files)) or "none"
            unreadable(f"{name} has no array '{absent[0]}' (its arrays: {there}).", file=name, arrays=absent)
        return {key: _member(name, archive, key) for key in wanted}


def _member(name: str, archive: Any, key: str) -> npt.NDArray[Any]:
    try:
        found: npt.NDArray[Any] = archive[key]
    except ValueError:  # objects would have to be unpickled, which runs whatever the file says
        unreadable(f"{name}: the array '{key}' holds Python objects or is damaged.", file=name, array=key)
    return found


def _column(name: str, key: str, values: npt.NDArray[Any], rows: int, inputs: str) -> pd.Series:
    """An array [N] or [N, 1] as a column."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        shape = list(values.shape)
        unreadable(f"{name}: the array '{key}' has the shape {shape} where [N] is needed.", file=name, array=key)
    if len(values) != rows:
        unreadable(f"{name}: '{key}' has {len(values)} values where '{inputs}' has {rows} rows.", file=name, array=key)
    if values.dtype.kind not in "biufUSM":
        unreadable(f"{name}: the array '{key}' holds {values.dtype.name}, which no column can.", file=name, array=key)
    if values.dtype.kind == "S":
        try:
            values = np.char.decode(values, "utf-8")
        except UnicodeDecodeError:
            unreadable(f"{name}: the array '{key}' is not text in UTF-8.", file=name, array=key)
    if values.dtype.kind == "U":
        return pd.Series(values.tolist(), dtype=object)
    # Not through `native`: true and false are classes here and no quantities.
    return pd.Series(values.astype(values.dtype.newbyteorder("="), copy=False))
