"""A recipe with a source that grows, kept fresh by a running `evergreen up`: what happens to it, and what is known."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from tasks.core.home import Home
from tasks.stores import registry, triggers
from tasks.stores.ledger import Entry, Ledger
from tasks.stores.triggers import Trigger
from tests.up.serving import Up, command, wait_for

HEADER = "claim,visits,spend,region,outcome"
SUITE = {
    "name": "claims",
    "expectations": [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "visits", "min_value": 0, "max_value": 400},
        }
    ],
}
RECIPE: dict[str, Any] = {
    "problem": "classification",
    "data": {
        "reader": {"kind": "csv", "path": "rows.csv"},
        "target": "outcome",
        "id": "claim",
        "split": {"kind": "random", "test": 0.25},
        "expectations": "expectations.json",
    },
    "model": {"kind": "mlp", "hidden": [16], "dropout": 0.0},
    "training": {"epochs": 15, "batch_size": 64, "optimizer": {"kind": "adamw", "lr": 0.02}},
    "gates": {"promotion": {"margin": 0.1}},
    "monitoring": {"windows_to_confirm": 1},
    "retraining": {"kind": "hybrid", "max_age_days": 30, "cooldown_days": 0, "min_rows": 100},
}


def distant_schedule() -> dict[str, str]:
    """Weekly times that do not come while a test runs."""
    day = (datetime.now(UTC) + timedelta(days=3)).isoweekday() % 7
    return {"monitor": f"0 6 * * {day}", "retrain": f"0 7 * * {day}"}


def rows(start: int, count: int, *, coast: float = 0.04, along: float = 0.0, visits: float = 0.0) -> list[str]:
    """Lines of a CSV, one claim each.

    Inland an outcome is `yes` where visits and spend are high together; on the coast, a subpopulation that makes
    up the share `coast`, it is the other way round. `along` lets people spend more and come less often, in standard
    deviations: other people, the same rule. `visits` is added to every claim's after its outcome is known.
    """
    draw, lines = random.Random(start), []
    for number in range(start, start + count):
        seen, paid = draw.gauss(100 - 20 * along, 20), draw.gauss(3000 + 600 * along, 600)
        on_coast = draw.random() < coast
        high = (seen - 100) / 20 + (paid - 3000) / 600 > 0
        region = "coast" if on_coast else draw.choice(["north", "south", "east"])
        outcome = "yes" if high != on_coast else "no"
        lines.append(f"{number},{seen + visits:.1f},{paid:.1f},{region},{outcome}")
    return lines


@dataclass
class Loop:
    """One recipe that a running `up` serves."""

    up: Up
    folder: Path
    name: str

    @property
    def home(self) -> Home:
        """Of the `up` that serves it."""
        return Home(self.up.home)

    @property
    def source(self) -> Path:
        """The file that grows."""
        return self.folder / "rows.csv"

    def write(self, **changes: Any) -> None:
        """Write the recipe; `changes` are sections in place of its own."""
        content = {"name": self.name, **RECIPE, "schedule": distant_schedule(), **changes}
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "expectations.json").write_text(json.dumps(SUITE))
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump(content))

    def append(self, lines: list[str]) -> None:
        """Let the source grow."""
        if not self.source.exists():
            self.source.write_text(f"{HEADER}\n")
        with self.source.open("a") as stream:
            stream.write("\n".join(lines) + "\n")

    def take_back(self, lines: list[str]) -> None:
        """Let the source be as it was before these lines came."""
        kept = [line for line in self.source.read_text().splitlines() if line not in set(lines)]
        self.source.write_text("\n".join(kept) + "\n")

    def call(self, *words: str) -> dict[str, Any]:
        """A command on the recipe at the desk, beside the running `up`; what it answered, and its exit code."""
        verb, *more = words
        code, answer = command(self.up.home, self.up.folder, verb, str(self.folder), *more)
        return {**answer, "code": code}

    def monitor(self, *words: str) -> dict[str, Any]:
        """`evergreen monitor`, which judges and goes home: what it sets off, `up` carries out."""
        return self.call("monitor", *words)

    @property
    def champion(self) -> str | None:
        """The version that is champion now."""
        return registry.champion_version(self.home, self.name)

    @property
    def versions(self) -> list[str]:
        """Every version there is, oldest first."""
        return sorted((info.version for info in registry.versions(self.home, self.name)), key=int)

    @property
    def triggers(self) -> list[Trigger]:
        """All triggers, in the order they became known."""
        return triggers.every(self.home, self.name)

    def ended(self, trigger_id: str, seconds: float = 420.0) -> Trigger:
        """A trigger, once it has come to an end."""

        def look() -> Trigger | None:
            found = triggers.find(self.home, self.name, trigger_id)
            return None if found.open else found

        found: Trigger = wait_for(look, seconds, f"the end of trigger {trigger_id}")
        return found

    def flow_runs(self, trigger_id: str) -> list[dict[str, Any]]:
        """Flow runs of the deployment `retrain` that were started for a trigger, oldest first."""
        found = self.up.prefect.runs(f"retrain/{self.name}")
        return [run for run in found if run["parameters"].get("trigger_id") == trigger_id]

    def flow_runs_ended(self, trigger_id: str) -> list[dict[str, Any]]:
        """The same, when all of them have ended."""
        return [self.up.prefect.ended(run["id"]) for run in self.flow_runs(trigger_id)]

    def events(self, trigger_id: str) -> list[dict[str, Any]]:
        """Events with which a trigger was announced, as the server has them."""
        question = {"filter": {"event": {"name": ["evergreen.drift.detected"]}}, "limit": 50}
        found = self.up.prefect.ask("events/filter", question)["events"]
        return [event for event in found if event["payload"]["trigger_id"] == trigger_id]

    @property
    def entries(self) -> list[Entry]:
        """The ledger's lines about this model."""
        return Ledger(self.home.ledger).entries(self.name)

    def story(self, after: int = 0) -> list[str]:
        """Kinds of those lines behind the first `after`; of a trigger with what became of it."""
        return [_word(entry) for entry in self.entries[after:]]

    def check_books(self) -> None:
        """What holds whatever happened: the ledger verifies, every trigger ended once, the champion is the ledger's."""
        ledger = Ledger(self.home.ledger)
        assert ledger.verify() == []
        assert ledger.champion(self.name) == self.champion
        ends = [entry.body["id"] for entry in self.entries if _word(entry) in ("ran", "coalesced", "refused")]
        assert sorted(ends) == sorted(trigger.id for trigger in self.triggers), self.story()
        keys = [info.tags[registry.KEY] for info in registry.versions(self.home, self.name)]
        assert len(keys) == len(set(keys)), "one content was registered twice"
        # A decision that waited for a person and the person's own are two lines about one version: the move counts.
        moves = [
            entry.body["to"] for entry in self.entries if entry.kind == "done" and entry.body["outcome"] == "moved"
        ]
        assert len(moves) == len(set(moves)), "one version was promoted twice"


def _word(entry: Entry) -> str:
    if entry.kind == "trigger":
        begun = entry.body["state"] == "taken" and "policy" in entry.body
        return "begun" if begun else str(entry.body["state"])
    return entry.kind


def new_loop(up: Up, name: str, **changes: Any) -> Loop:
    """A recipe with 800 rows, a champion, and deployments on the server of `up`."""
    loop = Loop(up, up.folder / "data" / name, name)
    loop.write(**changes)
    loop.append(rows(0, 800))
    answer = loop.call("run")
    assert answer["status"] in ("promoted", "waiting"), answer
    wait_for(lambda: f"retrain/{name}" in up.prefect.deployments, 60, f"the deployments of {name}")
    return loop
