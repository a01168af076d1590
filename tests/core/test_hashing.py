"""Hashes name content; a stage's code hash follows what it can reach, and only that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.core import hashing
from tasks.core.hashing import canonical_json, code_hashes, json_sha256


def test_equal_values_give_equal_json() -> None:
    assert canonical_json({"b": 1, "a": [1, 2]}) == canonical_json({"a": [1, 2], "b": 1})
    with pytest.raises(ValueError, match="Out of range float"):
        json_sha256({"a": float("nan")})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A tiny project: a stage file with two stages, a kind table, and the kinds."""
    monkeypatch.setattr(hashing, "PROJECT", tmp_path)
    folder = tmp_path / "tasks" / "one"
    folder.mkdir(parents=True)
    (folder / "stage.py").write_text(
        "from tasks.stage import stage\n"
        "@stage('prepare')\n"
        "def prepare(context):\n"
        "    from tasks.one.work import double\n"
        "    return double(2)\n"
        "@stage('train')\n"
        "def train(context):\n"
        "    from tasks.one import other\n"
        "    return other\n"
    )
    (folder / "work.py").write_text("from . import table\nFACTOR = 2\n")
    (folder / "table.py").write_text("KINDS: dict[str, str] = {'a': 'tasks.one.a:A', 'b': 'tasks.one.b:B'}\n")
    for name in ("other", "a", "b", "__init__"):
        (folder / f"{name}.py").write_text(f"NAME = '{name}'\n")
    forget()
    yield folder
    forget()


def forget() -> None:
    """As a new process would."""
    for cached in (hashing._code_hashes, hashing._parsed, hashing._module_file):
        cached.cache_clear()


def test_imports_inside_functions_and_chosen_kinds_count(project: Path) -> None:
    names = set(code_hashes(project / "stage.py", "prepare", frozenset({"a"})))
    assert {f"tasks/one/{name}.py" for name in ("stage", "work", "table", "a")} <= names
    assert "tasks/one/b.py" not in names


def test_all_kinds_count_where_none_is_named(project: Path) -> None:
    names = set(code_hashes(project / "stage.py", "prepare", frozenset({"auto"})))
    assert {"tasks/one/a.py", "tasks/one/b.py"} <= names


def test_another_stage_of_the_same_file_does_not_count(project: Path) -> None:
    before = code_hashes(project / "stage.py", "prepare", frozenset({"a"}))
    assert "tasks/one/other.py" not in before
    text = (project / "stage.py").read_text().replace("return other", "return 3 * other")
    (project / "stage.py").write_text(text)
    forget()
    assert code_hashes(project / "stage.py", "prepare", frozenset({"a"})) == before


def test_a_constant_in_the_logic_changes_the_hash(project: Path) -> None:
    before = code_hashes(project / "stage.py", "prepare", frozenset({"a"}))
    (project / "work.py").write_text("from . import table\nFACTOR = 3\n")
    forget()
    after = code_hashes(project / "stage.py", "prepare", frozenset({"a"}))
    assert [name for name in before if before[name] != after[name]] == ["tasks/one/work.py"]
