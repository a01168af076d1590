"""Streams of rows in which nothing changes, and what a threshold makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from tasks.core.feature_kinds import CategoricalFeature, Feature, NumericFeature
from tasks.monitor.budget import Budget
from tasks.monitor.calibrate import calibrate
from tasks.monitor.effects import reference, values_of
from tasks.monitor.stillness import still, window_starts

Floats = np.ndarray


def series(columns: int, rows: int, correlation: float, random: np.random.Generator) -> Floats:
    """AR(1) with the correlation of neighbouring rows, stationary, standard normal; [columns, rows]."""
    noise = random.normal(size=(columns, rows + 2000))
    found = lfilter([1], [1, -correlation], noise, axis=1)[:, 2000:]
    return found * np.sqrt(1 - correlation**2)


def frame(values: Floats) -> tuple[pd.DataFrame, dict[str, Feature]]:
    """Columns c0, c1, …: of every four two are numbers, one is labels and one is a flag."""
    columns: dict[str, object] = {}
    features: dict[str, Feature] = {}
    for place, row in enumerate(values):
        name = f"c{place}"
        columns[name] = row
        features[name] = NumericFeature(kind="numeric")
        if place % 4 == 2:
            columns[name] = np.array([f"label {number:.0f}" for number in np.clip(np.floor(row * 1.5), -3, 3)])
            features[name] = CategoricalFeature(kind="categorical")
        if place % 4 == 3:
            columns[name] = row > 0.5
    return pd.DataFrame(columns), features


@dataclass(frozen=True)
class Alarms:
    """What many histories made of windows in which nothing changed."""

    above: float
    """Share of windows above the threshold."""
    a_year: float
    """Confirmed alarms per year …"""
    error: float
    """… and their standard error over histories."""


def alarms(
    correlation: float, history: int, rows: int, budget: Budget, *, histories: int, columns: int = 12, windows: int = 16
) -> Alarms:
    """Calibrate many histories and judge the windows that follow each; 2 of 2 windows confirm."""
    assert (budget.confirm, budget.of) == (2, 2)
    random = np.random.default_rng(5)
    above, both = np.empty(histories), np.empty(histories)
    for place in range(histories):
        rows_all, features = frame(series(columns, history + windows * rows, correlation, random))
        found = _above(rows_all, features, history, rows, budget)
        above[place], both[place] = found.mean(), (found[1:] & found[:-1]).mean()
    yearly = both * budget.windows
    return Alarms(float(above.mean()), float(yearly.mean()), float(yearly.std() / np.sqrt(histories)))


def _above(all_rows: pd.DataFrame, features: dict[str, Feature], history: int, rows: int, budget: Budget) -> np.ndarray:
    starts, columns, effects = window_starts(history, rows), [], []
    for name, feature in features.items():
        values = values_of(all_rows[name], "numbers" if feature.kind == "numeric" else "labels")
        against = reference(values[:history], "numbers" if feature.kind == "numeric" else "labels")
        codes = against.encode(values)
        columns.append(still(against, codes[:history], np.ones(history, bool), starts, rows))
        effects.append(against.effects(codes[history:].reshape(-1, rows)))
    found = calibrate(columns, rows, budget)
    scores = (np.stack(effects, axis=1) - found.centres) / found.spreads
    return np.asarray(scores.max(axis=1) > found.threshold)
