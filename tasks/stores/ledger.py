"""The ledger: an append-only, hash-chained record of decisions, moves of the champion, data and triggers.

Each entry holds the hash of the one before it and its own, SHA-256 over all its other columns, so that a
changed, removed, added or reordered entry breaks the chain. Cutting off the end does not; that is found by
comparing with the decision hashes kept as tags on the registered model (`Ledger.missing`).

One SQLite file. Not in WAL mode: everything is in the one file at any time, and a reader needs no side file.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
import sqlite3
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.core import clock
from tasks.core.errors import ServiceError
from tasks.core.hashing import canonical_json
from tasks.stores.transaction import transaction

KINDS = (
    "promote",
    "hold",
    "reject",
    "stop",
    "rollback",
    "unblock",
    "intent",
    "done",
    "observed",
    "data",
    "drift",
    "trigger",
    "refused",
    "alert",
)
"""What an entry can record. `promote`, `hold`, `reject`, `stop` and `rollback` are decisions; `intent` and
`done` stand before and after a move of the champion; `observed` is a move made by somebody else; `drift` is a
verdict on a window, `trigger` and `refused` what became of a reason to retrain, `alert` one that was not delivered."""

GENESIS = "0" * 64
_TIMEOUT_SECONDS = 30.0
_COLUMNS = "sequence, time, kind, model, body, actor, previous, hash"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS entries (sequence INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL,"
    " model TEXT NOT NULL, body TEXT NOT NULL, actor TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL)",
    "CREATE TRIGGER IF NOT EXISTS entries_are_not_changed BEFORE UPDATE ON entries"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER IF NOT EXISTS entries_are_not_removed BEFORE DELETE ON entries"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
)


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    sequence: int
    """1, 2, 3, … without a gap."""
    time: str
    """UTC, ISO 8601 with microseconds; never before the entry above it."""
    kind: str
    model: str
    body: dict[str, Any]
    actor: str
    previous: str
    hash: str


@dataclass(frozen=True)
class Move:
    """The champion went from one version to another."""

    since: str
    """UTC time from which consumers saw it."""
    origin: str | None
    target: str | None
    entry: Entry
    """The `done` or `observed` entry."""
    decision: Entry | None
    """The `promote` or `rollback` entry behind it; None where somebody else moved the alias."""


class Ledger:
    """The ledger in one SQLite file; safe for several processes at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(
        self,
        kind: str,
        model: str,
        body: dict[str, Any],
        actor: str | None = None,
        *,
        unless: Callable[[Sequence[Entry]], Entry | None] | None = None,
    ) -> Entry:
        """Add one entry and give it back, on disk when this returns.

        `unless` sees the model's entries under the same lock; the entry it gives is returned instead.

        Raises:
            ValueError: the kind is unknown, or the body cannot be said in JSON.
            ServiceError: the file is locked for too long, full or damaged.
        """
        if kind not in KINDS:
            raise ValueError(f"'{kind}' is not a kind of ledger entry; choose one of {', '.join(KINDS)}")
        text = canonical_json(body)
        with self._writing() as connection:
            if unless is not None:
                known = unless(_entries(connection, model))
                if known is not None:
                    return known
            last = connection.execute(
                "SELECT sequence, time, hash FROM entries ORDER BY sequence DESC LIMIT 1"
            ).fetchone()
            sequence, before, previous = last or (0, "", GENESIS)
            # A clock that was set back must not put an entry before the one above it.
            values = (sequence + 1, max(_now(), before), kind, model, text, actor or current_actor(), previous)
            connection.execute(f"INSERT INTO entries ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?)", (*values, _hash(values)))  # noqa: S608
            return _entry((*values, _hash(values)))

    def entries(self, model: str | None = None) -> list[Entry]:
        """All entries, or those of one model, oldest first; none where there is no ledger yet.

        Raises:
            ServiceError: the file cannot be read.
        """
        with self._reading() as connection:
            return _entries(connection, model) if connection else []

    def find(self, identifier: str) -> Entry | None:
        """The entry with this hash, or None."""
        return next((entry for entry in self.entries() if entry.hash == identifier), None)

    def verify(self) -> list[str]:
        """What is wrong with the chain, the first broken entry first; empty where it holds.

        Every hash is recomputed from the stored bytes.
        """
        try:
            with self._reading() as connection:
                if connection is None:
                    return []
                rows = connection.execute(f"SELECT {_COLUMNS} FROM entries ORDER BY sequence").fetchall()  # noqa: S608
                schema = {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
        except ServiceError as error:
            return [error.message]
        problems = _broken(rows)
        if schema != {statement.replace("IF NOT EXISTS ", "") for statement in _SCHEMA}:
            problems.append("the tables or the triggers that forbid changes are not those of a ledger")
        return problems

    def missing(self, identifiers: Iterable[str]) -> list[str]:
        """Which of these decision hashes do not stand in the chain: the sign of a cut-off end."""
        known = {entry.hash for entry in self.entries()}
        return sorted(set(identifiers) - known)

    def moves(self, model: str) -> list[Move]:
        """Every move of a model's champion, oldest first."""
        entries = self.entries(model)
        by_hash = {entry.hash: entry for entry in entries}
        found = []
        for entry in entries:
            if entry.kind == "observed" or (entry.kind == "done" and entry.body.get("outcome") == "moved"):
                body = entry.body
                decision = by_hash.get(body.get("decision", ""))
                found.append(Move(body.get("since", entry.time), body["from"], body["to"], entry, decision))
        return found

    def champion(self, model: str) -> str | None:
        """The version that is champion according to the ledger."""
        moves = self.moves(model)
        return moves[-1].target if moves else None

    def champion_at(self, model: str, time: str) -> str | None:
        """The version that was champion at a UTC time in ISO 8601, None before the first.

        Raises:
            ValueError: the time is not ISO 8601.
        """
        wanted = parse_time(time)
        champion = None
        for move in self.moves(model):
            if parse_time(move.since) <= wanted:
                champion = move.target
        return champion

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._answering(), transaction(self.path, _SCHEMA, _TIMEOUT_SECONDS) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        if not self.path.exists() or not self.path.stat().st_size:
            yield None
            return
        # Not mode=ro: after a kill a reader has to roll the interrupted transaction back first.
        uri = f"file:{urllib.parse.quote(str(self.path.absolute()))}?mode=rw"
        with self._answering(), closing(sqlite3.connect(uri, uri=True, timeout=_TIMEOUT_SECONDS)) as connection:
            connection.execute("PRAGMA query_only = 1")
            # A damaged byte must reach `verify`, which names the entry, and not end in a decoding error.
            connection.text_factory = lambda stored: stored.decode(errors="surrogateescape")
            yield connection

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, UnicodeDecodeError, json.JSONDecodeError) as error:
            locked = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
            raise ServiceError(
                f"The ledger {self.path} is locked by another program."
                if locked
                else f"The ledger {self.path} cannot be used: {error}.",
                remedy="End the program that holds it." if locked else "Make room, or restore it from a backup.",
                code="ledger",
            ) from error


