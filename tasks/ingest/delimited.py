"""Delimited text, read strictly: what does not fit its header is refused and not guessed at."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tasks.core.sources import CsvReader
from tasks.ingest.files import file_name
from tasks.ingest.readers import unreadable


def read_csv(reader: CsvReader, location: Path | str, text: Sequence[str]) -> pd.DataFrame:
    """Read one file.

    Args:
        reader: Separator, decimal sign and encoding.
        location: Local path or URL.
        text: Columns whose values are kept as they are written, unless all are plain whole numbers.

    Raises:
        GateStopped: gate `readable` failed.
    """
    name = file_name(location)
    try:
        with warnings.catch_warnings():
            # Rows longer than the header would otherwise lose their last cells with a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            header = _header(reader, location)
            _check_header(name, header)
            frame = pd.read_csv(
                location,
                sep=reader.separator,
                decimal=reader.decimal,
                encoding=reader.encoding,
                index_col=False,
                low_memory=False,
                dtype={column: str for column in text if column in header},
            )
    except (UnicodeError, LookupError):
        unreadable(f"{name} is not text in the encoding {reader.encoding}.", file=name)
    except pd.errors.EmptyDataError:
        unreadable(f"{name} is empty.", file=name)
    except pd.errors.ParserWarning:
        unreadable(f"{name} has rows with more cells than its header.", file=name)
    except pd.errors.ParserError as error:
        unreadable(f"{name} is not a table: {_harmless(error)}.", file=name)
    except (OSError, EOFError, ValueError) as error:
        unreadable(f"{name} cannot be read: {type(error).__name__}.", file=name)
    for column in text:
        if column in frame.columns:
            frame[column] = _whole_numbers(frame[column])
    return frame


def _header(reader: CsvReader, location: Path | str) -> list[str]:
    """The first row as it is written; pandas would rename repeated names."""
    first = pd.read_csv(
        location,
        sep=reader.separator,
        encoding=reader.encoding,
        header=None,
        nrows=1,
        dtype=str,
        keep_default_na=False,
        index_col=False,
    )
    return [str(name) for name in first.iloc[0]]


def _check_header(name: str, header: list[str]) -> None:
    if not any(header):
        unreadable(f"{name} has no header.", file=name)
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        unreadable(f"{name}: the column name '{twice[0]}' is used more than once.", file=name, columns=twice)


def _whole_numbers(values: pd.Series) -> pd.Series:
    """Identifiers as integers where every one is an integer's own spelling; as they are otherwise."""
    present = values.dropna()
    if len(present) < len(values) or not present.str.fullmatch(r"0|-?[1-9][0-9]{0,17}").all():
        return values
    return values.astype("int64") if len(values) else values


def _harmless(error: Exception) -> str:
    """What went wrong and where, without a cell's content."""
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
    if found:
        return f"line {found[2]} has {found[3]} cells where the header has {found[1]}"
    return "its quotes or separators do not match"
