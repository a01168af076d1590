"""Evidently's report on one window: histograms of every column for people; its verdict is not used.

Why not: its default preset calls a window drifted when half of the columns are, and its tests are p-values on
small samples and distances on large ones (`benchmarks/drift.py` has both verdicts side by side).

What it gets is not the rows themselves: numbers are cut at their 0.5 and 99.5 % quantiles, so that the ends of a
histogram are no single row's value, and labels that few rows have are one label. What it writes is one file
that loads nothing: a content security policy says so to the browser, and the random ids in it are numbered, so
that equal rows give equal bytes.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.core.feature_kinds import Feature
from tasks.core.home import write_atomically
from tasks.monitor.effects import Kind, as_compared, kinds, values_of

MOST_ROWS = 10_000
"""Rows of either side at most, evenly spread."""
MOST_COLUMNS = 40
"""Columns at most: every one adds two plots."""
MOST_LABELS = 20
"""Labels of a column that keep their name."""
RARE = 5
"""Labels that fewer rows have, on both sides together, do not keep it."""
OTHERS = "(others)"
MISSING = "Evidently is not installed, so its report was not made: install it with the extra `monitor`."

_IDENTIFIER = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline' "
    "'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:\">"
)
_NOTE = (
    '<p style="font-family: sans-serif; margin: 16px 24px">What Evidently says about these rows with its default '
    "tests, for its pictures. Evergreen's verdict does not follow from it and may differ.</p>"
)


def write(
    reference: pd.DataFrame,
    window: pd.DataFrame,
    features: Mapping[str, Feature],
    path: Path,
    *,
    first: Sequence[str] = (),
) -> bool:
    """Write Evidently's report, or one sentence why there is none; never raises for what Evidently cannot do.

    Args:
        reference: rows the champion stands for.
        window: new rows.
        features: name → kind; columns that either frame lacks, or that are missing throughout, are left out.
        path: the HTML file.
        first: columns that are shown even where there are more than `MOST_COLUMNS`.

    Returns:
        Whether the report is Evidently's.
    """
    reference, window = as_compared(_some(reference), features), as_compared(_some(window), features)
    wanted = [(name, kind) for name, kind in kinds(features).items() if name in reference and name in window]
    wanted.sort(key=lambda column: column[0] not in first)
    old, new, shown = _frames(reference, window, wanted)
    if not shown:
        return _sentence(path, "No column has values on both sides, so Evidently has nothing to draw.")
    try:
        html = _html(old, new, shown)
    except ImportError:
        return _sentence(path, MISSING)
    except Exception as error:  # noqa: BLE001 - a picture for people must not end a monitoring, whatever fails in it
        return _sentence(path, f"Evidently could not draw these columns ({type(error).__name__}).")
    write_atomically(path, html)
    return True


def _html(old: pd.DataFrame, new: pd.DataFrame, shown: Mapping[str, Kind]) -> str:
    # Read when Evidently is imported: nothing about these rows, or that they were looked at, leaves the machine.
    os.environ["DO_NOT_TRACK"] = "true"  # the one value that MLflow, in the same process, takes as well
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(
            numerical_columns=[name for name, kind in shown.items() if kind == "numbers"],
            categorical_columns=[name for name, kind in shown.items() if kind == "labels"],
        )
        sides = (Dataset.from_pandas(side, data_definition=definition) for side in (new, old))
        html: str = Report([DataDriftPreset()]).run(*sides).get_html_str(as_iframe=False)
    html = re.sub(r"<head>", f"<head>\n{_POLICY}", html, count=1)
    return _numbered(re.sub(r"<body[^>]*>", lambda body: body.group() + _NOTE, html, count=1))


def _numbered(html: str) -> str:
    """The page with its random identifiers replaced by their position."""
    seen: dict[str, str] = {}
    return _IDENTIFIER.sub(lambda found: seen.setdefault(found.group(), f"a{len(seen):031x}"), html)


def _frames(
    reference: pd.DataFrame, window: pd.DataFrame, wanted: Sequence[tuple[str, Kind]]
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Kind]]:
    """Both sides, made ready, and the columns that have values in each."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    shown: dict[str, Kind] = {}
    for name, kind in wanted[:MOST_COLUMNS]:
        sides = [values_of(frame[name], kind) for frame in (reference, window)]
        if any(pd.isna(side).all() for side in sides):
            continue
        label = _harmless(name)
        old[label], new[label] = _common(*sides) if kind == "labels" else _cut(*sides)
        shown[label] = "labels" if kind == "labels" else "numbers"
    return pd.DataFrame(old), pd.DataFrame(new), shown


def _cut(old: np.ndarray[Any, Any], new: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """Numbers without their extremes; infinite ones are at an end of the others."""
    both = np.concatenate([old, new])
    finite = both[np.isfinite(both)]
    if not finite.size:
        return np.nan_to_num(old), np.nan_to_num(new)
    low, high = np.quantile(finite, (0.005, 0.995))
    return np.clip(old, low, high), np.clip(new, low, high)


def _common(old: np.ndarray[Any, Any], new: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """Labels, the rare ones under one name."""
    counts = pd.Series(np.concatenate([old, new])).value_counts()
    frequent = counts[counts >= RARE].sort_index().sort_values(ascending=False, kind="stable").index[:MOST_LABELS]
    table = {label: _harmless(label) for label in frequent}

    def named(side: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.array([None if label is None else table.get(label, OTHERS) for label in side], dtype=object)

    return named(old), named(new)


def _harmless(text: str) -> str:
    """Text that cannot end the script Evidently writes it into."""
    return str(text).replace("<", "‹").replace(">", "›")


def _some(frame: pd.DataFrame) -> pd.DataFrame:
    if len(frame) <= MOST_ROWS:
        return frame
    return frame.iloc[np.linspace(0, len(frame) - 1, MOST_ROWS).round().astype(np.int64)]


def _sentence(path: Path, sentence: str) -> bool:
    write_atomically(
        path,
        f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>Evidently</title><p>{sentence}</p></html>\n',
    )
    return False
