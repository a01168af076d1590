"""Dates in a table nobody prepared: each becomes the calendar features that its rows can teach, or it is said why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tasks.validate.infer import infer
from tests.validate.test_infer import rejudged, written


def test_one_time_orders_the_rows_and_every_time_becomes_what_the_rows_can_teach_of_it() -> None:
    random = np.random.default_rng(1)
    days = pd.date_range("2024-01-01", periods=300, freq="D")
    short = days[0] + pd.to_timedelta(random.integers(0, 300, 300), "h")
    frame = pd.DataFrame(
        {
            "sent": days,
            "paid": (days + pd.to_timedelta(random.integers(0, 72, 300), "h")).astype(str),
            "born": pd.Timestamp("1950-01-01") + pd.to_timedelta(random.integers(0, 9000, 300), "D"),
            "asked": short.where(short < days[0] + pd.Timedelta(hours=13), days[0] + pd.Timedelta(hours=2)).normalize(),
            "called": days.strftime("%d.%m.%Y"),
            "x": random.normal(size=300),
        }
    )
    frame.loc[5, "asked"] += pd.Timedelta(days=1)
    found = infer(frame.assign(y=frame["x"] + random.normal(size=300)), "y")
    assert (found.time, found.split) == ("sent", "time")
    declared = found.declared
    assert {name: getattr(feature, "parts", feature.kind) for name, feature in declared.items()} == {
        "sent": ("weekday",),
        "paid": ("hour", "weekday"),
        "born": ("weekday", "month"),
        "asked": "drop",
        "called": "drop",
    }
    assert "Of 'paid' the model is told the hour and the weekday, as calendar features." in found.notes
    assert "Left out: 'asked', because it holds points in time that lie within two weeks." in found.notes
    assert "Left out: 'called', because it holds points in time that are not written in ISO 8601." in found.notes


def test_a_date_that_gives_the_target_away_is_left_out_and_still_orders_the_rows() -> None:
    days = pd.date_range("2020-01-01", periods=1200, freq="D")
    summer = np.where(days.month.isin([5, 6, 7]), "yes", "no")
    found = infer(pd.DataFrame({"day": days, "x": np.arange(1200.0) % 7, "summer": summer}), "summer")
    assert (found.time, found.declared) == ("day", {})
    assert any("the column 'day' alone gives the target 'summer' away" in note for note in found.notes)


def test_the_written_recipe_takes_its_only_column_of_times_as_both(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    when = pd.date_range("2021-03-01", periods=1500, freq="13h")
    rides = 100 + 60 * np.sin(2 * np.pi * when.hour.to_numpy() / 24) + random.normal(0, 5, 1500)
    frame = pd.DataFrame({"when": when.strftime("%Y-%m-%dT%H:%M"), "rides": rides})
    frame.loc[3, "when"] = "soon"
    found, files = written(tmp_path, frame, "rides")
    assert "    when: {kind: datetime, parts: [hour, weekday, month]}" in files.recipe.read_text()
    assert "  time: when" in files.recipe.read_text() and found.split == "time"
    assert "| when | object | time, datetime |" in files.card.read_text()
    judgement = rejudged(files, frame)
    assert [gate.reason for gate in judgement.gates if gate.blocks] == []
    assert list(judgement.reasons.values()) == [["when: not a date in ISO 8601", "when: not a time"]]
