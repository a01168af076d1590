"""A page is one offline file: escaped, without script or address, the same bytes each time."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tasks.core.contracts import Gate
from tasks.report.histograms import histogram
from tasks.report.numbers import count, listing, percent, show
from tasks.report.page import STATES, Badge, Figure, Page

VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Collects tags, attributes and text, and fails where tags do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def everything() -> Page:
    """A page that uses every method."""
    picture = histogram(np.arange(40.0), "a <b> & c")
    gates = [
        Gate("finite", "passed", None, {"not_finite": {}, "numbers": 1234}),
        Gate("thresholds", "failed", 0.8, {"reason": "accuracy is 0.5, below 0.8.", "values": {"accuracy": 0.5}}),
    ]
    return (
        Page("title <script>alert(1)</script>", "sub & title")
        .heading("One")
        .text("<b>not bold</b>")
        .points(["first", "second"])
        .note("careful", "wait")
        .badge("promoted", "version 3")
        .numbers([("rows", 1797), ("accuracy", 0.98765, "test"), ("state", Badge("held"))])
        .heading("Two")
        .table(["name", "value"], [("x", 1.5), ("<i>y</i>", None)], "caption", fold="show it")
        .gates(gates)
        .heading("Three")
        .figure(picture, "a histogram", 'quote " and <tag>')
        .gallery([Figure(picture, "again"), Figure(b"\x89PNG", "bytes")])
    )


def test_a_page_nests_well_and_loads_nothing():
    page = everything().html()
    reader = Reader(page)
    names = {tag for tag, _ in reader.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "form"}
    addresses = [value for _, attributes in reader.tags for key, value in attributes.items() if key in ("src", "href")]
    assert all(value is not None and value.startswith(("#", "data:image/png;base64,")) for value in addresses)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    # The only address is the name of the SVG language, which nobody fetches.
    assert set(re.findall(r"https?://[^\"' <]+", page)) == {"http://www.w3.org/2000/svg"}


def test_text_from_outside_is_escaped_everywhere():
    words = " ".join(Reader(everything().html()).words)
    for text in ("title <script>alert(1)</script>", "<b>not bold</b>", "<i>y</i>", "a <b> & c"):
        assert text in words


def test_the_same_calls_give_the_same_bytes(tmp_path: Path):
    first, second = everything().write(tmp_path / "a.html"), everything().write(tmp_path / "b.html")
    assert first.read_bytes() == second.read_bytes()


def test_ids_are_unique_and_pictures_have_a_name():
    tags = Reader(everything().html()).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    pictures = [attributes for tag, attributes in tags if tag in ("svg", "img")]
    assert len(pictures) == 3
    assert [attributes.get("aria-label") or attributes.get("alt") for attributes in pictures] == [
        'quote " and <tag>',
        "again",
        "bytes",
    ]


@pytest.mark.parametrize("state", sorted(STATES))
def test_a_state_is_said_by_word_and_sign_not_only_by_colour(state: str):
    words = " ".join(Reader(Page("p").badge(state).html()).words)
    assert f"{STATES[state][1]} {state}" in words


def test_a_long_table_is_cut_and_says_so():
    page = Page("p").table(["n"], [(number,) for number in range(300)], limit=10).html()
    assert page.count('<th scope="row">') == 10
    assert "The table shows the first 10 of 300 rows." in page


def test_gates_show_reason_and_evidence_without_repeating_the_reason():
    words = " ".join(Reader(everything().html()).words)
    assert words.count("accuracy is 0.5, below 0.8.") == 1
    assert "not finite: none; numbers: 1,234" in words


def test_a_figure_or_list_without_content_adds_nothing():
    assert Page("p").gallery([]).points([]).html() == Page("p").html()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (0.1 + 0.2, "0.3"),
        (123456.7, "123,457"),
        (0.0000123, "1.23e-05"),
        (-0.5, "-0.5"),
        (float("inf"), "infinite"),
        (float("nan"), "undefined"),
        (np.float32(0.25), "0.25"),
        (np.int64(7), "7"),
        (np.bool_(True), "yes"),
        (None, "–"),
        ("text", "text"),
        (9999.99996, "10000"),
    ],
)
def test_numbers_are_written_for_people(value: object, text: str):
    assert show(value) == text


def test_words_around_numbers():
    assert percent(0.0004) == "under 0.1 %"
    assert percent(0.3333) == "33.3 %"
    assert percent(0.0) == "0 %"
    assert count(1, "class", "classes") == "1 class"
    assert count(1200, "row") == "1,200 rows"
    assert listing([]) == ""
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing(list("abcdef"), 2) == "a, b and 4 more"
