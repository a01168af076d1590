"""On which side of a split a row stands: a keyed hash of who it is, so that it never changes sides.

With a random split, once test is always test, whatever is appended, edited or reordered. With a time
split the newest rows are held out and later models may train on them; a hash share of all rows, the
guard, is never trained on at any date.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from tasks.core.errors import RequestError
from tasks.core.recipe import Data, RandomSplit, TimeSplit
from tasks.core.stratify import stratified

SPLITS = ("train", "validation", "test")


def assign(frame: pd.DataFrame, data: Data, cutoff: str | None = None) -> pd.Series:
    """The split of every row: "train", "validation" or "test".

    Args:
        frame: Rows with `row_id` and the user's columns.
        data: The recipe's `data` section.
        cutoff: For time splits, as `cutoff_of` gives it; none: found from this frame.

    Returns:
        Strings with the index of `frame`, named `split`.

    Raises:
        RequestError: the group or time column is not there.
    """
    split = data.split
    if isinstance(split, RandomSplit):
        share = _hash_shares(_members(frame, split.group), split.key)
        sides = np.select([share < split.test, share < split.test + split.validation], ["test", "validation"], "train")
        return pd.Series(sides, index=frame.index, name="split", dtype=object)
    moments = moments_of(frame, data)
    held_out = _never_trained(frame, split, moments)
    last = _parsed_cutoff(moments, cutoff if cutoff is not None else cutoff_of(frame, data))
    held_out |= (moments > last) if last is not None else True
    seen = moments[~held_out & _labelled(frame, data)]
    # Of the rows training may see, the newest choose the epoch; ties stay together.
    boundary = _newest_of_oldest(seen, split.validation / max(1 - split.test, split.validation))
    validation = ~held_out & (moments > boundary) if boundary is not None else pd.Series(False, index=frame.index)
    sides = np.select([held_out, validation], ["test", "validation"], "train")
    return pd.Series(sides, index=frame.index, name="split", dtype=object)


def cutoff_of(frame: pd.DataFrame, data: Data) -> str | None:
    """For time splits, the time of the last row that training or validation may see; None for others.

    Only labelled rows count, so that a tail of rows still waiting for their labels does not move it.

    Returns:
        ISO time, or the number as text where the time column is numeric; None without a dated row.

    Raises:
        RequestError: the time column is not there.
    """
    if not isinstance(data.split, TimeSplit):
        return None
    last = _newest_of_oldest(moments_of(frame, data)[_labelled(frame, data)], data.split.test)
    if last is None:
        return None
    return last.isoformat() if isinstance(last, pd.Timestamp) else repr(last)


def trained_on(frame: pd.DataFrame, data: Data, cutoff: str | None) -> pd.Series:
    """Whether a model made with this `data` section and cutoff may have seen a row, to fit or to choose its epoch.

    Rows that only came later but stand on its training side count as seen: the next model trains on
    them, so neither is judged by them.

    Returns:
        Booleans with the index of `frame`.

    Raises:
        RequestError: the group or time column is not there.
    """
    if isinstance(data.split, TimeSplit) and cutoff is not None:
        moments = moments_of(frame, data)
        never = _never_trained(frame, data.split, moments)
        last = _parsed_cutoff(moments, cutoff)
        return ~never & (moments <= last)
    return assign(frame, data, cutoff) != "test"


def folds(frame: pd.DataFrame, data: Data, k: int, *, classes: bool = False) -> pd.Series:
    """Which of `k` folds holds a row out.

    By a keyed hash of the row's identity, or of its group, other than the hash of `assign`: duplicates and groups
    stay together, and a row keeps its fold whatever is appended. Where the target is a class, folds are stratified
    instead: every class is spread over them as evenly as groups and duplicates allow, which depends on all rows; the
    hash says who comes first. With a time split the rows are cut, in the order of time, into k + 1 runs of nearly equal
    length, equal times together: the oldest run is only learned from.

    Args:
        frame: Rows with `row_id` and the user's columns.
        data: The recipe's `data` section.
        k: At least 2.
        classes: Whether the target is a class; every row then has one.

    Returns:
        Whole numbers with the index of `frame`, named `fold`: 0 to k - 1; -1 for rows that are only learned from, k for
        rows of a time split without a readable time, which belong nowhere.

    Raises:
        RequestError: the group or time column is not there.
    """
    if isinstance(data.split, TimeSplit):
        ranks = moments_of(frame, data).rank(method="max", pct=True).to_numpy()
        runs = np.nan_to_num(np.ceil(ranks * (k + 1) - 1e-9) - 2, nan=k)
        return pd.Series(runs.astype(np.int64), index=frame.index, name="fold")
    members = _members(frame, getattr(data.split, "group", None))
    share = _hash_shares(members, f"fold:{data.split.key}")
    if classes:
        labels, _ = pd.factorize(frame[data.target].astype(str), sort=True)
        numbers = stratified(pd.factorize(members)[0], labels.astype(np.int64), share, k)
        return pd.Series(numbers, index=frame.index, name="fold")
    return pd.Series((share * k).astype(np.int64), index=frame.index, name="fold")


def sides_of_fold(numbers: pd.Series, data: Data, fold: int) -> tuple[pd.Series, pd.Series]:
    """Which rows a fold learns from, and which it holds out, as two series of booleans.

    All others are learned from; with a time split, only what came before.

    Args:
        numbers: As `folds` gives them.
        data: The same as there.
        fold: From 0 on.
    """
    learned: pd.Series = numbers < fold if isinstance(data.split, TimeSplit) else numbers != fold
    held_out: pd.Series = numbers == fold
    return learned, held_out


def validation_of(frame: pd.DataFrame, data: Data) -> pd.Series:
    """Which of the rows that a model may learn from choose its epoch, as booleans with the index of `frame`.

    A share of `data.split.validation`: by keyed hash, or with a time split the newest.

    Args:
        frame: Rows with `row_id` and the user's columns.
        data: The recipe's `data` section.

    Raises:
        RequestError: the group or time column is not there.
    """
    split = data.split
    if isinstance(split, TimeSplit):
        moments = moments_of(frame, data)
        boundary = _newest_of_oldest(moments, split.validation)
        return pd.Series(False, index=frame.index) if boundary is None else moments > boundary
    share = _hash_shares(_members(frame, getattr(split, "group", None)), f"validation:{split.key}")
    return pd.Series(share < split.validation, index=frame.index)


def _members(frame: pd.DataFrame, group: str | None) -> pd.Series:
    """What is hashed: the group where there is one, else the row id without its occurrence number."""
    own = frame["row_id"].str.split("-", n=1).str[0]
    if group is None:
        return own
    if group not in frame.columns:
        raise RequestError(
            f"data.split.group names the column '{group}', which the data do not have.",
            remedy="Name one of the data's columns, or remove data.split.group.",
            code="column",
        )
    from tasks.core.rows import column_hashes, hex_digits

    hashed = pd.Series(hex_digits(column_hashes(frame[group], exact=True)), index=frame.index, dtype=object)
    # A row without a group is a group of its own.
    return hashed.where(frame[group].notna(), own)


def _hash_shares(members: pd.Series, key: int | str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A number in [0, 1) for each row, the same for equal members and equal keys."""
    codes, uniques = pd.factorize(members)
    salt = f"{key}:".encode()
    shares = [
        int.from_bytes(hashlib.blake2b(salt + member.encode(), digest_size=8).digest(), "big") >> 11
        for member in uniques
    ]
    return (np.array(shares, dtype=np.float64) / 2.0**53)[codes]


