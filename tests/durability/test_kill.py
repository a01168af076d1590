"""SIGKILL loses nothing and promotes nothing wrong: run again, and it is as if nothing had happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DRIVER = Path(__file__).with_name("kill_driver.py")
PARTS = 8
"""The kill points are shared out, so that one slow test does not hold up all others."""
SAME = ("champion", "versions", "weights", "dataset", "dataset_problems", "promotions", "ledger_problems")


def drive(recipe: Path, work: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(DRIVER), str(recipe), str(work), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)


def results_of(process: subprocess.Popen[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    output, _ = process.communicate()
    assert process.returncode == 0, output
    whole, *kills = (json.loads(line) for line in output.splitlines())
    return whole, kills


def assert_as_uninterrupted(whole: dict[str, Any], kills: list[dict[str, Any]]) -> None:
    assert whole["status"] == "promoted"
    assert whole["promotions"] == 1
    assert not whole["ledger_problems"]
    assert not whole["dataset_problems"]
    for kill in kills:
        assert kill["killed"], f"nothing was killed {kill['kill']}"
        assert kill["again"] in ("promoted", "unchanged"), kill
        assert {key: kill[key] for key in SAME} == {key: whole[key] for key in SAME}, kill["kill"]


def test_a_kill_between_the_ledgers_intent_and_the_alias_is_made_good(small_recipe: Path, tmp_path: Path) -> None:
    whole, kills = results_of(drive(small_recipe, tmp_path, "--only", "set_alias", "--limit", "1"))
    assert len(kills) == 1
    assert_as_uninterrupted(whole, kills)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_before_and_after_every_side_effect_is_made_good(small_recipe: Path, tmp_path: Path, part: int) -> None:
    whole, kills = results_of(drive(small_recipe, tmp_path, "--part", f"{part}/{PARTS}"))
    assert whole["points"] > 60
    assert len(kills) >= whole["points"] // PARTS
    assert_as_uninterrupted(whole, kills)
