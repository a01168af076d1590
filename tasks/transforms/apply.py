"""From a model frame to inputs, with the state that `fit` learned: the half that ships inside the model.

Uses numpy and pandas alone, so that it runs wherever the packaged model runs. Numbers are computed in
float64 and rounded once, to float32, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from . import dates
from .cells import labels, numbers, text_cells
from .words import ids

LIMIT = 1e12
"""Inputs are cut off here: sums of products in a network then stay far inside the range of float32."""


def apply(frame: pd.DataFrame, state: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Inputs of the network.

    Args:
        frame: Holds the state's columns, in any order, beside any others.
        state: What `tasks.transforms.fit` returned. A cell that is no finite number counts as missing.

    Returns:
        float32 [N, *input_shape], finite; token ids of a text. Where columns stand beside a text or a series, its
        numbers come first.

    Raises:
        ValueError: a column is absent, cannot be read, or has gaps that the state does not impute.
    """
    if state["kind"] == "mixed":
        sides = [apply(frame, part).reshape(len(frame), math.prod(part["input_shape"])) for part in parts(state)]
        return np.concatenate(sides, axis=1)
    if state["kind"] == "text":
        return _text(frame, state)
    inputs = {"tabular": _tabular, "image": _images, "series": _series}[state["kind"]](frame, state)
    rounded: np.ndarray[Any, Any] = np.clip(inputs, -LIMIT, LIMIT).astype(np.float32)
    return rounded


def check_frame(frame: Any, spec: Mapping[str, Any]) -> None:
    """The contract of the model's frame.

    Args:
        frame: What a caller handed in.
        spec: The content of transform.json.

    Raises:
        ValueError: one sentence naming the column: not a DataFrame, a column absent or there twice, text
            or dates where numbers are expected, or a gap where the model does not impute.
    """
    state = spec["state"]
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"The model takes a pandas DataFrame with its feature columns, not {type(frame).__name__}.")
    for column in state["columns"]:
        found = int(np.sum(frame.columns == column))
        if found != 1:
            raise ValueError(f"The column '{column}' is {'missing' if not found else 'there more than once'}.")
    if not _plain(frame, state["columns"]):
        for column in _numeric_columns(state):
            if not state["text_is_missing"].get(column) and text_cells(frame[column]):
                raise ValueError(f"The column '{column}' holds text that is not a number.")
    for part in parts(state):
        for entry in part.get("dates", ()):
            _refuse_dates(frame[entry["column"]], entry, part)
        if part["kind"] == "series":
            _refuse_inner_gaps(*together(stepwise(_numbers_of(frame, part["columns"]), len(part["channels"]))), part)
        else:
            _refuse_gaps(_numbers_of(frame, _numeric_columns(part)), _numeric_columns(part), part)


