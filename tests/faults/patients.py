"""A clean small recipe that passes every gate; each fault is one change of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

RECIPE = """\
name: {name}
problem: classification
data:
  reader: {{kind: csv, path: "rows*.csv"}}
  target: diagnosis
  id: patient
  expectations: expectations.json
model: {{kind: mlp, hidden: [16], dropout: 0.0}}
training: {{epochs: 12, batch_size: 64, optimizer: {{kind: adamw, lr: 0.02}}}}
gates: {{thresholds: {{accuracy: 0.75}}, min_rows: 300}}
"""

SUITE = {
    "name": "patients",
    "expectations": [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "radius", "min_value": 0, "max_value": 60},
        }
    ],
}

ROWS = 800


def clean_rows(rows: int = ROWS) -> pd.DataFrame:
    """Patients [rows] whose diagnosis follows two noisy measurements; every cell is easily found in a text."""
    random = np.random.default_rng(7)
    radius = random.normal(14, 3, ROWS).clip(2, 40)
    texture = random.normal(19, 4, ROWS)
    clinic = random.choice(["Northgate", "Southmead", "Westbury"], ROWS)
    ill = (radius - 14) / 3 + 0.5 * (texture - 19) / 4 + random.normal(0, 0.15, ROWS) > 0
    frame = pd.DataFrame(
        {
            "patient": [f"patient-{number:05d}" for number in range(ROWS)],
            "radius": radius.round(5),
            "texture": texture.round(5),
            "clinic": clinic,
            "diagnosis": np.where(ill, "malignant", "benign"),
        }
    )
    return frame[:rows]


def write_recipe(folder: Path, name: str) -> None:
    """The clean recipe with its rows, its expectation suite and the networks that faults may name."""
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(RECIPE.format(name=name))
    (folder / "expectations.json").write_text(json.dumps(SUITE))
    write_rows(folder, clean_rows())
    here = Path(__file__).parent
    for module in (here / "faulty_networks.py", here.parent / "train" / "planted_networks.py"):
        shutil.copy(module, folder)


def write_rows(folder: Path, frame: pd.DataFrame, file: str = "rows.csv") -> None:
    """What the recipe's reader finds."""
    frame.to_csv(folder / file, index=False)


def cells(folder: Path) -> set[str]:
    """Every cell of every file the recipe reads, as text; class labels are part of the schema and left out."""
    frames = [pd.read_csv(path, dtype=str) for path in folder.glob("rows*.csv")]
    columns = (frame[name].dropna() for frame in frames for name in frame.columns if name != "diagnosis")
    return {cell for column in columns for cell in column}
