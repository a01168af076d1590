"""What the inputs of a network are called, and how large a unit of each is: the half that ships inside the model.

Two models scale their inputs differently. Their errors are compared in the units of one of them, over the inputs that
both have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .dates import CYCLES


def units(state: Mapping[str, Any]) -> dict[str, float]:
    """Name of each input, in the order of the flattened inputs → its unit, in units of the column.

    Args:
        state: What `tasks.transforms.fit` returned, of numbers, categories and dates, or of images.

    Returns:
        A number, a pixel or a year is measured in its fitted scale. That a value is missing, or a category is the
        row's, is 1 or 0 in every model, and a sine or a cosine what it is.
    """
    return {json.dumps(name): unit for name, unit in _inputs(state)}


def _inputs(state: Mapping[str, Any]) -> Iterator[tuple[list[str], float]]:
    if state["kind"] == "image":
        yield from (([column], float(state["scale"])) for column in state["columns"])
        return
    for entry in state["numeric"]:
        yield [entry["column"]], float(entry["scale"])
    for entry in state["numeric"]:
        if entry["gaps"]:
            yield [entry["column"], "is missing"], 1.0
    for entry in state["categorical"]:
        yield from (([entry["column"], "is", label], 1.0) for label in entry["categories"])
        if entry["other"]:
            yield [entry["column"], "is another"], 1.0
        if entry["missing"]:
            yield [entry["column"], "is missing"], 1.0
    # A state from before there were dates does not name any.
    for entry in state.get("dates", ()):
        names = (
            [entry["column"], part, entry["timezone"], *wave]
            for part in entry["parts"]
            for wave in ((["sine"], ["cosine"]) if part in CYCLES else ([],))
        )
        yield from zip(names, map(float, entry["scale"]), strict=True)
        if entry["gaps"]:
            yield [entry["column"], "is missing"], 1.0


def conversion(own: Mapping[str, float], other: Mapping[str, float]) -> tuple[list[int], list[float]]:
    """Where the inputs stand that other units name, and by what their differences are multiplied to be in those.

    Args:
        own: Of the model, as `units` gives them.
        other: Names and units to be converted to; each name is one of the model's.

    Raises:
        KeyError: the model has no such input.
    """
    place = {name: number for number, name in enumerate(own)}
    return [place[name] for name in other], [own[name] / unit for name, unit in other.items()]
