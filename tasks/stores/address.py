"""Where a home's tracking lies, and whether it answers: by HTTP or by a raw read of SQLite, without MLflow."""

from __future__ import annotations

import sqlite3
import urllib.parse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tasks.core.errors import ServiceError
from tasks.core.home import Home
from tasks.stores import rest

_TIMEOUT_SECONDS = 5.0


def is_http(home: Home) -> bool:
    """Whether tracking goes through a server."""
    return home.tracking_uri.startswith(("http://", "https://"))


def is_sqlite(home: Home) -> bool:
    """Whether tracking goes to an SQLite file."""
    return home.tracking_uri.startswith("sqlite:///")


def database(home: Home) -> Path:
    """The SQLite file of a home whose tracking is local."""
    return Path(home.tracking_uri.removeprefix("sqlite:///").partition("?")[0])


def check_reachable(home: Home) -> None:
    """Fail fast, and in words, where MLflow itself would retry for minutes.

    Raises:
        ServiceError: the server does not answer, or the database is locked or not a database.
    """
    if is_http(home):
        rest.get(home.tracking_uri, "experiments/search", {"max_results": "1"})
    elif is_sqlite(home):
        select(home, "SELECT version_num FROM alembic_version")


def select(home: Home, sql: str, *values: str) -> list[Any]:
    """Rows of one SELECT; none where the database does not exist yet."""
    path = database(home)
    if not path.exists() or not path.stat().st_size:
        return []
    with _readable(path):
        # Not mode=ro: after a kill a reader has to roll the interrupted transaction back first.
        uri = f"file:{urllib.parse.quote(str(path.absolute()))}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=_TIMEOUT_SECONDS)) as connection:
            connection.execute("PRAGMA query_only = 1")
            return connection.execute(sql, values).fetchall()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise ServiceError(
                f"The tracking database {path} is locked by another program.",
                remedy="Wait until it is done or end it, then run the command again.",
                code="tracking",
            ) from error
        raise _unreadable(path, error) from error
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ServiceError:
    return ServiceError(
        f"The tracking database {path} cannot be read: {error}.",
        remedy="Restore it from a backup, or name another --home.",
        code="tracking",
    )
