"""How columns relate to each other and to the target: numbers between -1 and 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.explore.columns import Table
from tasks.report.svg import thin

REDUNDANT = 0.95
"""Two columns whose correlation is beyond this, either way, carry the same information."""

MOST_COLUMNS = 1000
"""Numeric columns that are correlated with each other at most."""

_WORK = 4e9
"""Rows times columns squared of one correlation matrix at most: about a second."""


@dataclass(frozen=True)
class Relations:
    """Correlations of the numeric columns [K, K] and of every feature with the target."""

    names: tuple[str, ...]
    matrix: np.ndarray
    rows: int
    """Rows the matrix was computed from."""
    with_target: dict[str, float]
    """Numeric and categorical feature, and part of a date -> strength; signed where a sign means something, NaN if
    undefined. Empty where no column is predicted."""
    signed: bool
    """Whether strengths of numeric features are correlations (regression, two classes) or ratios (more classes)."""
    pairs: tuple[tuple[str, str, float], ...]
    """Redundant pairs, the closest first."""


def relate(table: Table) -> Relations:
    """Relate all columns of a table.

    A numeric feature and a numeric or two-class target: Pearson's correlation (two classes: 0 for the
    first, 1 for the last). More classes, or a categorical feature and a numeric target: the correlation
    ratio η. A categorical feature and classes: Cramér's V. Both are corrected for chance, or a column of
    identifiers would seem to settle the target. The hours, weekdays, months … of a date count as categories.
    """
    names = tuple(table.numeric)[:MOST_COLUMNS]
    kept = thin(table.rows, max(2000, int(_WORK / max(len(names), 1) ** 2)))
    columns = np.column_stack([table.numeric[name][kept] for name in names]) if names else np.empty((len(kept), 0))
    matrix = correlation(columns)
    signed = len(table.classes) <= 2
    strengths = _with_target(table, signed) if table.target_name else {}
    return Relations(names, matrix, len(kept), strengths, signed, redundant_pairs(matrix, names))


def _with_target(table: Table, signed: bool) -> dict[str, float]:
    strengths: dict[str, float] = {}
    for name, values in table.numeric.items():
        if signed:
            strengths[name] = float(correlation(np.column_stack([values, table.target]))[0, 1])
        else:
            strengths[name] = correlation_ratio(table.target, values)
    codes = {name: category_codes(texts) for name, texts in table.categorical.items()}
    codes |= {
        f"{name} ({part})": dates.groups(part)
        for name, dates in table.dates.items()
        for part in dates.parts
        if part != "year"
    }
    of_codes = cramers_v if table.classes else correlation_ratio
    return strengths | {name: of_codes(groups, table.target) for name, groups in codes.items()}


def correlation(columns: np.ndarray) -> np.ndarray:
    """Pearson's correlations of float [N, K] columns, [K, K], each over the rows where both are known.

    NaN where fewer than three rows know both, or one is constant on them.
    """
    known = np.isfinite(columns)
    columns = _without_magnitude(columns)
    counts = known.sum(axis=0)
    means = np.where(known, columns, 0).sum(axis=0) / np.maximum(counts, 1)
    centred = np.where(known, columns - means, 0.0)
    deviations = np.sqrt((centred**2).sum(axis=0) / np.maximum(counts, 1))
    constant = deviations <= 1e-12 * np.abs(means)
    scaled = centred / np.where(constant, 1.0, deviations)
    mask = known.astype(np.float64)
    number = mask.T @ mask
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (scaled.T @ mask) / number
        variance = ((scaled**2).T @ mask) / number - mean**2
        covariance = (scaled.T @ scaled) / number - mean * mean.T
        result = covariance / np.sqrt(variance * variance.T)
    undefined = (number < 3) | (variance < 1e-12) | (variance.T < 1e-12) | constant[:, None] | constant[None, :]
    return np.where(undefined, np.nan, np.clip(result, -1, 1))


def _without_magnitude(columns: np.ndarray) -> np.ndarray:
    """Columns [N, ...] divided by powers of two, which loses no digit, so that no square over- or underflows."""
    sizes = np.where(np.isfinite(columns), np.abs(columns), 0.0)
    scaled: np.ndarray = np.ldexp(columns, -np.frexp(sizes.max(axis=0, initial=0.0))[1])
    return scaled


def correlation_ratio(groups: np.ndarray, values: np.ndarray) -> float:
    """η in [0, 1]: root of the share of the variance of `values` that lies between `groups`; both float [N].

    Corrected for the share that groups without meaning would get (Kelley's ε, 1935). NaN where fewer than
    two groups, no variance or no more rows than groups are left; rows with a NaN are left out.
    """
    known = np.isfinite(groups) & np.isfinite(values)
    _, members = np.unique(groups[known], return_inverse=True)
    kept = _without_magnitude(values[known])
    if members.size == 0 or members.max() == 0 or np.ptp(kept) == 0:
        return float("nan")
    sizes = np.bincount(members)
    if len(sizes) >= len(kept):
        return float("nan")
    means = np.bincount(members, kept) / sizes
    total = float(((kept - kept.mean()) ** 2).sum())
    share = min(float((sizes * (means - kept.mean()) ** 2).sum()) / total, 1.0)
    return float(np.sqrt(max(0.0, 1 - (1 - share) * (len(kept) - 1) / (len(kept) - len(sizes)))))


def cramers_v(left: np.ndarray, right: np.ndarray) -> float:
    """Cramér's V in [0, 1] of two groupings, float [N] with NaN for unknown, corrected for chance (Bergsma, 2013).

    NaN where a grouping has a single group, or as many groups as rows.
    """
    known = np.isfinite(left) & np.isfinite(right)
    _, rows = np.unique(left[known], return_inverse=True)
    _, columns = np.unique(right[known], return_inverse=True)
    if rows.size == 0 or rows.max() == 0 or columns.max() == 0:
        return float("nan")
    down, across, number = int(rows.max()) + 1, int(columns.max()) + 1, len(rows)
    if max(down, across) >= number:
        return float("nan")
    counts = np.bincount(rows * across + columns, minlength=down * across).reshape(down, across)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / number
    share = float(((counts - expected) ** 2 / expected).sum()) / number
    corrected = max(0.0, share - (down - 1) * (across - 1) / (number - 1))
    reach = min(down - 1 - (down - 1) ** 2 / (number - 1), across - 1 - (across - 1) ** 2 / (number - 1))
    return float(np.sqrt(min(corrected / reach, 1.0)))


def category_codes(texts: np.ndarray) -> np.ndarray:
    """Number the categories of text [N]; NaN where there is none."""
    place: dict[str, int] = {}
    return np.array(
        [np.nan if text is None else place.setdefault(text, len(place)) for text in texts], dtype=np.float64
    )


def redundant_pairs(matrix: np.ndarray, names: tuple[str, ...]) -> tuple[tuple[str, str, float], ...]:
    """Pairs of columns whose correlation is beyond ±0.95, the closest first."""
    upper = np.triu(np.nan_to_num(np.abs(matrix)), k=1)
    found = [(names[a], names[b], float(matrix[a, b])) for a, b in np.argwhere(upper > REDUNDANT)]
    return tuple(sorted(found, key=lambda pair: (-round(abs(pair[2]), 6), pair[0], pair[1])))


def related_groups(pairs: tuple[tuple[str, str, float], ...]) -> list[list[str]]:
    """Columns that hang together by redundant pairs, the largest group first."""
    group: dict[str, list[str]] = {}
    for left, right, _ in pairs:
        joined = group.get(left, [left])
        other = group.get(right, [right])
        if joined is not other:
            joined = joined + other
        for name in joined:
            group[name] = joined
    unique = {id(names): names for names in group.values()}
    return sorted((sorted(names) for names in unique.values()), key=lambda names: (-len(names), names))
