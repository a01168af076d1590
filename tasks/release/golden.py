"""Golden predictions: made-up rows and what the model must answer, wherever it is loaded.

No row of the data is among them, since the file travels with the model: each value lies around the
column's fitted fill value or shift, within its fitted scale, categories are those the encoder knows, dates lie anywhere
in thirty years, and texts are known tokens thrown together. Edge rows follow: whole numbers, everything missing, a
category or a word nobody has seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from tasks.models.predict import forward
from tasks.models.scored import answering
from tasks.transforms.apply import apply, parts, refuses_gaps
from tasks.transforms.outputs import predictions

ROWS = 16
SPREAD = 1.5
"""How far from the fill value the numbers lie, in fitted scales."""
UNSEEN = "evergreen-unseen-category"
LEAP_DAY = "2024-02-29"


def golden(network: nn.Module, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs and the outputs of this project's own code for them.

    Args:
        network: With the weights that are packaged.
        spec: The content of transform.json.

    Returns:
        `inputs` and `outputs`, lists of records of JSON values; a missing value is null.
    """
    inputs = records(golden_frame(spec["state"]))
    # From the records, as a consumer gets them, so that both sides start from the same numbers.
    frame = pd.DataFrame(inputs, columns=list(spec["state"]["columns"]))
    outputs = predictions(forward(answering(network, spec), apply(frame, spec["state"])), spec)
    return {"inputs": inputs, "outputs": records(outputs)}


def golden_frame(state: Mapping[str, Any]) -> pd.DataFrame:
    """Rows around the middle of what the transform was fitted on, then edge rows; the same for the same state."""
    rng = np.random.default_rng(0)
    if state["kind"] == "mixed":
        made = [golden_frame(part) for part in parts(state)]
        # Side by side, the shorter begun anew; an edge row of the one then stands beside any of the other.
        rows = np.arange(max(len(part) for part in made))
        sides = [part.iloc[rows % len(part)].reset_index(drop=True) for part in made]
        return pd.concat(sides, axis=1)[list(state["columns"])]
    if state["kind"] == "text":
        return pd.DataFrame({state["columns"][0]: pd.Series(_texts(state, rng), dtype=object)})
    if state["kind"] == "series":
        return _series(state, rng)
    columns: dict[str, list[Any]] = {}
    gap = [] if refuses_gaps(state) else [None]
    for column, centre, scale in _numeric(state):
        numbers = centre + scale * rng.uniform(-SPREAD, SPREAD, ROWS)
        columns[column] = [*(float(f"{value:.6g}") for value in numbers), float(round(centre)), *gap]
    for index, entry in enumerate(state.get("categorical", ())):
        known = entry["categories"] or [UNSEEN]
        values = [known[(row + index) % len(known)] for row in range(ROWS)]
        columns[entry["column"]] = [*values, UNSEEN, *gap]
    for entry in state.get("dates", ()):
        columns[entry["column"]] = [*_dates(rng), LEAP_DAY, *gap]
    return pd.DataFrame({name: pd.Series(columns[name], dtype=object) for name in state["columns"]})


def _dates(rng: np.random.Generator) -> list[str]:
    """Points in time of thirty years, every other one with an offset."""
    seconds = rng.integers(30 * 365 * 86_400, size=ROWS)
    written = (np.datetime64("2000-01-01T00:00:00") + seconds).astype(str)
    return [f"{moment}+05:30" if row % 2 else str(moment) for row, moment in enumerate(written)]


def _texts(state: Mapping[str, Any], rng: np.random.Generator) -> list[str | None]:
    """Texts of one token up to a few more than are looked at, one nobody has seen, an empty one, a missing one."""
    known, (length,) = state["tokens"], state["input_shape"]
    sizes = np.linspace(1, length + 2, ROWS).astype(int)
    between = " " if state["level"] == "word" else ""
    made = [between.join(known[place] for place in rng.integers(len(known), size=size)) for size in sizes]
    return [*made, UNSEEN, "", None]


def _series(state: Mapping[str, Any], rng: np.random.Generator) -> pd.DataFrame:
    """Series from whole to a single step that begin late or end early, one with a gap where it is filled, one empty."""
    channels, length = state["channels"], state["input_shape"][0]
    columns: dict[str, list[Any]] = {}
    # A constant that stands for gaps may lie far from all values; the shift of any scale lies among them.
    filled = state["impute"] in ("mean", "median")
    for place, column in enumerate(state["columns"]):
        channel, step = channels[place // length], place % length
        centre, scale = _around(channel, filled)
        numbers = centre + scale * rng.uniform(-SPREAD, SPREAD, ROWS + 1)
        cut = [0, *np.linspace(0, length - 1, ROWS - 1).astype(int)]
        early = [step < length - missing if row % 2 else step >= missing for row, missing in enumerate(cut)]
        gap = refuses_gaps(state) or step != length // 2
        there = [*early, gap]
        values = [float(f"{value:.6g}") if is_there else None for value, is_there in zip(numbers, there, strict=True)]
        columns[column] = [*values, None]
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON values: numbers to 15 digits, missing values as None, labels of their own type."""
    found: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return found


def _numeric(state: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Column, centre and scale of each numeric column."""
    # A constant that stands for gaps may lie far from all values; the shift of any scale lies among them.
    filled = state["impute"] in ("mean", "median")
    if state["kind"] == "tabular":
        return [(entry["column"], *_around(entry, filled)) for entry in state["numeric"]]
    return [(column, *_around(state, filled)) for column in state["columns"]]


def _around(fitted: Mapping[str, Any], filled: bool) -> tuple[float, float]:
    return float((fitted["fill"] if filled else fitted["shift"]) or 0.0), float(fitted["scale"])
