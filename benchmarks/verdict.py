"""Does the promotion rule keep its word? Wrong promotions and power, with the truth known, for every metric.

Run: python -m benchmarks.verdict [--quick] [--json] [--find]

For every shipped metric at the shipped number of test rows it draws pairs of models from worlds in which
the true difference is set (`benchmarks/verdict_worlds.py`), judges them with `tasks/release/verdict.py`,
and counts. non_inferior: how often a challenger that is worse by exactly the margin is promoted (the
worst of several worlds), and how often an equal one is. superior: how often an equal challenger is promoted,
and how often one that is better by the gain named. A row is green when the 99 % interval of the wrong
promotions does not lie above 1 - confidence, and that of the power not below 80 %.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import beta

from benchmarks.verdict_worlds import (
    CANCER,
    DIABETES,
    DIGITS,
    FASHION,
    SMS,
    Setting,
    World,
    area_world,
    labels_world,
    probability_world,
    regression_world,
    swapped,
)
from tasks.core.stats.paired import LABEL_METRICS, MINIMUM_UNITS, RELATIVE_METRICS
from tasks.release.verdict import judge

CONFIDENCE = 0.95
WORST_CASES = ("one class", "only losses", "rows lost", "overconfident")
"""Worlds for wrong promotions only: ways to be worse that a gain has no counterpart of."""
POWER = 0.8


@dataclass(frozen=True)
class Case:
    """A metric at a shipped number of rows: the margin an equal model passes, and the gain that is shown."""

    setting: Setting
    metric: str
    margin: float
    """What an equal model passes at least 80 times in 100: the recipe's, or the least such margin (by --find)."""
    gain: float
    """Least true gain (rounded up) that `superior` promotes 80 times in 100; found by --find."""

    @property
    def rows(self) -> int:
        """Test rows."""
        return sum(self.setting.counts)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    data: str
    metric: str
    rows: int
    rule: str
    size: float
    """Margin or gain."""
    wrong: float
    wrong_interval: tuple[float, float]
    worst_world: str
    power: float
    power_interval: tuple[float, float]
    draws: int
    judged: bool
    """False: below the method's least number of rows, everything is held."""

    @property
    def green(self) -> bool:
        """Wrong promotions not shown to be above 1 - confidence, and power not shown to be below 80 %."""
        return self.wrong_interval[0] <= 1 - CONFIDENCE and (self.power_interval[1] >= POWER or not self.judged)


CASES = (
    Case(DIGITS, "accuracy", 0.03, 0.033),
    Case(DIGITS, "f1_macro", 0.024, 0.033),
    Case(DIGITS, "precision_macro", 0.024, 0.033),
    Case(DIGITS, "recall_macro", 0.024, 0.033),
    Case(DIGITS, "roc_auc", 0.014, 0.02),
    Case(DIGITS, "log_loss", 1.4, 0.6),
    Case(CANCER, "accuracy", 0.07, 0.083),
    Case(CANCER, "f1_macro", 0.066, 0.084),
    Case(CANCER, "precision_macro", 0.066, 0.084),
    Case(CANCER, "recall_macro", 0.066, 0.084),
    Case(CANCER, "roc_auc", 0.11, 0.14),
    Case(CANCER, "log_loss", 1.0, 0.5),
    Case(replace(CANCER, name="breast_cancer, all rows", counts=(212, 357)), "log_loss", 0.5, 0.3),
    Case(SMS, "accuracy", 0.02, 0.02),
    Case(FASHION, "accuracy", 0.01, 0.011),
    Case(DIABETES, "rmse", 0.15, 0.24),
    Case(DIABETES, "mae", 0.17, 0.24),
    Case(DIABETES, "r2", 0.16, 0.4),
)


def worlds(case: Case, loss: float) -> dict[str, Callable[[], World]]:
    """Makers of every world in which the challenger is worse by `loss` in the metric (0: equal; below 0: better)."""
    setting, metric = case.setting, case.metric
    if loss < 0:
        # Better by the share g of the champion's loss is: the champion is worse by g / (1 - g) of the challenger's.
        share = -loss / (1 + loss) if metric in RELATIVE_METRICS else -loss
        mild = {name: make for name, make in worlds(case, share).items() if name not in WORST_CASES}
        return {name: partial(lambda make: swapped(make()), make) for name, make in mild.items()}
    if metric in LABEL_METRICS:
        half = setting.disagreement / 2
        build = partial(labels_world, setting, metric, loss)
        found = {"spread": partial(build, one_class=False, extra=half)}
        worst = {"one class": partial(build, one_class=True, extra=half)}
        worst["only losses"] = partial(build, one_class=False, extra=0.0)
    elif metric == "roc_auc" and len(setting.counts) == 2:
        found = {"weaker": partial(area_world, setting, loss, lost_rows=False)}
        worst = {"rows lost": partial(area_world, setting, loss, lost_rows=True)}
    elif metric in ("roc_auc", "log_loss"):
        found = {"weaker": partial(probability_world, setting, metric, loss, overconfident=False)}
        worst = {"overconfident": partial(probability_world, setting, metric, loss, overconfident=True)}
        worst = worst if metric == "log_loss" else {}
    else:
        build = partial(regression_world, setting, metric, loss)
        found, worst = {"normal": partial(build, heavy=False), "heavy tails": partial(build, heavy=True)}, {}
    return found | (worst if loss > 0 else {})


