"""The model gates as pure functions of numbers: finite, beats_baseline, thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.core.contracts import Gate
from tasks.core.recipe import SMALLER_IS_BETTER
from tasks.metrics import better
from tasks.report.numbers import count, listing, show

REMEDY = "lower training.optimizer.lr or set training.gradient_clip"
ROUNDING = 1e-9
"""Differences below this share of the baseline's value are rounding, not a gain."""


def finite(
    weights: Mapping[str, np.ndarray], bad_rows: Mapping[str, int], stopped: Mapping[str, Any] | None = None
) -> Gate:
    """Whether every weight and every output is a finite number.

    A training that a loss without a finite value ended may have kept good weights of an epoch before: the gate then
    passes, and its evidence tells.

    Args:
        weights: parameter and buffer name -> values of any shape.
        bad_rows: split -> rows whose outputs hold a NaN or an infinity.
        stopped: `Trained.not_finite`.
    """
    bad = {name: int((~np.isfinite(values)).sum()) for name, values in weights.items()}
    bad = {name: number for name, number in sorted(bad.items()) if number}
    rows = {split: number for split, number in bad_rows.items() if number}
    evidence: dict[str, Any] = {
        "tensors": len(weights),
        "numbers": int(sum(values.size for values in weights.values())),
        "not_finite": bad,
        "rows_with_bad_outputs": rows,
    }
    if stopped is not None:
        evidence |= {"training": dict(stopped), "note": _stopped(stopped)}
    if not bad and not rows:
        return Gate("finite", "passed", None, evidence)
    parts = []
    if bad:
        number = sum(bad.values())
        parts.append(
            f"{count(number, 'number')} in {listing(list(bad), 3)} {'is' if number == 1 else 'are'} NaN or infinite"
        )
    if rows:
        parts.append(f"the outputs of {sum(rows.values()):,} rows are NaN or infinite")
    reason = f"{'; '.join(parts)}: {REMEDY}."
    if stopped is not None:
        reason = f"{'; '.join(parts)}. {_stopped(stopped)}"
    return Gate("finite", "failed", None, {"reason": reason, **evidence})


def _stopped(place: Mapping[str, Any]) -> str:
    """Where the training lost its finite losses, and what helps."""
    epoch, step, rows = place["epoch"], place["step"], place["rows"]
    if step is None:
        return f"The validation loss of epoch {epoch} was not finite, which ended the training: {REMEDY}."
    bad = place.get("rows_with_bad_inputs")
    inputs = f", {bad:,} of them with inputs that are not finite," if bad else ""
    return (
        f"The training lost its finite losses at step {step} of epoch {epoch}; the ids of the {count(rows, 'row')} of "
        f"that step{inputs} are in {place['file']}: {REMEDY}, or look at these rows for outliers."
    )


def beats_baseline(
    metric: str,
    values: Mapping[str, float],
    baseline: Mapping[str, float],
    undefined: Mapping[str, str],
    rows: int,
) -> Gate:
    """Whether the model beats the trivial predictor on the test rows, by the metric that decides promotion.

    A tie fails: with accuracy on unbalanced classes a model that gives every row the majority class ties,
    and has learned nothing that accuracy can show (promote by roc_auc, f1_macro or log_loss there). A
    baseline that cannot be beaten (all test rows of one class) fails too: such rows show nothing.

    Args:
        metric: the promotion metric.
        values: the model's metrics on the test rows.
        baseline: the trivial predictor's metrics on the same rows.
        undefined: metric -> why the model's or the baseline's has no value.
        rows: test rows.
    """
    evidence: dict[str, Any] = {"metric": metric, "rows": rows, "baseline": dict(baseline)}
    if metric not in values or metric not in baseline:
        whose = "the model" if metric not in values else "the baseline"
        why = undefined.get(metric, "it was not computed")
        reason = f"{metric} of {whose} has no value on the test rows: {why}."
        return Gate("beats_baseline", "error", None, {"reason": reason, **evidence})
    value, floor = values[metric], baseline[metric]
    evidence |= {"value": value, "gain": better(metric, value, floor)}
    if evidence["gain"] > ROUNDING * max(abs(floor), 1e-12):
        return Gate("beats_baseline", "passed", floor, evidence)
    same = abs(evidence["gain"]) <= ROUNDING * max(abs(floor), 1e-12)
    reason = (
        f"{metric} is {show(value)} on the test rows, {'no better' if same else 'worse'} than the {show(floor)} of a "
        "predictor that ignores the features."
    )
    if same and metric == "accuracy":
        reason = f"{reason[:-1]}; where classes are unbalanced, promote by roc_auc, f1_macro or log_loss."
    return Gate("beats_baseline", "failed", floor, {"reason": reason, **evidence})


def thresholds(wanted: Mapping[str, float], values: Mapping[str, float], undefined: Mapping[str, str]) -> Gate:
    """Whether the test metrics keep the recipe's bounds: at least, for losses and errors at most.

    A bound that is met exactly is met. A metric without a value makes the gate an error.

    Args:
        wanted: `gates.thresholds` of the recipe.
        values: the model's metrics on the test rows.
        undefined: metric -> why it has no value.
    """
    if not wanted:
        return Gate("thresholds", "skipped", None, {"reason": "The recipe names no gates.thresholds."})
    only = next(iter(wanted.values())) if len(wanted) == 1 else None
    evidence: dict[str, Any] = {
        "thresholds": dict(wanted),
        "values": {metric: values[metric] for metric in wanted if metric in values},
    }
    missed = [metric for metric in wanted if metric in values and better(metric, values[metric], wanted[metric]) < 0]
    unknown = [metric for metric in wanted if metric not in values]
    if missed:
        words = [f"{metric} is {show(values[metric])}, {_side(metric)} {show(wanted[metric])}" for metric in missed]
        return Gate("thresholds", "failed", only, {"reason": f"On the test rows {listing(words)}.", **evidence})
    if unknown:
        why = [f"{metric} ({undefined.get(metric, 'it was not computed')})" for metric in unknown]
        return Gate("thresholds", "error", only, {"reason": f"No value on the test rows: {listing(why)}.", **evidence})
    return Gate("thresholds", "passed", only, evidence)


def _side(metric: str) -> str:
    return "above" if metric in SMALLER_IS_BETTER else "below"
