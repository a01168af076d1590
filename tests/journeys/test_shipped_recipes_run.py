"""The recipes diabetes and bike_hours through the command line: a champion on a fresh home, and nothing to do again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Evergreen = Callable[..., Any]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_diabetes_is_promoted_and_then_unchanged(evergreen: Evergreen, tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = evergreen(home, "run", "diabetes")
    assert (first.code, first.answer["status"]) == (0, "promoted"), first.answer
    assert first.answer["dataset"] == {**first.answer["dataset"], "rows": 442, "quarantined": 0}
    assert first.gate("beats_baseline")["state"] == first.gate("thresholds")["state"] == "passed"
    again = evergreen(home, "run", "diabetes")
    assert (again.code, again.answer["status"]) == (0, "unchanged"), again.answer
    assert {stage["state"] for stage in again.answer["stages"]} == {"cached"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_bike_hours_makes_a_champion_of_the_file_that_a_person_names(
    evergreen: Evergreen, tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("EVERGREEN_BIKES", str(tmp_path / "hour.csv"))
    absent = evergreen(home, "run", "bike_hours")
    assert (absent.code, absent.answer["error"]["code"]) == (2, "reader"), absent.answer
    (tmp_path / "hour.csv").symlink_to(shared_data / "bike_sharing" / "hour.csv")
    found = evergreen(home, "run", "bike_hours", "training.epochs=2")
    assert (found.code, found.answer["status"]) == (0, "promoted"), found.answer
    assert found.answer["dataset"] == {**found.answer["dataset"], "rows": 17379, "quarantined": 0}
    assert found.gate("leakage")["state"] == "passed"
    assert found.answer["metrics"]["test"]["r2"] > 0.4
