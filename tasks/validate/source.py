"""How to read a file that came without a description: format, encoding, separator, decimal sign."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from tasks.core.errors import RequestError

DELIMITED = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
PARQUET = (".parquet", ".pq")
SEPARATORS = (",", ";", "\t", "|")
LOOKED_AT = 1 << 18
"""Bytes from the start of a file from which its separator is told."""
LINES = 200
FAR = 3
"""More steps upwards than this make a relative path harder to read than an absolute one."""


def reader_of(data: Path, out: Path) -> dict[str, Any]:
    """The recipe's `data.reader` for a data file, or for a folder of files of one format.

    Args:
        data: A .csv, .tsv (also with .gz) or .parquet file, or a folder of such.
        out: Folder the recipe will lie in; the path is written relative to it where it is near.

    Returns:
        The values of `data.reader`, with only what differs from the defaults.

    Raises:
        RequestError: no such file, another format, an empty file, or a folder without data or of two formats.
    """
    if not data.exists():
        raise _refused(f"{data} does not exist.")
    files = _files(data) if data.is_dir() else [data]
    endings = sorted({_ending(path) for path in files})
    if len(endings) > 1:
        raise _refused(f"The folder {data} holds files of more than one format: {', '.join(endings)}.")
    if endings[0] not in (*DELIMITED, *PARQUET):
        raise _refused(f"{data.name} is neither CSV, TSV nor Parquet.")
    path = _path(data, out) + (f"/*{endings[0]}" if data.is_dir() else "")
    if endings[0] in PARQUET:
        return {"kind": "parquet", "path": path}
    return {"kind": "csv", "path": path, **_dialect(files)}


def _files(folder: Path) -> list[Path]:
    known = (*DELIMITED, *PARQUET)
    found = sorted(path for path in folder.iterdir() if path.is_file() and path.name.lower().endswith(known))
    found = [path for path in found if not path.name.startswith(".")]
    if not found:
        raise _refused(f"The folder {folder} holds no .csv, .tsv or .parquet file.")
    return found


def _ending(path: Path) -> str:
    name = path.name.lower()
    found = next((ending for ending in (*DELIMITED, *PARQUET) if name.endswith(ending)), path.suffix)
    return path.name[len(path.name) - len(found) :]


def _refused(message: str) -> RequestError:
    return RequestError(message, remedy="Name a .csv, .tsv or .parquet file, or a folder of such.", code="data")


def _path(data: Path, out: Path) -> str:
    relative = Path(os.path.relpath(data.resolve(), out.resolve()))
    near = relative.parts.count("..") <= FAR
    return relative.as_posix() if near else data.resolve().as_posix()


def _dialect(files: Sequence[Path]) -> dict[str, Any]:
    if not any(path.stat().st_size for path in files):
        raise _refused(f"{files[0].name} is empty.")
    encoding = _encoding(files)
    with _opened(files[0]) as stream:
        start = stream.read(LOOKED_AT)
    text = start.decode(encoding, errors="replace")
    # The last line may be cut.
    lines = text.splitlines()[:LINES]
    lines = lines[:-1] if len(start) == LOOKED_AT and len(lines) > 1 else lines
    separator = _separator(lines)
    found: dict[str, Any] = {} if separator == "," else {"separator": separator}
    if separator != "," and _decimal_commas(lines, separator):
        found["decimal"] = ","
    return found if encoding == "utf-8" else {**found, "encoding": encoding}


def _opened(path: Path) -> BinaryIO:
    if path.name.lower().endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _encoding(files: Sequence[Path]) -> str:
    """UTF-8 where all bytes are; else what Windows writes in western Europe, which reads any byte but five."""
    fits = "utf-8"
    for path in files:
        try:
            with _opened(path) as stream:
                start = stream.read(4)
                if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    return "utf-16"
                stream.seek(0)
                for _ in io.TextIOWrapper(stream, encoding="utf-8", newline=""):
                    pass
        except UnicodeDecodeError:
            fits = "cp1252" if _decodes(path, "cp1252") else "latin-1"
        except (OSError, EOFError) as error:
            raise _refused(f"{path.name} cannot be read: {type(error).__name__}.") from error
    return fits


def _decodes(path: Path, encoding: str) -> bool:
    try:
        with _opened(path) as stream:
            stream.read().decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _separator(lines: Sequence[str]) -> str:
    """The sign that gives the header and most lines the same number of cells, the largest such number."""
    best, most = ",", 1
    for separator in SEPARATORS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        except csv.Error:
            continue
        width, count = Counter(widths).most_common(1)[0] if widths else (0, 0)
        if width > most and widths[0] == width and count >= 0.8 * len(widths):
            best, most = separator, width
    return best


def _decimal_commas(lines: Sequence[str], separator: str) -> bool:
    cells = [cell.strip() for row in csv.reader(lines[1:], delimiter=separator) for cell in row]
    commas = sum(bool(re.fullmatch(r"[+-]?\d+,\d+", cell)) for cell in cells)
    return commas > sum(bool(re.fullmatch(r"[+-]?\d+\.\d+", cell)) for cell in cells)
