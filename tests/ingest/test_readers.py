"""Readers: what a recipe names is what is read, and what cannot be read says so in one sentence."""

from __future__ import annotations

import functools
import gzip
import http.server
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from tasks.core.errors import GateStopped, RequestError, ServiceError
from tasks.core.sources import Reader
from tasks.ingest.bundled import BUNDLED_FILES
from tasks.ingest.readers import fingerprint, read

SECRET = "Mrs-Robinson"


def reader(kind: str = "csv", **fields):
    return TypeAdapter(Reader).validate_python({"kind": kind, **fields})


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refusal(folder: Path, **fields) -> str:
    with pytest.raises(GateStopped) as caught:
        read(reader(**fields), folder)
    (gate,) = caught.value.gates
    assert (gate.name, gate.state) == ("readable", "failed")
    assert SECRET not in str(gate.evidence)
    return gate.reason


def test_a_csv_is_read_with_its_own_separator_decimal_and_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("größe;ort\n1,5;Köln\n2,5;Bonn\n".encode("latin-1"))
    frame = read(reader(path="a.csv", separator=";", decimal=",", encoding="latin-1"), tmp_path)
    assert frame.to_dict("list") == {"größe": [1.5, 2.5], "ort": ["Köln", "Bonn"]}


def test_a_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert list(read(reader(path="a.csv"), tmp_path).columns) == ["a", "b"]


def test_a_glob_a_folder_and_a_file_url_name_the_same_rows(tmp_path: Path) -> None:
    write(tmp_path, "in/2.csv", "a,b\n3,4\n")
    write(tmp_path, "in/1.csv", "a,b\n1,2\n")
    write(tmp_path, "in/notes.txt", "not data")
    ways = ["in/*.csv", "in", f"file://{tmp_path}/in/*.csv", str(tmp_path / "in")]
    assert [read(reader(path=way), tmp_path)["a"].tolist() for way in ways] == [[1, 3]] * 4
    assert len({fingerprint(reader(path=way), tmp_path) for way in ways}) == 1


def test_compressed_text_is_read_and_a_cut_one_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(("a,b\n" + "".join(f"{row},{row * 7}\n" for row in range(1000))).encode())
    (tmp_path / "a.csv.gz").write_bytes(whole)
    assert len(read(reader(path="a.csv.gz"), tmp_path)) == 1000
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    assert "a.csv.gz cannot be read" in refusal(tmp_path, path="a.csv.gz")


def test_brackets_in_a_file_name_are_not_a_pattern_where_the_file_exists(tmp_path: Path) -> None:
    write(tmp_path, "export[1].csv", "a\n1\n")
    assert len(read(reader(path="export[1].csv"), tmp_path)) == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "bad.csv is empty"),
        (b"\n\n", "bad.csv is empty"),
        (b"a,b\n\xff\xfe,1\n", "bad.csv is not text in the encoding utf-8"),
        (b"a,b\n1,2\n1,2,Mrs-Robinson\n", "line 3 has 3 cells where the header has 2"),
        (b"a,b\n1,2,3\n1,2,Mrs-Robinson\n", "more cells than its header"),
        (b"a,b,a\n1,2,3\n", "column name 'a' is used more than once"),
        (b"row_id,b\n1,2\n", "column name 'row_id' is reserved"),
        (b"a,batch\n1,2\n", "column name 'batch' is reserved"),
        (b'a,b\n"Mrs-Robinson,2\n1,2\n', "bad.csv is not a table"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff", "bad.csv"),
    ],
)
def test_a_damaged_csv_fails_readable_in_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    reason = refusal(tmp_path, path="bad.csv")
    assert sentence in reason
    assert reason.endswith(".") and "\n" not in reason


def test_an_unknown_encoding_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "a\n1\n")
    assert "the encoding klingon" in refusal(tmp_path, path="a.csv", encoding="klingon")


def test_a_header_without_rows_is_readable(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "a,b\n")
    assert read(reader(path="a.csv"), tmp_path).shape == (0, 2)


def test_files_with_different_columns_are_refused_unless_the_gate_is_off(tmp_path: Path) -> None:
    write(tmp_path, "1.csv", "a,b\n1,2\n")
    write(tmp_path, "2.csv", "b,a\n2,1\n")
    assert read(reader(path="*.csv"), tmp_path)["a"].tolist() == [1, 1]
    write(tmp_path, "3.csv", "a,c\n1,2\n")
    assert "3.csv has other columns than 1.csv: 'b'" in refusal(tmp_path, path="*.csv")
    assert read(reader(path="*.csv"), tmp_path, lenient=True).shape == (3, 3)


