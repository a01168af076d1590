"""Whether rows repeat each other by chance: a few coarse columns cannot tell rows apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MARGIN_BITS = 10.0
"""How far the columns must be from making one repeat by chance, as a power of two.

It stands for what the estimate leaves out: columns that depend on each other say less together.
"""
SAMPLE = 10_000
"""Rows from which it is estimated."""
LABEL_REPEATS = 4
"""Numbers that occur this often on average are as good as labels."""
COARSER = 10
"""How many fine cells make a coarse one."""

Codes = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """One column as cells that count as equal [N], and for numbers as cells `COARSER` times as wide."""

    fine: Codes
    coarse: Codes | None = None

    @property
    def quantity(self) -> bool:
        """Whether the column is numbers that hardly repeat."""
        return self.coarse is not None and len(np.unique(self.fine)) * LABEL_REPEATS > len(self.fine)


def sample_of(rows: int) -> npt.NDArray[np.intp]:
    """Positions of at most `SAMPLE` rows, spread evenly."""
    return np.linspace(0, max(rows - 1, 0), min(rows, SAMPLE)).astype(np.intp)


def repeats_are_natural(columns: Sequence[Cells], population: int) -> bool:
    """Whether two of `population` rows would be expected to agree in every column without being copies.

    The chance p that two rows agree in a column is estimated from the counts c of its cells: sum c (c - 1) /
    (n (n - 1)). The product over the columns times population² is the number of repeats to expect; they are
    natural where that exceeds 2 ** -MARGIN_BITS. Copies would raise p in every column, so for quantities
    pairs that agree in all columns are not counted; what they hide where columns repeat each other is
    estimated from cells `COARSER` times as wide: (p of those - p) / (COARSER - 1), as for a smooth density.

    Args:
        columns: Cells of each column, of the rows `sample_of` chose.
        population: Number of rows these were chosen from.
    """
    if not columns or population < 2:
        return True
    together = _agreement(_joint([column.fine for column in columns]))
    bits = sum(-math.log2(max(_chance(column, together), population**-2.0)) for column in columns)
    return bits < 2 * math.log2(population) + MARGIN_BITS


def _chance(column: Cells, together: float) -> float:
    agree = _agreement(column.fine)
    if not column.quantity or column.coarse is None:
        return agree
    smooth = (_agreement(column.coarse) - agree) / (COARSER - 1)
    return max(agree - together, smooth)


def _agreement(codes: npt.NDArray[np.generic]) -> float:
    """Share of the pairs of rows that lie in one cell."""
    counts = np.unique(codes, return_counts=True)[1].astype(np.float64)
    pairs = len(codes) * (len(codes) - 1)
    return float((counts * (counts - 1)).sum()) / pairs if pairs else 0.0


def _joint(columns: Sequence[Codes]) -> npt.NDArray[np.intp]:
    """A code [N] that is equal where all columns are."""
    joint: npt.NDArray[np.intp] = np.zeros(len(columns[0]), dtype=np.intp)
    for codes in columns:
        own = np.unique(codes, return_inverse=True)[1]
        joint = np.unique(joint * (int(own.max(initial=0)) + 1) + own, return_inverse=True)[1]
    return joint
