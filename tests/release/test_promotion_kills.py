"""kill -9 before and after every side effect of a move: the repeated command ends where an uninterrupted one does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def kills(scenario: str, folder: Path, stride: int = 1) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The uninterrupted result, and the result of every `stride`-th kill point."""
    home = folder / "home"
    program = Path(__file__).with_name("killing.py")
    answer = subprocess.run(
        [sys.executable, str(program), scenario, str(home), str(stride)], capture_output=True, text=True, timeout=900
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    return lines[0]["standing"], lines[1:]


def converges(uninterrupted: dict[str, Any], points: list[dict[str, Any]], at_least: int) -> None:
    """Every attempt but the last was killed, and every repetition ended like the uninterrupted one."""
    assert len(points) > at_least
    assert [point["killed"] for point in points] == [-9] * (len(points) - 1) + [0]
    for point in points:
        assert point["again"] == 0, point
        assert point["standing"] == uninterrupted, f"kill point {point['point']}"


def test_a_promotion_survives_a_kill_at_every_fifth_point(tmp_path: Path) -> None:
    uninterrupted, points = kills("promotion", tmp_path, stride=5)
    assert uninterrupted["aliases"] == {"champion": "2"} and not uninterrupted["problems"]
    converges(uninterrupted, points, at_least=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "champion", "kinds"),
    [
        ("promotion", "2", ["promote", "intent", "done", "promote", "intent", "done"]),
        ("rollback", "2", [*["promote", "intent", "done"] * 3, "rollback", "intent", "done"]),
        (
            "return",
            "3",
            [*["promote", "intent", "done"] * 3, "rollback", "intent", "done", "unblock", "promote", "intent", "done"],
        ),
    ],
)
def test_a_move_of_the_champion_survives_a_kill_at_any_side_effect(
    tmp_path: Path, scenario: str, champion: str, kinds: list[str]
) -> None:
    uninterrupted, points = kills(scenario, tmp_path)
    assert uninterrupted["aliases"] == {"champion": champion}
    assert [line[0] for line in uninterrupted["ledger"]] == kinds
    assert all(uninterrupted["loads"]) and uninterrupted["tagged"] and not uninterrupted["problems"]
    converges(uninterrupted, points, at_least=12)


@pytest.mark.slow
def test_storing_a_model_survives_a_kill_at_any_side_effect(tmp_path: Path) -> None:
    uninterrupted, points = kills("storing", tmp_path)
    assert uninterrupted["runs"] == 1 and uninterrupted["logged_models"] == ["READY"]
    assert [version for version, _ in uninterrupted["versions"]] == ["1"] and uninterrupted["loads"] == [True]
    converges(uninterrupted, points, at_least=18)
