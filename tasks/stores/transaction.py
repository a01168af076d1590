"""One write transaction on an SQLite file of ours, whole or not at all, safe among several processes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def transaction(path: Path, schema: Sequence[str], timeout_seconds: float) -> Iterator[sqlite3.Connection]:
    """Hold the file's write lock, make what the schema lacks, and commit at the end of the block.

    Raises:
        sqlite3.Error: the file is locked for longer than the timeout, damaged, or cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=timeout_seconds)) as connection:
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in schema:
                connection.execute(statement)
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
