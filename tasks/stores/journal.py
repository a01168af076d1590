"""The journal: which model version said what about which row, and when. Append-only.

It holds a hash of the row's features, never their values. One SQLite file in the home; an entry is on
disk before the caller gets the prediction.
"""

from __future__ import annotations

import json
import sqlite3
import urllib.parse
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.errors import ServiceError
from tasks.stores.transaction import transaction

_TIMEOUT_SECONDS = 30.0
_COLUMNS = "prediction_id, time, model, version, row_sha, prediction"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS predictions (prediction_id TEXT PRIMARY KEY, time TEXT NOT NULL, model TEXT NOT NULL,"
    " version TEXT NOT NULL, row_sha TEXT NOT NULL, prediction TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TRIGGER IF NOT EXISTS predictions_are_not_changed BEFORE UPDATE ON predictions"
    " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER IF NOT EXISTS predictions_are_not_removed BEFORE DELETE ON predictions"
    " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
)


@dataclass(frozen=True)
class Predicted:
    """One prediction that was handed out."""

    prediction_id: str
    time: str
    """UTC, ISO 8601."""
    model: str
    version: str
    row_sha: str
    """Hash of the row's feature values (`frame_hashes` in tasks/core/rows.py), 32 hex digits."""
    prediction: Any
    """A class label or a number."""


class Journal:
    """The journal in one SQLite file; safe for several processes at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entries: Iterable[Predicted]) -> None:
        """Add predictions in one transaction, on disk when this returns.

        Raises:
            ServiceError: the file is locked for too long, full or damaged, or an id is there already.
        """
        rows = [
            (item.prediction_id, item.time, item.model, item.version, item.row_sha, json.dumps(item.prediction))
            for item in entries
        ]
        with self._answering(), transaction(self.path, _SCHEMA, _TIMEOUT_SECONDS) as connection:
            connection.executemany(f"INSERT INTO predictions ({_COLUMNS}) VALUES (?,?,?,?,?,?)", rows)  # noqa: S608

    def find(self, prediction_id: str) -> Predicted | None:
        """One prediction, or None.

        Raises:
            ServiceError: the file cannot be read.
        """
        if not self.path.exists() or not self.path.stat().st_size:
            return None
        # Not mode=ro: after a kill a reader has to roll the interrupted transaction back first.
        uri = f"file:{urllib.parse.quote(str(self.path.absolute()))}?mode=rw"
        with self._answering(), closing(sqlite3.connect(uri, uri=True, timeout=_TIMEOUT_SECONDS)) as connection:
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM predictions WHERE prediction_id = ?",  # noqa: S608
                (prediction_id,),
            ).fetchone()
        if found is None:
            return None
        identifier, time, model, version, row_sha, prediction = found
        return Predicted(identifier, time, model, version, row_sha, json.loads(prediction))

    def since(self, model: str, version: str, after: str = "") -> list[Predicted]:
        """What one version of a model has said after a time (UTC, ISO 8601), oldest first; from the start without one.

        Raises:
            ServiceError: the file cannot be read.
        """
        if not self.path.exists() or not self.path.stat().st_size:
            return []
        with self._answering(), closing(sqlite3.connect(self.path, timeout=_TIMEOUT_SECONDS)) as connection:
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM predictions WHERE model = ? AND version = ? AND time > ?"  # noqa: S608
                " ORDER BY time, prediction_id",
                (model, version, after),
            ).fetchall()
        return [
            Predicted(identifier, time, name, number, row_sha, json.loads(prediction))
            for identifier, time, name, number, row_sha, prediction in found
        ]

    def count(self, model: str) -> int:
        """How many predictions of one model the journal holds."""
        if not self.path.exists() or not self.path.stat().st_size:
            return 0
        with self._answering(), closing(sqlite3.connect(self.path, timeout=_TIMEOUT_SECONDS)) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM predictions WHERE model = ?", (model,)).fetchone()[0])

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise ServiceError(
                f"The journal {self.path} cannot be used: {error}.",
                remedy="End the program that holds it, make room, or restore it from a backup.",
                code="journal",
            ) from error
