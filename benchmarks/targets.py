"""What the networks reach on public data, each beside a simple alternative trained on the same rows.

    EVERGREEN_BIKES=hour.csv EVERGREEN_FASHION=folder EVERGREEN_WINE=wine-quality.csv \
        python benchmarks/targets.py [--only NAME] [--seeds N] [--quick] [--json]

The functions are those of a run: reader, row ids, transforms fitted on the training rows alone, training loop, metrics.
Every seed draws other rows (where the protocol leaves a choice) and other first weights. A part of the rows that may be
learned from chooses the epoch; the alternative learns from that part too. A line whose file is not there is left out,
and said to be.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pandas as pd  # noqa: E402

from benchmarks.targets_beside import BESIDE  # noqa: E402
from benchmarks.targets_lines import LINES, Cut, Line, cuts, rows_of  # noqa: E402
from benchmarks.targets_summary import Judged, shown, summary  # noqa: E402
from flows import fitting  # noqa: E402
from tasks.core.errors import RequestError  # noqa: E402
from tasks.core.load import LoadedRecipe  # noqa: E402
from tasks.evaluate.score import score, split_metrics  # noqa: E402
from tasks.metrics import compute  # noqa: E402
from tasks.prepare.arrays import prepare_parts  # noqa: E402

QUICK_FOLDS, QUICK_ROWS, QUICK_EPOCHS = 2, 3000, 2
"""What `--quick` leaves: enough to see that everything runs, and nothing to be judged by."""


def train(line: Line, loaded: LoadedRecipe, frame: pd.DataFrame, cut: Cut, folder: Path) -> tuple[dict[str, Any], Any]:
    """The network's figures on one cut, and the columns it was given.

    Args:
        line: Its metric is taken.
        loaded: The line's recipe.
        frame: All labelled rows.
        cut: Which of them are learned from, choose the epoch, and are held out.
        folder: Empty; arrays and weights go there.
    """
    recipe = loaded.recipe
    parts = {part: frame.iloc[getattr(cut, part)] for part in ("train", "validation", "test")}
    prepared = prepare_parts(frame, parts, recipe, folder, "prepared")
    started, used = time.perf_counter(), time.process_time()
    network, progress = fitting.train(recipe, fitting.Arrays(prepared, folder), folder / "train", loaded.folder)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - used
    truth = frame.set_index("row_id")[recipe.data.target]
    scored = score(network, folder, truth, next(network.parameters()).device.type)
    metrics, undefined = split_metrics(scored, "test", recipe.problem, prepared.classes)
    if line.metric in undefined:
        raise ValueError(f"{line.metric} of {line.recipe}: {undefined[line.metric]}")
    figures = {
        "rows": prepared.rows,
        "network": metrics[line.metric],
        "best_epoch": progress.best_epoch,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        # The arrays stand in an order of their own.
        "said": scored.of("test").set_index("row_id")["prediction"].loc[parts["test"]["row_id"]].to_numpy(),
    }
    return figures, prepared


def beside(line: Line, loaded: LoadedRecipe, frame: pd.DataFrame, cut: Cut, prepared: Any) -> dict[str, Any]:
    """The alternative's figures on the same cut, from the same columns."""
    columns, target = list(prepared.feature_columns), loaded.recipe.data.target
    learned, test = frame.iloc[cut.learned], frame.iloc[cut.test]
    started = time.perf_counter()
    said, probabilities = BESIDE[line.beside](learned[columns], learned[target], test[columns])
    seconds = time.perf_counter() - started
    found, _ = compute(loaded.recipe.problem, test[target].to_numpy(), said, probabilities, prepared.classes)
    return {"alternative": found[line.metric], "alternative_said": said, "alternative_seconds": round(seconds, 2)}


def judge(line: Line, loaded: LoadedRecipe, frame: pd.DataFrame, cut: Cut, known: dict[bytes, Any]) -> Judged:
    """Network and alternative on one cut; `known` keeps what the alternative said for rows it had before."""
    recipe = loaded.recipe
    with tempfile.TemporaryDirectory() as folder:
        figures, prepared = train(line, loaded, frame, cut, Path(folder))
    rows = cut.learned.tobytes() + cut.test.tobytes()
    if rows not in known:
        known[rows] = beside(line, loaded, frame, cut, prepared)
    test = frame.iloc[cut.test]
    groups = cut.test if line.grouped is None else pd.factorize(test[line.grouped], sort=True)[0]
    truth = test[recipe.data.target].to_numpy()
    return Judged(cut.repeat, cut.fold, **figures, **known[rows], truth=truth, groups=groups)


def measure(
    line: Line, loaded: LoadedRecipe, seeds: Sequence[int], quick: bool, tell: Callable[[str], None]
) -> list[Judged]:
    """Every cut of a line.

    Raises:
        RequestError: the recipe's file is not there.
    """
    frame = rows_of(line, loaded)
    if quick:
        frame = frame.groupby("batch").head(QUICK_ROWS).reset_index(drop=True)
    found: list[Judged] = []
    known: dict[bytes, Any] = {}
    for cut in cuts(line, frame, loaded.recipe, seeds, QUICK_FOLDS if quick else None):
        own = line.load([*_quick(quick), f"training.seed={cut.repeat}"])
        found.append(judge(line, own, frame, cut, known))
        last = found[-1]
        tell(
            f"  seed {last.repeat} fold {last.fold:2}  network {last.network:.4f}  {line.beside} {last.alternative:.4f}"
            f"  epoch {last.best_epoch}  {last.seconds:.1f} s"
        )
    return found


def _quick(quick: bool) -> list[str]:
    return [f"training.epochs={QUICK_EPOCHS}", "training.early_stopping=null"] if quick else []


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 when every line that could be measured meets its target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(LINES), help="one line of the table")
    parser.add_argument("--seeds", type=int, default=3, help="how often it is done, with other seeds")
    parser.add_argument("--quick", action="store_true", help="few rows, folds and epochs: shows that it runs")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    tell: Callable[[str], None] = (lambda text: None) if options.json else print
    rows, skipped = [], {}
    for name in [options.only] if options.only else LINES:
        line = LINES[name]
        try:
            loaded = line.load(_quick(options.quick))
            found = measure(line, loaded, range(1 if options.quick else options.seeds), options.quick, tell)
        except RequestError as error:
            skipped[name] = str(error)
            tell(f"{name} is left out. {error}")
            continue
        classes = sorted({*found[0].truth}) if loaded.recipe.problem == "classification" else []
        rows.append(summary(name, line, found, classes, options.quick))
        tell(shown(rows[-1]))
    if options.json:
        print(json.dumps({"benchmark": "targets", "quick": options.quick, "lines": rows, "skipped": skipped}))
    return 0 if options.quick or all(row["reached"]["target"] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
