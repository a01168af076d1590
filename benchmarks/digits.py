"""What a shipped recipe is worth: the metrics of its test rows over several split keys.

The same functions as in a run: reader, row ids, prepare, preflight, training loop and evaluation. Another
split key gives other training, validation and test rows, so the spread is that of the whole experiment. A
regression stands beside ridge regression and the mean, both fitted on the same training rows.

    python benchmarks/digits.py [--quick] [--json] [--keys N] [--recipe digits|breast_cancer|diabetes]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tasks.core.load import load_recipe  # noqa: E402
from tasks.core.recipe import SMALLER_IS_BETTER, Recipe  # noqa: E402
from tasks.core.rows import Identity, row_ids  # noqa: E402
from tasks.evaluate.score import load_network, score, split_metrics  # noqa: E402
from tasks.ingest.readers import read  # noqa: E402
from tasks.prepare.arrays import prepare  # noqa: E402
from tasks.train import checkpoints, experiment  # noqa: E402
from tasks.train.loop import fit  # noqa: E402

TARGET = {"digits": ("accuracy", 0.97), "breast_cancer": ("roc_auc", 0.97), "diabetes": ("rmse", 57.0)}
"""Recipe → the metric and the least (of an error: the largest) mean over the keys that is asked of it."""
PARTS = ("inputs", "targets")
RIDGE_PENALTIES = tuple(10.0**power for power in range(-2, 5))
"""What ridge regression chooses from, by leaving out one training row at a time."""


def rows_of(recipe: Recipe) -> Any:
    """The source as a dataset frame: row ids as `ingest` gives them, one batch."""
    frame = read(recipe.data.reader, ROOT / "data" / recipe.name)
    columns = tuple(sorted(str(column) for column in frame.columns if column != recipe.data.target))
    ids = row_ids(frame, Identity(recipe.data.id, recipe.data.target, columns))
    return frame.assign(row_id=ids, batch=0)


def once(recipe: Recipe, frame: Any, folder: Path) -> dict[str, Any]:
    """One split key from rows to test metrics."""
    recipe_folder, work = ROOT / "data" / recipe.name, folder / "train"
    work.mkdir()
    prepared = prepare(frame, recipe, folder, "prepared")
    sections = (recipe.problem, recipe.model, recipe.training, prepared, folder, recipe_folder)
    started = time.perf_counter()
    blocked = [gate.name for gate in experiment.preflight(*sections).gates if gate.blocks]
    checked = time.perf_counter()
    fitted = fit(experiment.job(*sections, work, augment=recipe.transforms.augment))
    trained = time.perf_counter()
    network, _ = load_network(work / checkpoints.WEIGHTS, recipe.model.model_dump(mode="json"), prepared, recipe_folder)
    scored = score(network, folder, frame.set_index("row_id")[recipe.data.target], "cpu")
    return {
        "test_rows": prepared.rows["test"],
        "metrics": split_metrics(scored, "test", recipe.problem, prepared.classes)[0],
        "epochs": fitted.progress.epoch,
        "preflight_seconds": round(checked - started, 3),
        "training_seconds": round(trained - checked, 3),
        "blocked": blocked,
        "beside": beside(folder) if recipe.problem == "regression" else {},
    }


def beside(folder: Path) -> dict[str, float]:
    """Test RMSE of ridge regression and of the mean, on the arrays `prepare` wrote; in the target's own unit."""
    import numpy as np
    from sklearn.linear_model import RidgeCV

    arrays = {
        f"{split}_{part}": np.load(folder / f"{split}_{part}.npy") for split in ("train", "test") for part in PARTS
    }
    ridge = RidgeCV(RIDGE_PENALTIES).fit(arrays["train_inputs"], arrays["train_targets"])
    answers = {"ridge": ridge.predict(arrays["test_inputs"]), "mean": arrays["train_targets"].mean()}
    unit = json.loads((folder / "transform.json").read_text())["target"]["std"]
    squares = {name: float(np.mean((answer - arrays["test_targets"]) ** 2)) for name, answer in answers.items()}
    return {f"{name}_rmse": unit * square**0.5 for name, square in squares.items()}


def measure(name: str, keys: Sequence[int]) -> list[dict[str, Any]]:
    """One row per split key."""
    rows = []
    for key in keys:
        recipe = load_recipe(name, [f"data.split.key={key}"]).recipe
        with tempfile.TemporaryDirectory() as folder:
            rows.append({"key": key, **once(recipe, rows_of(recipe), Path(folder))})
    return rows


def summary(rows: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """Mean, least and standard deviation of each metric, and whether the target is met and no gate blocked."""
    metric, bound = TARGET[name]
    every = [{**row["metrics"], **row["beside"]} for row in rows]
    found = {}
    for key in every[0]:
        values = [row[key] for row in every]
        found[key] = {
            "mean": statistics.mean(values),
            "min": min(values),
            "max": max(values),
            "sd": statistics.stdev(values),
        }
    reached = found[metric]["mean"] <= bound if metric in SMALLER_IS_BETTER else found[metric]["mean"] >= bound
    return {
        "benchmark": name,
        "keys": len(rows),
        "metrics": found,
        "training_seconds": statistics.median(row["training_seconds"] for row in rows),
        "preflight_seconds": statistics.median(row["preflight_seconds"] for row in rows),
        "load": os.getloadavg()[0],
        "green": reached and not any(row["blocked"] for row in rows),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 when the mean meets its target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 split keys in place of 10")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--keys", type=int, default=10, help="number of split keys")
    parser.add_argument("--recipe", choices=sorted(TARGET), default="digits")
    options = parser.parse_args(arguments)
    rows = measure(options.recipe, range(3 if options.quick else options.keys))
    found = summary(rows, options.recipe)
    if options.json:
        print(json.dumps({**found, "rows": rows}))
        return 0 if found["green"] else 1
    for row in rows:
        shown = "  ".join(f"{key} {value:.4f}" for key, value in {**row["metrics"], **row["beside"]}.items())
        print(f"key {row['key']:2}  {row['test_rows']:4} rows  {row['training_seconds']:5.1f} s  {shown}")
    for key, value in found["metrics"].items():
        print(
            f"{key:16} mean {value['mean']:.4f}  min {value['min']:.4f}  max {value['max']:.4f}  sd {value['sd']:.4f}"
        )
    print(f"training {found['training_seconds']:.1f} s (median), load {found['load']:.1f}")
    return 0 if found["green"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