def moments_of(frame: pd.DataFrame, data: Data) -> pd.Series:
    """The time column [N] as numbers or UTC times; NaN or NaT where it cannot be read.

    Raises:
        RequestError: the time column is not there.
    """
    if data.time is None or data.time not in frame.columns:
        raise RequestError(
            f"data.time names the column '{data.time}', which the data do not have.",
            remedy="Name one of the data's columns, or use data.split.kind: random.",
            code="column",
        )
    return moments_in(frame[data.time])


def moments_in(column: pd.Series) -> pd.Series:
    """A column of points in time [N] as numbers or UTC times; NaN or NaT where one cannot be read."""
    if pd.api.types.is_numeric_dtype(column):
        return column.astype(np.float64)
    return pd.to_datetime(column, errors="coerce", utc=True, format="mixed")


def _labelled(frame: pd.DataFrame, data: Data) -> pd.Series:
    if data.target in frame.columns:
        return frame[data.target].notna()
    return pd.Series(True, index=frame.index)


def _never_trained(frame: pd.DataFrame, split: TimeSplit, moments: pd.Series) -> pd.Series:
    """Guard rows, and rows without a time: nothing shows that they are not from the future."""
    guard = _hash_shares(_members(frame, None), split.key) < split.guard
    return pd.Series(guard, index=frame.index) | moments.isna()


def _parsed_cutoff(moments: pd.Series, cutoff: str | None) -> float | pd.Timestamp | None:
    if cutoff is None:
        return None
    if pd.api.types.is_numeric_dtype(moments):
        return float(cutoff)
    moment = pd.Timestamp(cutoff)
    return moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")


def _newest_of_oldest(moments: pd.Series, newest_share: float) -> float | pd.Timestamp | None:
    """The time up to which the oldest `1 - newest_share` of the dated rows reach; None without any."""
    dated = moments.dropna().sort_values()
    if dated.empty:
        return None
    last = dated.iloc[max(int(np.ceil(len(dated) * (1 - newest_share))) - 1, 0)]
    return last if isinstance(last, pd.Timestamp) else float(last)
