"""Gate `duplicates`: rows that repeat an earlier row exactly, and when repeats are only natural."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.core.contracts import Gate
from tasks.core.rows import content_hashes
from tasks.validate.candidate import Candidate

MARGIN_BITS = 10.0
"""How far the columns must be from making one repeat by chance, as a power of two.

It stands for what the estimate below leaves out: columns that depend on each other say less together.
"""


def gate(kept: Candidate, sides: pd.Series, maximum: float) -> Gate:
    """Count the rows that repeat an earlier one in all features and the target.

    Where the columns can hardly tell rows apart (a handful of categories), repeats are natural: they are
    counted and pass. So do duplicates up to `maximum` of the rows; those on two sides of the split are
    the business of `leakage`.

    Args:
        kept: Rows that are not quarantined.
        sides: Split of each of them [N].
        maximum: Largest share of rows that may repeat an earlier one.
    """
    columns = [*kept.columns, kept.data.target]
    groups = pd.Series(content_hashes(kept.frame, columns), index=kept.frame.index)
    repeats = groups.duplicated()
    repeated = groups.isin(groups[repeats])
    on_sides = sides[repeated].groupby(groups[repeated]).nunique()
    share = round(float(repeats.mean()), 6) if len(repeats) else 0.0
    evidence: dict[str, Any] = {
        "rows": len(groups),
        "duplicates": int(repeats.sum()),
        "share": share,
        "groups": len(on_sides),
        "groups_on_two_sides": int((on_sides > 1).sum()),
    }
    if share > maximum and repeats_are_natural(_codes(kept.frame.loc[~repeats, columns])):
        evidence["note"] = "The columns can hardly tell rows apart, so repeats are natural."
    elif share > maximum:
        reason = (
            f"{evidence['duplicates']} of {len(groups)} rows ({share:.1%}) repeat an earlier row, {maximum:.1%} may."
        )
        return Gate("duplicates", "failed", maximum, {**evidence, "reason": reason})
    return Gate("duplicates", "passed", maximum, evidence)


def repeats_are_natural(columns: Sequence[npt.NDArray[np.int64]], population: int | None = None) -> bool:
    """Whether distinct rows of these columns would be expected to repeat each other by chance.

    The chance that two rows agree in one column is estimated without bias from its counts c of n:
    sum c (c - 1) / (n (n - 1)); the product over the columns, times n² pairs, is the number of repeats to
    expect. They are natural where that exceeds 2 ** -MARGIN_BITS. One column without any repeat settles it.

    Args:
        columns: One array of codes [N] per column, of rows of which none repeats another.
        population: Number of rows these are a sample of; none: they are all.
    """
    rows = len(columns[0]) if columns else 0
    if rows < 2:
        return False
    bits = 0.0
    for codes in columns:
        counts = np.unique(codes, return_counts=True)[1].astype(np.float64)
        agree = float((counts * (counts - 1)).sum()) / (rows * (rows - 1))
        if agree == 0:
            return False
        bits -= math.log2(agree)
    return bits < 2 * math.log2(population or rows) + MARGIN_BITS


def _codes(frame: pd.DataFrame) -> list[npt.NDArray[np.int64]]:
    return [pd.factorize(frame[name], use_na_sentinel=False)[0].astype(np.int64) for name in frame.columns]
