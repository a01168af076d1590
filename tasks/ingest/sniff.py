"""How a file nobody has described is to be read: its format, and for text its encoding, separator and decimal sign."""

from __future__ import annotations

import codecs
import csv
import gzip
import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, cast

from tasks.core.errors import RequestError
from tasks.ingest.files import FILE_SUFFIXES

SAMPLE_BYTES = 1 << 18
"""How much of a file is looked at for separator and decimal sign."""
SEPARATORS = ",;\t|"
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
KIND_NAMES = {"csv": "CSV", "parquet": "Parquet", "jsonl": "JSON-lines"}
"""Kinds of files that say enough of themselves → what people call them."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_DECIMAL_POINT = re.compile(r"[+-]?\d+\.\d+")


def reader_for(source: Path, path: str) -> dict[str, Any]:
    """The `data.reader` block for a file, or for a folder of files of one kind.

    Args:
        source: File or folder on this machine.
        path: What to write as `path`.

    Raises:
        RequestError: there is no such file, no file of a known kind, or two kinds in one folder.
    """
    first = _first_file(source)
    for kind in ("parquet", "jsonl"):
        if first.name.lower().endswith(FILE_SUFFIXES[kind]):
            return {"kind": kind, "path": path}
    encoding = encoding_of(first)
    lines = _sample(first, encoding)
    separator = "\t" if first.name.lower().endswith((".tsv", ".tsv.gz")) else separator_of(lines)
    reader: dict[str, Any] = {"kind": "csv", "path": path}
    reader |= {"separator": separator} if separator != "," else {}
    reader |= {"decimal": ","} if separator != "," and has_decimal_commas(lines, separator) else {}
    reader |= {"encoding": encoding} if encoding != "utf-8" else {}
    return reader


def encoding_of(file: Path) -> str:
    """`utf-8` where every byte fits; else what a byte order mark says, else `cp1252` or `latin-1`."""
    with _opened(file) as stream:
        start = stream.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        fits = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", "cp1252")}
        chunk = start
        while chunk:
            for name in list(fits):
                try:
                    fits[name].decode(chunk)
                except UnicodeDecodeError:
                    del fits[name]
            chunk = stream.read(1 << 20)
    # latin-1 takes any byte, so it is the last resort and never an error.
    return next(iter(fits), "latin-1")


def separator_of(lines: Iterable[str]) -> str:
    """The sign that cuts most lines into the same number of cells, more than one; a comma where none does."""
    lines = list(lines)[:200]
    best, found = 0, ","
    for separator in SEPARATORS:
        counts = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        if counts and counts[0] > 1:
            agreeing = sum(count == counts[0] for count in counts) * counts[0]
            if agreeing > best:
                best, found = agreeing, separator
    return found


def has_decimal_commas(lines: Iterable[str], separator: str) -> bool:
    """Whether numbers are written 3,14 and never 3.14."""
    cells = [cell.strip() for row in csv.reader(lines, delimiter=separator) for cell in row]
    commas = sum(_DECIMAL_COMMA.fullmatch(cell) is not None for cell in cells)
    points = sum(_DECIMAL_POINT.fullmatch(cell) is not None for cell in cells)
    return commas > points


def _first_file(source: Path) -> Path:
    if source.is_file():
        known = (*TEXT_SUFFIXES, *FILE_SUFFIXES["parquet"], *FILE_SUFFIXES["jsonl"])
        if not source.name.lower().endswith(known):
            raise RequestError(
                f"{source} is neither delimited text nor Parquet nor JSON lines, by its name.",
                remedy=f"Known endings: {', '.join(known)}.",
                code="data",
            )
        return source
    if not source.is_dir():
        raise RequestError(f"The data {source} do not exist.", remedy="Name a file or a folder.", code="data")
    files = [item for item in sorted(source.rglob("*")) if item.is_file() and not item.name.startswith(".")]
    kinds = {kind: [item for item in files if item.name.lower().endswith(FILE_SUFFIXES[kind])] for kind in KIND_NAMES}
    present = {kind: found for kind, found in kinds.items() if found}
    if len(present) != 1:
        first, second, *_ = [KIND_NAMES[kind] for kind in (present or KIND_NAMES)]
        what = f"both {first} and {second} files" if present else "no CSV, Parquet or JSON-lines file"
        raise RequestError(f"The folder {source} holds {what}.", remedy="Name one kind of file.", code="data")
    return next(iter(present.values()))[0]


def _sample(file: Path, encoding: str) -> list[str]:
    """The first lines, without the last one, which may be cut."""
    with _opened(file) as stream:
        data: bytes = stream.read(SAMPLE_BYTES)
        whole = not stream.read(1)
    text = data.decode(encoding, errors="ignore").removeprefix("\ufeff")
    lines = text.splitlines()
    return lines if whole else lines[:-1]


def _opened(file: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(file)) if file.suffix == ".gz" else file.open("rb")
