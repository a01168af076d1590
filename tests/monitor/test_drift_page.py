"""The page on one window says the verdict, what moved, how the champion does, and what it all rests on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.core.feature_kinds import NumericFeature
from tasks.core.upkeep import Monitoring
from tasks.monitor.drift import Drift, judge
from tasks.monitor.page import drift_page
from tasks.monitor.performance import measure
from tasks.report.limits import against_limits

MONITORING = Monitoring()


def found(shift: float, rows: int = 200, windows: float = 52) -> Drift:
    random = np.random.default_rng(0)
    names = ["age", "<b>size</b>", "income"]
    history, window = (pd.DataFrame(random.normal(size=(count, 3)), columns=names) for count in (2000, rows))
    window["age"] += shift
    return judge(history, window, dict.fromkeys(names, NumericFeature(kind="numeric")), MONITORING, windows)


def page(drift: Drift, **more) -> str:
    return drift_page(
        "claims: monitoring",
        "200 rows",
        drift,
        more.pop("performance", None),
        MONITORING,
        confirmed=more.pop("confirmed", False),
        **more,
    ).html()


@pytest.mark.parametrize(
    ("shift", "rows", "confirmed", "state"),
    [
        (0, 200, False, "✓ no drift"),
        (1, 200, False, "! drift"),
        (1, 200, True, "✗ drift confirmed"),
        (0, 9, False, "– not judged"),
    ],
)
def test_the_verdict_stands_on_top(shift, rows, confirmed, state):
    assert f"{state}</span>" in page(found(shift, rows), confirmed=confirmed)


def test_columns_stand_beside_their_limits_and_what_moved_comes_first():
    html = page(found(1))
    assert html.index(">age</text>") < html.index("&lt;b&gt;size&lt;/b&gt;</text>")
    assert "<b>size" not in html and html.count("✗ 0.") == 1
    assert "Every column in a table" in html


def test_the_basis_is_told_and_so_is_a_history_that_is_too_short():
    weekly, hourly = page(found(0)), page(found(0, windows=8760))
    assert "12 contiguous windows of 166 rows" in weekly and "2 of 2 windows must move for an alarm" in weekly
    assert "smaller than the one that was judged" in weekly
    assert "vouch" not in weekly and "can by itself vouch for no fewer than" in hourly


def test_the_performance_is_told_or_why_there_is_none():
    truth = np.array([0, 1] * 100)
    said = np.where(np.arange(200) % 5 == 0, 1 - truth, truth)
    worse = measure(
        "accuracy", truth, said, None, (0, 1), expected=0.95, margin=0.02, confidence=0.95, min_rows=30
    )  # fmt: skip
    html = page(found(0), performance=worse)
    assert "✗ worse</span>" in html and "live accuracy" in html and "0.8" in html
    assert "No row of the window has a label" in page(found(0))


def test_the_link_to_evidently_stays_beside_the_page():
    html = page(found(0), details="evidently.html")
    assert '<a href="evidently.html">' in html and "http://" not in html.replace("http://www.w3.org", "")
    assert "evidently.html" not in page(found(0))


def test_the_page_is_the_same_each_time():
    assert page(found(1), reason="It moved.") == page(found(1), reason="It moved.")


def test_a_limit_that_cannot_be_reached_has_no_mark():
    reachable, beyond = (against_limits(["a"], [0.5], [limit], "x") for limit in (0.7, 1.4))
    assert 'stroke="var(--ink)"' in reachable and 'stroke="var(--ink)"' not in beyond
    assert "✗" not in reachable and "✗ 0.5" in against_limits(["a"], [0.5], [0.2], "x")
