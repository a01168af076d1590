"""A page people read: one self-contained HTML file that loads nothing and runs no script.

    Page("digits: evaluation", "1,797 rows").heading("Metrics").table(["metric", "value"], rows).write(path)

Every method returns the page. The same calls give the same bytes. All text is escaped; only the SVG
text that `tasks/report` itself draws goes in as it is.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from tasks.core.contracts import Gate
from tasks.core.home import write_atomically
from tasks.report.layout import STYLE, TEMPLATE
from tasks.report.numbers import in_words, show

# state -> (tone, sign): the sign says it to those who do not see the colour.
STATES = {
    "passed": ("good", "✓"),
    "promoted": ("good", "✓"),
    "promote": ("good", "✓"),
    "completed": ("good", "✓"),
    "unchanged": ("none", "="),
    "failed": ("bad", "✗"),
    "rejected": ("bad", "✗"),
    "reject": ("bad", "✗"),
    "stopped": ("bad", "✗"),
    "error": ("bad", "!"),
    "held": ("wait", "‖"),
    "hold": ("wait", "‖"),
    "waiting": ("wait", "…"),
    "warning": ("wait", "!"),
    "skipped": ("none", "–"),
    "no drift": ("good", "✓"),
    "drift": ("wait", "!"),
    "drift confirmed": ("bad", "✗"),
    "not judged": ("none", "–"),
    "as expected": ("good", "✓"),
    "worse": ("bad", "✗"),
}


@dataclass(frozen=True)
class Badge:
    """A state, shown as a coloured word with a sign; allowed wherever a table cell or key figure is."""

    state: str


@dataclass(frozen=True)
class Figure:
    """A picture: SVG text drawn by `tasks/report` or PNG bytes, with what to say about it.

    `alt` describes it to those who cannot see it; without one the caption does.
    """

    image: str | bytes
    caption: str = ""
    alt: str = ""


class Page:
    """A page that grows from top to bottom and is written once."""

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self.subtitle = subtitle
        self._blocks: list[dict[str, Any]] = []
        self._figures = 0

    def heading(self, text: str, level: int = 2) -> Page:
        """Start a section (level 2, also named in the contents) or a part of one (level 3)."""
        anchor = f"part-{sum(block['kind'] == 'heading' for block in self._blocks) + 1}"
        return self._add("heading", text=text, level=level, anchor=anchor)

    def text(self, paragraph: str) -> Page:
        """One paragraph of plain text."""
        return self._add("text", text=paragraph)

    def points(self, sentences: Iterable[str]) -> Page:
        """A list of sentences; nothing where there are none."""
        points = list(sentences)
        return self._add("points", points=points) if points else self

    def note(self, text: str, tone: str = "none") -> Page:
        """A remark set apart: how far a plot goes, what is missing; tone good, bad, wait or none."""
        return self._add("note", text=text, tone=tone)

    def link(self, address: str, text: str) -> Page:
        """A line that leads to a file beside this page; `address` is relative, so that both can be moved."""
        return self._add("link", address=address, text=text)

    def badge(self, state: str, text: str = "") -> Page:
        """A line that starts with a state."""
        return self._add("badge", badge=_cell(Badge(state)), text=text)

    def numbers(self, figures: Sequence[tuple[str, Any] | tuple[str, Any, str]]) -> Page:
        """Key figures: (label, value) or (label, value, a few words more)."""
        items = [
            {"label": figure[0], "value": _cell(figure[1]), "more": figure[2] if len(figure) > 2 else ""}
            for figure in figures
        ]
        return self._add("numbers", numbers=items)

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        caption: str = "",
        *,
        limit: int = 200,
        fold: str = "",
    ) -> Page:
        """A table; the first cell of a row names it.

        Cells are text, numbers (set to the right) or `Badge`s. Rows beyond `limit` are left out and
        the page says how many. With `fold` the table is closed until its summary `fold` is clicked.
        """
        cells = [[_cell(value) for value in row] for row in rows]
        shown = cells[:limit]
        heads = [
            {"text": column, "number": position > 0 and bool(shown) and all(row[position]["number"] for row in shown)}
            for position, column in enumerate(columns)
        ]
        self._add("table", columns=heads, rows=shown, caption=caption, fold=fold)
        if len(cells) > limit:
            self.note(f"The table shows the first {limit:,} of {len(cells):,} rows.")
        return self

    def gates(self, gates: Iterable[Gate]) -> Page:
        """A table of gates: state, threshold, why, and the evidence in numbers."""
        shown = list(gates)
        heads = ["gate", "state", "threshold", "evidence"]
        rows = [[gate.name, Badge(gate.state), gate.threshold, in_words(gate.evidence)] for gate in shown]
        if any(_why(gate) for gate in shown):
            heads.insert(3, "why")
            for row, gate in zip(rows, shown, strict=True):
                row.insert(3, _why(gate))
        return self.table(heads, rows)

    def figure(self, image: str | bytes, caption: str = "", alt: str = "") -> Page:
        """One picture over the page's width: SVG text or PNG bytes."""
        return self._add("figure", figure=self._picture(Figure(image, caption, alt)))

    def gallery(self, figures: Iterable[Figure], width: int = 300) -> Page:
        """Pictures side by side, each at least `width` pixels wide; nothing where there are none."""
        pictures = [self._picture(figure) for figure in figures]
        return self._add("gallery", figures=pictures, width=width) if pictures else self

    def html(self) -> str:
        """The page as text."""
        contents = [block for block in self._blocks if block["kind"] == "heading" and block["level"] == 2]
        page = _template().render(
            title=self.title,
            subtitle=self.subtitle,
            style=Markup(STYLE),  # noqa: S704 - our own constant
            contents=contents,
            blocks=self._blocks,
        )
        return page.strip() + "\n"

    def write(self, path: Path) -> Path:
        """Write the page as UTF-8, at once or not at all, and give its path."""
        write_atomically(path, self.html())
        return path

    def _add(self, kind: str, **values: Any) -> Page:
        self._blocks.append({"kind": kind, **values})
        return self

    def _picture(self, figure: Figure) -> dict[str, Any]:
        self._figures += 1
        alt = figure.alt or figure.caption
        if isinstance(figure.image, bytes):
            source = "data:image/png;base64," + base64.b64encode(figure.image).decode("ascii")
            return {"svg": None, "source": source, "alt": alt, "caption": figure.caption}
        return {"svg": _inline(figure.image, f"f{self._figures}", alt), "caption": figure.caption}


