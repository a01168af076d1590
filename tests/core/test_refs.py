"""Parts of a recipe's own: the file that was named is the file that runs."""

from __future__ import annotations

from pathlib import Path

from tasks.core import refs

READS_BESIDE_ITSELF = """
from pathlib import Path

RUNS = []
RUNS.append(1)

def level():
    return Path(__file__).with_name("level.txt").read_text()
"""


def folder_with(path: Path, level: str) -> Path:
    path.mkdir()
    (path / "recipe.py").write_text(READS_BESIDE_ITSELF)
    (path / "level.txt").write_text(level)
    return path


def test_equal_files_in_two_folders_each_read_what_lies_beside_them(tmp_path: Path) -> None:
    first, second = folder_with(tmp_path / "first", "1"), folder_with(tmp_path / "second", "2")
    assert refs.load("recipe.py:level", first)() == "1"
    assert refs.load("recipe.py:level", second)() == "2"


def test_a_file_runs_once_until_it_is_edited(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "own", "1")
    before = refs.load("recipe.py:RUNS", folder)
    assert refs.load("recipe.py:RUNS", folder) is before
    (folder / "recipe.py").write_text(READS_BESIDE_ITSELF + "RUNS.append(2)\n")
    assert refs.load("recipe.py:RUNS", folder) == [1, 2]