def test_a_path_that_matches_nothing_is_a_wrong_request(tmp_path: Path) -> None:
    for read_it in (read, fingerprint):
        with pytest.raises(RequestError, match=r"data\.reader\.path 'none\*\.csv' matches nothing") as caught:
            read_it(reader(path="none*.csv"), tmp_path)
        assert caught.value.exit_code == 2 and caught.value.remedy


def test_a_url_nothing_can_open_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"data\.reader\.path 'gopher://x/a\.csv' cannot be opened"):
        read(reader(path="gopher://x/a.csv"), tmp_path)


def test_other_urls_go_through_fsspec(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for number in (1, 2):
        memory.pipe(f"/evergreen/{number}.csv", f"a\n{number}\n".encode())
    try:
        source = reader(path="memory://evergreen/*.csv")
        assert read(source, tmp_path)["a"].tolist() == [1, 2]
        before = fingerprint(source, tmp_path)
        memory.pipe("/evergreen/2.csv", b"a\n3\n")
        assert fingerprint(source, tmp_path) != before
    finally:
        memory.rm("/evergreen", recursive=True)


def test_identifiers_keep_their_zeros_and_plain_ones_stay_integers(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "k,n\n007,1\n7,2\n")
    write(tmp_path, "b.csv", "k,n\n12,1\n7,2\n")
    assert read(reader(path="a.csv"), tmp_path, text=("k",))["k"].tolist() == ["007", "7"]
    assert read(reader(path="b.csv"), tmp_path, text=("k",))["k"].tolist() == [12, 7]


def test_mixed_types_are_kept_as_text(tmp_path: Path) -> None:
    write(
        tmp_path,
        "recipe.py",
        "import pandas as pd\ndef load():\n    return pd.DataFrame({'m': [1, 'x', None, 2.5, True]})\n",
    )
    frame = read(reader("custom", ref="recipe.py:load"), tmp_path)
    assert frame["m"].tolist()[:2] == ["1", "x"] and frame["m"].isna().tolist() == [False, False, True, False, False]


def test_parquet_is_read_and_damage_is_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "t": pd.to_datetime(["2024-01-01", None]), "s": ["x", None]})
    frame.to_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(read(reader("parquet", path="a.parquet"), tmp_path), frame)
    content = (tmp_path / "a.parquet").read_bytes()
    for damaged in (b"", content[:-20], content[: len(content) // 2], b"a,b\n1,2\n"):
        (tmp_path / "b.parquet").write_bytes(damaged)
        assert "b.parquet is" in refusal(tmp_path, kind="parquet", path="b.parquet")


def test_an_index_that_parquet_keeps_by_name_is_a_column(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2]}, index=pd.Index([7, 8], name="key")).to_parquet(tmp_path / "a.parquet")
    assert read(reader("parquet", path="a.parquet"), tmp_path).to_dict("list") == {"key": [7, 8], "a": [1, 2]}


@pytest.mark.parametrize(
    ("name", "shape", "target", "labels"),
    [
        ("digits", (1797, 65), "digit", set(range(10))),
        ("breast_cancer", (569, 31), "diagnosis", {"benign", "malignant"}),
        ("iris", (150, 5), "species", {"setosa", "versicolor", "virginica"}),
        ("wine", (178, 14), "cultivar", {"class_0", "class_1", "class_2"}),
        ("diabetes", (442, 11), "progression", None),
    ],
)
def test_bundled_data_have_the_columns_they_promise(name: str, shape: tuple, target: str, labels: set | None) -> None:
    frame = read(reader("sklearn", name=name), Path())
    assert frame.shape == shape and frame.columns[-1] == target
    assert labels is None or set(frame[target]) == labels
    if name == "digits":
        assert list(frame.columns[[0, 9, 63]]) == ["pixel_0_0", "pixel_1_1", "pixel_7_7"]
        assert frame["pixel_0_2"].dtype == np.float64 and frame["digit"].dtype == np.int64
    assert set(BUNDLED_FILES) == {"digits", "breast_cancer", "iris", "wine", "diabetes"}


