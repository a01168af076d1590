"""A recipe and a file through every stage of the life cycle, in this process and without a server."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from flows import training
from flows.engine import Execution
from tasks.core.contracts import Gate
from tasks.core.home import Home, open_home
from tasks.core.load import load_recipe


def carried_out(folder: Path, recipe: str, frame: pd.DataFrame) -> tuple[Home, dict[str, Gate]]:
    """The home and the gates by name, after a run of a recipe that reads rows.csv; no gate blocks."""
    (folder / "recipe.yaml").write_text(recipe)
    frame.to_csv(folder / "rows.csv", index=False)
    loaded, home = load_recipe(str(folder)), open_home(str(folder / "home"))
    execution = Execution(loaded, home, training.plan_of(training.Order(loaded, home)))
    training.life_cycle(lambda stage, *inputs: execution.carry_out(stage, *inputs).value, execution.skip)
    assert [gate.name for gate in execution.gates if gate.blocks] == []
    return home, {gate.name: gate for gate in execution.gates}
