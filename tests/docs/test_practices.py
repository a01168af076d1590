"""What docs/practices.md names is there: files, commands, fields, gates, targets; and what is not yet, is not."""

from __future__ import annotations

import re

import pytest

from flows.cli import COMMANDS
from tasks.core.contracts import GATES, RESERVED_GATES
from tasks.core.recipe import Recipe
from tests.docs.reading import ROOT

PAGE = (ROOT / "docs" / "practices.md").read_text()
SCHEMA = Recipe.model_json_schema()


def table() -> list[tuple[str, str, str]]:
    """Practice, what is here, where; of all tables."""
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("|")]
    cells = [tuple(cell.strip() for cell in row) for row in rows]
    return [row for row in cells if not row[0].startswith(("practice", "---"))]


ROWS = table()


def is_field(name: str) -> bool:
    """Whether a dotted name is a field of the recipe, of any kind of its sections."""
    blocks = [SCHEMA]
    for part in name.split("."):
        found = [block["properties"][part] for block in blocks if part in block.get("properties", {})]
        if not found:
            return False
        references = re.findall(r"'#/\$defs/(\w+)'", str(found))
        blocks = [SCHEMA["$defs"][reference] for reference in references]
    return True


def exists(name: str) -> bool:
    """Whether something is there under the name that the table gives."""
    if name.startswith("evergreen "):
        return name.split()[1] in COMMANDS
    if name.startswith("make "):
        return bool(re.search(rf"^{name.split()[1]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    if "/" in name or (ROOT / name).is_file():
        return (ROOT / name).exists()
    return name in GATES or is_field(name)


def test_the_table_is_read():
    assert len(ROWS) > 90
    assert all(len(row) == 3 for row in ROWS), next(row for row in ROWS if len(row) != 3)
    assert not exists("tasks/nothing.py")
    assert not exists("evergreen nothing")
    assert not is_field("training.nothing")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_what_a_row_names_is_there(row: tuple[str, str, str]):
    practice, here, where = row
    named = re.findall(r"`([^`]+)`", where)
    assert [name for name in named if not exists(name)] == []
    assert named or re.match(r"no[t,]", here), f"'{practice}' says that it is here, and not where"


@pytest.mark.parametrize("row", [row for row in ROWS if "not yet" in row[1]], ids=lambda row: row[0][:40])
def test_what_is_not_yet_is_not(row: tuple[str, str, str]):
    """A command that has come since makes its row wrong."""
    planned = re.findall(r"(?:planned as|not yet:|not yet, planned as) `(\w+)`", row[1])
    assert not set(planned) & set(COMMANDS), f"{row[0]}: {planned} has come; say where"
    assert set(re.findall(r"the gate `(\w+)`", row[1])) <= set(RESERVED_GATES)
