"""Gates `volume` and `class_coverage`: enough rows to learn from and to judge by, of every class."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from tasks.core.contracts import Gate
from tasks.core.splits import SPLITS
from tasks.validate.candidate import Candidate
from tasks.validate.cells import as_numbers

LISTED = 5
"""Classes that a reason names."""
FEW_CLASSES = 20
"""Up to here a target of numbers may well be a set of classes."""

# Sides are sticky, so no quota can put a row of a rare class where none came to stand by chance.
_CHANCE = ": a row's side is drawn by its hash, so bring more rows of such classes."


def volume(kept: Candidate, sides: pd.Series, minimum: int, newest_batch: int) -> Gate:
    """Whether enough labelled rows are left, on every side of the split and from the newest batch.

    Args:
        kept: Rows that are not quarantined.
        sides: Split of each of them [N].
        minimum: Labelled rows there must be.
        newest_batch: Number of the newest batch.
    """
    labelled = kept.labelled
    counts = {side: int(((sides == side) & labelled).sum()) for side in SPLITS}
    newest = int((kept.frame["batch"] == newest_batch).sum())
    evidence: dict[str, Any] = {
        "rows_kept": len(kept.frame),
        "labelled": int(labelled.sum()),
        "newest_batch": newest,
        "splits": counts,
    }
    empty = [side for side, count in counts.items() if not count]
    if evidence["labelled"] < minimum:
        reason = f"{evidence['labelled']} labelled rows are left, gates.min_rows asks for {minimum}."
    elif not newest:
        reason = "No row of the newest batch is left after quarantine."
    elif empty:
        reason = f"The split {' and the split '.join(empty)} {'have' if len(empty) > 1 else 'has'} no labelled row."
    else:
        return Gate("volume", "passed", minimum, evidence)
    return Gate("volume", "failed", minimum, {**evidence, "reason": reason})


def class_coverage(labelled: Candidate, sides: pd.Series, minimum: int) -> Gate:
    """Whether each class has `minimum` training rows and at least one validation and one test row.

    Args:
        labelled: Rows that are kept and have a target.
        sides: Split of each of them [N].
        minimum: Training rows each class must have.
    """
    if labelled.problem != "classification":
        return Gate("class_coverage", "skipped", minimum, {"reason": f"A {labelled.problem} has no classes."})
    target = labelled.frame[labelled.data.target]
    classes = target.astype(str)
    evidence: dict[str, Any] = {"classes": int(classes.nunique()), "rows": len(classes)}
    by_hash = labelled.data.split.kind == "random"
    reason = _not_classes(target) or _uncovered(classes, sides, minimum, evidence, by_hash=by_hash)
    if reason:
        return Gate("class_coverage", "failed", minimum, {**evidence, "reason": reason})
    return Gate("class_coverage", "passed", minimum, evidence)


def _not_classes(target: pd.Series) -> str:
    """Why a target is no set of classes; empty where it may be one."""
    distinct = int(target.nunique())
    if distinct == 1:
        return f"The target '{target.name}' has a single class, so there is nothing to tell apart."
    numbers = as_numbers(target)
    fractions = bool(numbers.notna().all()) and bool((numbers % 1 != 0).any())
    if (fractions and distinct > FEW_CLASSES) or (distinct > len(target) / 2 and bool(numbers.notna().all())):
        return (
            f"The target '{target.name}' has {distinct} different numbers in {len(target)} rows: "
            "that is a quantity, so set problem: regression."
        )
    if distinct > len(target) / 2:
        return (
            f"The target '{target.name}' has {distinct} different classes in {len(target)} rows: it reads like a name."
        )
    return ""


def _uncovered(classes: pd.Series, sides: pd.Series, minimum: int, evidence: dict[str, Any], *, by_hash: bool) -> str:
    counts = {side: Counter(classes[sides == side]) for side in SPLITS}
    labels = sorted(set(classes))
    thin = {
        side: [label for label in labels if counts[side][label] < (minimum if side == "train" else 1)]
        for side in SPLITS
    }
    evidence["smallest_class"] = {side: int(np.min([counts[side][label] for label in labels])) for side in SPLITS}
    parts = [
        f"{_named(names)} {'has' if len(names) == 1 else 'have'} "
        + (f"fewer than {minimum} training rows" if side == "train" else f"no {side} row")
        for side, names in thin.items()
        if names
    ]
    if not parts:
        return ""
    return "; ".join(parts) + (_CHANCE if by_hash and (thin["validation"] or thin["test"]) else ".")


def _named(labels: list[str]) -> str:
    shown = ", ".join(f"'{label}'" for label in labels[:LISTED])
    more = f" and {len(labels) - LISTED} more" if len(labels) > LISTED else ""
    return f"{'class' if len(labels) == 1 else 'classes'} {shown}{more}"
