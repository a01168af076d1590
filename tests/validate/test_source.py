"""A file without a description is read as a person would read it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.core.errors import RequestError
from tasks.validate.source import reader_of


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"x,y\n1,2\n3,4\n", {}),
        ("a.csv", b'x,y\n"1;2",2\n"3;5",4\n', {}),
        ("a.csv", b"x;y\n1,5;2\n3,25;4\n", {"separator": ";", "decimal": ","}),
        ("a.csv", b"x;y\n1.5;2\n3.25;4\n", {"separator": ";"}),
        ("a.tsv", b"x\ty\n1\t2\n", {"separator": "\t"}),
        ("a.csv", b"x|y\n1|2\n", {"separator": "|"}),
        ("a.csv", "Größe,y\n1,2\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("a.csv", "Größe,y\n1,2\n".encode(), {}),
        ("a.csv", "\ufeffx,y\n1,2\n".encode(), {}),
        ("a.csv", "x,y\n1,2\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("a.csv.gz", gzip.compress(b"x;y\n1;2\n"), {"separator": ";"}),
        ("a.csv", b"only\n1\n2\n", {}),
    ],
)
def test_separator_decimal_sign_and_encoding_are_told(
    tmp_path: Path, name: str, content: bytes, expected: dict[str, Any]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert reader_of(tmp_path / name, tmp_path / "out") == {"kind": "csv", "path": f"../{name}", **expected}


def test_parquet_and_folders_are_named_as_the_reader_expects(tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    pd.DataFrame({"x": [1]}).to_parquet(folder / "one.parquet")
    assert reader_of(folder, tmp_path) == {"kind": "parquet", "path": "claims/*.parquet"}
    assert reader_of(folder / "one.parquet", tmp_path) == {"kind": "parquet", "path": "claims/one.parquet"}


def test_a_far_folder_gets_an_absolute_path(tmp_path: Path) -> None:
    data = tmp_path / "a.csv"
    data.write_text("x,y\n1,2\n")
    assert reader_of(data, tmp_path / "a" / "b" / "c" / "d")["path"] == data.resolve().as_posix()


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "sheet.xlsx").write_bytes(b"PK")
    (tmp_path / "broken.csv.gz").write_bytes(b"\x1f\x8bxx")
    (tmp_path / "none").mkdir()
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "a.csv").write_text("x\n1\n")
    (mixed / "a.tsv").write_text("x\n1\n")
    for name, message in [
        ("absent.csv", "does not exist"),
        ("empty.csv", "is empty"),
        ("sheet.xlsx", "neither CSV, TSV nor Parquet"),
        ("broken.csv.gz", "cannot be read"),
        ("none", "holds no .csv"),
        ("mixed", "more than one format"),
    ]:
        with pytest.raises(RequestError, match=message) as caught:
            reader_of(tmp_path / name, tmp_path)
        assert caught.value.remedy.startswith("Name a .csv")
