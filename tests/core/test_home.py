"""The home is found, made once, and refused when using it would lose something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.core.errors import RequestError
from tasks.core.home import LAYOUT, find_home, open_home, write_atomically


def test_the_option_comes_first_then_the_variable_then_the_nearest_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_home(None) == below / ".evergreen"
    (tmp_path / ".evergreen").mkdir()
    assert find_home(None) == tmp_path / ".evergreen"
    monkeypatch.setenv("EVERGREEN_HOME", str(tmp_path / "variable"))
    assert find_home(None) == tmp_path / "variable"
    assert find_home("option") == below / "option"


def test_a_home_is_opened_again_as_it_was_made(tmp_path: Path) -> None:
    first = open_home(str(tmp_path / "home"))
    assert json.loads((first.root / "home.json").read_text())["layout"] == LAYOUT
    assert open_home(str(tmp_path / "home")) == first


def test_a_moved_home_is_refused_with_the_remedy(tmp_path: Path) -> None:
    open_home(str(tmp_path / "home"))
    (tmp_path / "home").rename(tmp_path / "elsewhere")
    with pytest.raises(RequestError, match=r"has been moved\. Move it back"):
        open_home(str(tmp_path / "elsewhere"))


def test_a_newer_home_is_refused(tmp_path: Path) -> None:
    home = open_home(str(tmp_path / "home"))
    (home.root / "home.json").write_text(json.dumps({"layout": LAYOUT + 1, "path": str(home.root)}))
    with pytest.raises(RequestError, match=f"has layout {LAYOUT + 1}"):
        open_home(str(home.root))


def test_a_file_in_place_of_a_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(RequestError, match="is a file"):
        open_home(str(tmp_path / "home"))


def test_a_broken_marker_is_refused(tmp_path: Path) -> None:
    home = open_home(str(tmp_path / "home"))
    (home.root / "home.json").write_text("{")
    with pytest.raises(RequestError, match="is not valid JSON"):
        open_home(str(home.root))


def test_an_atomic_write_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_atomically(path, "one")
    write_atomically(path, "two")
    assert path.read_text() == "two"
    assert [found.name for found in path.parent.iterdir()] == ["file.json"]
