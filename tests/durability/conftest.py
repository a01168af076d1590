"""A small real recipe whose whole life cycle takes seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

RECIPE = """\
name: killed
problem: classification
data:
  reader: {kind: csv, path: rows.csv}
  target: outcome
  id: row
model: {kind: mlp, hidden: [8]}
training: {epochs: 3, batch_size: 64, optimizer: {kind: adamw, lr: 0.05}}
"""


@pytest.fixture(scope="session")
def small_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 rows, three numbers, two classes that a few epochs can tell apart."""
    folder = tmp_path_factory.mktemp("killed")
    noise = np.random.default_rng(0)
    values = noise.normal(size=(400, 3))
    yes = values[:, 0] + 0.5 * values[:, 1] + 0.3 * noise.normal(size=400) > 0
    lines = [
        f"{row},{a:.4f},{b:.4f},{c:.4f},{'yes' if good else 'no'}"
        for row, ((a, b, c), good) in enumerate(zip(values, yes, strict=True))
    ]
    (folder / "rows.csv").write_text("\n".join(["row,a,b,c,outcome", *lines]) + "\n")
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder
