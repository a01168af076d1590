"""Quarantine: rows that break a rule are set aside with the reason, never dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.core.contracts import Gate

JOINED_BY = "; "


def reasons_by_row(broken: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Row id → the rules it breaks, each once, in the order they were found."""
    reasons: dict[str, list[str]] = {}
    for row, rule in broken:
        listed = reasons.setdefault(row, [])
        if rule not in listed:
            listed.append(rule)
    return reasons


def count_by_rule(reasons: dict[str, list[str]]) -> dict[str, int]:
    """Rule → rows that break it, most broken first."""
    counts = Counter(rule for rules in reasons.values() for rule in rules)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def write(path: Path, reasons: dict[str, list[str]]) -> None:
    """Write a Parquet file with the columns `row_id` and `reasons`, sorted by row id.

    The same rows give the same bytes; without any the file has no rows.
    """
    rows = sorted(reasons)
    frame = pd.DataFrame(
        {
            "row_id": pd.Series(rows, dtype="string"),
            "reasons": pd.Series([JOINED_BY.join(reasons[row]) for row in rows], dtype="string"),
        }
    )
    frame.to_parquet(path, index=False)


def gate(
    reasons: dict[str, list[str]], newest: pd.Series, maximum: float, broken: Iterable[str], suite: int | None
) -> Gate:
    """Gate `expectations`: few enough rows are set aside, and no rule about the table is broken.

    The share is that of all rows and, once it is large enough to be judged (one row of it may be set aside),
    that of the newest batch: a spoilt batch must not hide behind a long past.

    Args:
        reasons: Row id → broken rules.
        newest: Whether a row belongs to the newest batch [N]; its index holds the row ids.
        maximum: Largest share of rows that may be set aside.
        broken: Rules about the table that are broken, as sentences.
        suite: Number of expectations; None where the recipe names no suite.
    """
    bad = newest.index.isin(list(reasons))
    shares = {"all": _share(bad), "newest_batch": _share(bad[newest.to_numpy()])}
    evidence: dict[str, Any] = {
        "rows": len(newest),
        "quarantined": int(bad.sum()),
        "share": shares["all"],
        "share_of_newest_batch": shares["newest_batch"],
        "expectations": suite,
        "by_rule": count_by_rule(reasons),
        "broken": list(broken),
    }
    problems = list(evidence["broken"])
    judged_alone = maximum == 0 or int(newest.sum()) * maximum >= 1
    if shares["all"] > maximum:
        problems.append(f"{shares['all']:.1%} of the rows are quarantined, {maximum:.1%} may be{_worst(reasons)}")
    elif judged_alone and shares["newest_batch"] > maximum:
        problems.append(
            f"{shares['newest_batch']:.1%} of the newest batch is quarantined, {maximum:.1%} may be{_worst(reasons)}"
        )
    if not problems:
        return Gate("expectations", "passed", maximum, evidence)
    return Gate("expectations", "failed", maximum, {**evidence, "reason": "; ".join(problems) + "."})


def _share(bad: object) -> float:
    values = pd.Series(bad)
    return round(float(values.mean()), 6) if len(values) else 0.0


def _worst(reasons: dict[str, list[str]]) -> str:
    counts = count_by_rule(reasons)
    rule = next(iter(counts), "")
    return f", most often for '{rule}' ({counts[rule]} rows)" if rule else ""
