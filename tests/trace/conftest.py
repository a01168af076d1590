"""One real champion, made by the real stages in their order, without a Prefect server around them."""

from __future__ import annotations

import random
from typing import Any

import pytest

RECIPE = """
name: toy
problem: classification
data:
  reader: {kind: csv, path: rows.csv}
  target: outcome
  id: id
model: {kind: mlp, hidden: [8]}
training: {epochs: 8, batch_size: 32, optimizer: {kind: adamw, lr: 0.05}}
gates: {promotion: {margin: 0.2}}
"""


@pytest.fixture(scope="session")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The home that holds `toy@champion` and everything behind it."""
    from flows.engine import Execution
    from flows.training import Order, plan_of, walk
    from tasks.core.home import open_home
    from tasks.core.load import load_recipe

    folder = tmp_path_factory.mktemp("trace")
    draw = random.Random(7)
    lines = ["id,age,income,outcome"]
    for number in range(240):
        age, income = draw.uniform(18, 90), draw.gauss(3000, 800)
        lines.append(f"{number},{age:.1f},{income:.1f},{'yes' if age / 40 + income / 3000 > 2.2 else 'no'}")
    (folder / "recipe").mkdir()
    (folder / "recipe" / "rows.csv").write_text("\n".join(lines) + "\n")
    (folder / "recipe" / "recipe.yaml").write_text(RECIPE)
    home = open_home(str(folder / "home"))
    order = Order(load_recipe(str(folder / "recipe")), home)
    execution = Execution(order.loaded, home, plan_of(order))
    walk(order, execution, lambda stage, *inputs: execution.carry_out(stage, *inputs).value)
    return home
