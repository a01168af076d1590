"""Splits: a row's side is its own; nothing appended, edited or reordered moves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import RequestError
from tasks.core.recipe import Data
from tasks.core.rows import Identity, row_ids
from tasks.core.splits import assign, cutoff_of, folds, sides_of_fold, trained_on, validation_of


def data(**split) -> Data:
    return Data.model_validate(
        {
            "reader": {"kind": "csv", "path": "x.csv"},
            "target": "y",
            "time": "when",
            "split": split or {"kind": "random"},
        }
    )


def rows(count: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "row_id": [f"{rng.bytes(16).hex()}-0" for _ in range(count)],
            "batch": 0,
            "patient": rng.integers(0, max(count // 4, 1), count),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 10_000, count), unit="h"),
            "y": rng.integers(0, 2, count),
        }
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 80), st.integers(0, 80), st.integers(0, 1000), st.sampled_from([None, "patient"]))
def test_a_row_keeps_its_side_whatever_is_appended_or_reordered(
    old: int, new: int, seed: int, group: str | None
) -> None:
    recipe = data(kind="random", group=group)
    frame = rows(old, seed)
    before = assign(frame, recipe)
    grown = pd.concat([rows(new, seed + 1), frame], ignore_index=True).sample(frac=1, random_state=seed)
    after = dict(zip(grown["row_id"], assign(grown, recipe), strict=True))
    assert [after[row] for row in frame["row_id"]] == list(before)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=40))
def test_exact_duplicates_without_an_id_stand_on_one_side_and_no_row_is_lost(table: list) -> None:
    frame = pd.DataFrame(table, columns=["a", "y"])
    frame["row_id"] = row_ids(frame, Identity(None, "y", ("a",)))
    frame["when"] = 0
    sides = assign(frame, data())
    assert len(sides) == len(frame)
    assert set(sides) <= {"train", "validation", "test"}
    assert frame.assign(side=sides).groupby("a")["side"].nunique().max() == 1


@pytest.mark.parametrize("key", range(4))
def test_shares_are_close_to_what_is_asked(key: int) -> None:
    shares = assign(rows(20_000), data(kind="random", validation=0.2, test=0.1, key=key)).value_counts(normalize=True)
    # Three standard errors of a share of 20,000 rows are below 0.0085.
    assert shares["test"] == pytest.approx(0.1, abs=0.0085)
    assert shares["validation"] == pytest.approx(0.2, abs=0.0085)


def test_another_key_gives_another_split() -> None:
    frame = rows(500)
    assert (assign(frame, data(kind="random")) != assign(frame, data(kind="random", key=1))).any()


def test_a_group_stands_on_one_side_and_rows_without_one_stand_alone() -> None:
    frame = rows(2_000)
    frame["patient"] = frame["patient"].where(frame.index >= 200)
    sides = assign(frame, data(kind="random", group="patient"))
    assert frame.assign(side=sides)[200:].groupby("patient")["side"].nunique().max() == 1
    assert sides[:200].nunique() == 3


def test_a_group_of_integers_is_the_same_group_once_it_is_a_float() -> None:
    frame = rows(300)
    recipe = data(kind="random", group="patient")
    assert list(assign(frame, recipe)) == list(assign(frame.assign(patient=frame["patient"].astype(float)), recipe))


def test_a_missing_group_column_is_named() -> None:
    with pytest.raises(RequestError, match=r"data.split.group names the column 'ward'"):
        assign(rows(3), data(kind="random", group="ward"))


def test_a_time_split_holds_the_newest_rows_and_the_guard_out() -> None:
    frame = rows(5_000)
    recipe = data(kind="time", validation=0.2, test=0.1, guard=0.05)
    cutoff = pd.Timestamp(cutoff_of(frame, recipe))
    sides = assign(frame, recipe)
    newest = frame["when"].dt.tz_localize("UTC") > cutoff
    assert (sides[newest] == "test").all()
    assert newest.mean() == pytest.approx(0.1, abs=0.01)
    guard = (sides == "test") & ~newest
    assert guard.mean() == pytest.approx(0.045, abs=0.01)
    assert frame["when"][sides == "train"].max() <= frame["when"][sides == "validation"].min()
    assert (sides == "validation").mean() == pytest.approx(0.2 * 0.95, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(st.integers(10, 120), st.integers(1, 120), st.integers(0, 1000))
def test_what_a_time_split_trained_on_stays_known_after_rows_are_appended(old: int, new: int, seed: int) -> None:
    recipe = data(kind="time", guard=0.1)
    frame = rows(old, seed)
    cutoff = cutoff_of(frame, recipe)
    seen = set(frame["row_id"][assign(frame, recipe).isin(["train", "validation"])])
    later = rows(new, seed + 1)
    later["when"] += pd.Timedelta(days=1000)
    grown = pd.concat([later, frame], ignore_index=True)
    assert set(grown["row_id"][trained_on(grown, recipe, cutoff)]) == seen
    guard = frame["row_id"][(assign(frame, recipe) == "test") & ~frame["row_id"].isin(seen)]
    in_time = guard[(pd.to_datetime(frame["when"], utc=True) <= pd.Timestamp(cutoff))[guard.index]]
    now = dict(zip(grown["row_id"], assign(grown, recipe), strict=True))
    assert {now[row] for row in in_time} <= {"test"}


def test_a_random_split_trained_on_everything_but_its_test_rows() -> None:
    frame = rows(300)
    assert ((assign(frame, data()) != "test") == trained_on(frame, data(), None)).all()


def test_unlabelled_and_undated_rows_do_not_move_the_cutoff_and_are_never_trained_on() -> None:
    recipe = data(kind="time", guard=0.0)
    frame = rows(400)
    waiting = rows(400, 7).assign(y=None)
    waiting["when"] += pd.Timedelta(days=5000)
    undated = rows(50, 8).assign(when=pd.NaT)
    grown = pd.concat([frame, waiting, undated], ignore_index=True)
    assert cutoff_of(grown, recipe) == cutoff_of(frame, recipe)
    assert list(assign(grown, recipe)[:400]) == list(assign(frame, recipe))
    assert not trained_on(grown, recipe, cutoff_of(grown, recipe))[400:].any()


@pytest.mark.parametrize("as_text", [True, False])
def test_text_and_numbers_can_order_rows(as_text: bool) -> None:
    frame = rows(200)
    frame["when"] = frame["when"].dt.strftime("%Y-%m-%d %H:%M") if as_text else frame["when"].astype("int64") // 10**9
    recipe = data(kind="time", guard=0.0)
    cutoff = cutoff_of(frame, recipe)
    assert (assign(frame, recipe) == assign(frame, recipe, cutoff)).all()
    assert (assign(frame, recipe) == "test").sum() == pytest.approx(30, abs=3)


def test_rows_of_one_moment_are_not_torn_apart() -> None:
    frame = rows(100).assign(when=pd.Timestamp("2024-01-01"))
    assert set(assign(frame, data(kind="time", guard=0.0))) == {"train"}


def test_without_any_date_nothing_is_trained_on() -> None:
    frame = rows(10).assign(when=pd.NaT)
    assert set(assign(frame, data(kind="time"))) == {"test"}
    assert cutoff_of(frame, data(kind="time")) is None


def test_no_duplicate_of_white_wine_stands_on_two_sides(shared_data: Path) -> None:
    white = pd.read_csv(shared_data / "wine_quality" / "wine-quality.csv")
    assert white.duplicated().sum() == 937
    features = tuple(name for name in white.columns if name != "quality")
    white["row_id"] = row_ids(white, Identity(None, "quality", features))
    assert white["row_id"].is_unique
    recipe = Data.model_validate({"reader": {"kind": "csv", "path": "x.csv"}, "target": "quality"})
    white["side"] = assign(white, recipe)
    assert white.groupby(list(features))["side"].nunique().max() == 1
    assert set(white["side"]) == {"train", "validation", "test"}


@pytest.mark.parametrize("key", range(3))
def test_every_row_is_held_out_by_one_fold_of_about_its_share(key: int) -> None:
    frame = rows(8_000)
    recipe = data(kind="random", key=key)
    numbers = folds(frame, recipe, 8)
    assert set(numbers) == set(range(8))
    # Four standard errors of a share of 8,000 rows are below 0.015.
    assert numbers.value_counts(normalize=True).to_numpy() == pytest.approx(np.full(8, 1 / 8), abs=0.015)
    for fold in range(8):
        learned, held_out = sides_of_fold(numbers, recipe, fold)
        assert (learned ^ held_out).all() and (numbers[held_out] == fold).all()
    tested = assign(frame, recipe) == "test"
    assert numbers[tested].nunique() == 8, "folds have nothing to do with the split"


def test_a_row_keeps_its_fold_and_groups_and_duplicates_share_one() -> None:
    frame, recipe = rows(600), data(kind="random", group="patient")
    before = folds(frame, recipe, 5)
    grown = pd.concat([rows(200, 1), frame], ignore_index=True).sample(frac=1, random_state=0)
    after = dict(zip(grown["row_id"], folds(grown, recipe, 5), strict=True))
    assert [after[row] for row in frame["row_id"]] == list(before)
    assert frame.assign(fold=before).groupby("patient")["fold"].nunique().max() == 1
    twins = frame.assign(row_id=frame["row_id"].str.replace("-0", "-1"))
    assert list(folds(twins, data(kind="random"), 5)) == list(folds(frame, data(kind="random"), 5))


def test_folds_of_a_time_split_are_judged_on_newer_rows_than_they_learned_from() -> None:
    frame, recipe = rows(1_000), data(kind="time")
    frame.loc[:9, "when"] = pd.NaT
    numbers = folds(frame, recipe, 4)
    assert set(numbers) == {-1, 0, 1, 2, 3, 4} and set(numbers[:10]) == {4}
    assert numbers[10:].value_counts().between(180, 215).all()
    for fold in range(4):
        learned, held_out = sides_of_fold(numbers, recipe, fold)
        assert frame["when"][learned].max() < frame["when"][held_out].min()
        assert not learned[:10].any() and not held_out[:10].any()
        assert learned.sum() == pytest.approx(198 * (fold + 1), abs=10)


def test_folds_of_ten_dates_by_hand() -> None:
    """k = 4 cuts ten dates into five runs of two; the first two are only learned from."""
    frame = rows(10).assign(when=pd.date_range("2024-01-01", periods=10))
    assert list(folds(frame, data(kind="time"), 4)) == [-1, -1, 0, 0, 1, 1, 2, 2, 3, 3]


def test_the_rows_that_choose_an_epoch_are_a_share_or_the_newest() -> None:
    frame = rows(4_000)
    chosen = validation_of(frame, data(kind="random", validation=0.2))
    assert chosen.mean() == pytest.approx(0.2, abs=0.03)
    grouped = validation_of(frame, data(kind="random", validation=0.2, group="patient"))
    assert frame.assign(chosen=grouped).groupby("patient")["chosen"].nunique().max() == 1
    newest = validation_of(frame, data(kind="time", validation=0.2))
    assert newest.mean() == pytest.approx(0.2, abs=0.01)
    assert frame["when"][newest].min() > frame["when"][~newest].max()
