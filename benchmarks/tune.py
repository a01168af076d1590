"""What tuning gains over the recipe as it stands, on test rows that the search has not seen.

For each split key one search, by the command line, and then both recipes trained on the same training rows with
the same seeds and judged on the same test rows. The interval is Student's, over the keys: another key gives
other test rows, another search and another gain.

    python benchmarks/tune.py [--quick] [--json] [--keys N] [--trials N] [--recipe digits|breast_cancer|diabetes]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.digits import rows_of  # noqa: E402
from flows import fitting  # noqa: E402
from tasks.core import splits  # noqa: E402
from tasks.core.load import LoadedRecipe, load_recipe  # noqa: E402
from tasks.core.recipe import SMALLER_IS_BETTER  # noqa: E402
from tasks.prepare.arrays import labelled_rows  # noqa: E402
from tasks.tune.space import fields_of  # noqa: E402

SEEDS = (0, 1, 2)
"""Trainings of each recipe whose test metric is averaged: one lucky start is no gain."""


def search(name: str, key: int, trials: int) -> dict[str, Any]:
    """The command's answer for one split key, in a home of its own."""
    words = ["tune", name, "--trials", str(trials), "--no-run", f"data.split.key={key}"]
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "flows.cli", "--home", home, "--json", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(words)}: {ended.stdout}{ended.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def judged(name: str, key: int, parameters: Mapping[str, Any]) -> float:
    """The recipe's metric on the test rows, mean over the seeds, with some fields set."""
    plain = load_recipe(name, [f"data.split.key={key}"])
    values = []
    for seed in SEEDS:
        loaded = load_recipe(name, plain.overrides, fields_of(plain.recipe, parameters) | {"training.seed": seed})
        values.append(_trained(loaded))
    return statistics.fmean(values)


def _trained(loaded: LoadedRecipe) -> float:
    recipe = loaded.recipe
    frame = labelled_rows(rows_of(recipe), recipe)
    sides = splits.assign(frame, recipe.data)
    parts = {part: frame[sides == part] for part in splits.SPLITS}
    with tempfile.TemporaryDirectory() as folder:
        arrays = fitting.prepare_once(recipe, Path(folder) / "arrays", lambda: (frame, parts))
        network, _ = fitting.train(recipe, arrays, Path(folder) / "train", loaded.folder)
        truth = frame.set_index("row_id")[recipe.data.target]
        return fitting.measure(network, recipe, arrays, truth, "test")[0][recipe.metric]


def once(name: str, key: int, trials: int) -> dict[str, Any]:
    """One split key: what the search found, and both recipes on the test rows."""
    answer = search(name, key, trials)
    best, default = judged(name, key, answer["best"]["parameters"]), judged(name, key, {})
    metric = load_recipe(name).recipe.metric
    sign = -1 if metric in SMALLER_IS_BETTER else 1
    return {
        "key": key,
        "metric": metric,
        "validation": {"best": answer["best"]["value"], "default": answer["default"]["value"]},
        "test": {"best": best, "default": default},
        "gain": sign * (best - default),
        "parameters": answer["best"]["parameters"],
        "trials": {state: answer[state] for state in ("complete", "pruned", "failed")},
        "seconds": answer["seconds"],
    }


def summary(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Mean gain over the keys and its 95 % interval, positive where the tuned recipe is better."""
    from scipy.stats import t

    gains = [row["gain"] for row in rows]
    mean = statistics.fmean(gains)
    reach = float(t.ppf(0.975, len(gains) - 1)) * statistics.stdev(gains) / math.sqrt(len(gains))
    return {
        "benchmark": "tune",
        "recipe": name,
        "keys": len(rows),
        "gain": mean,
        "interval": [mean - reach, mean + reach],
        "seconds": statistics.median(row["seconds"] for row in rows),
        "load": os.getloadavg()[0],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; it has no bound to meet, so it ends with 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 split keys and 5 trials")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--keys", type=int, default=5, help="number of split keys, at least 2")
    parser.add_argument("--trials", type=int, default=30, help="trials of each search")
    parser.add_argument("--recipe", choices=("breast_cancer", "diabetes", "digits"), default="digits")
    options = parser.parse_args(arguments)
    keys, trials = (2, 5) if options.quick else (options.keys, options.trials)
    rows = []
    for key in range(keys):
        rows.append(once(options.recipe, key, trials))
        if not options.json:
            row = rows[-1]
            print(f"key {key}  {row['metric']}  default {row['test']['default']:.4f}  tuned {row['test']['best']:.4f}")
    found = summary(rows, options.recipe)
    if options.json:
        print(json.dumps({**found, "rows": rows}))
        return 0
    low, high = found["interval"]
    gain = f"gain {found['gain']:+.4f} (95 % interval {low:+.4f} to {high:+.4f})"
    print(f"{options.recipe}: {gain} over {keys} keys, {found['seconds']:.0f} s a search")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
