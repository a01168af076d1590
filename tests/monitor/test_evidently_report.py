"""Evidently's report: one file that loads nothing, equal for equal rows, without a rare value; or a sentence."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.core.feature_kinds import CategoricalFeature, NumericFeature
from tasks.monitor import evidently_report
from tasks.monitor.evidently_report import MISSING, MOST_LABELS, OTHERS, write

NUMBER, LABEL = NumericFeature(kind="numeric"), CategoricalFeature(kind="categorical")
FEATURES = {
    "size": NUMBER,
    "</script><b>": NUMBER,
    "constant": NUMBER,
    "missing": NUMBER,
    "absent": NUMBER,
    "whole": NUMBER,
    "colour": LABEL,
    "note": LABEL,
}


def rows(count: int, shift: float, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    table = pd.DataFrame({"size": random.normal(shift, 1, count), "</script><b>": random.random(count) < 0.3})
    table["constant"], table["missing"] = 3, np.nan
    table["whole"] = pd.array(random.integers(0, 5, count), dtype="Int64")
    table.loc[::7, "whole"] = pd.NA
    table["colour"] = random.choice(["red", "blue", "</script><script>alert(1)"], count)
    table["note"] = [f"private-{place}-{seed}" for place in range(count)]
    table.loc[3, "size"] = 77777.125
    return table


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evidently") / "evidently.html"
    assert write(rows(400, 0, 1), rows(120, 1, 2), FEATURES, path)
    return path


def test_the_report_asks_for_nothing_outside_itself(report):
    html = report.read_text()
    tags = re.findall(r"<(?:script|link|img|iframe|source|object|embed)\b[^>]*>", html)
    assert tags and not [tag for tag in tags if re.search(r"\b(?:src|href|data)\s*=\s*[\"']?(?:https?:)?//", tag)]
    assert not re.findall(r"@import\s+(?:url\()?[\"']?(?:https?:)?//|url\([\"']?(?:https?:)?//", html)
    assert html.index("Content-Security-Policy") < html.index("<script")
    assert "default-src 'none'" in html


def test_the_report_names_columns_and_frequent_labels_but_no_row(report):
    html = report.read_text()
    assert all(f'"{name}"' in html for name in ("size", "whole", "colour", "red", OTHERS))
    assert "private-" not in html and "77777.125" not in html


def test_a_name_or_a_label_cannot_end_the_script_it_stands_in(report):
    html = report.read_text()
    assert "</script><b>" not in html and "</script><script>alert" not in html
    assert "‹/script›‹b›" in html or "\\u2039/script\\u203a\\u2039b\\u203a" in html


def test_the_report_says_that_it_is_not_the_verdict(report):
    assert "Evergreen's verdict does not follow from it" in report.read_text()


def test_equal_rows_give_equal_bytes(report, tmp_path):
    again = tmp_path / "again.html"
    assert write(rows(400, 0, 1), rows(120, 1, 2), FEATURES, again)
    assert again.read_bytes() == report.read_bytes()


def test_without_evidently_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "evidently", None)
    path = tmp_path / "none.html"
    assert write(rows(50, 0, 1), rows(50, 1, 2), FEATURES, path) is False
    assert MISSING in path.read_text()


def test_columns_without_values_leave_one_sentence(tmp_path):
    path = tmp_path / "none.html"
    table = pd.DataFrame({"missing": [np.nan] * 20})
    assert write(table, table, {"missing": NUMBER, "absent": LABEL}, path) is False
    assert "nothing to draw" in path.read_text()


def test_rows_are_thinned_and_rare_labels_lumped(monkeypatch):
    monkeypatch.setattr(evidently_report, "MOST_ROWS", 50)
    assert len(evidently_report._some(rows(400, 0, 1))) == 50
    labels = np.array([f"l{place}" for place in range(40) for _ in range(place)], dtype=object)
    kept, _ = evidently_report._common(labels, labels[:10])
    assert len(set(kept)) == MOST_LABELS + 1 and {"l39", OTHERS} < set(kept) and "l4" not in kept


def test_columns_that_moved_come_first_where_there_are_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(evidently_report, "MOST_COLUMNS", 1)
    path = tmp_path / "first.html"
    assert write(rows(60, 0, 1), rows(60, 0, 2), FEATURES, path, first=["colour"])
    assert '"colour"' in path.read_text() and '"whole"' not in path.read_text()


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_a_browser_draws_the_report_and_asks_for_nothing_else(report):
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("Chromium is not installed")
    asked, complaints = [], []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(report.as_uri())
        page.get_by_text("Dataset Drift").first.wait_for(timeout=120_000)
        words = page.inner_text("body")
        browser.close()
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [report.as_uri()]
    assert complaints == [] and "size" in words and "verdict does not follow" in words
