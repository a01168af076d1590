"""Who a row is: a hash of its id, or of its features and how often they occurred before.

Hashes are 128 bits wide, kept as two uint64 lanes. They depend on values alone, never on the order of
rows or columns nor on the dtype a column happens to have: 1, 1.0, True and "1" hash alike, and so do
all ways to say "missing". That way a column that turns from integer to float to text as batches
arrive (a first blank, a first word) leaves the rows of earlier batches the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Lanes = npt.NDArray[np.uint64]
"""Hashes of N values or rows, shape [2, N]."""

_EXACT = 2**53
"""Integers up to here are exact as float64, so integer and float columns can hash alike."""
_NULL = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)
_NUMBER_STARTS = frozenset("+-.0123456789TF ")
"""First letters of texts that may spell a number, True or False."""
_LANE_KEYS = np.array([[0x243F6A8885A308D3], [0x13198A2E03707344]], dtype=np.uint64)


@dataclass(frozen=True)
class Identity:
    """What tells the rows of one dataset apart; fixed when its first version is made.

    Without an id (or where it is missing) rows are known by `columns`: the first version's columns
    without the target. A column that appears later is therefore an edit of old rows, not a second copy.
    """

    id: str | None
    target: str | None
    columns: tuple[str, ...]

    def same_rows(self, other: Identity) -> bool:
        """Whether row ids made by one can be compared with those made by the other."""
        return self.id == other.id and (self.id is not None or self.target == other.target)


def row_ids(frame: pd.DataFrame, identity: Identity, known: pd.DataFrame | None = None) -> pd.Series:
    """Row id of every row, independent of the order of the rows.

    With an id column: 32 hex digits of the id's hash; a repeated id gives a repeated row id. Without one,
    or where it is null: `<32 hex digits of the features>-<occurrence>`. Occurrences count from 0; a row
    equal to one in `known` takes that one's number, then changed ones (another target) take the numbers
    left over, then new ones follow.

    Args:
        frame: Source rows [N].
        identity: What rows are known by.
        known: Rows of the dataset so far, with the column `row_id`; none for the first batch.

    Returns:
        Strings [N] with the index of `frame`, named `row_id`.
    """
    by_features = pd.Series(True, index=frame.index)
    result = pd.Series("", index=frame.index, name="row_id", dtype=object)
    if identity.id is not None:
        by_features = frame[identity.id].isna()
        digits = hex_digits(column_hashes(frame[identity.id], exact=True))
        result = pd.Series(digits, index=frame.index, name="row_id", dtype=object)
    if by_features.any():
        result[by_features] = _numbered(frame[by_features], identity, known)
    return result


def content_hashes(frame: pd.DataFrame, columns: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Hash [N] of everything in a row; columns that are absent count as missing values."""
    lane: npt.NDArray[np.uint64] = frame_hashes(frame, columns)[0][0]
    return lane


def frame_hashes(frame: pd.DataFrame, *selections: Sequence[str]) -> list[Lanes]:
    """For each selection of columns, the hashes [2, N] of the rows, whatever the columns' order.

    Each column is read once, however many selections name it; absent ones count as missing values.
    """
    hashes: list[Lanes] = [np.repeat(_LANE_KEYS, len(frame), axis=1) for _ in selections]
    for name in sorted(set().union(*selections)):
        seed = _lanes_of([f"column:{name}".encode()])
        if name in frame.columns:
            values = column_hashes(frame[name])
        else:
            values = np.repeat(np.array(_NULL, dtype=np.uint64)[:, None], len(frame), axis=1)
        values = _mixed(values ^ seed)
        for position, selection in enumerate(selections):
            if name in selection:
                hashes[position] = _mixed(hashes[position] * np.uint64(0xD6E8FEB86659FD93) + values)
    return hashes


def column_hashes(values: pd.Series, *, exact: bool = False) -> Lanes:
    """Hashes [2, N] of the values of one column.

    Args:
        values: Any dtype.
        exact: For identifiers: text counts as a number only where it is that number's own spelling, so
            "007" differs from 7. Otherwise "7.40" and 7.4 are the same.
    """
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biu":
        return _integer_lanes(values.to_numpy())
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        return _float_lanes(values.to_numpy().astype(np.float64))
    codes, uniques = _factorised(values)
    raw = np.empty((2, len(uniques) + 1), dtype=np.uint64)
    raw[:, :-1] = _lanes_of([_canonical(value, exact) for value in uniques])
    raw[:, -1] = _NULL
    hashed: Lanes = raw[:, codes]
    return hashed


def hex_digits(lanes: Lanes) -> list[str]:
    """The 32 hex digits [N] of each hash."""
    text = np.ascontiguousarray(lanes.T).astype(">u8").tobytes().hex()
    return [text[start : start + 32] for start in range(0, len(text), 32)]


def _numbered(frame: pd.DataFrame, identity: Identity, known: pd.DataFrame | None) -> npt.NDArray[np.object_]:
    """`<hash>-<occurrence>` for rows known by their features."""
    columns = sorted({*frame.columns} - {"row_id", "batch"})
    by_features, everything = frame_hashes(frame, identity.columns, columns)
    source = pd.DataFrame({"key": hex_digits(by_features), "content": everything[0]})
    numbers = _occurrences(source, _known_occurrences(known, columns))
    return (source["key"] + "-" + numbers.astype(str)).to_numpy(dtype=object)


