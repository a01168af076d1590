"""The recipe bike_hours: it reads the file a person names, splits it by day and sees no part of the target."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from flows.cli import main
from tasks.core import features, splits
from tasks.core.load import LoadedRecipe, load_recipe
from tasks.ingest.readers import read

FOLDER = Path(__file__).resolve().parents[2] / "data" / "bike_hours"
USED = {"hr", "weekday", "holiday", "workingday", "weathersit", "temp", "atemp", "hum", "windspeed"}


@pytest.fixture
def bikes(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedRecipe:
    """The recipe, pointed at the real file as a person would."""
    monkeypatch.setenv("EVERGREEN_BIKES", str(shared_data / "bike_sharing" / "hour.csv"))
    return load_recipe(str(FOLDER))


def test_without_the_file_one_sentence_says_which_path_matches_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("EVERGREEN_BIKES", str(tmp_path / "nowhere.csv"))
    assert main(["--home", str(tmp_path / "home"), "--json", "plan", str(FOLDER)]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "reader"
    assert error["message"] == f"data.reader.path '{tmp_path / 'nowhere.csv'}' matches nothing."
    assert "data.reader.path" in error["remedy"]


def test_without_the_variable_the_file_lies_beside_the_recipe(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("EVERGREEN_BIKES", raising=False)
    assert load_recipe(str(FOLDER)).recipe.data.reader.path == "hour.csv"
    ignored = (FOLDER.parents[1] / ".gitignore").read_text().splitlines()
    assert "data/bike_hours/hour.csv" in ignored


def test_the_model_sees_neither_parts_of_the_target_nor_what_numbers_the_time(bikes: LoadedRecipe):
    frame = read(bikes.recipe.data.reader, bikes.folder)
    dtypes = {str(column): str(dtype) for column, dtype in frame.dtypes.items()}
    kinds = features.resolve(dtypes, bikes.recipe.data)
    assert set(features.columns_of(kinds)) == USED
    assert {name for name in USED if kinds[name].kind == "categorical"} == USED - {"temp", "atemp", "hum", "windspeed"}
    assert ((frame["casual"] + frame["registered"]) == frame["cnt"]).all()


def test_it_is_tested_on_the_newest_days_and_no_day_is_torn_apart(bikes: LoadedRecipe):
    frame = read(bikes.recipe.data.reader, bikes.folder, text=("instant",))
    frame = frame.assign(row_id=[f"{number:032x}" for number in range(len(frame))], batch=0)
    sides = splits.assign(frame, bikes.recipe.data)
    days = pd.to_datetime(frame["dteday"])
    cutoff = pd.Timestamp(splits.cutoff_of(frame, bikes.recipe.data)).tz_localize(None)
    assert ((sides == "test") == (days > cutoff)).all()
    assert days[sides == "train"].max() < days[sides == "validation"].min() <= cutoff
    # Enough hours to judge an RMSE by, and few enough that a new model knows last month.
    assert 950 < (days > cutoff).sum() < 1100
    assert (days.max() - days[sides == "train"].max()).days < 75


def test_its_timetable_looks_before_it_retrains(bikes: LoadedRecipe):
    from datetime import UTC, datetime

    from cronsim import CronSim

    times, start = bikes.recipe.schedule, datetime(2012, 1, 1, tzinfo=UTC)
    assert times.monitor is not None and times.retrain is not None
    looked, retrained = (next(CronSim(line, start)) for line in (times.monitor, times.retrain))
    assert looked < retrained
    # A window of a week holds every hour of every weekday, so its size is no reason for an alarm.
    assert bikes.recipe.monitoring.min_rows <= 7 * 24


@pytest.mark.slow
def test_the_hours_keep_the_expectations_and_impossible_ones_do_not(bikes: LoadedRecipe):
    from tasks.validate.expectations import load_suite, run_suite

    frame = read(bikes.recipe.data.reader, bikes.folder).head(2000)
    frame = frame.assign(row_id=[f"{number:032x}" for number in range(len(frame))], batch=0)
    rules = load_suite(FOLDER / "expectations.json")
    assert {item.state for item in run_suite(rules, frame).expectations} == {"passed"}
    frame.loc[0, "hum"], frame.loc[1, "hr"], frame.loc[2, "cnt"] = 1.2, 24, -1
    frame.loc[3, ["dteday", "hr"]] = frame.loc[4, ["dteday", "hr"]].to_numpy()
    broken = {int(row_id, 16) for row_id, _ in run_suite(rules, frame).rows}
    assert broken == {0, 1, 2, 3, 4}