@functools.cache
def _template() -> Template:
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(TEMPLATE)


def _cell(value: Any) -> dict[str, Any]:
    if isinstance(value, Badge):
        tone, sign = STATES.get(value.state, ("none", "·"))
        return {"text": value.state, "number": False, "is_badge": True, "tone": tone, "sign": sign}
    plain = value.item() if hasattr(value, "item") else value
    number = plain is None or (isinstance(plain, int | float) and not isinstance(plain, bool))
    return {"text": show(plain), "number": number, "is_badge": False}


def _why(gate: Gate) -> str:
    return gate.reason if gate.state != "passed" else str(gate.evidence.get("reason", ""))


def _inline(svg: str, prefix: str, alt: str) -> Markup:
    """Ready an SVG for the page: an accessible name, and ids that no other picture of the page has."""
    text = re.sub(r"^.*?(?=<svg)", "", svg, count=1, flags=re.DOTALL)
    text = re.sub(r'\b(id|aria-labelledby)="([^"]+)"', rf'\1="{prefix}-\2"', text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{prefix}-", text)
    label = Markup.escape(alt)
    named = re.sub(r"<svg\b", lambda _: f'<svg role="img" aria-label="{label}"', text, count=1)
    return Markup(named)  # noqa: S704 - drawn by tasks/report, which escapes every text it writes
