"""How well the champion does on new rows whose truth is known, beside what was expected of it.

It does worse when that is shown: the limit of the interval nearest to the expected value lies on the wrong
side of it by more than the margin of the promotion rule. A value that merely looks worse shows nothing.

The expected value comes from test rows and is uncertain too. Where their number is known, the interval's
half width is enlarged by √(1 + n / expected_rows) before it is compared: the width of a difference of two
independent estimates whose rows vary alike (Newcombe 1998, Statistics in Medicine 17, 873-890, method 10,
with both half widths taken from the window).

A verdict is made for every window, so a year has many chances to err. `confidence_for` keeps them within the
false alarms a year that the recipe allows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.core.recipe import CLASSIFICATION_METRICS, SMALLER_IS_BETTER
from tasks.core.stats.paired import MINIMUM_UNITS, RELATIVE_METRICS, NoValue, Predictions
from tasks.core.stats.single import Estimate, estimate
from tasks.metrics import codes
from tasks.report.numbers import count, show


@dataclass(frozen=True)
class Performance:
    """The champion's metric on one window; numbers only."""

    metric: str
    value: float | None
    """None where the metric cannot be judged; the reason says why."""
    interval: tuple[float, float] | None
    """Two-sided, at 2 · confidence - 1."""
    expected: float | None
    """Its value on the test rows when the champion was decided on."""
    margin: float
    """For log_loss, rmse and mae a share of the expected value."""
    worse: bool
    """Shown to be worse than expected by more than the margin."""
    rows: int
    """Labelled rows."""
    reason: str
    """One sentence for a person."""

    @property
    def judged(self) -> bool:
        """Whether the rows say anything."""
        return self.value is not None


def measure(
    metric: str,
    targets: Any,
    predictions: Any,
    probabilities: NDArray[np.float64] | None = None,
    classes: Sequence[Any] = (),
    *,
    expected: float | None,
    margin: float,
    confidence: float,
    min_rows: int,
    expected_rows: int | None = None,
    groups: NDArray[np.int64] | None = None,
    labels: bool = True,
) -> Performance:
    """Measure one metric on the window's labelled rows. Never raises: what cannot be judged says why.

    Args:
        metric: one of the recipe's metrics.
        targets: [N] what came true; rows without a value are left out.
        predictions: [N] what the champion said.
        probabilities: [N, C] in the order of `classes`; needed for roc_auc and log_loss.
        classes: the C labels the champion can answer.
        expected: the metric on the champion's test rows; None where nobody knows it.
        margin: gates.promotion.margin.
        confidence: one-sided; see `confidence_for`.
        min_rows: monitoring.min_rows.
        expected_rows: how many test rows `expected` comes from; None takes it for exact.
        groups: [N] codes of rows that belong together.
        labels: whether rows have labels, and are called by them.
    """
    kept = ~_missing(targets)
    rows = int(kept.sum())
    blank = Performance(metric, None, None, expected, margin, False, rows, "")
    least = max(min_rows, MINIMUM_UNITS.get(metric, 2))
    with_label = " with a label" if labels else ""
    if rows < least:
        return _because(blank, f"{metric} was not judged: {count(rows, 'row')}{with_label}, and it needs {least}.")
    try:
        truth, model = _encoded(metric, targets, predictions, probabilities, classes, kept)
        groups = None if groups is None else np.unique(groups[kept], return_inverse=True)[1].astype(np.int64)
        found = estimate(metric, truth, model, 2 * confidence - 1, groups=groups)
    except NoValue as error:
        return _because(blank, f"{metric} was not judged: {error}.")
    return _compared(found, blank, expected_rows, "labelled row" if labels else "row")


def confidence_for(confidence: float, alarms: float, windows_per_year: float) -> float:
    """One-sided confidence at which so many windows a year raise at most `alarms` false ones: never below `confidence`.

    That holds for a champion that is worse by exactly the margin; one that does as expected raises far fewer.
    """
    return max(confidence, 1 - alarms / windows_per_year)


def _compared(found: Estimate, blank: Performance, expected_rows: int | None, row: str) -> Performance:
    metric, expected, margin = blank.metric, blank.expected, blank.margin
    low, high = found.interval
    opening = f"{metric} is {show(found.value)} ({show(low)} to {show(high)}) on {count(blank.rows, row)}"
    done = Performance(metric, found.value, found.interval, expected, margin, False, blank.rows, "")
    if expected is None or not math.isfinite(expected):
        return _because(done, f"{opening}; what to expect of it is not known, so nothing is compared.")
    wider = math.sqrt(1 + found.units / expected_rows) if expected_rows else 1.0
    if metric in SMALLER_IS_BETTER:
        bound = expected * (1 + margin) if metric in RELATIVE_METRICS else expected + margin
        worse = found.value - wider * (found.value - low) > bound
    else:
        worse = found.value + wider * (high - found.value) < expected - margin
    allowance = f"{show(100 * margin)} %" if metric in RELATIVE_METRICS else show(margin)
    verdict = "shown to be worse" if worse else "not shown to be worse"
    sentence = f"{opening}: {verdict} than the expected {show(expected)} by more than {allowance}."
    return replace(done, worse=worse, reason=sentence)


def _encoded(
    metric: str,
    targets: Any,
    predictions: Any,
    probabilities: NDArray[np.float64] | None,
    classes: Sequence[Any],
    kept: NDArray[np.bool_],
) -> tuple[NDArray[Any], Predictions]:
    """Targets and answers of the kept rows as numbers.

    Raises:
        NoValue: an answer is not finite, or a class is unknown where probabilities are needed.
    """
    truth, said = np.asarray(targets, dtype=object)[kept], np.asarray(predictions, dtype=object)[kept]
    chances = None if probabilities is None else np.asarray(probabilities, np.float64)[kept]
    if metric not in CLASSIFICATION_METRICS:
        answers = said.astype(np.float64)
        _all_finite(answers, "prediction")
        return truth.astype(np.float64), Predictions(answers)
    known, answered = codes(truth, classes), codes(said, classes)
    strange = int((known < 0).sum())
    if metric in ("roc_auc", "log_loss"):
        if chances is not None:
            _all_finite(chances, "probability")
        if strange:
            raise NoValue(f"{count(strange, 'row')} of a class the champion does not know")
    # Classes the champion does not know are one more class, which it never gets right.
    other = len(classes)
    return np.where(known < 0, other, known), Predictions(np.where(answered < 0, other + 1, answered), chances)


def _all_finite(answers: NDArray[np.float64], what: str) -> None:
    bad = int((~np.isfinite(answers)).reshape(len(answers), -1).any(axis=1).sum())
    if bad:
        raise NoValue(f"{count(bad, 'row')} without a finite {what}")


def _missing(targets: Any) -> NDArray[np.bool_]:
    return np.asarray(pd.isna(np.asarray(targets, dtype=object)), bool)


def _because(blank: Performance, sentence: str) -> Performance:
    return replace(blank, reason=sentence)
