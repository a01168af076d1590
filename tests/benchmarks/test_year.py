"""The simulated year: rows arrive by the day, sums are right, the picture shows them, and one month really runs."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.year import QUICK, Asked, Month, Source, Year, _months, main, simulate
from benchmarks.year_figure import ROWS, figure, publish, summary, table
from benchmarks.year_still import StillWindows

SVG = "{http://www.w3.org/2000/svg}"


def month(number: int, rmse: float, never: float, *asked: Asked, rows: int = 100, **changes: bool) -> Month:
    flags = {"detected": False, "confirmed": False, "worse": False} | changes
    return Month(
        f"2012-{number:02}", rows, str(number), rmse, never, **flags, verdict="", monitor_seconds=1, asked=asked
    )


@pytest.fixture
def year() -> Year:
    refused = Asked("schedule", "refused", "", "", 0)
    months = (
        month(1, 3.0, 4.0, Asked("schedule", "ran", "", "promoted", 60)),
        month(2, 4.0, 8.0, refused, rows=300, detected=True),
        month(
            3, 5.0, 9.0, Asked("drift", "ran", "", "held", 60), Asked("schedule", "refused", "", "", 0), confirmed=True
        ),
    )
    still = {"drawn": StillWindows(40, 1), "contiguous": StillWindows(40, 6)}
    return Year(months, first_seconds=50, still=still, seconds=500)


@pytest.fixture
def hours(tmp_path: Path) -> Path:
    path = tmp_path / "whole.csv"
    days = ("2011-12-31", "2012-01-01", "2012-01-31", "2012-02-01")
    lines = [f"{number},{day},{number}" for number, day in enumerate(days, 1)]
    path.write_text("\n".join(["instant,dteday,cnt", *lines]) + "\n")
    return path


def test_rows_arrive_when_their_day_is_over(hours: Path, tmp_path: Path):
    source = Source(hours, tmp_path / "grown.csv")
    counted = []
    for day in (datetime(2012, 1, 1, tzinfo=UTC), datetime(2012, 1, 2, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC)):
        source.until(day)
        counted.append(len(source.path.read_text().splitlines()) - 1)
    assert counted == [1, 2, 4]
    assert source.path.read_bytes() == hours.read_bytes()
    january = source.between(datetime(2012, 1, 1, 3, tzinfo=UTC), datetime(2012, 2, 1, 3, tzinfo=UTC))
    assert list(january["dteday"]) == ["2012-01-01", "2012-01-31"]


def test_the_year_has_twelve_months_without_a_gap():
    spans = list(_months(12))
    assert spans[0][0] == datetime(2012, 1, 1, 3, tzinfo=UTC)
    assert spans[-1][1] == datetime(2013, 1, 1, 3, tzinfo=UTC)
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(spans))


def test_the_sums_weigh_months_by_their_rows_and_count_what_was_asked(year: Year):
    answer = year.answer
    assert answer["rmse"] == pytest.approx(((9 + 3 * 16 + 25) / 5) ** 0.5)
    assert answer["never_rmse"] == pytest.approx(((16 + 3 * 64 + 81) / 5) ** 0.5)
    counts = ("retrains", "promotions", "refused", "windows_flagged", "drifts_confirmed")
    assert [answer[key] for key in counts] == [2, 1, 2, 1, 1]
    text = "\n".join(summary(answer))
    assert "500 rows" in text and "1 of 40 (2.5 %) windows of drawn" in text and "6 of 40 (15.0 %)" in text
    assert json.loads(json.dumps(answer))["months"][2]["asked"][0]["cause"] == "drift"


def test_the_table_has_a_line_for_each_month(year: Year):
    lines = table([asdict(item) for item in year.months]).splitlines()
    assert len(lines) == 2 + 3
    assert "drift suspected" in lines[3] and "drift confirmed" in lines[4]
    assert "drift → held; schedule → refused" in lines[4]


def test_the_picture_stands_alone_and_shows_both_lines_and_what_happened(year: Year):
    root = ElementTree.fromstring(figure(year.answer["months"]))
    assert root.find(f"{SVG}style") is not None
    titled = [path.findtext(f"{SVG}title") for path in root.iter(f"{SVG}path") if path.find(f"{SVG}title") is not None]
    assert len(titled) == 2
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert {"Jan", "Feb", "Mar"} <= set(words)
    assert not any("…" in word for word in words)
    marks = {label: words[words.index(label) + 1 : words.index(label) + 4] for label in ROWS}
    assert marks == {
        "drift flagged": ["·", "●", "·"],
        "does worse": ["·", "·", "·"],
        "promoted": ["●", "·", "·"],
        "rejected or held": ["·", "·", "●"],
    }


def test_figures_go_between_the_marks_of_the_page_and_nowhere_else(year: Year, tmp_path: Path):
    page = tmp_path / "bike_year.md"
    page.write_text("before\n<!-- begin: figures -->\nold\n<!-- end: figures -->\nafter\n")
    for _ in range(2):
        publish(year.answer, tmp_path)
    text = page.read_text()
    assert text.startswith("before\n<!-- begin: figures -->\n| month |") and text.endswith(
        "<!-- end: figures -->\nafter\n"
    )
    assert "old" not in text and text.count("| 2012-01 |") == 1
    assert (tmp_path / "figures" / "bike_year.svg").read_text().startswith("<svg ")


def test_without_the_file_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--json", "--data", str(tmp_path / "hour.csv")]) == 0
    assert "hour.csv is not there" in json.loads(capsys.readouterr().out)["skipped"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_month_through_the_real_flows_leaves_a_ledger_of_that_month(shared_data: Path, tmp_path: Path):
    from tasks.core.home import open_home
    from tasks.stores.ledger import Ledger

    whole = shared_data / "bike_sharing" / "hour.csv"
    found = simulate(whole, tmp_path, 1, 1, QUICK, lambda text: None)
    (january,) = found.months
    assert (january.month, january.rows, january.champion) == ("2012-01", 741, "1")
    assert january.rmse == january.never_rmse > 0  # the first champion is the only one yet
    assert {kind: still.windows for kind, still in found.still.items()} == {"drawn": 1, "contiguous": 1}
    assert [(item.cause, item.became) for item in january.asked][-1][0] == "schedule"
    assert any(item.became == "ran" for item in january.asked)
    entries = Ledger(open_home(str(tmp_path / "home")).ledger).entries("bike_hours")
    assert {"drift", "trigger", "promote"} <= {entry.kind for entry in entries}
    times = {entry.time[:10] for entry in entries}
    assert times == {"2012-01-01", "2012-02-01"}
