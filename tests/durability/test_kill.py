"""SIGKILL loses nothing and promotes nothing wrong: run again, and it is as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("kill_driver.py")
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
@pytest.mark.timeout(5000)
def test_a_kill_before_and_after_every_side_effect_is_made_good(small_recipe: Path, tmp_path: Path) -> None:
    parts = [drive(small_recipe, tmp_path, "--part", f"{part}/2") for part in range(2)]
    (whole, first), (_, second) = [results_of(part) for part in parts]
    assert len(first) + len(second) == whole["points"]
    assert whole["points"] > 60
    assert_as_uninterrupted(whole, [*first, *second])


def evergreen(recipe: Path, home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flows.cli", "--home", str(home), "--json", "run", str(recipe)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_kill_of_the_whole_command_at_a_random_moment_is_made_good(small_recipe: Path, tmp_path: Path) -> None:
    """The real command with its Prefect server, killed at 20 seeded moments."""
    sys.path.insert(0, str(DRIVER.parent))
    import kill_driver

    from tasks.core.home import Home

    started = time.monotonic()
    assert json.loads(evergreen(small_recipe, tmp_path / "whole").communicate()[0])["status"] == "promoted"
    length = time.monotonic() - started
    whole = kill_driver.read_state(Home(tmp_path / "whole"))
    moments = random.Random(7)
    for number in range(20):
        home = tmp_path / f"home{number}"
        command = evergreen(small_recipe, home)
        try:
            command.wait(timeout=moments.uniform(0, length))
        except subprocess.TimeoutExpired:
            command.send_signal(signal.SIGKILL)
        command.communicate()
        again = json.loads(evergreen(small_recipe, home).communicate()[0])
        assert again["status"] in ("promoted", "unchanged"), again
        assert kill_driver.read_state(Home(home)) == whole
