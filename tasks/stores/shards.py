"""Rows as Parquet: a frame in, the same bytes for the same rows out, and back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.errors import GateError
from tasks.stores.manifest import Shard

_EXACT = 2**53
"""Integers beyond it are not exact as float64."""


def storable(frame: pd.DataFrame) -> pd.DataFrame:
    """Give every column a dtype that Parquet keeps and that does not depend on how the frame was made.

    Numbers kept as objects, decimals and nullable integers become plain numbers (an integer column with
    gaps becomes float, or text where float64 would lose digits); categories become their values; dates
    become ISO text; timedeltas become seconds. A column of mixed types becomes text: it cannot be
    stored otherwise, and nothing of it is lost. A column without any value becomes float.

    Returns:
        A frame with the same shape and index, column names as text.
    """
    columns = {str(name): _storable_column(frame.iloc[:, position]) for position, name in enumerate(frame.columns)}
    return pd.DataFrame(columns, index=frame.index)


def write_shard(frame: pd.DataFrame, folder: Path, below: str, batch: int) -> Shard:
    """Write rows as `<folder>/<below>/<first 16 digits of the SHA-256>.parquet`.

    Rows are put in the order of their row ids and nothing but data goes into the file, so that the same
    rows give the same bytes.

    Args:
        frame: Rows with the column `row_id`, already storable.
        folder: The dataset's folder.
        below: `rows` or `quarantine`.
        batch: Newest batch among the rows.
    """
    target = folder / below
    target.mkdir(parents=True, exist_ok=True)
    ordered = frame.sort_values("row_id", kind="stable", ignore_index=True)
    table = pa.Table.from_pandas(ordered, preserve_index=False).replace_schema_metadata(None)
    temporary = target / f".{os.getpid()}.tmp"
    pq.write_table(table, temporary, compression="zstd", compression_level=3, version="2.6")
    sha256, md5 = digests(temporary)
    path = target / f"{sha256[:16]}.parquet"
    os.replace(temporary, path)
    return Shard(f"{below}/{path.name}", sha256, md5, len(ordered), batch)


def read_shard(path: Path, shard: Shard, columns: list[str] | None = None) -> pd.DataFrame:
    """The rows of a shard, after its bytes were checked.

    Raises:
        GateError: the file is missing or its bytes are not the ones the manifest names.
    """
    if not path.is_file() or digests(path)[0] != shard.sha256:
        state = "has other bytes than its manifest says" if path.is_file() else "is missing"
        raise GateError(
            f"The shard {path} {state}.",
            remedy="Run again: the dataset is fetched back from DVC.",
            code="dataset_damaged",
        )
    frame: pd.DataFrame = pq.read_table(path, columns=columns).to_pandas()
    return frame


def newest_rows(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One frame of the newest version of each row; later frames win.

    Returns:
        Columns `row_id`, `batch`, then the user's columns in the order they first appeared.
    """
    rows = joined([pd.DataFrame({"row_id": [], "batch": []}), *frames])
    rows = storable(rows.drop_duplicates("row_id", keep="last").reset_index(drop=True))
    return rows.assign(row_id=rows["row_id"].astype(object), batch=rows["batch"].astype(np.int64))


def joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of all frames under a fresh index, storable; columns in the order they first appear."""
    order = list(dict.fromkeys(name for frame in frames for name in frame.columns))
    # Columns without any value must not decide the dtype of the whole.
    slim = [frame.drop(columns=[name for name in frame.columns if frame[name].isna().all()]) for frame in frames]
    filled = [short for short, frame in zip(slim, frames, strict=True) if len(frame)]
    if not filled:
        return storable(pd.DataFrame(columns=order))
    return storable(pd.concat(filled, ignore_index=True).reindex(columns=order))


def digests(path: Path) -> tuple[str, str]:
    """SHA-256 and MD5 (hex) of a file, read once."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            sha256.update(chunk)
            md5.update(chunk)
    return sha256.hexdigest(), md5.hexdigest()


def _storable_column(values: pd.Series) -> pd.Series:
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind == "f":
            return values.astype(np.float32) if dtype.itemsize == 2 else values
        if dtype.kind == "m":
            seconds: pd.Series = values.dt.total_seconds()
            return seconds
        if dtype.kind in "biuM":
            return values
    elif isinstance(dtype, pd.DatetimeTZDtype):
        return values
    return _plain(values.astype(object).where(values.notna(), None))


def _plain(values: pd.Series) -> pd.Series:
    """An object column as what its values are; as text where they are of several kinds."""
    present = values.dropna()
    kind = pd.api.types.infer_dtype(present, skipna=True)
    if kind == "empty":
        return pd.Series(np.nan, index=values.index, dtype=np.float64)
    if kind == "string":
        return values
    if kind == "boolean":
        return values if len(present) < len(values) else values.astype(bool)
    try:
        if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
            return _number_column(values, present, kind)
        if kind in ("datetime", "datetime64"):
            return pd.to_datetime(values)
    except (ValueError, TypeError, OverflowError):
        pass  # mixed time zones or numbers out of range: text keeps them
    if kind == "date":
        return present.map(lambda day: day.isoformat()).reindex(values.index)
    return present.map(str).reindex(values.index)


def _number_column(values: pd.Series, present: pd.Series, kind: str) -> pd.Series:
    if kind == "integer" and len(present) == len(values):
        return values.astype(np.int64)
    if kind == "integer" and present.map(abs).max() > _EXACT:
        raise OverflowError("float64 would lose digits")
    return values.astype(np.float64)
