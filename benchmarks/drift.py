"""False alarms and power of the verdict on drift, beside Evidently's default verdicts on the same windows.

    python benchmarks/drift.py [--quick] [--json]

A history of 3,000 rows and 30 columns (numbers, labels and flags), windows of 200 rows, one a week, two in a
row raise an alarm, and 4 false alarms a year are allowed. Worlds: independent rows, AR(1) with 0.9 between
neighbouring rows, and a cycle of 300 rows (a day that windows cut anywhere).

verdict            a window is drifted when
ours               the largest departure exceeds its calibrated threshold (tasks/monitor/drift.py)
scattered          the same with windows of rows drawn from everywhere in place of contiguous ones: what
                   calibrating without regard to time would give
evidently          its preset says so: half of the columns or more
evidently, any     its preset calls one column drifted

All verdicts see the same windows; Evidently, which is slower, sees the first of them only. Figures: false
alarms a year (windows above in a row, times 52), the share of single no-drift windows called drifted, and the
power: the share of windows found in which one of thirty columns moved by one standard deviation, and by two.
Where everything is called drifted, power means nothing.

A row of ours is green when the false alarms are not shown to exceed what is allowed, and finding nine in ten windows is
not ruled out (99 % intervals over histories): moved by one standard deviation where rows are
independent, by two in the other worlds, where 200 rows say as much as ten (AR(1) 0.9 multiplies the variance
of a window's mean by 19).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tasks.core.feature_kinds import CategoricalFeature, Feature, NumericFeature  # noqa: E402
from tasks.monitor.budget import Budget  # noqa: E402
from tasks.monitor.calibrate import calibrate  # noqa: E402
from tasks.monitor.effects import Kind, reference, values_of  # noqa: E402
from tasks.monitor.stillness import still, window_starts  # noqa: E402

HISTORY, ROWS, COLUMNS, WINDOWS = 3000, 200, 30, 12
BUDGET = Budget(alarms=4.0, windows=52.0, confirm=2, of=2)
WORLDS = ("independent", "AR(1) 0.9", "cycle")
OURS, SCATTERED, HALF, ANY = "ours", "scattered", "evidently", "evidently, any"


@dataclass(frozen=True)
class Row:
    """One verdict in one world."""

    world: str
    verdict: str
    false_alarms_a_year: float
    error: float
    """Standard error of the false alarms, over histories."""
    called: float
    """Share of no-drift windows called drifted."""
    power: float
    """One column of thirty moved by one standard deviation …"""
    power_of_two: float | None
    """… and by two; not asked of Evidently."""
    power_error: float
    """Standard error of the power that is judged, over histories."""
    windows: int
    seconds: float
    """CPU seconds per window; ours calibrates a history once for twelve windows here."""

    @property
    def green(self) -> bool | None:
        """Only ours promises something."""
        if self.verdict != OURS:
            return None
        found = self.power if self.world == "independent" else self.power_of_two
        quiet = self.false_alarms_a_year - 2.6 * self.error <= BUDGET.alarms
        return quiet and (found or 0) + 2.6 * self.power_error >= 0.9


def stream(world: str, rows: int, random: np.random.Generator) -> np.ndarray:
    """[COLUMNS, rows] of mean 0 and variance 1 in which nothing changes."""
    from scipy.signal import lfilter

    noise = random.normal(size=(COLUMNS, rows + 1000))
    if world == "AR(1) 0.9":
        return lfilter([1], [1, -0.9], noise, axis=1)[:, 1000:] * np.sqrt(1 - 0.9**2)
    if world == "cycle":
        phase = random.random((COLUMNS, 1)) * 2 * np.pi
        return (np.sin(2 * np.pi * np.arange(rows) / 300 + phase) + noise[:, 1000:]) / np.sqrt(1.5)
    return noise[:, 1000:]


def table(values: np.ndarray) -> tuple[pd.DataFrame, dict[str, Feature]]:
    """Of every five columns three are numbers, one is labels and one is a flag."""
    columns, features = {}, {}
    for place, row in enumerate(values):
        name = f"c{place}"
        labelled = place % 5 == 3
        columns[name] = np.array([f"label {n:.0f}" for n in np.clip(np.floor(row * 1.5), -3, 3)]) if labelled else row
        if place % 5 == 4:
            columns[name] = (row > 0.5).astype(np.int64)
        features[name] = CategoricalFeature(kind="categorical") if labelled else NumericFeature(kind="numeric")
    return pd.DataFrame(columns), features


def verdicts(frame: pd.DataFrame, features: dict[str, Feature], *, contiguous: bool) -> np.ndarray:
    """Ours on every window after the history, which is calibrated once; with its rows shuffled where not contiguous."""
    order = np.arange(HISTORY) if contiguous else np.random.default_rng(0).permutation(HISTORY)
    columns, effects = [], []
    for name, feature in features.items():
        kind: Kind = "numbers" if feature.kind == "numeric" else "labels"
        values = values_of(frame[name], kind)
        against = reference(values[:HISTORY], kind)
        codes = against.encode(values)
        known = np.ones(HISTORY, dtype=bool)
        columns.append(still(against, codes[:HISTORY][order], known, window_starts(HISTORY, ROWS), ROWS))
        effects.append(against.effects(codes[HISTORY:].reshape(-1, ROWS)))
    found = calibrate(columns, ROWS, BUDGET)
    scores = (np.stack(effects, axis=1) - found.centres) / found.spreads
    return np.asarray(scores.max(axis=1) > found.threshold)


def evidently(frame: pd.DataFrame, features: dict[str, Feature], windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Evidently's two verdicts on the first windows: half of the columns, and any column."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=[name for name, feature in features.items() if feature.kind == "numeric"],
        categorical_columns=[name for name, feature in features.items() if feature.kind != "numeric"],
    )
    history = Dataset.from_pandas(frame[:HISTORY], data_definition=definition)
    shares = []
    for place in range(windows):
        rows = frame[HISTORY + place * ROWS : HISTORY + (place + 1) * ROWS].reset_index(drop=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = Report([DataDriftPreset()]).run(Dataset.from_pandas(rows, data_definition=definition), history)
        shares.append(
            next(m["value"]["share"] for m in found.dict()["metrics"] if "DriftedColumns" in m["metric_name"])
        )
    return np.array(shares) >= 0.5, np.array(shares) > 0


def moved_by(values: np.ndarray, shift: float) -> tuple[pd.DataFrame, dict[str, Feature]]:
    """The stream with one column of numbers moved after the history."""
    moved = values.copy()
    moved[1, HISTORY:] += shift
    return table(moved)


@dataclass
class Found:
    """Verdicts on windows, one array per history."""

    still: list[np.ndarray] = field(default_factory=list)
    by_one: list[np.ndarray] = field(default_factory=list)
    by_two: list[np.ndarray] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def measure(world: str, histories: int, slow_histories: int, slow_windows: int) -> list[Row]:
    """All verdicts in one world."""
    random = np.random.default_rng(7)
    found = {name: Found() for name in (OURS, SCATTERED, HALF, ANY)}
    for place in range(histories):
        values = stream(world, HISTORY + WINDOWS * ROWS, random)
        for name in (OURS, SCATTERED):
            started = time.process_time()
            found[name].still.append(verdicts(*moved_by(values, 0), contiguous=name == OURS))
            found[name].seconds.append((time.process_time() - started) / WINDOWS)
            found[name].by_one.append(verdicts(*moved_by(values, 1), contiguous=name == OURS))
            found[name].by_two.append(verdicts(*moved_by(values, 2), contiguous=name == OURS))
        if place < slow_histories:
            started = time.process_time()
            calm, moved = (evidently(*moved_by(values, shift), slow_windows) for shift in (0, 1))
            took = (time.process_time() - started) / slow_windows / 2
            for name, still_, by_one in zip((HALF, ANY), calm, moved, strict=True):
                found[name].still.append(still_)
                found[name].by_one.append(by_one)
                found[name].seconds.append(took)
    return [row(world, name, item) for name, item in found.items()]


def row(world: str, name: str, found: Found) -> Row:
    """Figures of one verdict."""
    judged = found.by_two if found.by_two and world != "independent" else found.by_one
    alarms = np.array([(windows[1:] & windows[:-1]).mean() for windows in found.still]) * BUDGET.windows
    return Row(
        world=world,
        verdict=name,
        false_alarms_a_year=float(alarms.mean()),
        error=float(alarms.std() / np.sqrt(len(alarms))),
        called=float(np.concatenate(found.still).mean()),
        power=float(np.concatenate(found.by_one).mean()),
        power_of_two=float(np.concatenate(found.by_two).mean()) if found.by_two else None,
        power_error=float(np.std([windows.mean() for windows in judged]) / np.sqrt(len(judged))),
        windows=sum(map(len, found.still)),
        seconds=float(np.median(found.seconds)),
    )


def text(rows: Sequence[Row]) -> str:
    """The rows for a terminal."""
    lines = [
        "world         verdict          false alarms a year   called    power 1 sd   2 sd   windows   s per window"
    ]
    for item in rows:
        two = "" if item.power_of_two is None else f"{100 * item.power_of_two:.1f} %"
        state = "" if item.green is not False else "  RED"
        lines.append(
            f"{item.world:13} {item.verdict:15} {item.false_alarms_a_year:9.2f} ± {item.error:<8.2f} "
            f"{100 * item.called:5.1f} % {100 * item.power:9.1f} % {two:>8} "
            f"{item.windows:7} {item.seconds:12.3f}{state}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 when every row of ours is green."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 histories, 2 of them for Evidently")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    os.environ["DO_NOT_TRACK"] = "1"
    sizes = (20, 2, 4) if options.quick else (300, 15, 6)
    started = time.perf_counter()
    rows = [item for world in WORLDS for item in measure(world, *sizes)]
    body: dict[str, Any] = {"benchmark": "drift", "seconds": round(time.perf_counter() - started, 1)}
    body |= {"load": os.getloadavg()[0], "rows": [asdict(item) | {"green": item.green} for item in rows]}
    print(json.dumps(body) if options.json else f"{text(rows)}\n{body['seconds']:.0f} s, load {body['load']:.1f}")
    return 0 if all(item.green is not False for item in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
