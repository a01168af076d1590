"""A small recipe with a real champion, put back after every test, and the command line in this process."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.core.home import Home, open_home
from tasks.stores.ledger import Entry, Ledger

RECIPE = """
name: claims
problem: classification
data:
  reader: {kind: csv, path: rows.csv}
  target: outcome
  id: id
  split: {test: 0.3}
model: {kind: mlp, hidden: [8]}
training: {epochs: 12, batch_size: 64, optimizer: {kind: adamw, lr: 0.05}}
gates: {promotion: {margin: 0.1}}
monitoring: {false_alarms_per_year: 2}
schedule: {monitor: "0 6 * * 1"}
"""
HEADER = "id,age,income,region,outcome"


def lines_of(start: int, count: int, *, older: float = 0.0, labels: str = "true", seed: int = 0) -> list[str]:
    """Lines of a CSV; `older` years are added to every age, `labels` are true, turned round, or none."""
    draw, lines = random.Random(f"{seed}:{start}"), []
    for number in range(start, start + count):
        age, income = draw.uniform(18, 70) + older, draw.gauss(3000, 800)
        is_yes = age / 40 + income / 3000 > 2.1
        told = {"true": is_yes, "turned": not is_yes, "none": None}[labels]
        region = draw.choice(["north", "south", "east"])
        lines.append(f"{number},{age:.1f},{income:.1f},{region},{'' if told is None else 'yes' if told else 'no'}")
    return lines


@dataclass
class Claims:
    """One recipe, its home with a champion, and the command line."""

    folder: Path
    home: Home
    call: Callable[..., tuple[int, dict[str, Any], str]]

    def rows(self, start: int, count: int, **how: Any) -> list[str]:
        return lines_of(start, count, **how)

    def file(self, name: str, lines: list[str], header: str = HEADER) -> Path:
        path = self.folder / name
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    def append(self, lines: list[str]) -> None:
        with (self.folder / "rows.csv").open("a") as stream:
            stream.write("\n".join(lines) + "\n")

    def monitor(self, *words: str | Path) -> tuple[int, dict[str, Any]]:
        code, answer, _ = self.call("monitor", self.folder, *words)
        return code, answer

    @property
    def lines(self) -> list[Entry]:
        entries = Ledger(self.home.ledger).entries("claims")
        return [entry for entry in entries if entry.kind in ("drift", "trigger", "refused")]

    @property
    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.lines]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recipe, and a home with a champion, made by the real stages without a server around them."""
    from flows.engine import Execution
    from flows.training import Order, plan_of, walk
    from tasks.core.load import claim, load_recipe

    folder = tmp_path_factory.mktemp("monitoring") / "claims"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "rows.csv").write_text("\n".join([HEADER, *lines_of(0, 900)]) + "\n")
    home = open_home(str(folder / "home"))
    order = Order(load_recipe(str(folder)), home)
    claim(home, order.loaded)
    execution = Execution(order.loaded, home, plan_of(order))
    walk(order, execution, lambda stage, *inputs: execution.carry_out(stage, *inputs).value)
    shutil.copytree(folder, folder.with_name("as-made"))
    return folder


@pytest.fixture
def claims(made: Path, capfd: pytest.CaptureFixture[str]) -> Claims:
    """The folder as it was made: a home cannot be copied elsewhere, so what a test changed is put back."""
    from flows.cli import main

    shutil.rmtree(made)
    shutil.copytree(made.with_name("as-made"), made)

    def call(*words: str | Path) -> tuple[int, dict[str, Any], str]:
        capfd.readouterr()
        code = main(["--home", str(made / "home"), "--json", *(str(word) for word in words)])
        captured = capfd.readouterr()
        return code, json.loads(captured.out), captured.err

    return Claims(made, open_home(str(made / "home")), call)
