"""A CSV with a column of dates: `init` proposes calendar features beside a split by time, and `run` a champion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml


def rides(first: str, hours: int, seed: int = 0) -> pd.DataFrame:
    """Rides that depend on the hour of the day and on whether it is a workday."""
    draw = np.random.default_rng(seed)
    when = pd.date_range(first, periods=hours, freq="h")
    workday = when.dayofweek.to_numpy() < 5
    mean = 50 + 30 * np.cos(2 * np.pi * (when.hour.to_numpy() - np.where(workday, 8, 14)) / 24)
    return pd.DataFrame(
        {"when": when.strftime("%Y-%m-%dT%H:%M:%S"), "wind": draw.gamma(2, 5, hours), "rides": draw.normal(mean, 4)}
    )


@pytest.mark.slow
def test_a_file_of_dates_becomes_a_champion_that_is_watched_by_the_clock(
    evergreen: Callable[..., Any], tmp_path: Path
) -> None:
    home, folder = tmp_path / "home", tmp_path / "rides"
    rides("2024-01-01", 3_000).to_csv(tmp_path / "rides.csv", index=False)
    made = evergreen(home, "init", tmp_path / "rides.csv", "--target", "rides", "--out", folder)
    assert made.code == 0 and made.answer["features"] == {"when": "datetime", "wind": "numeric"}, made.answer
    data = yaml.safe_load((folder / "recipe.yaml").read_text())["data"]
    assert data["time"] == "when" and data["split"] == {"kind": "time"}
    assert data["features"] == {"when": {"kind": "datetime", "parts": ["hour", "weekday"]}}

    ended = evergreen(home, "run", folder)
    assert (ended.code, ended.answer["status"]) == (0, "promoted"), (ended.answer, ended.errors)
    # The mean tells 22 of them; noise alone is 4.
    assert ended.answer["metrics"]["test"]["rmse"] < 8

    later = rides("2024-06-03", 504, seed=1)
    later.drop(columns="rides").to_csv(tmp_path / "later.csv", index=False)
    stored = later.assign(when=pd.to_datetime(later["when"]).dt.tz_localize("UTC")).drop(columns="rides")
    stored.to_parquet(tmp_path / "later.parquet", index=False)
    scored = []
    for suffix in ("csv", "parquet"):
        out = tmp_path / f"scored-{suffix}.parquet"
        found = evergreen(home, "predict", "rides", tmp_path / f"later.{suffix}", "-o", out)
        assert (found.code, found.answer["rows"]) == (0, 504), found.answer
        scored.append(pd.read_parquet(out)["prediction"].to_numpy())
    assert np.array_equal(*scored) and np.abs(scored[0] - later["rides"]).mean() < 7

    watched = evergreen(home, "monitor", folder, "--data", tmp_path / "later.csv")
    assert (watched.code, watched.answer["drift"]["detected"]) == (0, False), watched.answer
    names = [column["name"] for column in watched.answer["drift"]["columns"]]
    assert names == ["when (hour)", "when (weekday)", "wind", "prediction"]
