"""The recipes under data/: complete, alike, and what their comments say of them is so."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path

import pytest

from benchmarks.verdict import CASES
from tasks.core.load import load_recipe
from tasks.validate.wording import columns_of

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.parent for path in ROOT.glob("data/*/recipe.yaml"))
VALIDITY = ("not_be_null", "be_in_set", "be_between", "be_unique", "match_regex", "compound_columns_to_be_unique")
"""Kinds of expectations that say what a value may be, and nothing about how often it is so."""


def suite(folder: Path) -> list[dict]:
    return json.loads((folder / "expectations.json").read_text())["expectations"]


def test_there_are_seven():
    names = {"digits", "breast_cancer", "diabetes", "bike_hours", "sms_spam", "white_wine", "fashion_mnist"}
    assert {folder.name for folder in FOLDERS} == names


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_recipe_comes_with_a_card_and_expectations_and_is_named_after_its_folder(folder: Path):
    recipe = load_recipe(str(folder)).recipe
    assert recipe.name == folder.name
    assert recipe.data.expectations == "expectations.json"
    card = (folder / "DATA_CARD.md").read_text()
    assert card.startswith(f"# Data card: {folder.name}\n")
    for line in ("| Target | `" + recipe.data.target + "`", "| Licence |", "| Original source |"):
        assert line in card, line


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_its_expectations_are_about_validity_and_name_the_columns_that_a_model_needs(folder: Path):
    for item in suite(folder):
        assert item["type"].endswith(VALIDITY), item["type"]
        assert "mostly" not in item["kwargs"]
    target = load_recipe(str(folder)).recipe.data.target
    bounds = [item["kwargs"] for item in suite(folder) if target in columns_of(item["kwargs"])]
    # A row may wait for its label; one that has come is a label that there can be.
    assert bounds and not any("not_be_null" in item["type"] for item in suite(folder) if item["kwargs"] in bounds)


SECOND = sorted(path for path in ROOT.glob("data/*/*.yaml") if path.name != "recipe.yaml")


@pytest.mark.parametrize("file", SECOND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_second_recipe_has_a_name_of_its_own_and_is_about_the_same_rows(file: Path):
    first, second = load_recipe(str(file.parent)).recipe, load_recipe(str(file)).recipe
    assert second.name == f"{first.name}_{file.stem}"
    for field in ("reader", "target", "id", "time", "expectations"):
        assert getattr(second.data, field) == getattr(first.data, field), field
    assert second.gates.promotion == first.gates.promotion


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes"])
def test_the_averaged_recipe_differs_in_the_network_and_its_training_alone(name: str):
    first, second = (load_recipe(str(ROOT / "data" / name / file)).recipe for file in ("recipe.yaml", "averaged.yaml"))
    assert second.model_copy(update={"name": name, "model": first.model, "training": first.training}) == first
    assert second.training.ema is not None


@pytest.mark.parametrize(
    ("folder", "variable", "files"),
    [
        ("white_wine", "EVERGREEN_WINE", ["wine-quality.csv"]),
        ("fashion_mnist", "EVERGREEN_FASHION", ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]),
    ],
)
def test_the_file_a_recipe_is_brought_lies_where_the_variable_says_or_beside_it(
    folder: str, variable: str, files: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv(variable, raising=False)
    reader = load_recipe(str(ROOT / "data" / folder)).recipe.data.reader
    paths = [reader.path] if reader.kind == "csv" else [reader.images, reader.labels]
    assert [path.removeprefix("./") for path in paths] == files
    monkeypatch.setenv(variable, "/elsewhere")
    reader = load_recipe(str(ROOT / "data" / folder)).recipe.data.reader
    paths = [reader.path] if reader.kind == "csv" else [reader.images, reader.labels]
    assert all(path.startswith("/elsewhere") for path in paths)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert all(any(fnmatch(f"data/{folder}/{file}", pattern) for pattern in ignored) for file in files)


def test_the_margin_of_diabetes_is_the_simulated_one():
    promotion = load_recipe(str(ROOT / "data" / "diabetes")).recipe.gates.promotion
    case = next(case for case in CASES if (case.setting.name, case.metric) == ("diabetes", promotion.metric))
    assert (promotion.metric, promotion.margin) == ("rmse", case.margin)
    assert case.rows >= 50  # below, a regression is held whatever it does


def test_diabetes_beats_the_mean_by_far_and_is_as_good_as_ridge(tmp_path: Path):
    from benchmarks.digits import once, rows_of

    recipe = load_recipe(str(ROOT / "data" / "diabetes")).recipe
    found = once(recipe, rows_of(recipe), tmp_path)
    case = next(case for case in CASES if case.setting.name == "diabetes")
    assert found["test_rows"] == case.rows
    assert found["blocked"] == []
    rmse, beside = found["metrics"]["rmse"], found["beside"]
    assert rmse < 0.8 * beside["mean_rmse"]
    assert rmse < 1.05 * beside["ridge_rmse"]
    assert rmse <= recipe.gates.thresholds["rmse"] < beside["mean_rmse"]


@pytest.mark.slow
def test_the_patients_keep_the_expectations_and_impossible_ones_do_not():
    from tasks.ingest.readers import read
    from tasks.validate.expectations import load_suite, run_suite

    folder = ROOT / "data" / "diabetes"
    frame = read(load_recipe(str(folder)).recipe.data.reader, folder)
    frame = frame.assign(row_id=[f"{number:032x}" for number in range(len(frame))], batch=0)
    rules = load_suite(folder / "expectations.json")
    assert {item.state for item in run_suite(rules, frame).expectations} == {"passed"}
    frame.loc[0, "age"], frame.loc[1, "sex"], frame.loc[2, "bmi"], frame.loc[3, "s6"] = 140, 3, -1, None
    broken = {row_id for row_id, _ in run_suite(rules, frame).rows}
    assert broken == {f"{number:032x}" for number in range(4)}
