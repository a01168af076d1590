"""Which fold holds a row out, so that every fold gets its share of every class and what belongs together stays so.

Shapes: N rows, U units (rows that stay together: a group, or duplicates), C classes, K folds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[np.int64]


def stratified(units: Whole, classes: Whole, order: npt.NDArray[np.float64], k: int) -> Whole:
    """The fold of every row, int64 [N], 0 to K - 1.

    Units of several rows come first, the most one-sided ones before the others; each goes to the fold whose shares of
    the classes it evens out most, which is the greedy rule of scikit-learn's StratifiedGroupKFold with variances for
    standard deviations. The single rows then fill up what is lacking: where all rows are single, no two folds differ by
    more than one row of a class, nor by more than one row in all.

    Args:
        units: int64 [N], which unit a row belongs to, 0 to U - 1.
        classes: int64 [N], the class of a row, 0 to C - 1.
        order: float64 [N], equal within a unit: who comes first where nothing else tells. The result depends on it,
            and not on the order of the rows.
        k: K.
    """
    sizes = np.bincount(units)
    counts = np.zeros((k, int(classes.max(initial=-1)) + 1), dtype=np.int64)
    fold_of = _together(units, classes, order, sizes, counts)
    found = fold_of[units]
    single = sizes[units] == 1
    for label in range(counts.shape[1]):
        rows = np.flatnonzero(single & (classes == label))
        rows = rows[np.argsort(order[rows], kind="stable")]
        more = _filling_up(counts[:, label], counts.sum(axis=1), len(rows))
        found[rows] = np.repeat(np.arange(k), more)
        counts[:, label] += more
    return found


def _together(units: Whole, classes: Whole, order: npt.NDArray[np.float64], sizes: Whole, counts: Whole) -> Whole:
    """The fold of every unit of several rows, int64 [U] (0 for others); `counts` [K, C] gains their rows."""
    fold_of = np.zeros(len(sizes), dtype=np.int64)
    several = np.flatnonzero(sizes > 1)
    if not len(several):
        return fold_of
    place = np.full(len(sizes), -1)
    place[several] = np.arange(len(several))
    mine = place[units] >= 0
    table = np.zeros((len(several), counts.shape[1]), dtype=np.int64)
    np.add.at(table, (place[units[mine]], classes[mine]), 1)
    first = np.zeros(len(several))
    first[place[units[mine]]] = order[mine]
    # A rare class counts as much as a frequent one: rows are counted in parts of their class.
    weights = 1.0 / np.bincount(classes, minlength=counts.shape[1]).clip(1) ** 2
    for unit in np.lexsort((first, -table.std(axis=1))):
        # Of the variance over folds, a unit's rows change only the product with the rows that are there.
        grown = counts @ (weights * table[unit])
        fold = int(np.lexsort((counts.sum(axis=1), grown.round(12)))[0])
        fold_of[several[unit]] = fold
        counts[fold] += table[unit]
    return fold_of


def _filling_up(counts: Whole, totals: Whole, rows: int) -> Whole:
    """How many of so many rows each fold gets, int64 [K]: the emptiest are filled to one level, as far as they go.

    Args:
        counts: Rows of the class that a fold has [K].
        totals: Rows of all classes that it has [K]: of equally empty folds the smaller gets the odd row.
        rows: To be shared out.
    """
    ascending = np.sort(counts)
    levels = (rows + np.cumsum(ascending)) // np.arange(1, len(counts) + 1)
    # With the j emptiest folds filled, the next one must not lie below the level.
    reached = np.append(levels[:-1] <= ascending[1:], True)
    level = int(levels[np.argmax(reached)])
    more: Whole = np.maximum(level - counts, 0)
    odd = rows - int(more.sum())
    level_folds = np.flatnonzero(counts + more == level)
    smallest = level_folds[np.argsort(totals[level_folds] + more[level_folds], kind="stable")]
    more[smallest[:odd]] += 1
    return more
