"""A version is fetched back byte for byte, and every damaged byte is noticed, named and mended."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tasks.core.errors import GateError, RequestError
from tasks.core.home import Home
from tasks.stores import datasets
from tests.stores.dataset_life import FIRST, Life, tree


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


@pytest.fixture
def life(home: Home, tmp_path: Path) -> Life:
    return Life(home, tmp_path)


def test_every_version_is_fetched_back_byte_for_byte(life: Life, tmp_path: Path) -> None:
    first = life.run(FIRST)
    second = life.run(FIRST + "4,40,1\n")
    for versioned in (first, second):
        out = tmp_path / versioned.version
        assert datasets.checkout(life.home, "claims", versioned.version[:8], out).version == versioned.version
        assert tree(out) == tree(life.home.path(versioned.folder))
        assert datasets.verify(life.home, "claims", versioned.version) == []
    shutil.rmtree(life.home.dataset("claims") / ".dvc" / "cache")
    datasets.checkout(life.home, "claims", first.version, tmp_path / "from-remote")
    assert tree(tmp_path / "from-remote") == tree(life.home.path(first.folder))


def test_a_checkout_never_writes_over_files(life: Life, tmp_path: Path) -> None:
    versioned = life.run(FIRST)
    (tmp_path / "out").mkdir()
    datasets.checkout(life.home, "claims", versioned.version, tmp_path / "out")
    with pytest.raises(RequestError, match="is not empty"):
        datasets.checkout(life.home, "claims", versioned.version, tmp_path / "out")


@pytest.mark.parametrize("text", ["ffffffff", "", "../../head", "0"])
def test_an_unknown_version_is_a_wrong_request(life: Life, tmp_path: Path, text: str) -> None:
    life.run(FIRST)
    with pytest.raises(RequestError, match="names no dataset version of claims") as caught:
        datasets.checkout(life.home, "claims", text, tmp_path / "out")
    assert "data list claims" in caught.value.remedy


@pytest.mark.parametrize("where", ["cache", "remote"])
def test_one_flipped_byte_in_any_file_is_named(life: Life, where: str) -> None:
    versioned = life.run(FIRST)
    assert len(life.objects(where)) == 3
    for path in life.objects(where).values():
        whole = path.read_bytes()
        flip(path)
        problems = datasets.verify(life.home, "claims", versioned.version)
        assert len(problems) == 1 and where in problems[0], problems
        path.write_bytes(whole)
    assert datasets.verify(life.home, "claims", versioned.version) == []


def test_a_damaged_cache_is_never_served(life: Life, tmp_path: Path) -> None:
    versioned = life.run(FIRST)
    for path in life.objects("cache").values():
        flip(path)
    datasets.checkout(life.home, "claims", versioned.version, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(life.home.path(versioned.folder))
    for path in life.objects("remote").values():
        flip(path)
    with pytest.raises(GateError, match="damaged or missing both") as caught:
        datasets.checkout(life.home, "claims", versioned.version, tmp_path / "again")
    assert caught.value.remedy and not (tmp_path / "again").exists()


def test_a_commit_mends_what_was_damaged_in_workspace_cache_and_remote(life: Life) -> None:
    first = life.run(FIRST)
    for where in ("cache", "remote"):
        for path in life.objects(where).values():
            flip(path)
    flip(next((life.home.dataset("claims") / "dataset" / "rows").iterdir()))
    (life.home.dataset("claims") / "dataset" / "rows" / "foreign.parquet").write_text("left over")
    again = life.ingest(FIRST, parent=None)
    assert life.version(again).version == first.version
    assert datasets.verify(life.home, "claims", first.version) == []


def test_files_that_vanished_from_the_remote_are_pushed_again(life: Life) -> None:
    first = life.run(FIRST)
    for name, path in life.objects("remote").items():
        if not name.endswith(".dir"):
            path.unlink()
    assert any("missing from the remote" in text for text in datasets.verify(life.home, "claims", first.version))
    life.version(life.ingest(FIRST))
    assert datasets.verify(life.home, "claims", first.version) == []


def test_a_damaged_copy_is_not_trained_on(life: Life) -> None:
    versioned = life.run(FIRST)
    folder = life.home.path(versioned.folder)
    flip(next((folder / "rows").iterdir()))
    with pytest.raises(GateError, match="other bytes than its manifest says"):
        datasets.load_rows(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(GateError, match=r"manifest\.json is missing or damaged"):
        datasets.load_rows(folder)
    assert datasets.verify(life.home, "claims", versioned.version) == []


def test_show_gives_records_of_plain_values(life: Life) -> None:
    versioned = life.run(FIRST)
    records = datasets.show(life.home, "claims", versioned.version, 2)
    assert len(records) == 2
    assert json.loads(json.dumps(records)) == records
    assert set(records[0]) == {"row_id", "batch", "key", "a", "y"}


def test_the_pinned_pointer_fetches_the_data_in_a_repository_of_someone_else(life: Life, tmp_path: Path) -> None:
    from dvc.repo import Repo

    with pytest.raises(RequestError, match="has no dataset version yet"):
        datasets.pin(life.home, "claims", life.folder)
    versioned = life.run(FIRST)
    pointer = datasets.pin(life.home, "claims", life.folder)
    assert pointer == life.folder / "claims.dvc"
    other = tmp_path / "other"
    with Repo.init(str(other), no_scm=True) as repository, repository.config.edit("repo") as config:
        config["remote"]["store"] = {"url": str(life.home.remote)}
        config["core"] |= {"remote": "store", "site_cache_dir": str(tmp_path / "site")}
    shutil.copy(pointer, other / pointer.name)
    with Repo(str(other)) as repository:
        repository.pull()
    assert tree(other / "claims") == tree(life.home.path(versioned.folder))
