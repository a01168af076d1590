"""The verdict on drift: has one window of new rows moved away from the history of the champion?

A verdict is a number per column (how far it moved, tasks/monitor/effects.py) and one threshold for the
largest of them (tasks/monitor/calibrate.py). One window alone raises no alarm: `confirmed` asks for several.

What it cannot know: a cycle that is longer than the history, as a year is for the first winter, is drift to
it; and a change that lasts for a small part of the window only is a small effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.core.feature_kinds import Feature
from tasks.core.upkeep import Monitoring
from tasks.monitor.budget import Budget
from tasks.monitor.calibrate import Calibration, calibrate
from tasks.monitor.effects import Kind, as_compared, kinds, reference, values_of
from tasks.monitor.stillness import FEWEST_WINDOWS, SMALLEST_WINDOW, Still, still, window_rows, window_starts
from tasks.report.numbers import count, listing, show

PREDICTION = "prediction"
"""The column of the champion's answers."""
WEEKLY = 52.0
"""Windows per year where no schedule says otherwise."""
FEW_LABELS = 50
"""Whole numbers as predictions are classes up to so many distinct ones."""


@dataclass(frozen=True)
class Column:
    """How far one column moved."""

    name: str
    effect: float
    """Kolmogorov-Smirnov or total variation distance from the history, in [0, 1]."""
    threshold: float
    """The effect from which on the column drifted; above 1 it cannot be reached."""
    drifted: bool


@dataclass(frozen=True)
class Drift:
    """The verdict on one window; numbers only, never a value of a row."""

    rows: int
    statistic: float | None
    """Largest departure of a column, in spreads of its no-drift windows; None where nothing was judged."""
    threshold: float | None
    detected: bool
    columns: tuple[Column, ...]
    """In the order of the frame; the champion's answers last."""
    supported_rate: float | None
    """Fewest confirmed false alarms per year that the history can vouch for without an assumption on tails."""
    reason: str
    """Sentences for a person: what was found, and what it rests on."""
    windows: int = 0
    """Windows of the history behind the threshold …"""
    window_rows: int = 0
    """… and the rows of each."""

    @property
    def judged(self) -> bool:
        """Whether there were rows enough to say anything."""
        return self.statistic is not None


@dataclass(frozen=True)
class _Measured:
    name: str
    effect: float
    still: Still


def judge(
    history: pd.DataFrame,
    window: pd.DataFrame,
    features: Mapping[str, Feature],
    monitoring: Monitoring,
    windows_per_year: float,
    *,
    history_predictions: pd.Series | None = None,
    window_predictions: pd.Series | None = None,
) -> Drift:
    """Compare a window with the history of the champion.

    A feature column that the window lacks counts as missing throughout; one that the history lacks is left
    out. The columns' own order, the index and the order of the window's rows do not matter; the order of the
    history's rows does: it is the order in which they arrived.

    Args:
        history: [N] rows the champion stands for, oldest first.
        window: [n] new rows.
        features: name → kind, as `tasks.core.features.resolve` gives them.
        monitoring: the recipe's section.
        windows_per_year: how often a window is judged.
        history_predictions: [N] the champion's answers, missing where it was trained on the row: those would
            flatter it.
        window_predictions: [n] its answers on the window.
    """
    rows = window_rows(len(history), len(window))
    if len(window) < max(monitoring.min_rows, 1):
        return _unjudged(
            len(window), f"it has {count(len(window), 'row')} and monitoring.min_rows is {monitoring.min_rows}."
        )
    if not rows:
        needed = FEWEST_WINDOWS * SMALLEST_WINDOW
        return _unjudged(len(window), f"the history has {count(len(history), 'row')} and a threshold needs {needed}.")
    history, window = (as_compared(rows_of, features) for rows_of in (history, window))
    measured = [
        _measured(column, history[column], _column(window, column), kind, rows)
        for column, kind in kinds(features).items()
        if column in history.columns
    ]
    if history_predictions is not None and window_predictions is not None:
        measured += _answers(history_predictions, window_predictions, rows)
    measured = [column for column in measured if not np.isnan(column.still.contiguous).all()]
    if not measured:
        return _unjudged(len(window), "no column of it can be compared with the history.")
    calibration = calibrate([column.still for column in measured], rows, _budget(monitoring, windows_per_year))
    return _verdict(len(window), measured, calibration, monitoring)


def confirmed(detections: Sequence[bool], monitoring: Monitoring) -> bool:
    """Whether an alarm is due: the newest window (last) drifted, and so did enough of the newest ones.

    Asking for the newest keeps an alarm from sounding again for windows that look as they should.
    """
    newest = list(detections)[-(monitoring.of_windows or monitoring.windows_to_confirm) :]
    return bool(newest) and bool(newest[-1]) and sum(map(bool, newest)) >= monitoring.windows_to_confirm


