"""The tables in the READMEs are true: every stage, file and folder they name is where they say."""

from __future__ import annotations

import re
from pathlib import Path

from tasks.core.contracts import STAGES

ROOT = Path(__file__).resolve().parents[2]


def rows(document: str) -> list[list[str]]:
    lines = [line for line in (ROOT / document).read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|---")]


def test_each_stage_is_declared_where_the_table_says():
    from flows.training import LIFE_CYCLE

    table = {row[0]: row[1].strip("`") for row in rows("tasks/README.md")[1:]}
    assert tuple(table) == STAGES
    for name, stage in LIFE_CYCLE.items():
        assert stage.file == ROOT / "tasks" / table[name]


def test_the_table_of_flows_names_every_file():
    named = {row[0].strip("`") for row in rows("flows/README.md")[1:]}
    files = {path.name for path in (ROOT / "flows").glob("*.py")} - {"__init__.py"}
    assert named == files | {"cli/"}


def test_what_the_table_of_tests_names_is_there():
    named = {row[0].strip("`") for row in rows("tests/README.md")[1:]}
    assert {name for name in named if not (ROOT / "tests" / name).exists()} == set()


def test_every_decision_is_listed():
    listed = set(re.findall(r"\((\d{4}-[a-z-]+\.md)\)", (ROOT / "infra" / "decisions" / "README.md").read_text()))
    files = {path.name for path in (ROOT / "infra" / "decisions").glob("[0-9]*.md")}
    assert listed == files


def test_the_project_speaks_of_itself_alone():
    """No address of a machine, no path of somebody's disk in what is shipped or read first."""
    for document in [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), ROOT / "pyproject.toml", ROOT / "Makefile"]:
        text = document.read_text()
        assert not re.search(r"/(home|root|work|opt)/", text), document.name
