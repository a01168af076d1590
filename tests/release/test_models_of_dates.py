"""Packaged models of dates: a fresh process answers as this project does, whatever the dates are written as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.release import servable
from tasks.release.golden import golden_frame
from tasks.release.package import make_package
from tasks.serve.files import pieces
from tasks.stores import packaged, runs

PARTS = ["hour", "weekday", "weekend", "day_of_month", "month", "day_of_year", "year"]


def calls(rows: int = 300) -> pd.DataFrame:
    """Calls that succeed in the morning, a few without a time."""
    random = np.random.default_rng(0)
    when = pd.Timestamp("2022-01-01") + pd.to_timedelta(random.integers(0, 900 * 86_400, rows), "s")
    frame = pd.DataFrame({"when": when, "age": random.normal(40, 9, rows), "outcome": (when.hour < 12).astype(int)})
    frame.loc[frame.index[::25], "when"] = pd.NaT
    return frame


def test_a_model_of_dates_answers_as_evaluation_did_and_a_fresh_process_repeats_its_golden_rows(
    make_model: Callable[..., Any], shared_home: Any, tmp_path: Any
):
    features = {"when": {"kind": "datetime", "parts": PARTS, "timezone": "Europe/Berlin"}}
    made = make_model("calls", frame=calls(), data={"features": features, "time": "when"}, steps=120)
    stored = make_package(*made.inputs)
    loaded = runs.load(shared_home, stored.model_uri)
    test = pd.read_parquet(shared_home.path(made.evaluated.predictions))
    rows = pd.read_parquet(next((shared_home.path(made.versioned.folder) / "rows").glob("*.parquet")))
    asked = rows.set_index("row_id").loc[test["row_id"]].drop(columns=["outcome", "batch"])
    again = loaded.predict(asked)
    assert np.abs(again["probability_1"].to_numpy() - test["probability_1"].to_numpy()).max() < 1e-5
    known = asked["when"].notna().to_numpy()
    assert (again["prediction"].to_numpy() == test["target"].to_numpy())[known].mean() > 0.9

    text = asked.assign(when=asked["when"].map(lambda moment: moment.isoformat(), na_action="ignore"))
    aware = asked.assign(
        when=asked["when"].dt.tz_localize("Europe/Berlin", ambiguous=False).dt.tz_convert("Asia/Tokyo")
    )
    text.to_csv(tmp_path / "x.csv", index=False)
    aware.to_parquet(tmp_path / "x.parquet", index=False)
    files = [next(pieces(tmp_path / name, {"kind": "csv"}, None)) for name in ("x.csv", "x.parquet")]
    for frame in (text, aware, *files):
        found = loaded.predict(frame)
        assert np.array_equal(found["prediction"].to_numpy(), again["prediction"].to_numpy())
        assert np.abs(found["probability_1"].to_numpy() - again["probability_1"].to_numpy()).max() < 1e-5

    golden = packaged.verified(shared_home, "calls", stored.version).read("golden.json")
    checked = servable.check(shared_home.tracking_uri, "models:/calls/1", golden)
    assert checked.problems == () and checked.unavailable == ""
    for wrong, says in (
        (["soon"], "holds something that is no date in ISO 8601"),
        ([7], "holds something that is no date"),
    ):
        with pytest.raises(Exception, match=f"The column 'when' {says}"):
            loaded.predict(pd.DataFrame({"when": wrong, "age": [30.0]}))


@pytest.mark.parametrize(("impute", "gaps"), [("median", 1), ("refuse", 0)])
def test_golden_dates_are_made_up_and_one_is_missing_where_that_is_no_error(impute: str, gaps: int):
    entry = {"column": "when", "timezone": "UTC", "parts": ["month"], "fill": [0.0, 0.0], "gaps": True}
    state = {"kind": "tabular", "columns": ["when"], "numeric": [], "categorical": [], "dates": [entry]}
    made = golden_frame({**state, "impute": impute})["when"]
    assert made.isna().sum() == gaps and made.str.endswith("+05:30").sum() == 8
    assert made.dropna().str[:4].astype(int).between(2000, 2029).all() and made.nunique() > 16
