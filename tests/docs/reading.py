"""What the documents hold: code blocks, headings, links, and the keys that docs/reference/json.md promises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {".venv", ".evergreen", "node_modules"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A piece of code in a document."""

    language: str
    text: str


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    found = (path for path in ROOT.glob("**/*.md") if not OUTSIDE & set(path.relative_to(ROOT).parts))
    return sorted(found)


def blocks(document: str) -> list[Block]:
    """The fenced code of a document, in order."""
    return [Block(language, text) for language, text in FENCE.findall(document)]


def prose(document: str) -> str:
    """A document without its code."""
    return re.sub(r"`[^`\n]+`", "``", FENCE.sub("", document))


def links(document: str) -> list[str]:
    """Targets of the links in a document, code left out."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(document))


def anchors(document: str) -> set[str]:
    """What `#…` may name in a document: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ +(.+?)\s*$", FENCE.sub("", document), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(document: str, heading: str) -> str:
    """The text under a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", document, flags=re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading '{heading}'"
    return found[1]


def promised_keys(command: str) -> set[str]:
    """Keys that docs/reference/json.md lists for a command, beside those that all have."""
    text = section((ROOT / "docs" / "reference" / "json.md").read_text(), command)
    return set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE))