def test_a_custom_reader_gets_paths_of_the_recipe_and_its_files_count(tmp_path: Path) -> None:
    write(
        tmp_path, "recipe.py", "import pandas as pd\ndef load(file, rows):\n    return pd.read_csv(file).head(rows)\n"
    )
    write(tmp_path, "raw.txt", "a\n1\n2\n")
    source = reader("custom", ref="recipe.py:load", args={"file": "raw.txt", "rows": 1})
    assert len(read(source, tmp_path)) == 1
    prints = [fingerprint(source, tmp_path)]
    write(tmp_path, "raw.txt", "a\n1\n3\n")
    prints.append(fingerprint(source, tmp_path))
    write(tmp_path, "recipe.py", (tmp_path / "recipe.py").read_text() + "# changed\n")
    prints.append(fingerprint(source, tmp_path))
    prints.append(fingerprint(reader("custom", ref="recipe.py:load", args={"file": "raw.txt", "rows": 2}), tmp_path))
    assert len(set(prints)) == 4


def test_a_custom_reader_that_fails_or_gives_no_frame_fails_readable(tmp_path: Path) -> None:
    write(tmp_path, "recipe.py", f"def broken():\n    raise KeyError('{SECRET}')\ndef text():\n    return '{SECRET}'\n")
    assert "recipe.py:broken failed with KeyError" in refusal(tmp_path, kind="custom", ref="recipe.py:broken")
    assert "gave a str where a pandas DataFrame" in refusal(tmp_path, kind="custom", ref="recipe.py:text")


def test_the_fingerprint_sees_every_byte_and_no_other_folder(tmp_path: Path) -> None:
    one, other = write(tmp_path, "x/a.csv", "a\n1\n"), write(tmp_path, "y/a.csv", "a\n1\n")
    source = reader(path="a.csv")
    assert fingerprint(source, one.parent) == fingerprint(source, other.parent)
    other.write_text("a\n2\n")
    assert fingerprint(source, one.parent) != fingerprint(source, other.parent)


def test_a_fingerprint_imports_nothing_heavy(tmp_path: Path, root: Path) -> None:
    write(tmp_path, "a.csv", "a\n1\n")
    write(tmp_path, "recipe.py", "import pandas\ndef load():\n    return None\n")
    write(tmp_path, "shots/cat/1.png", "bytes are enough")
    program = f"""
import sys
import threading
from pathlib import Path
from tasks.core.blocks import Custom
from tasks.core.sources import CsvReader, IdxReader, ImageFolderReader, JsonlReader, NpzReader, SklearnReader
from tasks.ingest.readers import fingerprint
from tasks.ingest.stage import ingest, version
from tasks.stores import datasets
for source in (CsvReader(kind="csv", path="a.csv"), SklearnReader(kind="sklearn", name="digits"),
               JsonlReader(kind="jsonl", path="a.csv"), NpzReader(kind="npz", path="a.csv"),
               IdxReader(kind="idx", images="a.csv", labels="a.csv"),
               ImageFolderReader(kind="image_folder", path="shots", size=(2, 2)),
               Custom(kind="custom", ref="recipe.py:load")):
    assert len(fingerprint(source, Path({str(tmp_path)!r}))) == 64
heavy = {{"pandas", "numpy", "sklearn", "torch", "pyarrow", "dvc", "prefect", "fsspec", "PIL"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("path", "rows"), [("wine_quality/wine-quality.csv", 4898), ("bike_sharing/hour.csv", 17379)])
def test_real_files_are_read_whole(shared_data: Path, path: str, rows: int) -> None:
    assert len(read(reader(path=path), shared_data)) == rows


def test_a_server_that_is_away_is_an_outage_and_not_a_path_that_matches_nothing(tmp_path: Path) -> None:
    away = reader(path="http://127.0.0.1:9/rows.csv")
    with pytest.raises(ServiceError, match="cannot be reached") as silent:
        fingerprint(away, tmp_path)
    assert silent.value.exit_code == 4


def test_a_file_that_a_server_does_not_have_matches_nothing(tmp_path: Path) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/rows.csv"
        try:
            with pytest.raises(RequestError, match="matches nothing"):
                fingerprint(reader(path=address), tmp_path)
            (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
            assert fingerprint(reader(path=address), tmp_path)
        finally:
            server.shutdown()