def parts(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The states of a sequence and of what stands beside it; any other state is its only part."""
    return [state["sequence"], state["tabular"]] if state["kind"] == "mixed" else [state]


def _tabular(frame: pd.DataFrame, state: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    numeric = state["numeric"]
    inputs = np.zeros((len(frame), *state["input_shape"]), dtype=np.float64)
    values = _numbers_of(frame, [entry["column"] for entry in numeric])
    gaps = np.isnan(values)
    _refuse_gaps(values, [entry["column"] for entry in numeric], state)
    mask = state.get("mask", False)
    position = len(numeric)
    for index, entry in enumerate(numeric):
        filled = np.where(gaps[:, index], entry["fill"] or 0.0, clipped(values[:, index], entry))
        inputs[:, index] = scaled(filled, entry["shift"], entry["scale"])
        if mask:
            inputs[gaps[:, index], index] = 0.0
        if entry["gaps"]:
            inputs[:, position] = gaps[:, index] != mask
            position += 1
    for entry in state["categorical"]:
        width = len(entry["categories"]) + entry["other"] + entry["missing"]
        _one_hot(frame[entry["column"]], entry, inputs[:, position : position + width])
        position += width
    # A state from before there were dates does not name any.
    for entry in state.get("dates", ()):
        width = len(entry["fill"]) + entry["gaps"]
        dates.write_inputs(frame[entry["column"]], entry, inputs[:, position : position + width], mask=mask)
        position += width
    return inputs


def _one_hot(column: pd.Series[Any], entry: Mapping[str, Any], block: np.ndarray[Any, Any]) -> None:
    """Set one 1 per row in `block`: the category's, else `other`'s or `missing`'s where they exist."""
    codes, found = labels(column)
    known = {label: index for index, label in enumerate(entry["categories"])}
    other = len(known) if entry["other"] else -1
    missing = len(known) + int(entry["other"]) if entry["missing"] else -1
    places = np.array([*(known.get(label, other) for label in found), missing], dtype=np.int64)[codes]
    rows = np.flatnonzero(places >= 0)
    block[rows, places[rows]] = 1.0


def _images(frame: pd.DataFrame, state: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    values = _numbers_of(frame, state["columns"])
    _refuse_gaps(values, state["columns"], state)
    filled = np.where(np.isnan(values), state["fill"] or 0.0, clipped(values, state))
    return scaled(filled, state["shift"], state["scale"]).reshape(len(frame), *state["input_shape"])


def _text(frame: pd.DataFrame, state: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    (name,) = state["columns"]
    if name not in frame.columns:
        raise ValueError(f"The column '{name}' is missing.")
    return ids(frame[name], state)


def _series(frame: pd.DataFrame, state: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    channels = state["channels"]
    values, there = together(stepwise(_numbers_of(frame, state["columns"]), len(channels)))
    _refuse_inner_gaps(values, there, state)
    inputs = np.zeros((len(frame), *state["input_shape"]))
    for place, channel in enumerate(channels):
        of = values[..., place]
        filled = np.where(np.isnan(of), channel["fill"] or 0.0, clipped(of, channel))
        inputs[..., place] = scaled(filled, channel["shift"], channel["scale"]) * there
    inputs[..., -1] = there
    return inputs


def stepwise(values: np.ndarray[Any, Any], channels: int) -> np.ndarray[Any, Any]:
    """Columns in the order of `columns_of`, [N, channels · L], as steps, [N, L, channels]."""
    return values.reshape(len(values), channels, values.shape[1] // channels).transpose(0, 2, 1)


def together(values: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Series moved to their start: what is missing at either end then stands at the end.

    Args:
        values: float64 [N, L, C], NaN where there is no number. A step is there from the first that has one on, up to
            the last that has one.

    Returns:
        float64 [N, L, C] and bool [N, L].
    """
    known = ~np.isnan(values).all(axis=2)
    first = known.argmax(axis=1)[:, None]
    last = values.shape[1] - 1 - known[:, ::-1].argmax(axis=1)[:, None]
    places = np.arange(values.shape[1]) + first
    there = (places <= last) & known.any(axis=1)[:, None]
    moved = np.take_along_axis(values, np.minimum(places, values.shape[1] - 1)[..., None], axis=1)
    return np.where(there[..., None], moved, np.nan), there


def inner_gaps(values: np.ndarray[Any, Any], there: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which numbers of the steps that are there are missing; [N, L, C] and [N, L] as `together` gives them → bool."""
    gaps: np.ndarray[Any, Any] = np.isnan(values) & there[..., None]
    return gaps


def clipped(values: np.ndarray[Any, Any], fitted: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Values cut off at the fences that were fitted, if any were; a gap stays a gap."""
    # A state from before there were fences does not name any.
    fences = fitted.get("fences")
    return values if fences is None else np.clip(values, *fences)


def scaled(values: np.ndarray[Any, Any], shift: float, scale: float) -> np.ndarray[Any, Any]:
    """(values − shift) / scale in float64, cut off instead of overflowing."""
    with np.errstate(over="ignore"):
        return np.clip((values - shift) / scale, -LIMIT, LIMIT)


def _numeric_columns(state: Mapping[str, Any]) -> list[str]:
    if state["kind"] == "mixed":
        return [column for part in parts(state) for column in _numeric_columns(part)]
    if state["kind"] == "tabular":
        return [entry["column"] for entry in state["numeric"]]
    return [] if state["kind"] == "text" else list(state["columns"])


def _plain(frame: pd.DataFrame, columns: Sequence[str]) -> bool:
    """Whether all these columns are numpy ints, floats or bools, which need no look at each cell."""
    return all(isinstance(dtype, np.dtype) and dtype.kind in "iufb" for dtype in frame[list(columns)].dtypes)


def _numbers_of(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray[Any, Any]:
    """float64 [N, columns], NaN where there is no finite number."""
    absent = [column for column in columns if column not in frame.columns]
    if absent:
        raise ValueError(f"The column '{absent[0]}' is missing.")
    if _plain(frame, columns):
        values = frame[list(columns)].to_numpy(dtype=np.float64)
        return np.where(np.isfinite(values), values, np.nan)
    return np.column_stack([numbers(frame[column]) for column in columns])


def refuses_gaps(state: Mapping[str, Any]) -> bool:
    """Whether a gap is an error: nothing stands for it, and no mask tells it."""
    return state["impute"] in ("none", "refuse") and not state.get("mask")


def _refuse_gaps(values: np.ndarray[Any, Any], columns: Sequence[str], state: Mapping[str, Any]) -> None:
    for column, count in zip(columns, np.isnan(values).sum(axis=0), strict=True):
        if count and refuses_gaps(state):
            raise ValueError(f"The column '{column}' has {count} missing values, and this model imputes none.")


def _refuse_dates(column: pd.Series[Any], entry: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    moments, refused = dates.read(column, entry["timezone"])
    if refused.any() and not state["text_is_missing"].get(entry["column"]):
        raise ValueError(f"The column '{entry['column']}' holds something that is no date in ISO 8601.")
    _refuse_gaps(np.where(np.isnat(moments), np.nan, 0.0)[:, None], [entry["column"]], state)


def _refuse_inner_gaps(values: np.ndarray[Any, Any], there: np.ndarray[Any, Any], state: Mapping[str, Any]) -> None:
    count = int(inner_gaps(values, there).sum())
    if refuses_gaps(state) and count:
        series = f"The series from '{state['columns'][0]}' on"
        raise ValueError(f"{series} has {count} gaps between its steps, and this model imputes none.")
