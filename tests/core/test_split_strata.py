"""A split by hash is stratified but for chance, and stays where it is; docs/explanation/preparing.md says how far."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.core.recipe import Data
from tasks.core.splits import SPLITS, assign
from tests.docs.reading import ROOT

SHARES = {"common": 0.9, "rare": 0.09, "rarest": 0.01}
WANTED = {"train": 0.7, "validation": 0.15, "test": 0.15}


def data(key: int = 0) -> Data:
    return Data.model_validate({"reader": {"kind": "csv", "path": "x.csv"}, "target": "y", "split": {"key": key}})


def rows(count: int, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    ids = [f"{place:032x}" for place in generator.choice(2**40, count, replace=False)]
    return pd.DataFrame({"row_id": ids, "y": generator.choice(list(SHARES), count, p=list(SHARES.values()))})


@pytest.mark.parametrize("key", range(5))
def test_every_class_has_its_share_on_every_side_within_what_chance_does(key: int) -> None:
    frame = rows(20_000)
    sides = assign(frame, data(key))
    for label in SHARES:
        own = sides[frame["y"] == label]
        for side in SPLITS:
            share = WANTED[side]
            assert abs((own == side).mean() - share) < 4 * np.sqrt(share * (1 - share) / len(own)), (label, side)


def test_a_label_that_comes_late_or_is_corrected_moves_no_row() -> None:
    frame = rows(2_000)
    before = assign(frame, data())
    changed = frame.assign(y=np.where(np.arange(2_000) % 3 == 0, "rarest", None))
    grown = pd.concat([rows(1_500, seed=1), changed], ignore_index=True)
    assert list(assign(changed, data())) == list(before) == list(assign(grown, data()))[1_500:]


def test_the_chance_of_a_class_without_a_test_row_is_the_one_that_is_told() -> None:
    page = " ".join((ROOT / "docs" / "explanation" / "preparing.md").read_text().split())
    missing = {size: np.mean([_without_test_row(size, key) for key in range(500)]) for size in (10, 20)}
    for size, told in ((20, "20 rows lacks test rows in 4 % of all splits"), (10, "one of 10 in 20 %")):
        expected = 0.85**size
        assert missing[size] == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 500))
        assert told in page and f"{round(100 * expected)} %" in told


def _without_test_row(size: int, key: int) -> bool:
    return "test" not in set(assign(rows(size), data(key)))
