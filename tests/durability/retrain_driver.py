"""Kills one retraining at each step of its ledger and its promotion, and starts it again.

    python retrain_driver.py RECIPE_FOLDER WORK_FOLDER [--part K/N] [--again same|new]

As `kill_driver.py`, whose machinery it uses, but only at the ledger and at the alias, as that one kills the run
itself everywhere. All lines of the ledger are written by one statement, so a site is also the step it is written
by. The killed call answers the trigger `main`, while a trigger `other` waits; the call after it answers the same
one, or a new one called `again`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import kill_driver

from flows import retraining
from tasks.core.home import Home, open_home
from tasks.core.load import load_recipe
from tasks.stores import triggers
from tasks.stores.ledger import Ledger

NAME = "killed"
STEPS = ("flows/retraining.py", "tasks/release/promotion.py", "tasks/release/decide.py")
KEPT = ("tasks/stores/transaction.py", "tasks/stores/runs.py:set_alias")
ENDS = ("ran", "coalesced", "refused")
innermost = kill_driver._line
read_plain = kill_driver.read_state
every_point = kill_driver.kill_points


def line() -> str:
    """Where an effect comes from: its own line, and for ledger and alias the step that led to it."""
    site = innermost()
    frame: Any = sys._getframe(1)
    while site.startswith(KEPT) and frame is not None:
        if frame.f_code.co_filename.endswith(STEPS):
            name = Path(frame.f_code.co_filename).stem
            return f"{site} for {name}:{frame.f_code.co_name}:{frame.f_lineno}"
        frame = frame.f_back
    return site


def commits(sites: list[str]) -> dict[int, str]:
    """Of all kill points, those before and after a commit to the ledger or of the alias."""
    return {
        number: what
        for number, what in every_point(sites).items()
        if " for " in what and what.lower().endswith(" commit")
    }


def run(recipe: Path, home: Path, kill_before: int | None, report: Path, again: str = "main") -> None:
    """One child: answer a trigger, and write what came of it."""
    opened = open_home(str(home))
    second = any(trigger.id == "other" for trigger in triggers.every(opened, NAME))
    effects = kill_driver.Effects(home, kill_before)
    effects.watch()
    triggers.propose(opened, NAME, "somebody else asked", "schedule", trigger_id="other")
    found = retraining.retrain(
        load_recipe(str(recipe)),
        opened,
        reason="drift was confirmed",
        cause="drift",
        trigger_id=again if second else "main",
        tell=lambda text: None,
    )
    status = found.outcome.status if found.outcome else found.trigger.state
    report.write_text(json.dumps({"status": status, "sites": effects.sites, "reason": found.decision.reason}))


def read_state(home: Home) -> dict[str, Any]:
    """What `kill_driver` reads, and how often each trigger has come to an end."""
    lines = [entry.body for entry in Ledger(home.ledger).entries(NAME) if entry.kind in ("trigger", "refused")]
    ends = {body["id"]: 0 for body in lines}
    for body in lines:
        ends[body["id"]] += body["state"] in ENDS
    return {**read_plain(home), "ends": ends, "begun": len({body["id"] for body in lines if "policy" in body})}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--part", default="0/1")
    parser.add_argument("--again", choices=("same", "new"), default="same")
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    wanted = {"same": "main", "new": "again"}[options.again]
    kill_driver._line = line
    kill_driver.read_state = read_state
    kill_driver.kill_points = commits
    kill_driver.run = lambda *arguments: run(*arguments, again=wanted)
    kill_driver.main(options.recipe, options.work, options.part, options.only, options.limit)
