"""`init`: what is written for data nobody prepared, and that the rest of the command line takes it as it is."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml

from tasks.core.load import load_recipe


def untidy(rows: int = 300) -> str:
    """Mixed types, blanks among numbers, an id, a constant column, odd column names, a comma as decimal sign."""
    draw = random.Random(1)
    lines = ["customer id;fixed acidity;pH.value;country;constant;verdict"]
    for number in range(rows):
        acidity = draw.gauss(8, 2)
        blank = number % 17 == 0
        first = "" if blank else f"{acidity:.2f}".replace(".", ",")
        ph = f"{draw.gauss(3, 0.2):.2f}".replace(".", ",")
        verdict = "good" if acidity + draw.gauss(0, 0.5) > 8 else "bad"
        lines.append(f"C{number:04};{first};{ph};{draw.choice(['PT', 'ES', 'IT'])};x;{verdict}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def made(evergreen, tmp_path: Path):
    (tmp_path / "Wine Tasting 2024.csv").write_text(untidy(), encoding="cp1252")
    words = ["init", tmp_path / "Wine Tasting 2024.csv", "--target", "verdict", "--out", tmp_path / "wine", "--json"]
    ended = evergreen(*words)
    assert ended.exit_code == 0, ended.stderr
    return ended.json, tmp_path / "wine"


def test_it_writes_recipe_suite_and_card(made):
    answer, folder = made
    assert sorted(path.name for path in folder.iterdir()) == ["DATA_CARD.md", "expectations.json", "recipe.yaml"]
    assert sorted(answer["files"]) == sorted(str(path) for path in folder.iterdir())
    assert answer["status"] == "completed"


def test_the_recipe_says_how_the_file_is_read_and_what_was_inferred(made):
    answer, folder = made
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert recipe["name"] == "wine"
    assert recipe["problem"] == answer["problem"] == "classification"
    assert recipe["data"]["reader"] == {
        "kind": "csv",
        "path": "../Wine Tasting 2024.csv",
        "separator": ";",
        "decimal": ",",
    }
    assert recipe["data"]["id"] == "customer id"
    assert recipe["data"]["features"]["constant"] == {"kind": "drop"}


def test_columns_left_out_are_named_with_the_reason(made):
    answer, _ = made
    assert answer["left_out"]["constant"] == "it is constant"
    assert answer["features"]["fixed acidity"] == "numeric"
    assert answer["features"]["country"] == "categorical"


def test_what_it_writes_loads_and_checks(made, evergreen):
    _, folder = made
    assert load_recipe(str(folder)).recipe.data.expectations == "expectations.json"
    ended = evergreen("check", folder, "--json")
    assert ended.exit_code == 0, ended.stdout
    assert {gate["state"] for gate in ended.json["gates"]} <= {"passed", "skipped"}


def test_the_suite_is_about_validity_and_not_about_the_sample(made):
    _, folder = made
    rules = json.loads((folder / "expectations.json").read_text())["expectations"]
    kinds = {rule["type"] for rule in rules}
    assert "expect_column_values_to_be_in_set" in kinds
    assert not any("quantile" in kind or "mean" in kind for kind in kinds)
    assert not any("max_value" in rule["kwargs"] for rule in rules)


def test_card_and_recipe_hold_no_value_of_a_row(made):
    _, folder = made
    text = (folder / "DATA_CARD.md").read_text() + (folder / "recipe.yaml").read_text()
    for value in ("C0001", "C0299", "PT"):
        assert value not in text


def test_a_second_init_refuses_to_overwrite(made, evergreen, tmp_path: Path):
    _, folder = made
    before = (folder / "recipe.yaml").read_bytes()
    words = ["init", tmp_path / "Wine Tasting 2024.csv", "--target", "verdict", "--out", folder, "--json"]
    ended = evergreen(*words)
    assert ended.exit_code == 2
    assert "is there already" in ended.json["error"]["message"]
    assert (folder / "recipe.yaml").read_bytes() == before


def test_json_lines_are_taken_as_they_are(evergreen, tmp_path: Path):
    draw = random.Random(2)
    rows = [{"id": f"C{number}", "a": draw.gauss(0, 1)} for number in range(200)]
    lines = [json.dumps(row | {"verdict": "good" if row["a"] + draw.gauss(0, 1) > 0 else "bad"}) for row in rows]
    (tmp_path / "tastings.jsonl").write_text("\n".join(lines))
    ended = evergreen("init", tmp_path / "tastings.jsonl", "--target", "verdict", "--out", tmp_path / "wine", "--json")
    assert ended.exit_code == 0, ended.stderr
    loaded = load_recipe(str(tmp_path / "wine"))
    assert (loaded.recipe.data.reader.kind, loaded.recipe.data.id) == ("jsonl", "id")
    assert evergreen("check", tmp_path / "wine", "--json").exit_code == 0


def test_without_out_the_folder_is_named_after_the_data(evergreen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Wine Tasting.csv").write_text(untidy())
    ended = evergreen("init", "Wine Tasting.csv", "--target", "verdict", "--json")
    assert ended.json["recipe"] == "wine-tasting"
    assert (tmp_path / "wine-tasting" / "recipe.yaml").is_file()


def test_on_the_hourly_bikes_the_columns_that_add_up_to_the_target_are_left_out(
    evergreen, shared_data: Path, tmp_path: Path
):
    source = shared_data / "bike_sharing" / "hour.csv"
    ended = evergreen("init", source, "--target", "cnt", "--out", tmp_path / "bikes", "--json")
    assert ended.exit_code == 0
    assert {"casual", "registered"} <= set(ended.json["left_out"])
    assert any("casual" in note and "registered" in note for note in ended.json["notes"])
