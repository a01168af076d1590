"""SIGKILL while retraining: one run, one promotion, every trigger ends once. And five alarms at once: one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tasks.core.home import Home
from tasks.stores import registry, triggers
from tasks.stores.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("retrain_driver.py")
PARTS = 4
SAME = ("champion", "versions", "weights", "dataset", "dataset_problems", "promotions", "ledger_problems", "begun")

ALARM = """
import sys
from flows.retraining import retrain
from tasks.core.home import open_home
from tasks.core.load import load_recipe
found = retrain(load_recipe(sys.argv[1]), open_home(sys.argv[2]), reason="drift was confirmed", cause="drift",
                trigger_id=sys.argv[3], tell=lambda text: None)
print(found.trigger.state, found.outcome.status if found.outcome else "-")
"""


def drive(recipe: Path, work: Path, *options: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The uninterrupted call, and one line per kill."""
    command = [sys.executable, str(DRIVER), str(recipe), str(work), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    whole, *kills = (json.loads(line) for line in ended.stdout.splitlines())
    assert (whole["status"], whole["promotions"], whole["begun"]) == ("promoted", 1, 1)
    assert set(whole["ends"].values()) == {1} and not whole["ledger_problems"]
    return whole, kills


def assert_made_good(whole: dict[str, Any], kills: list[dict[str, Any]]) -> None:
    for kill in kills:
        assert kill["killed"], f"nothing was killed {kill['kill']}"
        assert kill["again"] != "crashed", kill
        assert {key: kill[key] for key in SAME} == {key: whole[key] for key in SAME}, kill["kill"]
        assert set(kill["ends"].values()) == {1}, kill


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("again", ["same", "new"])
@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_any_step_of_a_retraining_is_made_good(
    small_recipe: Path, tmp_path: Path, part: int, again: str
) -> None:
    """Whether the killed flow is started again, or another reason to retrain comes along."""
    whole, kills = drive(small_recipe, tmp_path, "--part", f"{part}/{PARTS}", "--again", again)
    assert whole["points"] >= 12 and len(kills) >= whole["points"] // PARTS
    assert_made_good(whole, kills)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_five_alarms_at_once_are_answered_by_one_run(small_recipe: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    names = [f"alarm-{number}" for number in range(5)]
    command = [sys.executable, "-c", ALARM, str(small_recipe), str(home.root)]
    started = [
        subprocess.Popen([*command, name], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name in names
    ]
    told = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0] * 5, told
    found = triggers.every(home, "killed")
    assert Counter(trigger.state for trigger in found) == {"ran": 1, "coalesced": 4}
    ran = next(trigger for trigger in found if trigger.state == "ran")
    assert {trigger.into for trigger in found if trigger.state == "coalesced"} == {ran.id}
    assert Counter(line.split()[1] for line, _ in told) == {"-": 4, "promoted": 1}
    entries = Ledger(home.ledger).entries("killed")
    ends = Counter(entry.body["id"] for entry in entries if entry.body.get("state") in ("ran", "coalesced", "refused"))
    assert ends == dict.fromkeys(names, 1)
    assert sum(entry.kind == "promote" for entry in entries) == 1
    assert [info.version for info in registry.versions(home, "killed")] == ["1"]
