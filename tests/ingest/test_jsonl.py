"""JSON lines: what is read, what is refused with its line, and the way to a network's inputs."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from tasks.core.load import load_recipe
from tasks.core.sources import JsonlReader
from tasks.ingest.fresh import read_file, read_source
from tasks.ingest.readers import fingerprint, read


def written(folder: Path, *lines: str, name: str = "rows.jsonl") -> JsonlReader:
    (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return JsonlReader(kind="jsonl", path=name)


def claims(start: int, count: int) -> list[str]:
    draw = random.Random(start)
    lines = []
    for number in range(start, start + count):
        age = draw.randrange(18, 90)
        row = {"id": f"{number:05}", "age": age, "region": draw.choice(["north", "süd"])}
        row["yes"] = age + draw.gauss(0, 9) > 50
        if number % 7 == 0:
            row.pop("region")
        lines.append(json.dumps(row, ensure_ascii=number % 2 == 0))
    return lines


def test_types_stand_as_they_are_written_and_a_name_that_is_lacking_is_missing(tmp_path: Path):
    source = written(
        tmp_path,
        '\ufeff{"id": "007", "n": 9007199254740993, "x": 1.5, "flag": true, "s": "ü"}',
        "",
        '{"x": 2, "id": "7", "n": 1, "flag": false, "late": "a"}',
    )
    frame = read(source, tmp_path, text=("id",))
    assert list(frame.columns) == ["id", "n", "x", "flag", "s", "late"]
    assert frame["id"].tolist() == ["007", "7"]
    assert frame["n"].tolist() == [9007199254740993, 1] and frame["n"].dtype == "int64"
    assert frame["x"].tolist() == [1.5, 2.0] and frame["flag"].dtype == bool
    assert frame["s"].isna().tolist() == [False, True] and frame["late"].isna().tolist() == [True, False]


def test_whole_numbers_beyond_float64_keep_their_digits_beside_a_gap(tmp_path: Path):
    frame = read(written(tmp_path, '{"n": 9007199254740993}', "{}"), tmp_path)
    assert frame["n"].tolist()[0] == "9007199254740993" and len(frame) == 2


def test_compressed_lines_are_the_same_lines_and_a_folder_is_all_its_files(tmp_path: Path):
    lines = claims(0, 50)
    plain = read(written(tmp_path, *lines), tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl.gz").write_bytes(gzip.compress("\n".join(lines[:20]).encode()))
    written(tmp_path / "in", *lines[20:], name="b.ndjson")
    written(tmp_path / "in", "not data", name="notes.txt")
    assert read(JsonlReader(kind="jsonl", path="in"), tmp_path).equals(plain)


def test_urls_go_through_fsspec(tmp_path: Path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/lines/rows.jsonl.gz", gzip.compress(b'{"a": 1}\n'))
    try:
        assert read(JsonlReader(kind="jsonl", path="memory://lines/rows.jsonl.gz"), tmp_path)["a"].tolist() == [1]
    finally:
        memory.rm("/lines", recursive=True)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"a": "Mrs-Robinson"', "rows.jsonl line 2 is not JSON."),
        ("{'a': 1}", "rows.jsonl line 2 is not JSON."),
        ('{"a": 1} {"a": 2}', "rows.jsonl line 2 is not JSON."),
        ("[" * 100_000, "rows.jsonl line 2 is not JSON."),
        (f'{{"a": {"9" * 5000}}}', "rows.jsonl line 2 is not JSON."),
        ('["Mrs-Robinson"]', "rows.jsonl line 2 is no object with names and values."),
        ("3", "rows.jsonl line 2 is no object with names and values."),
        ('{"a": 1, "a": 2}', "rows.jsonl line 2 has the name 'a' more than once."),
        ('{"a": NaN}', "rows.jsonl line 2 holds NaN, which JSON does not have; null says that nothing is known."),
        ('{"a": -Infinity}', "rows.jsonl line 2 holds -Infinity, which"),
        ('{"a": ["Mrs-Robinson"]}', "rows.jsonl line 2 has a list under 'a'."),
        ('{"a": {"b": "Mrs-Robinson"}}', "rows.jsonl line 2 has a mapping under 'a'."),
        ('{"a": "\\ud800"}', "rows.jsonl line 2 holds half of a character (a lone surrogate)."),
        ('{"\\ud800": []}', "rows.jsonl line 2 has a list under '?'."),
    ],
)
def test_a_broken_line_is_named_by_its_number(tmp_path: Path, refusal, line: str, sentence: str):
    written(tmp_path, '{"a": 1}', line, '{"a": 3}')
    assert refusal(tmp_path, kind="jsonl", path="rows.jsonl").startswith(sentence)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("rows.jsonl", b"", "rows.jsonl is empty."),
        ("rows.jsonl", b"\n \n", "rows.jsonl is empty."),
        ("rows.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "rows.jsonl line 2 is not text in UTF-8."),
        ("rows.jsonl", b'{"row_id": 1}\n', "rows.jsonl: the column name 'row_id' is reserved; rename it."),
        ("rows.jsonl.gz", b'{"a": 1}\n', "rows.jsonl.gz cannot be read: BadGzipFile."),
        ("rows.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 9000)[:-40], "rows.jsonl.gz cannot be read: "),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, refusal, name: str, content: bytes, sentence: str):
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path, kind="jsonl", path=name).startswith(sentence)


def test_lines_become_rows_appended_rows_become_a_batch_and_all_become_inputs(tmp_path: Path, life):
    made = life({"reader": {"kind": "jsonl", "path": "in"}, "target": "yes", "id": "id"}, gates={"max_overlap": 1.0})
    (made.folder / "in").mkdir()
    written(made.folder / "in", *claims(0, 300), name="1.jsonl")
    first = made.run()
    assert (first["ingest"].rows, first["ingest"].new_rows) == (300, 300)
    assert made.inputs(first).shape == (first["prepare"].rows["train"], 4)  # age, two regions and other
    assert made.run()["actions"]["ingest"] == "cached"

    loaded = load_recipe(str(made.folder))
    before = fingerprint(loaded.recipe.data.reader, made.folder)
    written(made.folder / "in", *claims(300, 40), name="2.jsonl")
    assert fingerprint(loaded.recipe.data.reader, made.folder) != before
    assert len(read_source(loaded)) == 340
    assert len(read_file(made.folder / "in" / "2.jsonl", loaded)) == 40
    second = made.run()
    assert (second["ingest"].rows, second["ingest"].new_rows) == (340, 40)
    rows = made.rows(second)
    assert sorted(rows["id"]) == [f"{number:05}" for number in range(340)]
    assert rows["batch"].value_counts().to_dict() == {0: 300, 1: 40}
