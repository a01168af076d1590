"""How a file nobody described is read."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tasks.core.errors import RequestError
from tasks.ingest.sniff import encoding_of, has_decimal_commas, reader_for, separator_of


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("plain.csv", "a,b\n1,2\n3,4\n", {"kind": "csv", "path": "x"}),
        ("german.csv", "a;b\n1,5;2,25\n3,5;4\n", {"kind": "csv", "path": "x", "separator": ";", "decimal": ","}),
        ("semicolon.csv", "a;b\n1.5;2\n3.5;4\n", {"kind": "csv", "path": "x", "separator": ";"}),
        ("tabs.tsv", "a\tb\nx, y\t2\n", {"kind": "csv", "path": "x", "separator": "\t"}),
        ("pipes.txt", "a|b|c\n1|2|3\n", {"kind": "csv", "path": "x", "separator": "|"}),
        ("quoted.csv", 'a,b\n"one; two; three",2\n"four; five; six",3\n', {"kind": "csv", "path": "x"}),
        ("one_column.csv", "a\n1\n2\n", {"kind": "csv", "path": "x"}),
    ],
)
def test_separator_and_decimal_sign_are_found(tmp_path: Path, name: str, text: str, expected: dict):
    (tmp_path / name).write_text(text)
    assert reader_for(tmp_path / name, "x") == expected


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("name\nMüller\n", "utf-8", "utf-8"),
        ("name\nMüller\n", "utf-8-sig", "utf-8"),
        ("name\nMüller €\n", "cp1252", "cp1252"),
        ("name\nMüller\n", "utf-16", "utf-16"),
        ("name\n\x81\n", "latin-1", "latin-1"),
    ],
)
def test_the_encoding_is_the_first_that_every_byte_fits(tmp_path: Path, text: str, encoding: str, expected: str):
    (tmp_path / "rows.csv").write_bytes(text.encode(encoding))
    assert encoding_of(tmp_path / "rows.csv") == expected


def test_a_byte_that_fits_no_utf8_is_found_far_down_the_file(tmp_path: Path):
    (tmp_path / "rows.csv").write_bytes(b"a,b\n" + b"1,2\n" * 600_000 + "é,3\n".encode("cp1252"))
    assert reader_for(tmp_path / "rows.csv", "x")["encoding"] == "cp1252"


def test_a_letter_cut_by_the_sample_is_no_wrong_encoding(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("a;b\n" + "ü;2\n" * 100_000)
    assert reader_for(tmp_path / "rows.csv", "x") == {"kind": "csv", "path": "x", "separator": ";"}


def test_compressed_text_is_looked_into(tmp_path: Path):
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(b"a;b\n1;2\n"))
    assert reader_for(tmp_path / "rows.csv.gz", "x")["separator"] == ";"


@pytest.mark.parametrize(
    ("name", "kind"), [("rows.parquet", "parquet"), ("rows.jsonl", "jsonl"), ("ROWS.NDJSON.GZ", "jsonl")]
)
def test_files_with_types_of_their_own_need_no_look(tmp_path: Path, name: str, kind: str):
    (tmp_path / name).write_bytes(b"")
    assert reader_for(tmp_path / name, "x") == {"kind": kind, "path": "x"}


def test_a_folder_of_one_kind_is_read_like_its_first_file(tmp_path: Path):
    (tmp_path / "b.csv").write_text("a;b\n1;2\n")
    (tmp_path / "notes.md").write_text("# notes")
    assert reader_for(tmp_path, "x") == {"kind": "csv", "path": "x", "separator": ";"}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], "no CSV, Parquet or JSON-lines file"),
        (["a.csv", "b.parquet"], "both CSV and Parquet"),
        (["a.csv", "b.jsonl"], "both CSV and JSON-lines"),
        (["a.xlsx"], "no CSV"),
    ],
)
def test_a_folder_of_no_kind_or_two_is_refused(tmp_path: Path, files: list[str], says: str):
    for name in files:
        (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(RequestError, match=says):
        reader_for(tmp_path, "x")


def test_a_file_of_another_kind_is_refused_by_its_name(tmp_path: Path):
    (tmp_path / "rows.xlsx").write_text("")
    with pytest.raises(RequestError, match=r"rows\.xlsx is neither") as caught:
        reader_for(tmp_path / "rows.xlsx", "x")
    assert ".parquet" in caught.value.remedy


def test_a_comma_is_the_separator_where_nothing_cuts_the_lines():
    assert separator_of([]) == ","
    assert separator_of(["one", "two"]) == ","


def test_thousands_of_points_outvote_one_comma():
    assert not has_decimal_commas(["1.5;2.5", "3,5;4.5"], ";")
