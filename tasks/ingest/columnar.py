"""Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.sources import ParquetReader
from tasks.ingest.files import file_name, opened
from tasks.ingest.readers import unreadable


def read_parquet(reader: ParquetReader, location: Path | str, text: Sequence[str]) -> pd.DataFrame:
    """Read one file; its own types stand, so `text` changes nothing.

    Raises:
        GateStopped: gate `readable` failed.
    """
    name = file_name(location)
    if isinstance(location, Path) and location.stat().st_size == 0:
        unreadable(f"{name} is empty.", file=name)
    try:
        table = _table(location)
    except (pa.ArrowException, OSError, ValueError) as error:
        unreadable(f"{name} is damaged or is not Parquet: {type(error).__name__}.", file=name)
    twice = sorted({column for column in table.column_names if table.column_names.count(column) > 1})
    if twice:
        unreadable(f"{name}: the column name '{twice[0]}' is used more than once.", file=name, columns=twice)
    frame: pd.DataFrame = table.to_pandas()
    if any(index is not None for index in frame.index.names):
        frame = frame.reset_index()  # an index that pandas stored under a name is a column of the file
    return frame.reset_index(drop=True)


def _table(location: Path | str) -> pa.Table:
    if isinstance(location, Path):
        return pq.ParquetFile(location).read()
    with opened(location) as stream:
        return pq.ParquetFile(stream).read()