def _known_occurrences(known: pd.DataFrame | None, columns: Sequence[str]) -> pd.DataFrame:
    counted = known[known["row_id"].str.contains("-", regex=False)] if known is not None and len(known) else None
    if counted is None or counted.empty:
        return pd.DataFrame({"key": pd.Series(dtype=object), "number": pd.Series(dtype=np.int64)}).assign(
            content=np.array([], dtype=np.uint64)
        )
    parts = counted["row_id"].str.partition("-")
    table = pd.DataFrame({"key": parts[0].to_numpy(dtype=object), "number": parts[2].astype(np.int64).to_numpy()})
    return table.assign(content=content_hashes(counted, columns)).sort_values(["key", "number"], ignore_index=True)


def _occurrences(source: pd.DataFrame, known: pd.DataFrame) -> pd.Series:
    """Occurrence number of each source row [N]: equal known rows first, then edited ones, then new ones."""
    source = source.assign(rank=source.groupby(["key", "content"]).cumcount())
    known = known.assign(rank=known.groupby(["key", "content"]).cumcount())
    numbers = source.merge(known, on=["key", "content", "rank"], how="left")["number"].set_axis(source.index)
    left = source[numbers.isna()].sort_values(["key", "content"], kind="stable")
    if left.empty:
        return numbers.astype(np.int64)
    left = left.assign(place=left.groupby("key").cumcount())
    taken = source.assign(number=numbers)[["key", "number"]].dropna()
    free = known.merge(taken, on=["key", "number"], how="left", indicator=True)
    free = free[free["_merge"] == "left_only"].assign(place=lambda table: table.groupby("key").cumcount())
    edited = left.merge(free[["key", "place", "number"]], on=["key", "place"], how="left")["number"].to_numpy()
    # Known numbers of a key run from 0 without gaps, so the first new one is their count.
    known_count = left["key"].map(known.groupby("key").size()).fillna(0).to_numpy()
    free_count = left["key"].map(free.groupby("key").size()).fillna(0).to_numpy()
    numbers[left.index] = np.where(np.isnan(edited), known_count + left["place"].to_numpy() - free_count, edited)
    return numbers.astype(np.int64)


def _mixed(values: Lanes) -> Lanes:
    """The finaliser of splitmix64 (Steele, Lea & Flood, 2014), element by element."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _float_lanes(values: npt.NDArray[np.float64]) -> Lanes:
    # Adding zero turns -0.0 into 0.0, which has other bits and the same value.
    bits = (values + 0.0).view(np.uint64)
    return np.where(np.isnan(values), np.array(_NULL, dtype=np.uint64)[:, None], _mixed(bits[None] ^ _LANE_KEYS))


def _integer_lanes(values: npt.NDArray[Any]) -> Lanes:
    lanes = _float_lanes(values.astype(np.float64))
    beyond = (values > _EXACT) | (values < -_EXACT) if values.dtype.itemsize == 8 else np.zeros(len(values), dtype=bool)
    for position in np.flatnonzero(beyond):
        lanes[:, [position]] = _lanes_of([f"integer:{values[position]}".encode()])
    return lanes


def _factorised(values: pd.Series) -> tuple[npt.NDArray[np.intp], Any]:
    try:
        codes, uniques = pd.factorize(values, use_na_sentinel=True)
    except TypeError:  # lists and dicts have no hash; their text stands for them
        codes, uniques = pd.factorize(values.map(str, na_action="ignore"), use_na_sentinel=True)
    return codes, uniques


def _canonical(value: Any, exact: bool) -> float | bytes:
    """What is hashed for one value: a number that float64 holds exactly, or tagged text."""
    if isinstance(value, str):
        if value and value[0] not in _NUMBER_STARTS:
            return b"text:" + value.encode("utf-8", "surrogatepass")
        number = _number_in(value, exact)
        return b"text:" + value.encode("utf-8", "surrogatepass") if number is None else _canonical(number, exact)
    if isinstance(value, bool | int | np.bool_ | np.integer):
        return float(value) if abs(int(value)) <= _EXACT else f"integer:{int(value)}".encode()
    if isinstance(value, float | np.floating):
        return float(value)
    if isinstance(value, pd.Timestamp | np.datetime64):
        moment = pd.Timestamp(value)
        return f"time:{(moment.tz_convert(None) if moment.tz else moment).isoformat()}".encode()
    return _canonical(str(value), exact)


def _number_in(text: str, exact: bool) -> int | float | None:
    """The number a text spells, if it does."""
    if text in ("True", "False"):
        return None if exact else int(text == "True")
    if "_" in text:  # Python's own thousands separator, which nobody means in data
        return None
    try:
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        return None
    whole = isinstance(number, float) and number.is_integer() and abs(number) < _EXACT
    spelling = str(int(number)) if whole else str(number)
    return number if not exact or spelling == text else None


def _lanes_of(canonical: Sequence[float | bytes]) -> Lanes:
    lanes: Lanes = np.empty((2, len(canonical)), dtype=np.uint64)
    is_text = np.fromiter((isinstance(value, bytes) for value in canonical), dtype=bool, count=len(canonical))
    numbers = [value for value in canonical if isinstance(value, float)]
    lanes[:, ~is_text] = _float_lanes(np.array(numbers, dtype=np.float64))
    blake2b = hashlib.blake2b
    digests = b"".join(blake2b(value, digest_size=16).digest() for value in canonical if isinstance(value, bytes))
    lanes[:, is_text] = np.frombuffer(digests, dtype=">u8").reshape(-1, 2).T
    return lanes
