"""Row identity: values decide, not order, dtype or the batch a row came with."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.rows import Identity, column_hashes, content_hashes, row_ids

BY_FEATURES = Identity(id=None, target="y", columns=("a", "b"))
BY_ID = Identity(id="key", target="y", columns=("a",))

cells = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([0.5, -0.0, 1e300]), st.sampled_from(["x", "", "1"]))
tables = st.lists(st.tuples(cells, cells, st.integers(0, 1)), min_size=1, max_size=12)


def frame_of(rows: list) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["a", "b", "y"])


def hashes(values: pd.Series, *, exact: bool = False) -> list[tuple[int, int]]:
    return [tuple(pair) for pair in column_hashes(values, exact=exact).T.tolist()]


def test_a_value_hashes_alike_in_every_dtype_that_can_hold_it() -> None:
    ways = [
        pd.Series([1, 0]),
        pd.Series([1.0, -0.0]),
        pd.Series([1, 0], dtype="int8"),
        pd.Series([1, 0], dtype="float32"),
        pd.Series([True, False]),
        pd.Series([1, 0], dtype="Int64"),
        pd.Series(["1", "0.0"]),
        pd.Series([1, "0"], dtype=object),
        pd.Series(["1", "0"], dtype="category"),
        pd.Series(["True", "False"]),
    ]
    assert len({tuple(hashes(way)) for way in ways}) == 1


def test_every_way_to_say_missing_hashes_alike() -> None:
    ways = [
        pd.Series([None, "x"]),
        pd.Series([float("nan"), "x"]),
        pd.Series([pd.NA, "x"], dtype="string"),
        pd.Series([pd.NaT, "x"], dtype=object),
    ]
    missing = {hashes(way)[0] for way in ways} | {hashes(pd.Series([np.nan, 1.0]))[0]}
    missing |= {hashes(pd.Series([pd.NaT, pd.Timestamp(0)]))[0], hashes(pd.Series([pd.NA, 1], dtype="Int64"))[0]}
    assert len(missing) == 1


def test_large_integers_stay_apart_where_floats_could_not_tell_them() -> None:
    large = pd.Series([2**53, 2**53 + 1, 2**53 + 2, 2**63 - 1, -(2**63)])
    assert len(set(hashes(large))) == 5
    assert hashes(large) == hashes(large.astype(str)) == hashes(large.astype(object))


def test_an_id_of_text_is_a_number_only_in_its_own_spelling() -> None:
    seven, other, text, float_text = hashes(pd.Series(["7", "007", "seven", "7.0"]), exact=True)
    assert len({seven, other, text, float_text}) == 4
    assert hashes(pd.Series([7]), exact=True) == hashes(pd.Series([7.0]), exact=True) == [seven]


def test_times_hash_alike_with_and_without_a_zone() -> None:
    naive = pd.Series(pd.to_datetime(["2020-01-01 12:00", "2021-05-05 00:00"]))
    assert hashes(naive) == hashes(naive.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"))
    assert hashes(naive) == hashes(naive.astype("datetime64[s]"))


def test_values_are_not_mistaken_for_those_of_another_column() -> None:
    one, other = pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"a": [2], "b": [1]})
    assert content_hashes(one, ["a", "b"])[0] != content_hashes(other, ["a", "b"])[0]
    assert content_hashes(one[["b", "a"]], ["b", "a"])[0] == content_hashes(one, ["a", "b"])[0]


@settings(max_examples=60, deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_row_ids_do_not_depend_on_the_order_of_the_rows(rows: list, random) -> None:
    frame = frame_of(rows)
    shuffled = frame.sample(frac=1, random_state=random.randrange(2**31))
    ids = row_ids(frame, BY_FEATURES)
    again = row_ids(shuffled, BY_FEATURES).reindex(frame.index)
    content = content_hashes(frame, ["a", "b", "y"])
    # Exact twins may swap numbers; which content carries which number may not change.
    assert sorted(zip(ids, content, strict=True)) == sorted(zip(again, content, strict=True))
    assert ids.is_unique


@settings(max_examples=60, deadline=None)
@given(tables, tables, st.randoms(use_true_random=False))
def test_known_rows_keep_their_ids_when_others_are_appended(rows: list, more: list, random) -> None:
    frame = frame_of(rows)
    known = frame.assign(row_id=row_ids(frame, BY_FEATURES))
    grown = pd.concat([frame.astype(object), frame_of(more).astype(object)], ignore_index=True).sample(
        frac=1, random_state=random.randrange(2**31)
    )
    ids = row_ids(grown, BY_FEATURES, known)
    assert ids.is_unique
    assert set(known["row_id"]) <= set(ids)
    content_of = dict(zip(ids, content_hashes(grown, ["a", "b", "y"]), strict=True))
    assert [content_of[row] for row in known["row_id"]] == list(content_hashes(known, ["a", "b", "y"]))


def test_duplicates_are_numbered_and_a_changed_target_keeps_the_number() -> None:
    frame = frame_of([(1, "x", 0), (1, "x", 0), (1, "x", 1), (2, "x", 0)])
    known = frame.assign(row_id=row_ids(frame, BY_FEATURES))
    assert sorted(known["row_id"].str.split("-").str[1]) == ["0", "0", "1", "2"]
    edited = frame.assign(y=[0, 0, 5, 0])
    assert set(row_ids(edited, BY_FEATURES, known)) == set(known["row_id"])
    first_alone = frame_of([(1, "x", 1)])
    assert list(row_ids(first_alone, BY_FEATURES, known)) == [known["row_id"][2]]


def test_rows_without_an_id_are_known_by_their_features_and_stay_unique() -> None:
    frame = pd.DataFrame({"key": [1, None, None, 1], "a": [5, 6, 6, 7], "y": [0, 0, 0, 1]})
    ids = row_ids(frame, BY_ID)
    assert ids[0] == ids[3]
    assert ids[1] != ids[2]
    assert ids[1].split("-")[0] == ids[2].split("-")[0]


def test_a_column_that_is_added_later_edits_rows_and_does_not_copy_them() -> None:
    frame = frame_of([(1, "x", 0), (2, "y", 1)])
    known = frame.assign(row_id=row_ids(frame, BY_FEATURES))
    assert set(row_ids(frame.assign(c=[1, 2]), BY_FEATURES, known)) == set(known["row_id"])


def test_lists_in_cells_are_hashed_by_their_text() -> None:
    frame = pd.DataFrame({"a": [[1, 2], [1, 2], [3]], "b": 0, "y": 0})
    ids = row_ids(frame, BY_FEATURES)
    assert ids.is_unique
    assert len({text.split("-")[0] for text in ids}) == 2


def test_the_identity_says_when_row_ids_cannot_be_compared() -> None:
    assert not BY_ID.same_rows(BY_FEATURES)
    assert not BY_FEATURES.same_rows(Identity(None, "z", ("a", "b")))
    assert BY_ID.same_rows(Identity("key", "another target", ("a", "b")))


def test_row_ids_do_not_change_between_releases() -> None:
    frame = pd.DataFrame({"key": [1, "007", None], "a": [0.1, 2, 3], "b": ["é", None, "x"], "y": [0, 1, 0]})
    assert list(row_ids(frame, Identity("key", "y", ("a", "b")))) == GOLDEN_BY_ID
    assert list(row_ids(frame, Identity(None, "y", ("a", "b")))) == GOLDEN_BY_FEATURES


GOLDEN_BY_ID = [
    "e7d3b4c0559bdbdfe3352a9c28013bef",
    "4e270c82121816d2b080fb67552507a5",
    "789ad1cd13fc74c845f120e98b87068a-0",
]
GOLDEN_BY_FEATURES = [
    "694af6c4e19a7666995b6c2aca8ee39c-0",
    "a72f77911a7fb699e01e97fdad2d2e81-0",
    "789ad1cd13fc74c845f120e98b87068a-0",
]


def test_a_first_row_without_an_id_can_arrive_in_a_later_batch() -> None:
    first = pd.DataFrame({"key": ["k1", "k2"], "a": [1, 2], "y": [0, 1]})
    known = first.assign(row_id=row_ids(first, BY_ID))
    later = pd.DataFrame({"key": ["k3", None], "a": [3, 4], "y": [0, 1]})
    found = row_ids(later, BY_ID, known)
    assert len(set(found)) == 2
    assert not set(found) & set(known["row_id"])
