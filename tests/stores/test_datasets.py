"""Dataset versions on real DVC: append, edit, fetch back byte for byte, notice every damaged byte."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from tasks.core.blocks import Custom
from tasks.core.contracts import Ingested, from_json, to_json
from tasks.core.errors import GateStopped, ServiceError
from tasks.core.home import Home
from tasks.stores import datasets
from tests.stores.dataset_life import FIRST, Life, tree


@pytest.fixture
def life(home: Home, tmp_path: Path) -> Life:
    return Life(home, tmp_path)


def test_the_first_version_holds_every_row_and_is_the_head(life: Life) -> None:
    ingested = life.ingest(FIRST)
    assert (ingested.rows, ingested.new_rows, ingested.superseded, ingested.batch, ingested.parent) == (
        3,
        3,
        0,
        0,
        None,
    )
    assert ingested.columns == {"key": "int64", "a": "float64", "y": "int64"}
    assert [gate.state for gate in ingested.gates] == ["passed"]
    assert from_json(Ingested, json.loads(json.dumps(to_json(ingested)))) == ingested
    candidate = datasets.candidate_rows(life.home, ingested)
    versioned = life.version(ingested)
    rows = life.rows(versioned)
    pd.testing.assert_frame_equal(rows, candidate)
    assert list(rows.columns) == ["row_id", "batch", "key", "a", "y"]
    assert rows.sort_values("key")["a"].tolist()[:2] == [10, 20]
    assert rows["batch"].dtype == "int64" and rows["row_id"].str.fullmatch("[0-9a-f]{32}").all()
    head = datasets.head(life.home, "claims")
    assert head is not None
    assert (head.version, head.parent, head.ingest_key, head.source) == (
        versioned.version,
        None,
        "key-1",
        ingested.source,
    )
    assert (versioned.rows, versioned.quarantined, versioned.labelled, versioned.batches) == (3, 0, 3, 1)


def test_appended_rows_are_a_new_batch_and_old_bytes_stay(life: Life) -> None:
    first = life.run(FIRST)
    ingested = life.ingest(FIRST + "4,40,\n")
    assert (ingested.rows, ingested.new_rows, ingested.batch, ingested.parent) == (4, 1, 1, first.version)
    second = life.version(ingested)
    rows = life.rows(second).set_index("key")
    assert rows["batch"].to_dict() == {1: 0, 2: 0, 3: 0, 4: 1}
    assert (second.labelled, second.batches) == (3, 2)
    before, after = tree(life.home.path(first.folder)), tree(life.home.path(second.folder))
    assert {file: after[file] for file in before if file != "manifest.json"}.items() <= before.items()
    assert [info.version for info in datasets.versions(life.home, "claims")] == [first.version, second.version]


def test_an_edited_row_supersedes_the_old_one_and_keeps_its_batch(life: Life) -> None:
    life.run(FIRST)
    ingested = life.ingest("key,a,y\n1,10,1\n2,99,0\n3,,1\n5,1,1\n")
    assert (ingested.new_rows, ingested.superseded, ingested.rows) == (1, 1, 4)
    rows = life.rows(life.version(ingested)).set_index("key")
    assert rows.loc[2, "a"] == 99 and rows.loc[2, "batch"] == 0 and rows.loc[5, "batch"] == 1
    back = life.rows(life.run(FIRST + "5,1,1\n")).set_index("key")
    assert back.loc[2, "a"] == 20 and len(back) == 4


def test_rows_that_disappear_from_the_source_stay(life: Life) -> None:
    first = life.run(FIRST)
    ingested = life.ingest("key,a,y\n3,,1\n")
    assert (ingested.rows, ingested.new_rows, ingested.superseded) == (3, 0, 0)
    assert life.version(ingested).version == first.version


def test_a_column_that_disappears_from_the_source_takes_nothing_away(life: Life) -> None:
    first = life.run(FIRST)
    assert life.version(life.ingest("key,a\n1,10\n2,20\n")).version == first.version
    ingested = life.ingest("key,a\n4,1\n2,99\n1,10\n")
    assert (ingested.new_rows, ingested.superseded) == (1, 1) and "y" not in ingested.columns
    rows = life.rows(life.version(ingested)).set_index("key").sort_index()
    assert rows["a"].tolist()[:2] == [10, 99] and rows["y"].tolist()[:3] == [1, 0, 1] and rows["y"].isna()[4]


def test_a_column_that_appears_edits_every_row_that_has_it(life: Life) -> None:
    life.run(FIRST)
    ingested = life.ingest("key,a,y,b\n1,10,1,x\n2,20,0,\n3,,1,\n")
    assert (ingested.new_rows, ingested.superseded) == (0, 1)
    assert life.rows(life.version(ingested)).set_index("key")["b"].to_dict()[1] == "x"


def test_nothing_new_gives_the_same_version_whatever_the_order_of_the_rows(life: Life) -> None:
    first = life.run(FIRST)
    ingested = life.ingest("y,a,key\n1,,3\n0,20.0,2\n1,10,1\n")
    assert (ingested.new_rows, ingested.superseded, ingested.batch) == (0, 0, 0)
    assert life.version(ingested).version == first.version
    assert len(datasets.versions(life.home, "claims")) == 1


def test_the_same_history_gives_the_same_version_in_another_home(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        life = Life(Home(tmp_path / name), tmp_path / name / "recipes")
        rows = FIRST.splitlines()
        first = life.run(FIRST if name == "one" else "\n".join([rows[0], *reversed(rows[1:])]) + "\n")
        second = life.run(FIRST + "4,40,1\n5,50,0\n")
        found.append((first.version, second.version, tree(life.home.path(second.folder))))
    assert found[0] == found[1]


def test_repeated_ids_keep_the_last_and_count_the_others(life: Life) -> None:
    ingested = life.ingest("key,a,y\n1,10,1\n1,11,1\n2,5,0\n")
    assert (ingested.rows, ingested.new_rows, ingested.superseded) == (2, 2, 1)
    assert sorted(datasets.candidate_rows(life.home, ingested)["a"]) == [5, 11]


def test_rows_without_an_id_are_kept_and_recognised_again(life: Life) -> None:
    text = "key,a,y\n1,10,1\n,11,1\n,11,1\n"
    ingested = life.ingest(text)
    assert ingested.rows == 3
    rows = datasets.candidate_rows(life.home, ingested)
    assert rows["key"].isna().sum() == 2 and rows["row_id"].is_unique
    life.version(ingested)
    assert life.ingest(text).new_rows == 0


def test_without_an_id_duplicates_are_counted_and_a_late_label_edits_the_row(home: Home, tmp_path: Path) -> None:
    life = Life(home, tmp_path, row_id=None)
    assert life.run("a,y\n1,\n1,\n2,5\n").rows == 3
    ingested = life.ingest("a,y\n2,5\n1,\n1,7\n3,1\n")
    assert (ingested.new_rows, ingested.superseded) == (1, 1)
    rows = life.rows(life.version(ingested))
    assert rows.groupby("a").size().to_dict() == {1: 2, 2: 1, 3: 1}
    assert rows[rows["a"] == 1]["y"].notna().sum() == 1


def test_a_column_that_turns_to_text_leaves_old_rows_the_same_rows(home: Home, tmp_path: Path) -> None:
    life = Life(home, tmp_path, row_id=None)
    life.run("a,b,y\n1,0.50,1\n2,7,0\n")
    ingested = life.ingest("a,b,y\n1,0.50,1\n2,7,0\nthree,8,1\n")
    assert (ingested.rows, ingested.new_rows, ingested.superseded) == (3, 1, 0)
    assert sorted(life.rows(life.version(ingested))["a"]) == ["1", "2", "three"]


def test_another_id_begins_a_dataset_anew(life: Life) -> None:
    first = life.run(FIRST)
    data = life.recipe.data.model_copy(update={"id": "a"})
    life.recipe = life.recipe.model_copy(update={"data": data})
    ingested = life.ingest(FIRST)
    assert (ingested.parent, ingested.rows, ingested.batch) == (None, 3, 0)
    second = life.version(ingested)
    assert datasets.version_info(life.home, "claims", first.version).rows == second.rows == 3


def test_a_missing_id_column_fails_readable_naming_the_field(life: Life) -> None:
    with pytest.raises(GateStopped, match=r"no column 'key', which data\.id names") as caught:
        life.ingest("a,y\n1,2\n")
    assert caught.value.gates[0].name == "readable" and caught.value.exit_code == 3


def test_a_source_that_changes_while_it_is_read_fails_readable(life: Life) -> None:
    (life.folder / "recipe.py").write_text(
        "import pandas as pd\n"
        "def load(file):\n"
        "    frame = pd.read_csv(file)\n"
        "    open(file, 'a').write('9,9,9\\n')\n"
        "    return frame\n"
    )
    reader = Custom(kind="custom", ref="recipe.py:load", args={"file": "in.csv"})
    data = life.recipe.data.model_copy(update={"reader": reader})
    life.recipe = life.recipe.model_copy(update={"data": data})
    with pytest.raises(GateStopped, match="changed while it was read"):
        life.ingest(FIRST)


def test_a_missing_target_or_no_rows_at_all_are_left_to_later_gates(life: Life) -> None:
    assert "y" not in life.ingest("key,a\n1,2\n").columns
    empty = life.ingest("key,a,y\n")
    assert (empty.rows, empty.batch, len(datasets.candidate_rows(life.home, empty))) == (0, 0, 0)
    assert list(datasets.candidate_rows(life.home, empty).columns)[:2] == ["row_id", "batch"]


def test_quarantined_rows_are_stored_with_reasons_and_left_out_of_training(life: Life) -> None:
    ingested = life.ingest(FIRST)
    bad = datasets.candidate_rows(life.home, ingested)["row_id"][0]
    versioned = life.version(ingested, {bad: "a is missing"})
    assert (versioned.rows, versioned.quarantined) == (2, 1)
    assert bad not in set(life.rows(versioned)["row_id"])
    assert len(life.rows(versioned, quarantined=True)) == 3
    (file,) = (life.home.path(versioned.folder) / "quarantine").iterdir()
    assert pd.read_parquet(file).to_dict("list") == {"row_id": [bad], "reasons": ["a is missing"]}
    cleared = life.version(ingested)
    assert cleared.version != versioned.version and cleared.rows == 3
    assert not (life.home.path(cleared.folder) / "quarantine").exists()


def test_committing_twice_changes_nothing(life: Life) -> None:
    ingested = life.ingest(FIRST)
    first = life.version(ingested)
    root = life.home.dataset("claims")
    before = (root / "head.json").stat().st_mtime_ns, (root / "versions" / f"{first.version}.json").read_bytes()
    assert life.version(ingested).version == first.version
    assert before == (
        (root / "head.json").stat().st_mtime_ns,
        (root / "versions" / f"{first.version}.json").read_bytes(),
    )
    assert sorted(path.name for path in root.iterdir() if not path.name.startswith(".")) == [
        "commit.lock",
        "dataset",
        "dataset.dvc",
        "head.json",
        "versions",
    ]


def test_another_remote_can_be_named_by_the_environment(life: Life, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("EVERGREEN_DVC_REMOTE", f"file://{tmp_path / 'elsewhere'}")
    versioned = life.run(FIRST)
    assert (tmp_path / "elsewhere" / "files" / "md5").is_dir() and not life.home.remote.exists()
    assert datasets.verify(life.home, "claims", versioned.version) == []


def test_a_remote_that_cannot_be_written_is_a_service_that_does_not_answer(
    life: Life, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("EVERGREEN_DVC_REMOTE", str(tmp_path / "file" / "store"))
    with pytest.raises(ServiceError) as caught:
        life.run(FIRST)
    assert caught.value.exit_code == 4 and datasets.head(life.home, "claims") is None


def test_locks_and_pointers_of_a_killed_process_do_not_stop_the_next(life: Life) -> None:
    root = life.home.dataset("claims")
    life.run(FIRST)
    alive = {"pid": os.getppid(), "cmd": "somebody else"}
    (root / ".dvc" / "tmp" / "rwlock").write_text(json.dumps({"write": {str(root / "dataset"): alive}, "read": {}}))
    (root / "dataset.dvc").write_text("outs:\n- md5: ab")
    assert life.run(FIRST + "4,1,1\n").rows == 4
    (root / ".dvc" / "tmp" / "rwlock").write_text("{")
    assert life.run(FIRST + "4,1,1\n5,1,1\n").rows == 5


def test_real_wine_is_kept_whole(home: Home, tmp_path: Path, shared_data: Path) -> None:
    life = Life(home, tmp_path, "wine", row_id=None)
    data = life.recipe.data.model_copy(update={"target": "quality"})
    life.recipe = life.recipe.model_copy(update={"data": data})
    white = (shared_data / "wine_quality" / "wine-quality.csv").read_text()
    lines = white.splitlines(keepends=True)
    assert life.run("".join(lines[:3000])).rows == 2999
    whole = life.run(white)
    rows = life.rows(whole)
    assert (len(rows), whole.batches, rows["row_id"].is_unique) == (4898, 2, True)
    assert rows.drop(columns=["row_id", "batch"]).duplicated().sum() == 937
