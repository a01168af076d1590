"""The tutorial and the how-to pages are followed to the letter: every block of code in them is run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.reading import ROOT, Block, blocks
from tests.docs.running import Desk

PAGES = sorted([*(ROOT / "docs" / "tutorial").glob("*.md"), *(ROOT / "docs" / "how-to").glob("*.md")])
SHOWN = {"text", "py"}
"""Languages of blocks that are compared or only read, and not done."""


def named(path: Path) -> str:
    return path.relative_to(ROOT / "docs").as_posix()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES, ids=named)
def test_everything_a_page_says_is_done_and_comes_out_as_it_says(page: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    try:
        desk.follow(page.read_text())
    finally:
        desk.leave()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_has_something_to_do_and_only_commands_that_exist(page: Path) -> None:
    from flows.cli import COMMANDS

    found = blocks(page.read_text())
    assert any(block.language in ("sh", "python") for block in found), f"{page.name} shows nothing that can be tried"
    for block in found:
        assert block.language in {"sh", "python", "yaml", *SHOWN}
        if block.language == "sh":
            assert set(re.findall(r"^evergreen (\w[\w-]*)", block.text, flags=re.MULTILINE)) <= set(COMMANDS), (
                block.text
            )


def test_the_one_who_follows_pages_does_what_they_say(tmp_path: Path) -> None:
    """Files are written and added to, output is compared, and an exit code that is not the one announced is found."""
    desk = Desk(tmp_path)
    desk.follow("```yaml\n# a/recipe.yaml\nname: a\n```\n```yaml\n# add to a/recipe.yaml\nmore: b\n```\n")
    assert (tmp_path / "a" / "recipe.yaml").read_text().split() == ["name:", "a", "more:", "b"]
    desk.follow("```sh\necho one; echo two 2; exit 3  # exit code 3\n```\n```text\none\n…wo …\n```\n")
    with pytest.raises(AssertionError, match="the page says"):
        desk.do(Block("text", "two\none\n"))
    with pytest.raises(AssertionError, match="ended with 1"):
        desk.do(Block("sh", "false\n"))
    with pytest.raises(AssertionError, match="nobody would know"):
        desk.do(Block("yaml", "name: nowhere\n"))
    desk.do(Block("sh", "python -c 'print(41 + 1)'\n"))
    assert desk.said == "42\n"