def promotions(case: Case, rule: str, loss: float, margin: float, world: str, draws: int, seed: int) -> int:
    """How many of `draws` challengers, truly worse by `loss`, are promoted."""
    problem = "regression" if len(case.setting.counts) == 1 else "classification"
    draw, random, count = worlds(case, loss)[world](), np.random.default_rng(seed), 0
    for _ in range(draws):
        found = judge(problem, case.metric, *draw(random), rule, 0.0, margin, CONFIDENCE)  # type: ignore[arg-type]
        count += found.verdict == "promote"
    return count


def interval(count: int, draws: int, confidence: float = 0.99) -> tuple[float, float]:
    """Clopper-Pearson interval of a share (Biometrika 26, 1934)."""
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, count, draws - count + 1)) if count else 0.0
    return low, float(beta.ppf(1 - tail, count + 1, draws - count)) if count < draws else 1.0


def measure(case: Case, rule: str, draws: int, seed: int = 0) -> Row:
    """Count wrong promotions in every world, and the power in the worst."""
    losing, winning = (case.margin, 0.0) if rule == "non_inferior" else (0.0, -case.gain)
    wrong = {name: promotions(case, rule, losing, case.margin, name, draws, seed) for name in worlds(case, losing)}
    least = min(promotions(case, rule, winning, case.margin, name, draws, seed + 1) for name in worlds(case, winning))
    worst = max(wrong, key=lambda name: wrong[name])
    return Row(
        data=case.setting.name,
        metric=case.metric,
        rows=case.rows,
        rule=rule,
        size=case.margin if rule == "non_inferior" else case.gain,
        wrong=wrong[worst] / draws,
        wrong_interval=interval(wrong[worst], draws),
        worst_world=worst,
        power=least / draws,
        power_interval=interval(least, draws),
        draws=draws,
        judged=case.rows >= MINIMUM_UNITS.get(case.metric, 0),
    )


def find(case: Case, rule: str, draws: int) -> float:
    """Least margin (non_inferior) or gain (superior) with a power of 80 %, to two significant digits."""
    low, high = 0.0, {"log_loss": 3.0, "rmse": 0.5, "mae": 0.5, "r2": 0.5}.get(case.metric, 0.2)
    if rule == "superior":
        high = 0.8 if case.metric == "log_loss" else min(high, 0.3)
    while high - low > 0.03 * high and high > 1e-4:
        middle = (low + high) / 2
        loss, margin = (0.0, middle) if rule == "non_inferior" else (-middle, 0.02)
        least = min(promotions(case, rule, loss, margin, name, draws, 2) for name in worlds(case, loss))
        low, high = (low, middle) if least >= (POWER + 0.01) * draws else (middle, high)
    digits = 1 - math.floor(math.log10(high))
    return math.ceil(high * 10**digits) / 10**digits


def table(rows: Sequence[Row]) -> str:
    """The rows as text for a terminal."""
    lines = ["data                     metric            n rule          size   wrong (99 % interval)          power"]
    for row in rows:
        wrong = f"{100 * row.wrong:4.1f} % ({100 * row.wrong_interval[0]:.1f} - {100 * row.wrong_interval[1]:.1f})"
        power = f"{100 * row.power:5.1f} %" if row.judged else "held: too few rows"
        state = "" if row.green else "  RED"
        lines.append(
            f"{row.data:24} {row.metric:16} {row.rows:3} {row.rule:13} {row.size:<6.3g} {wrong:22} "
            f"{row.worst_world:14} {power}{state}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 when every row is green."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="200 draws in place of 2,000")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--find", action="store_true", help="search the margins and gains with 80 %% power")
    options = parser.parse_args(arguments)
    draws, started = (200 if options.quick else 2000), time.perf_counter()
    jobs = [(case, rule) for case in CASES for rule in ("non_inferior", "superior")]
    with ProcessPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        if options.find:
            sizes = pool.map(find, *zip(*jobs, strict=True), [draws] * len(jobs))
            for (case, rule), size in zip(jobs, sizes, strict=True):  # too few rows: the search ends at its upper end
                print(case.setting.name, case.metric, case.rows, rule, size, flush=True)
            return 0
        rows = list(pool.map(measure, *zip(*jobs, strict=True), [draws] * len(jobs)))
    seconds = time.perf_counter() - started
    body: dict[str, Any] = {"benchmark": "verdict", "seconds": round(seconds, 1), "load": os.getloadavg()[0]}
    body["rows"] = [asdict(row) | {"green": row.green} for row in rows]
    text = f"{table(rows)}\n{draws} draws per cell, {seconds:.0f} s, load {body['load']:.1f}"
    print(json.dumps(body) if options.json else text)
    return 0 if all(row.green for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
