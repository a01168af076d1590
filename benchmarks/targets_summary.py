"""What benchmarks/targets.py says of a line: means, intervals, and who is better.

Intervals. Where several sets of rows are held out, Student's t over them with the variance corrected for the training
rows they share (Nadeau & Bengio, "Inference for the Generalization Error", 2003, as Bouckaert & Frank use it for
repeated folds, 2004). Where there is one, that of the difference is over its rows, or groups of them
(`tasks/core/stats/paired.py`), and that of the network's mean over the seeds. Accuracy, RMSE and the area under the ROC
curve are those of each fold, averaged; R² is that of all folds' held-out rows together, and its intervals are as where
there is one set.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.targets_lines import Line
from tasks.core.recipe import SMALLER_IS_BETTER
from tasks.core.stats.paired import RELATIVE_METRICS, Predictions, compare
from tasks.metrics import better, codes, compute

CONFIDENCE = 0.95
MODELS = ("network", "alternative")


@dataclass(frozen=True)
class Judged:
    """One set of held-out rows: what network and alternative reach on it."""

    repeat: int
    fold: int
    rows: dict[str, int]
    """Of which the network learns (`train`), which choose its epoch (`validation`), and which are held out (`test`)."""
    network: float
    alternative: float
    best_epoch: int
    seconds: float
    """Wall clock of the network's training."""
    cpu_seconds: float
    alternative_seconds: float
    truth: Any
    said: Any
    """The network's answers [N] on the held-out rows."""
    alternative_said: Any
    groups: Any
    """Codes [N] of what is one piece of evidence; the place of the row where rows are."""


def mean_over_sets(values: Sequence[float], share: float) -> dict[str, Any]:
    """Mean of the values of several held-out sets, their spread and an interval.

    Args:
        values: One for each set.
        share: Held-out rows as a share of the rows learned from: the variance of the mean is that of the values times
            (1 / number + share).
    """
    from scipy.stats import t

    mean, number = statistics.fmean(values), len(values)
    if number < 2:
        return {"mean": mean, "sd": None, "interval": None}
    sd = statistics.stdev(values)
    reach = float(t.ppf((1 + CONFIDENCE) / 2, number - 1)) * sd * math.sqrt(1 / number + share)
    return {"mean": mean, "sd": sd, "interval": [mean - reach, mean + reach]}


def difference(line: Line, found: Sequence[Judged], classes: Sequence[Any]) -> dict[str, Any]:
    """By how much the network is better, in the metric's unit, with its interval."""
    first = found[0]
    if _several(line, found):
        gains = [better(line.metric, item.network, item.alternative) for item in found]
        return {**mean_over_sets(gains, _share(first)), "over": f"{len(gains)} held-out sets"}
    truth, said, theirs = (
        np.concatenate([getattr(item, name) for item in found]) for name in ("truth", "said", "alternative_said")
    )
    if classes:
        truth, said, theirs = (codes(labels, classes) for labels in (truth, said, theirs))
    groups = np.unique(np.concatenate([item.groups for item in found]), return_inverse=True)[1]
    compared = compare(line.metric, truth, Predictions(said), Predictions(theirs), CONFIDENCE, groups=groups)
    unit = first.alternative if line.metric in RELATIVE_METRICS else 1.0
    return {
        "mean": compared.difference * unit,
        "sd": None,
        "interval": [limit * unit for limit in compared.interval],
        "over": f"{compared.units} {'rows' if line.grouped is None else 'days'}",
    }


def _several(line: Line, found: Sequence[Judged]) -> bool:
    """Whether the metric has several values, of rows that are not the same."""
    return not line.pooled and len({item.groups.tobytes() + item.truth.tobytes() for item in found}) > 1


def _values(line: Line, found: Sequence[Judged], model: str) -> list[float]:
    """The metric of each held-out set, or where it is pooled, of each seed."""
    if not line.pooled:
        return [getattr(item, model) for item in found]
    answers = "said" if model == "network" else "alternative_said"
    values = []
    for repeat in sorted({item.repeat for item in found}):
        own = [item for item in found if item.repeat == repeat]
        truth, said = (np.concatenate([getattr(item, name) for item in own]) for name in ("truth", answers))
        values.append(compute("regression", truth, said)[0][line.metric])
    return values


def _share(judged: Judged) -> float:
    return judged.rows["test"] / (judged.rows["train"] + judged.rows["validation"])


def summary(name: str, line: Line, found: Sequence[Judged], classes: Sequence[Any], quick: bool) -> dict[str, Any]:
    """One line of the table as JSON values."""
    several, first = _several(line, found), found[0]
    share = _share(first) if several else 0.0
    network = mean_over_sets(_values(line, found, "network"), share)
    gain = difference(line, found, classes)
    low, high = gain["interval"] or (-math.inf, math.inf)
    seeds = len({item.repeat for item in found})
    reached = {
        bound: better(line.metric, network["mean"], getattr(line, bound)) >= 0 for bound in ("target", "stretch")
    }
    return {
        "name": name,
        "recipe": line.recipe,
        "metric": line.metric,
        "target": line.target,
        "stretch": line.stretch,
        "bar": line.bar,
        "network": network,
        "alternative": {"name": line.beside, **mean_over_sets(_values(line, found, "alternative"), share)},
        "difference": gain,
        "better": "network" if low > 0 else line.beside if high < 0 else "neither",
        "reached": None if quick else reached,
        "seeds": seeds,
        "held_out_sets": len(found) if several or line.pooled else 1,
        "pooled": line.pooled,
        "mean_of_sets": {model: statistics.fmean(getattr(item, model) for item in found) for model in MODELS},
        "rows": first.rows,
        "seconds": statistics.median(item.seconds for item in found),
        "cpu_seconds": statistics.median(item.cpu_seconds for item in found),
        "alternative_seconds": statistics.median(item.alternative_seconds for item in found),
        "load": os.getloadavg()[0],
        "command": f"python benchmarks/targets.py --only {name} --seeds {seeds}",
        "held_out": [_plain(item) for item in found],
    }


def _plain(judged: Judged) -> dict[str, Any]:
    left_out = ("truth", "said", "alternative_said", "groups")
    return {key: value for key, value in asdict(judged).items() if key not in left_out}


def shown(row: dict[str, Any]) -> str:
    """A line for people."""
    network, theirs, gain = row["network"], row["alternative"], row["difference"]
    smaller = "at most" if row["metric"] in SMALLER_IS_BETTER else "at least"
    met = {None: "", True: ", met", False: ", not met"}[row["reached"] and row["reached"]["target"]]
    return (
        f"{row['name']}: {row['metric']} {network['mean']:.4f}{_interval(network)} (target {smaller} "
        f"{row['target']}{met}), {theirs['name']} {theirs['mean']:.4f}; better by {gain['mean']:+.4f}"
        f"{_interval(gain)} over {gain['over']}: {row['better']}; {row['seeds']} seeds, a training "
        f"{row['seconds']:.1f} s ({row['cpu_seconds']:.1f} s of CPU), load {row['load']:.1f}\n  {row['command']}"
    )


def _interval(figure: dict[str, Any]) -> str:
    limits = figure["interval"]
    return "" if limits is None else f" [{limits[0]:.4f}, {limits[1]:.4f}]"
