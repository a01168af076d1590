"""Rows of a database, by table or query; its address is a secret, so no message repeats anything of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tasks.core.errors import RequestError, ServiceError
from tasks.core.hashing import json_sha256
from tasks.core.sources import SqlReader
from tasks.ingest.readers import unreadable

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection, CursorResult
    from sqlalchemy.engine import URL

PIECE = 10_000
"""Rows that are fetched at a time."""
_NAMED_IN_THE_QUERY = re.compile(
    r"no such (?:table|column): \S+|near \S+: syntax error|syntax error at or near \S+"
    r"|(?:relation|column) \"[^\"]+\" does not exist|Table '[^']+' doesn't exist|Unknown column '[^']+'"
)
"""What databases say of a query's own words; anything else they say may hold a value of a row."""


def fingerprint_sql(reader: SqlReader, recipe_folder: Path) -> str:
    """SHA-256 (hex) of the answer to `watermark`; without one, of all rows, whatever their order.

    Raises:
        RequestError: the address, the table or a query cannot be used.
        ServiceError: the database does not answer.
    """
    with _connected(reader, recipe_folder) as connection:
        if reader.watermark is not None:
            answer = _answer(connection, reader.watermark, "data.reader.watermark")
            state = [repr(tuple(map(_plain, row))) for row in _rows(answer, "data.reader.watermark")]
            return json_sha256({"query": reader.query, "table": reader.table, "watermark": state})
        answer = _selected(connection, reader)
        total, count = 0, 0
        for row in _rows(answer, _field(reader)):
            # A sum does not depend on the order, which a database is free to change from one answer to the next.
            digest = hashlib.sha256(repr(tuple(map(_plain, row))).encode("utf-8", "surrogatepass")).digest()
            total, count = (total + int.from_bytes(digest, "big")) % 2**256, count + 1
        return json_sha256({"columns": list(answer.keys()), "rows": count, "sum": f"{total:x}"})


def read_sql(reader: SqlReader, recipe_folder: Path, text: Sequence[str]) -> pd.DataFrame:
    """All rows; the database's own types stand, so `text` changes nothing.

    Raises:
        RequestError: the address, the table or the query cannot be used.
        ServiceError: the database does not answer.
        GateStopped: gate `readable` failed: a column holds bytes.
    """
    import pandas as pd

    with _connected(reader, recipe_folder) as connection:
        answer = _selected(connection, reader)
        names = list(answer.keys())
        rows = list(_rows(answer, _field(reader)))
    # Objects, not yet numbers: a column with a gap would otherwise lose the digits of its whole numbers.
    columns = [pd.Series([row[place] for row in rows], dtype=object) for place in range(len(names))]
    for name, values in zip(names, columns, strict=True):
        if any(isinstance(value, bytes | memoryview) for value in values):
            unreadable(f"data.reader: the column '{name}' holds bytes, which no feature can be.", columns=[name])
    return pd.DataFrame(dict(enumerate(columns)), index=range(len(rows))).set_axis(names, axis=1)


@contextmanager
def _connected(reader: SqlReader, recipe_folder: Path) -> Iterator[Connection]:
    """A connection that only reads: nothing is committed, and SQLite, which commits by itself, is told to refuse."""
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, DBAPIError
    from sqlalchemy.pool import NullPool

    # What a driver says of a connection may repeat the address: only the kind of its error is passed on.
    try:
        url = _located(make_url(reader.url.get_secret_value()), recipe_folder)
        engine = create_engine(url, poolclass=NullPool)
    except ModuleNotFoundError as error:
        raise _refused(f"needs the driver {error.name}, which is not installed", "Install it.") from None
    except (ArgumentError, ValueError):
        raise _refused("is no address of a database that SQLAlchemy knows", "Correct it.") from None
    try:
        connection = engine.connect()
        if url.get_backend_name() == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
    except DBAPIError as error:
        raise _away(error) from None
    with connection:
        yield connection


def _located(url: URL, recipe_folder: Path) -> URL:
    """A relative SQLite file starts from the recipe's folder, like every path of a recipe; it must exist."""
    if url.get_backend_name() != "sqlite" or (url.database or "").startswith("file:"):
        return url
    path = recipe_folder / (url.database or "")
    if not path.is_file():
        # SQLite would make an empty one.
        raise _refused(f"names the SQLite file {path.name or '(none)'}, which does not exist", "Correct it.")
    return url.set(database=str(path))


def _selected(connection: Connection, reader: SqlReader) -> CursorResult[Any]:
    if reader.query is not None:
        return _answer(connection, reader.query, "data.reader.query")
    from sqlalchemy import select, table, text

    schema, _, name = str(reader.table).rpartition(".")
    return _answer(connection, select(text("*")).select_from(table(name, schema=schema or None)), "data.reader.table")


def _answer(connection: Connection, statement: Any, field: str) -> CursorResult[Any]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if isinstance(statement, str):
            # As it is written: no `:name` and no `%` of it is a parameter.
            plain = connection.execution_options(stream_results=True, no_parameters=True)
            answer: CursorResult[Any] = plain.exec_driver_sql(statement)
        else:
            answer = connection.execution_options(stream_results=True).execute(statement)
    except SQLAlchemyError as error:
        _not_answered(error, field)
    if not answer.returns_rows:
        raise RequestError(f"{field} gives no rows.", remedy="Write a SELECT; nothing is changed.", code="reader")
    return answer


def _rows(answer: CursorResult[Any], field: str) -> Iterator[Sequence[Any]]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        for piece in answer.partitions(PIECE):
            yield from piece
    except SQLAlchemyError as error:
        _not_answered(error, field)


def _not_answered(error: Any, field: str) -> NoReturn:
    told = str(getattr(error, "orig", ""))
    if getattr(error, "connection_invalidated", False) or "database is locked" in told:
        raise _away(error) from None
    found = _NAMED_IN_THE_QUERY.search(told)
    raise RequestError(
        f"{field} cannot be carried out: {found[0] if found else type(error).__name__}.",
        remedy="Try it in the database's own client, then correct data.reader.",
        code="reader",
    ) from None


def _refused(what: str, remedy: str) -> RequestError:
    return RequestError(f"data.reader.url {what}.", remedy=remedy, code="reader")


def _away(error: Exception) -> ServiceError:
    return ServiceError(
        f"The database of data.reader.url does not answer ({type(error).__name__}).",
        remedy="Run again when it does, or correct data.reader.url.",
        code="source",
    )


def _field(reader: SqlReader) -> str:
    return "data.reader.query" if reader.query is not None else "data.reader.table"


def _plain(value: Any) -> Any:
    """A value whose `repr` says what it is, and not where it lies in memory."""
    return bytes(value) if isinstance(value, memoryview) else value
