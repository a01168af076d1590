"""Every link in the documents leads somewhere: the file is there, and the heading too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.reading import ROOT, anchors, documents, links

PAGES = documents()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    for target in links(page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(file.read_text()), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_a_page_stands_on_its_own_feet(page: Path):
    """Only relative links, nothing outside the project, and lines that a terminal shows."""
    text = page.read_text()
    assert not re.search(r"\]\((/|https?:)|\.\./shared|(?<![\w.])/(home|root|work|opt)/", text)
    wide = [line for line in text.splitlines() if len(line) > 120 and not line.startswith(("|", "<!--"))]
    made = "Made by infra/reference.py" in text
    assert made or not wide, wide[0]


def test_every_page_can_be_reached_from_the_map():
    docs = ROOT / "docs"
    start = docs / "index.md"
    seen, waiting = set(), [start]
    while waiting:
        page = waiting.pop()
        if page not in seen and page.suffix == ".md" and page.is_relative_to(docs):
            seen.add(page)
            waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links(page.read_text())]
    assert {path.resolve() for path in docs.rglob("*.md")} - {path.resolve() for path in seen} == set()
    assert "docs/index.md" in links((ROOT / "README.md").read_text())


def test_the_readers_of_links_and_headings_read():
    """Else the tests above would pass on nothing."""
    text = "# A `b`: c.d!\n```sh\n# no heading\n[no](link)\n```\n[one](x.md#y) and `[no](code)` and [two](z.md)\n"
    assert links(text) == ["x.md#y", "z.md"]
    assert anchors(text) == {"a-b-cd"}