def windows_per_year(cron: str | None) -> float:
    """Ticks of a cron line in a year, over four years from 2001 on; a window a week where there is no line.

    Raises:
        cronsim.CronSimError: it is not a cron line.
    """
    if cron is None:
        return WEEKLY
    from datetime import datetime

    from cronsim import CronSim

    start, end = datetime(2001, 1, 1), datetime(2005, 1, 1)
    line = CronSim(cron, start)
    a_day = len(line.seconds) * len(line.minutes) * len(line.hours)
    days, tick = 0, CronSim(f"0 0 {' '.join(cron.split()[-3:])}", start.replace(year=2000, month=12, day=31))
    while next(tick, end) < end:
        days += 1
    return max(a_day * days / 4, 1.0)


def _budget(monitoring: Monitoring, windows: float) -> Budget:
    confirm = monitoring.windows_to_confirm
    return Budget(monitoring.false_alarms_per_year, windows, confirm, monitoring.of_windows or confirm)


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    return frame[name] if name in frame.columns else pd.Series(np.nan, index=frame.index, dtype=np.float64)


def _measured(name: str, old: pd.Series, new: pd.Series, kind: Kind, rows: int) -> _Measured:
    values = values_of(old, kind)
    against = reference(values, kind)
    codes = against.encode(values)
    found = float(against.effects(against.encode(values_of(new, kind))[None, :])[0])
    known = np.ones(len(codes), dtype=bool)
    return _Measured(name, found, still(against, codes, known, window_starts(len(codes), rows), rows))


def _answers(old: pd.Series, new: pd.Series, rows: int) -> list[_Measured]:
    """The champion's answers, where there are any: rows without one count for neither side.

    Windows of the history hold fewer answers than rows, as it was trained on most rows. Their effects are
    larger for that, and the threshold errs on the side of silence.
    """
    kind = _kind_of_answers(old, new)
    known = old.notna().to_numpy(bool)
    given = new[new.notna().to_numpy(bool)]
    if known.sum() < SMALLEST_WINDOW or len(given) < SMALLEST_WINDOW:
        return []
    against = reference(values_of(old[known], kind), kind)
    codes = np.zeros(len(old), np.int32)
    codes[known] = against.encode(values_of(old[known], kind))
    found = float(against.effects(against.encode(values_of(given, kind))[None, :])[0])
    return [_Measured(PREDICTION, found, still(against, codes, known, window_starts(len(codes), rows), rows))]


def _kind_of_answers(*parts: pd.Series) -> Kind:
    """Numbers are a regression's, unless they are few whole ones: a classifier's labels."""
    for part in parts:
        values = part.dropna()
        if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
            return "labels"
        distinct: NDArray[np.float64] = values.unique().astype(np.float64)
        if len(distinct) > FEW_LABELS or (distinct != np.round(distinct)).any():
            return "numbers"
    return "labels"


def _verdict(rows: int, measured: Sequence[_Measured], calibration: Calibration, monitoring: Monitoring) -> Drift:
    effects = np.array([column.effect for column in measured])
    scores = (effects - calibration.centres) / calibration.spreads
    limits = calibration.centres + calibration.threshold * calibration.spreads
    columns = tuple(
        Column(column.name, column.effect, float(limit), bool(score > calibration.threshold))
        for column, limit, score in zip(measured, limits, scores, strict=True)
    )
    detected = any(column.drifted for column in columns)
    return Drift(
        rows=rows,
        statistic=float(scores.max()),
        threshold=calibration.threshold,
        detected=detected,
        columns=columns,
        supported_rate=calibration.supported_rate,
        reason=f"{_finding(columns, scores)} {_basis(calibration, monitoring)}",
        windows=calibration.windows,
        window_rows=calibration.rows,
    )


def _finding(columns: Sequence[Column], scores: NDArray[np.float64]) -> str:
    """One sentence: what moved, farthest first, or what came nearest to it."""
    order = np.argsort(-scores, kind="stable")
    drifted = [
        f"{columns[place].name} ({show(columns[place].effect)}, threshold {show(columns[place].threshold)})"
        for place in order
        if columns[place].drifted
    ]
    if drifted:
        return f"{len(drifted)} of {count(len(columns), 'column')} moved: {listing(drifted, 3)}."
    first = columns[order[0]]
    return (
        f"No column moved farther than no-drift windows do; the nearest is {first.name} "
        f"({show(first.effect)}, threshold {show(first.threshold)})."
    )


def _basis(calibration: Calibration, monitoring: Monitoring) -> str:
    """What the threshold rests on."""
    windows = f"{count(calibration.windows, 'window')} of {count(calibration.rows, 'row')} of the history"
    if not calibration.extrapolated:
        return f"The threshold rests on {windows}."
    return (
        f"The threshold is extrapolated from {windows}, which by themselves support "
        f"{show(calibration.supported_rate)} false alarms a year, not {show(monitoring.false_alarms_per_year)}."
    )


def _unjudged(rows: int, why: str) -> Drift:
    return Drift(rows, None, None, False, (), None, f"The window was not judged: {why}")
