"""What one read of the source adds to the dataset: rows never seen, and new versions of known ones.

A row that is no longer in the source stays, and so does what is known of a row in a column that is no
longer in the source: an absent column says nothing, an empty cell says "missing". Where one read holds an
id twice, the last one is the row's current version and the earlier ones count as superseded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.core.rows import Identity, content_hashes, row_ids
from tasks.stores.shards import storable


class Batch(NamedTuple):
    """Rows to write and how they relate to the dataset so far."""

    rows: pd.DataFrame
    """Columns `row_id`, `batch`, then the source's; empty where nothing is new."""
    new: int
    superseded: int
    """Versions of rows that are no longer current: edited ones, and repetitions of an id in one read."""


@dataclass(frozen=True)
class Known:
    """The dataset so far."""

    rows: pd.DataFrame
    """As `tasks/stores/datasets.py`, `version_rows`, gives them."""
    batches: int


def next_batch(source: pd.DataFrame, identity: Identity, known: Known | None) -> Batch:
    """Compare the source with the dataset and keep what is new or edited.

    Args:
        source: All rows of the source as they are now.
        identity: What rows are known by.
        known: The dataset so far; None for the first batch.

    Returns:
        New rows carry the number of this batch; edited ones keep the number of the batch they were
        first seen in.
    """
    current = source.assign(row_id=row_ids(source, identity, known.rows if known else None))
    unique = current.drop_duplicates("row_id", keep="last", ignore_index=True)
    repeated = len(current) - len(unique)
    if known is None or known.rows.empty:
        return Batch(_ordered(unique.assign(batch=known.batches if known else 0)), len(unique), repeated)
    place = pd.Index(known.rows["row_id"]).get_indexer(pd.Index(unique["row_id"]))
    is_new = place < 0
    columns = sorted(source.columns)
    edited = ~is_new & (content_hashes(known.rows, columns)[place] != content_hashes(unique, columns))
    first_seen = np.where(is_new, known.batches, known.rows["batch"].to_numpy()[place])
    rows = unique.assign(batch=first_seen, **_unread(source, known.rows, place, is_new))[is_new | edited]
    return Batch(_ordered(rows), int(is_new.sum()), repeated + int(edited.sum()))


def _unread(
    source: pd.DataFrame, known: pd.DataFrame, place: npt.NDArray[np.intp], is_new: npt.NDArray[np.bool_]
) -> dict[str, pd.Series]:
    """Columns the source no longer has, with what is known of each row."""
    gone = [name for name in known.columns if name not in source.columns and name not in ("row_id", "batch")]
    values = known[gone].iloc[place].reset_index(drop=True)
    values = values.where(pd.Series(~is_new))
    return {str(name): values[name] for name in gone}


def _ordered(rows: pd.DataFrame) -> pd.DataFrame:
    names = [name for name in rows.columns if name not in ("row_id", "batch")]
    return storable(rows[["row_id", "batch", *names]].astype({"batch": np.int64})).reset_index(drop=True)