def current_actor() -> str:
    """Who is acting: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def parse_time(text: str) -> datetime:
    """An ISO 8601 time as UTC; one without an offset is taken as UTC.

    Raises:
        ValueError: it is not ISO 8601.
    """
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _now() -> str:
    return clock.now().isoformat(timespec="microseconds")


def _hash(values: Sequence[Any]) -> str:
    """SHA-256 over the columns as they are stored: sequence, time, kind, model, body, actor, previous."""
    return hashlib.sha256(canonical_json(list(values)).encode(errors="surrogateescape")).hexdigest()


def _entry(row: Sequence[Any]) -> Entry:
    sequence, time, kind, model, body, actor, previous, identifier = row
    return Entry(sequence, time, kind, model, json.loads(body), actor, previous, identifier)


def _entries(connection: sqlite3.Connection, model: str | None) -> list[Entry]:
    where, values = ("WHERE model = ?", (model,)) if model is not None else ("", ())
    rows = connection.execute(f"SELECT {_COLUMNS} FROM entries {where} ORDER BY sequence", values)  # noqa: S608
    return [_entry(row) for row in rows]


def _broken(rows: Sequence[Sequence[Any]]) -> list[str]:
    previous = GENESIS
    for position, row in enumerate(rows, start=1):
        sequence, time, identifier = row[0], row[1], row[7]
        if sequence != position:
            return [f"entry {position} is missing: the next one has the number {sequence}"]
        if row[6] != previous:
            return [
                f"entry {sequence} does not follow entry {sequence - 1}: it names another hash as the one before it"
            ]
        if not all(isinstance(value, str) for value in row[1:]) or _hash(row[:7]) != identifier:
            return [f"entry {sequence} was changed: its content does not give its hash"]
        if position > 1 and time < rows[position - 2][1]:
            return [f"entry {sequence} is dated before entry {sequence - 1}"]
        previous = identifier
    return []
