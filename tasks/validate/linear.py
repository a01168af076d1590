"""The fewest columns whose weighted sum is the target, by backward elimination on rows held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

ROWS_PER_COLUMN = 4
"""Rows per column below which a good fit is no evidence."""
RIDGE = 1e-10
"""Added to the diagonal so that columns that repeat each other still give one answer."""


@dataclass(frozen=True)
class _Moments:
    """Inner products of standardised columns and responses, on fitted and on held-out rows."""

    fitted: Numbers
    """[D, D]"""
    towards: Numbers
    """[D, R]"""
    held_out: Numbers
    """[D, D]"""
    held_out_towards: Numbers
    """[D, R]"""
    total: Numbers
    """Sum of squares of each response on the held-out rows [R]."""

    def explained(self, chosen: npt.NDArray[np.intp]) -> float:
        """R² on the held-out rows of the response explained worst."""
        block = self.fitted[np.ix_(chosen, chosen)]
        ridge = RIDGE * np.eye(len(chosen)) * max(float(np.trace(block)) / len(chosen), 1e-300)
        weights = np.linalg.lstsq(block + ridge, self.towards[chosen], rcond=None)[0]
        errors = (
            self.total
            - 2 * (weights * self.held_out_towards[chosen]).sum(axis=0)
            + np.einsum("dr,de,er->r", weights, self.held_out[np.ix_(chosen, chosen)], weights)
        )
        return float(np.min(1 - errors / self.total))


def smallest_explaining_set(columns: Numbers, responses: Numbers, sure: float) -> tuple[int, ...]:
    """Positions of the columns that remain when every one that can be spared is taken away.

    Args:
        columns: Values without gaps, each column varying [N, D]; rows in an order that says nothing.
        responses: What the weighted sums should give [N, R]; all R at once.
        sure: R² on held-out rows from which a sum counts as the response.

    Returns:
        None at all (an empty tuple) where even all columns together do not reach `sure`, or where there
        are fewer than `ROWS_PER_COLUMN` rows per column.
    """
    rows, count = columns.shape
    if rows < ROWS_PER_COLUMN * count:
        return ()
    moments = _moments(columns, responses)
    if moments is None or moments.explained(np.arange(count)) <= sure:
        return ()
    chosen = _shortlist(moments, count, sure)
    while len(chosen) > 1:
        without = [np.delete(chosen, position) for position in range(len(chosen))]
        scores = [moments.explained(fewer) for fewer in without]
        best = int(np.argmax(scores))
        if scores[best] <= sure:
            break
        chosen = without[best]
    return tuple(int(position) for position in chosen)


def _moments(columns: Numbers, responses: Numbers) -> _Moments | None:
    first = np.arange(len(columns)) % 2 == 0
    centre, spread = columns[first].mean(axis=0), columns[first].std(axis=0)
    x = (columns - centre) / np.where(spread > 0, spread, 1.0)
    y = responses - responses[first].mean(axis=0)
    total = (y[~first] ** 2).sum(axis=0)
    if not np.isfinite(x).all() or not (total > 0).all():
        return None
    y = y / np.sqrt(total / (~first).sum())
    return _Moments(
        x[first].T @ x[first],
        x[first].T @ y[first],
        x[~first].T @ x[~first],
        x[~first].T @ y[~first],
        (y[~first] ** 2).sum(axis=0),
    )


def _shortlist(moments: _Moments, count: int, sure: float) -> npt.NDArray[np.intp]:
    """The columns of largest weight that already suffice, found by doubling; eliminating one by one is slow."""
    weights = np.linalg.lstsq(moments.fitted, moments.towards, rcond=None)[0]
    order = np.argsort(-np.abs(weights).max(axis=1), kind="stable")
    size = 1
    while size < count:
        chosen = np.sort(order[:size])
        if moments.explained(chosen) > sure:
            return chosen
        size *= 2
    return np.arange(count)
