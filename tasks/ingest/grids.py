"""Arrays as columns: numbers of a row or of a grid, each under the name its place gives it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def number_columns(name: str, values: npt.NDArray[Any]) -> pd.DataFrame:
    """One column for each place of an array's rows.

    Args:
        name: What the columns' names begin with.
        values: [N, d] gives `<name>_<place>`, [N, height, width] gives `<name>_<row>_<column>`, which is what an
            image feature of that name is made of. Numbers, or true and false, which become 1 and 0.

    Returns:
        N rows in the same order; numbers as they are, in the byte order of this machine.

    Raises:
        ValueError: neither two nor three dimensions, or no numbers; the message says which.
    """
    if values.ndim not in (2, 3):
        raise ValueError(f"has the shape {list(values.shape)} where [N, d] or [N, height, width] is needed")
    if values.dtype.kind not in "biuf":
        raise ValueError(f"holds {values.dtype.name} where numbers are needed")
    places = ["_".join(map(str, place)) for place in np.ndindex(*values.shape[1:])]
    flat = native(values.reshape(len(values), len(places)))
    return pd.DataFrame(flat, columns=[f"{name}_{place}" for place in places])


def native(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same numbers in a type that a table can keep: this machine's byte order, at most 64 bits, no booleans."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        return values.astype(np.float64)
    return values.astype(values.dtype.newbyteorder("="), copy=False)
