"""CSV and Parquet files, read and written piece by piece."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet

from tasks.core.errors import RequestError

PIECE = 50_000
"""Rows that are in memory at a time."""
SUFFIXES = (".csv", ".parquet")


def check_source(path: Path) -> None:
    """Refuse what cannot be an input.

    Raises:
        RequestError: it does not exist, is a folder, or has another suffix.
    """
    _check_suffix(path, "input")
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise RequestError(f"The input {path} {what}.", remedy="Name a CSV or Parquet file.", code="input")


def check_output(path: Path) -> None:
    """Refuse what cannot be an output.

    Raises:
        RequestError: it has another suffix, is a folder, or its folder does not exist.
    """
    _check_suffix(path, "output")
    if path.is_dir():
        raise RequestError(f"The output {path} is a folder.", remedy="Name a file with -o.", code="output")
    if not path.absolute().parent.is_dir():
        raise RequestError(
            f"The folder of the output {path} does not exist.",
            remedy=f"Create {path.absolute().parent}.",
            code="output",
        )


def whole(path: Path, reader: Mapping[str, Any], id_column: str | None) -> pd.DataFrame:
    """All rows of a file, each column of one type throughout; arguments and errors as of `pieces`."""
    return pd.concat(list(pieces(path, reader, id_column, sys.maxsize)), ignore_index=True)


def pieces(
    path: Path, reader: Mapping[str, Any], id_column: str | None, rows: int | None = None
) -> Generator[pd.DataFrame]:
    """The rows of a file, some at a time; one empty frame where there is a header and no row.

    Args:
        path: `.csv` is read with the recipe's own separator, decimal and encoding.
        reader: The recipe's reader as plain values.
        id_column: Read as text, so that leading zeros stay.
        rows: How many at a time; none: `PIECE`.

    Raises:
        RequestError: it cannot be read as what its suffix says.
    """
    size = rows or PIECE
    found = _csv(path, reader, id_column, size) if path.suffix == ".csv" else _parquet(path, min(size, PIECE))
    while True:
        try:
            frame = next(found)
        except StopIteration:
            return
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise RequestError(
                f"The input {path} cannot be read as {path.suffix[1:]}: {reason}",
                remedy="Correct the file.",
                code="input",
            ) from error
        yield frame


@contextmanager
def writer(path: Path, suffix: str) -> Iterator[Callable[[pd.DataFrame], None]]:
    """A function that adds rows to the file `path`, in the format of `suffix`.

    Raises:
        RequestError: the file cannot be written.
    """
    try:
        with _csv_writer(path) if suffix == ".csv" else _parquet_writer(path) as write:
            yield write
    except OSError as error:
        raise RequestError(
            f"{path.parent} cannot be written to: {error.strerror}.",
            remedy="Name another output with -o.",
            code="output",
        ) from error


def _check_suffix(path: Path, role: str) -> None:
    if path.suffix not in SUFFIXES:
        raise RequestError(f"The {role} {path} ends in '{path.suffix}'.", remedy="Use .csv or .parquet.", code=role)


def _csv(path: Path, reader: Mapping[str, Any], id_column: str | None, rows: int) -> Iterator[pd.DataFrame]:
    own = reader if reader["kind"] == "csv" else {}
    with pd.read_csv(
        path,
        sep=own.get("separator", ","),
        decimal=own.get("decimal", "."),
        encoding=own.get("encoding", "utf-8"),
        dtype={id_column: str} if id_column else None,
        chunksize=rows,
        low_memory=False,
    ) as found:
        yield from found


def _parquet(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    with pyarrow.parquet.ParquetFile(path) as file:
        if not file.metadata.num_rows:
            yield file.schema_arrow.empty_table().to_pandas()
        for batch in file.iter_batches(rows):
            yield batch.to_pandas()


@contextmanager
def _csv_writer(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    with path.open("w", encoding="utf-8", newline="") as stream:

        def write(frame: pd.DataFrame) -> None:
            frame.to_csv(stream, index=False, header=stream.tell() == 0)

        yield write


@contextmanager
def _parquet_writer(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    opened: list[pyarrow.parquet.ParquetWriter] = []

    def write(frame: pd.DataFrame) -> None:
        table = pyarrow.Table.from_pandas(frame, schema=opened[0].schema if opened else None, preserve_index=False)
        if not opened:
            opened.append(pyarrow.parquet.ParquetWriter(path, table.schema))
        opened[0].write_table(table)

    try:
        yield write
    finally:
        for one in opened:
            one.close()
