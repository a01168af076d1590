"""The ledger's chain: what breaks it is found, and several processes build one."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import ServiceError
from tasks.stores.ledger import GENESIS, Ledger

COLUMNS = ("time", "kind", "model", "body", "actor", "previous", "hash")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    ledger = Ledger(path)
    for number in range(6):
        ledger.append("data" if number % 2 else "hold", "digits", {"number": number, "text": "naïve"}, "somebody")
    return path


def tampered(written: Path, folder: Path, *statements: tuple[str, tuple[Any, ...]]) -> Ledger:
    """A copy with the triggers taken out of the way, changed, and put back."""
    path = folder / "tampered.db"
    shutil.copyfile(written, path)
    connection = sqlite3.connect(path)
    triggers = [row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
    connection.execute("DROP TRIGGER entries_are_not_changed")
    connection.execute("DROP TRIGGER entries_are_not_removed")
    for statement, values in statements:
        connection.execute(statement, values)
    for trigger in triggers:
        connection.execute(trigger)
    connection.commit()
    connection.close()
    return Ledger(path)


def test_an_empty_ledger_holds_and_is_not_created_by_reading(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    assert ledger.entries() == []
    assert ledger.verify() == []
    assert ledger.champion("digits") is None
    assert list(tmp_path.iterdir()) == []


def test_entries_form_a_chain_in_order(written: Path) -> None:
    entries = Ledger(written).entries()
    assert [entry.sequence for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert entries[0].previous == GENESIS
    assert [entry.previous for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert [entry.time for entry in entries] == sorted(entry.time for entry in entries)
    assert entries[0].time.endswith("+00:00") and len(entries[0].time) == len("2026-01-01T00:00:00.000000+00:00")
    assert Ledger(written).verify() == []


def test_an_unknown_kind_and_a_body_without_json_are_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    with pytest.raises(ValueError, match="'cheer' is not a kind of ledger entry"):
        ledger.append("cheer", "digits", {})
    with pytest.raises(ValueError, match="not JSON compliant"):
        ledger.append("hold", "digits", {"difference": float("nan")})
    assert ledger.entries() == []


def test_entries_can_be_neither_changed_nor_removed_with_sql(written: Path) -> None:
    connection = sqlite3.connect(written)
    for statement in ("UPDATE entries SET actor = 'me'", "DELETE FROM entries"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


def test_a_clock_that_is_set_back_keeps_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    first = ledger.append("hold", "digits", {})
    monkeypatch.setattr("tasks.stores.ledger._now", lambda: "2001-01-01T00:00:00.000000+00:00")
    assert ledger.append("hold", "digits", {"again": 1}).time == first.time
    assert ledger.verify() == []


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_changed_character_of_any_entry_is_found(data: st.DataObject, written: Path, tmp_path_factory: Any) -> None:
    sequence = data.draw(st.integers(1, 6))
    column = data.draw(st.sampled_from(COLUMNS))
    connection = sqlite3.connect(written)
    text = connection.execute(f"SELECT {column} FROM entries WHERE sequence = ?", (sequence,)).fetchone()[0]
    connection.close()
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.characters(codec="utf-8", exclude_characters=text[place] + "\x00"))
    changed = text[:place] + character + text[place + 1 :]
    statement = f"UPDATE entries SET {column} = ? WHERE sequence = ?"
    ledger = tampered(written, tmp_path_factory.mktemp("changed"), (statement, (changed, sequence)))
    problems = ledger.verify()
    assert len(problems) == 1
    assert f"entry {sequence} " in problems[0]


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        ([("DELETE FROM entries WHERE sequence = 3", ())], "entry 3 is missing"),
        ([("DELETE FROM entries WHERE sequence = 1", ())], "entry 1 is missing"),
        (
            [("UPDATE entries SET sequence = 99 WHERE sequence = 2", ()),
             ("UPDATE entries SET sequence = 2 WHERE sequence = 4", ()),
             ("UPDATE entries SET sequence = 4 WHERE sequence = 99", ())],
            "entry 2 does not follow entry 1",
        ),
        (
            [("INSERT INTO entries SELECT 7, time, kind, model, body, actor, hash, hash FROM entries"
              " WHERE sequence = 6", ())],
            "entry 7 was changed",
        ),
        ([("UPDATE entries SET body = CAST(body AS BLOB) WHERE sequence = 5", ())], "entry 5 was changed"),
        ([("UPDATE entries SET body = CAST(X'7B22FF227D' AS TEXT) WHERE sequence = 5", ())], "entry 5 was changed"),
    ],
)  # fmt: skip
def test_removed_reordered_added_and_retyped_entries_are_named(
    written: Path, tmp_path: Path, statements: list[Any], problem: str
) -> None:
    problems = tampered(written, tmp_path, *statements).verify()
    assert len(problems) == 1
    assert problem in problems[0]


def test_a_ledger_without_its_triggers_does_not_hold(written: Path, tmp_path: Path) -> None:
    shutil.copyfile(written, tmp_path / "ledger.db")
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("DROP TRIGGER entries_are_not_changed")
    connection.commit()
    connection.close()
    assert "triggers" in Ledger(tmp_path / "ledger.db").verify()[0]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_flipped_byte_of_the_file_is_found_or_changes_nothing(
    data: st.DataObject, written: Path, tmp_path_factory: Any
) -> None:
    content = bytearray(written.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flipped") / "ledger.db"
    path.write_bytes(content)
    if not Ledger(path).verify():
        assert Ledger(path).entries() == Ledger(written).entries()


def test_a_cut_off_end_is_seen_by_the_decisions_that_are_missing(written: Path, tmp_path: Path) -> None:
    known = [entry.hash for entry in Ledger(written).entries()]
    cut = tampered(written, tmp_path, ("DELETE FROM entries WHERE sequence > 4", ()))
    assert cut.verify() == []
    assert cut.missing(known) == sorted(known[4:])
    assert Ledger(written).missing(known) == []


def test_unless_gives_the_entry_that_is_there_already(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    first = ledger.append("hold", "digits", {"key": "a"})
    again = ledger.append("hold", "digits", {"key": "a"}, unless=lambda entries: entries[-1])
    other = ledger.append("hold", "wine", {"key": "a"}, unless=lambda entries: entries[-1] if entries else None)
    assert again == first
    assert [entry.model for entry in ledger.entries()] == ["digits", "wine"]
    assert other.sequence == 2


def test_the_champion_at_a_time_is_read_off_the_moves(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    before = ledger.append("hold", "digits", {}).time
    ledger.append("done", "digits", {"from": None, "to": "1", "outcome": "moved"})
    first = ledger.append("done", "digits", {"from": "1", "to": "9", "outcome": "void"}).time
    ledger.append("observed", "digits", {"from": "1", "to": "2"})
    ledger.append("done", "wine", {"from": None, "to": "7", "outcome": "moved"})
    assert ledger.champion_at("digits", before) is None
    assert ledger.champion_at("digits", first) == "1"
    assert ledger.champion_at("digits", "2999-01-01") == "2" == ledger.champion("digits")
    assert ledger.champion_at("wine", "2999-01-01T00:00:00+05:00") == "7"
    with pytest.raises(ValueError, match="Invalid isoformat"):
        ledger.champion_at("digits", "yesterday")


def test_a_file_that_is_no_ledger_is_a_service_error_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this is not a database" * 100)
    assert "file is not a database" in Ledger(path).verify()[0]
    with pytest.raises(ServiceError, match="cannot be used: file is not a database") as caught:
        Ledger(path).append("hold", "digits", {})
    assert "backup" in caught.value.remedy


def test_a_locked_ledger_is_a_service_error_naming_it(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.stores.ledger._TIMEOUT_SECONDS", 0.1)
    blocker = sqlite3.connect(written)
    blocker.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ServiceError, match="is locked by another program"):
        Ledger(written).append("hold", "digits", {})
    blocker.rollback()
    blocker.close()


APPEND = """
import sys
from pathlib import Path
from tasks.stores.ledger import Ledger
for number in range(int(sys.argv[2])):
    Ledger(Path(sys.argv[1])).append("data", sys.argv[3], {"number": number})
"""


def test_eight_processes_with_fifty_appends_each_build_one_chain(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "ledger.db"
    processes = [
        subprocess.Popen([sys.executable, "-c", APPEND, str(path), "50", f"model{number}"], cwd=root)
        for number in range(8)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0] * 8
    ledger = Ledger(path)
    assert ledger.verify() == []
    assert len(ledger.entries()) == 400
    for number in range(8):
        assert [entry.body["number"] for entry in ledger.entries(f"model{number}")] == list(range(50))


def test_a_kill_in_the_middle_of_appending_leaves_a_chain_that_holds(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "ledger.db"
    for attempt in range(4):
        process = subprocess.Popen([sys.executable, "-c", APPEND, str(path), "100000", "digits"], cwd=root)
        wanted = len(Ledger(path).entries()) + 5 + 7 * attempt
        while len(Ledger(path).entries()) < wanted:
            assert process.poll() is None
            time.sleep(0.003)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert Ledger(path).verify() == []
        assert len(Ledger(path).entries()) >= wanted
