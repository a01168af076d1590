"""Databases: what is read, what is refused, that nothing is written, and that the address is told to nobody."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import traceback
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from tasks.core.errors import RequestError, ServiceError
from tasks.core.load import load_recipe
from tasks.core.secrets import shown
from tasks.core.sources import SqlReader
from tasks.ingest.fresh import read_source, source_changed
from tasks.ingest.readers import fingerprint, read

SECRET = "hush-hush"


def source(url: str = "sqlite:///rows.db", **fields) -> SqlReader:
    fields = fields if {"query", "table"} & set(fields) else {"table": "claims", **fields}
    return SqlReader(kind="sql", url=SecretStr(url), **fields)


def carry_out(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "rows.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    carry_out(
        tmp_path,
        "CREATE TABLE claims (id TEXT, n INTEGER, x REAL, s TEXT)",
        "INSERT INTO claims VALUES ('007', 9007199254740993, 1.5, 'ü'), ('7', NULL, NULL, NULL)",
    )
    return tmp_path


def test_a_table_is_read_whole_with_the_types_of_the_database(folder: Path):
    frame = read(source(), folder)
    assert list(frame.columns) == ["id", "n", "x", "s"]
    assert frame["id"].tolist() == ["007", "7"] and frame["n"].tolist()[0] == "9007199254740993"
    assert frame["x"].tolist()[0] == 1.5 and frame.isna().loc[1].tolist() == [False, True, True, True]


def test_a_query_is_carried_out_as_it_is_written(folder: Path):
    query = "SELECT id, '12:30 :name 5%' AS time, 5 % 3 AS rest FROM claims WHERE id = '007'"
    assert read(source(query=query), folder).to_dict("list") == {"id": ["007"], "time": ["12:30 :name 5%"], "rest": [2]}
    assert read(source(query="SELECT id FROM claims WHERE 0"), folder).shape == (0, 1)
    assert read(source(table="main.claims"), folder).shape == (2, 4)


def test_the_fingerprint_sees_every_value_and_no_order(folder: Path):
    prints = [fingerprint(source(), folder)]
    assert prints == [fingerprint(source(query="SELECT * FROM claims ORDER BY id DESC"), folder)]
    for change in (
        "UPDATE claims SET s = 'u' WHERE id = '7'",
        "UPDATE claims SET s = NULL WHERE id = '7'",
        "INSERT INTO claims VALUES ('8', 1, 1.0, 'a')",
        "INSERT INTO claims VALUES ('8', 1, 1.0, 'a')",
        "UPDATE claims SET n = '1' WHERE id = '8'",
        "ALTER TABLE claims RENAME COLUMN s TO t",
    ):
        carry_out(folder, change)
        prints.append(fingerprint(source(), folder))
    assert prints[0] == prints[2]  # back to what it was
    assert prints[4] == prints[5]  # the column's type makes 1 of '1'
    assert len(set(prints)) == 5


def test_a_watermark_is_asked_in_place_of_the_rows(folder: Path):
    marked = source(watermark="SELECT count(*) FROM claims")
    before = fingerprint(marked, folder)
    carry_out(folder, "UPDATE claims SET s = 'a'")
    assert fingerprint(marked, folder) == before
    carry_out(folder, "INSERT INTO claims VALUES ('8', 1, 1.0, 'a')")
    assert fingerprint(marked, folder) != before
    other = source(query="SELECT id FROM claims", watermark="SELECT count(*) FROM claims")
    assert fingerprint(other, folder) != fingerprint(marked, folder)


def test_nothing_is_written(folder: Path):
    before = (folder / "rows.db").read_bytes()
    for query in ("DELETE FROM claims", "CREATE TABLE other (a TEXT)", "  INSERT INTO claims (id) VALUES ('9')"):
        with pytest.raises(ValidationError, match="must begin with SELECT or WITH"):
            source(query=query)
        with pytest.raises(ValidationError, match="must begin with SELECT or WITH"):
            source(watermark=query)
    with pytest.raises(RequestError, match=r"data\.reader\.query cannot be carried out: OperationalError"):
        read(source(query="WITH a AS (SELECT 1) INSERT INTO claims (id) SELECT * FROM a RETURNING id"), folder)
    with pytest.raises(RequestError, match=r"data\.reader\.query cannot be carried out"):
        read(source(query="SELECT 1; DROP TABLE claims"), folder)
    assert (folder / "rows.db").read_bytes() == before


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"table": "orders"}, "data.reader.table cannot be carried out: no such table: orders."),
        ({"query": "SELECT nope FROM claims"}, "data.reader.query cannot be carried out: no such column: nope."),
        ({"query": "SELECT FROM"}, 'data.reader.query cannot be carried out: near "FROM": syntax error.'),
        ({"watermark": "SELECT max(v) FROM claims"}, "data.reader.watermark cannot be carried out: no such column: v."),
        ({"url": "sqlite:///gone.db"}, "data.reader.url names the SQLite file gone.db, which does not exist."),
        ({"url": "sqlite://"}, "data.reader.url names the SQLite file "),
        ({"url": f"nosuch://me:{SECRET}@host/d"}, "data.reader.url is no address of a database that SQLAlchemy knows."),
        ({"url": f"postgresql://me:{SECRET}@host:port/d"}, "data.reader.url is no address"),
        ({"url": f"firebird://me:{SECRET}@{SECRET}/d"}, "data.reader.url is no address"),
        ({"url": f"mssql+pymssql://me:{SECRET}@host/d"}, "data.reader.url needs the driver pymssql, which is not"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence_without_the_address(folder: Path, fields: dict, sentence: str):
    with pytest.raises(RequestError) as caught:
        fingerprint(source(**fields), folder)
    assert caught.value.message.startswith(sentence) and caught.value.remedy
    assert SECRET not in str(caught.value)
    assert not (folder / "gone.db").exists()


def test_columns_that_cannot_be_kept_are_refused(folder: Path, refusal):
    fields = {"kind": "sql", "url": "sqlite:///rows.db"}
    assert "the column 'b' holds bytes" in refusal(folder, query="SELECT x'4d72' AS b", **fields)
    twice = "SELECT a.id, b.id FROM claims a JOIN claims b ON a.id = b.id"
    assert "the column name 'id' is used more than once" in refusal(folder, query=twice, **fields)


def test_a_database_that_is_locked_is_an_outage(folder: Path, monkeypatch: pytest.MonkeyPatch):
    with closing(sqlite3.connect(folder / "rows.db", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ServiceError, match=r"The database of data\.reader\.url does not answer") as caught:
            fingerprint(source("sqlite:///rows.db?timeout=0.1"), folder)
        connection.execute("ROLLBACK")
    assert caught.value.exit_code == 4


def test_a_database_that_lets_nobody_in_is_an_outage(folder: Path):
    with pytest.raises(ServiceError, match="does not answer") as caught:
        read(source(f"sqlite:///file:{SECRET}.db?mode=ro&uri=true"), folder)
    assert SECRET not in str(caught.value)


def rows(folder: Path, start: int, count: int) -> None:
    draw = random.Random(start)
    with closing(sqlite3.connect(folder / f"{SECRET}.db")) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS claims (id INTEGER, age INTEGER, region TEXT, outcome TEXT)")
        for number in range(start, start + count):
            age = draw.randrange(18, 90)
            outcome = "yes" if age + draw.gauss(0, 9) > 50 else "no"
            connection.execute(
                "INSERT INTO claims VALUES (?, ?, ?, ?)", (number, age, draw.choice(["n", "s"]), outcome)
            )
        connection.commit()


@pytest.fixture
def database(life, monkeypatch: pytest.MonkeyPatch):
    """A recipe on 300 rows in a SQLite file whose name is the secret."""
    monkeypatch.setenv("CLAIMS_DATABASE", f"sqlite:///{SECRET}.db")
    reader = {"kind": "sql", "url": "${oc.env:CLAIMS_DATABASE}", "table": "claims"}
    training = {"epochs": 5, "optimizer": {"kind": "adamw", "lr": 0.05}}
    made = life({"reader": reader, "target": "outcome", "id": "id"}, training=training)
    rows(made.folder, 0, 300)
    return made


def test_rows_of_a_database_become_inputs_and_added_ones_a_batch(database):
    first = database.run()
    assert database.inputs(first).shape == (first["prepare"].rows["train"], 3)  # age and two regions
    assert database.run()["actions"]["ingest"] == "cached"
    rows(database.folder, 300, 50)
    loaded = load_recipe(str(database.folder))
    assert source_changed(database.home, loaded) and len(read_source(loaded)) == 350
    second = database.run()
    assert (second["ingest"].rows, second["ingest"].new_rows) == (350, 50)


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_trained_and_tracked_model_knows_nothing_of_the_address(database):
    database.run("train")
    found = everything_in(database.home.root)
    assert b"claims" in found and SECRET.encode() not in found


@pytest.mark.parametrize("words", [["check", "--resolved"], ["check"], ["plan"]], ids=" ".join)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_no_command_tells_the_address(database, capfd: pytest.CaptureFixture[str], words: list[str], as_json: bool):
    from flows.cli import main

    arguments = [words[0], str(database.folder), *words[1:], "--home", str(database.home.root)]
    assert main([*arguments, *(["--json"] if as_json else [])]) == 0
    told = capfd.readouterr()
    assert told.out and SECRET not in told.out + told.err
    assert SECRET.encode() not in everything_in(database.home.root)
    assert SECRET.encode() not in everything_in(Path(os.environ["PREFECT_HOME"]))


@pytest.mark.slow
def test_a_whole_run_tells_the_address_to_nobody(database, root: Path):
    """Ledger, MLflow, Prefect's database, pages and logs, after a process of its own has made a champion."""
    program = "import sys; from flows.cli import main; sys.exit(main())"
    words = ["-c", program, "run", str(database.folder), "--home", str(database.home.root)]
    done = subprocess.run([sys.executable, *words], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert database.home.ledger.exists()
    assert SECRET not in done.stdout + done.stderr
    assert SECRET.encode() not in everything_in(database.home.root)
    assert SECRET.encode() not in everything_in(Path(os.environ["PREFECT_HOME"]))


def test_a_traceback_does_not_tell_the_address(folder: Path):
    with pytest.raises(RequestError) as caught:
        read(source(f"nosuch://me:{SECRET}@host/d"), folder)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(source(f"nosuch://me:{SECRET}@host/d"))


def test_an_override_that_may_hold_an_address_is_not_repeated(folder: Path):
    for override in (f"data.reader.url=x://{SECRET}", f"data={{reader: {{kind: sql, url: 'x://{SECRET}'}}}}"):
        assert SECRET not in shown(override)
    (folder / "recipe.yaml").write_text("name: small\n")
    for override in (f"data.reader.url=[{SECRET}", f"data.reader.url={SECRET},b"):
        with pytest.raises(RequestError) as caught:
            load_recipe(str(folder), [override])
        assert SECRET not in str(caught.value)
