"""JSON lines, read strictly: what is not one plain object a line is refused with its number."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.core.sources import JsonlReader
from tasks.ingest.files import file_name, opened
from tasks.ingest.readers import unreadable


class _Broken(ValueError):
    """What is wrong with a line, in words that repeat nothing of its content but a name."""


def read_jsonl(reader: JsonlReader, location: Path | str, text: Sequence[str]) -> pd.DataFrame:
    """Read one file; its own types stand, so `text` changes nothing.

    Returns:
        One row per object; columns in the order they first appear; a name that a line lacks is missing.

    Raises:
        GateStopped: gate `readable` failed; the sentence names file and line.
    """
    name = file_name(location)
    rows: list[dict[str, Any]] = []
    number = 0
    try:
        with opened(location) as stream:
            lines = gzip.GzipFile(fileobj=stream) if name.lower().endswith(".gz") else stream
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    rows.append(_object(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line))
    except _Broken as broken:
        unreadable(f"{name} line {number} {broken}.", file=name, line=number)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        unreadable(f"{name} cannot be read: {type(error).__name__}.", file=name)
    if not rows:
        unreadable(f"{name} is empty.", file=name)
    columns = dict.fromkeys(column for row in rows for column in row)
    # Objects, not yet numbers: a column with a gap would otherwise lose the digits of its whole numbers.
    cells = {column: pd.Series([row.get(column) for row in rows], dtype=object) for column in columns}
    return pd.DataFrame(cells, index=range(len(rows)))


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise _Broken("is not text in UTF-8") from None
    except _Broken:
        raise
    except (ValueError, RecursionError):
        raise _Broken("is not JSON") from None
    if not isinstance(found, _Pairs):
        raise _Broken("is no object with names and values")
    for column, value in found.items():
        if isinstance(value, dict | list):
            raise _Broken(f"has a {'list' if isinstance(value, list) else 'mapping'} under '{_shown(column)}'")
        if not (_is_storable(column) and _is_storable(value)):
            raise _Broken("holds half of a character (a lone surrogate)")
    return found


class _Pairs(dict[str, Any]):
    """An object whose names differ."""


def _pairs(pairs: list[tuple[str, Any]]) -> _Pairs:
    found = _Pairs(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Broken(f"has the name '{_shown(twice)}' more than once")
    return found


def _no_number(word: str) -> Any:
    raise _Broken(f"holds {word}, which JSON does not have; null says that nothing is known")


def _is_storable(value: Any) -> bool:
    """False for text that JSON can spell and no encoding has."""
    if not isinstance(value, str):
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(name: str) -> str:
    """A name as a message can print it."""
    return name.encode("utf-8", "replace").decode()
