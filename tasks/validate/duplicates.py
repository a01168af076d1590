"""Gate `duplicates`: rows that repeat an earlier row exactly, and when repeats are only natural."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tasks.core.contracts import Gate
from tasks.core.rows import content_hashes
from tasks.validate.candidate import Candidate
from tasks.validate.chance import Cells, repeats_are_natural, sample_of


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
    columns = [*kept.columns, *([] if kept.data.target is None else [kept.data.target])]
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
    if share > maximum and repeats_are_natural(_cells(kept, columns), len(groups)):
        evidence["note"] = "The columns can hardly tell rows apart, so repeats are natural."
    elif share > maximum:
        reason = (
            f"{evidence['duplicates']} of {len(groups)} rows ({share:.1%}) repeat an earlier row, {maximum:.1%} may."
        )
        return Gate("duplicates", "failed", maximum, {**evidence, "reason": reason})
    return Gate("duplicates", "passed", maximum, evidence)


def _cells(candidate: Candidate, columns: list[str]) -> list[Cells]:
    sample = candidate.frame.iloc[sample_of(len(candidate.frame))]
    cells = []
    for name in columns:
        codes = pd.factorize(sample[name], use_na_sentinel=False)[0].astype(np.float64)
        # Equal values are equal at any width: a quantity's coarse cells are its fine ones.
        cells.append(Cells(codes, codes if pd.api.types.is_numeric_dtype(sample[name].dtype) else None))
    return cells
