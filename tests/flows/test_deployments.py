"""What a recipe is started by: schedules, triggers, forms; and the prefect.yaml that says the same."""

from __future__ import annotations

import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.deployments import TAG, find_recipes, next_times, prefect_yaml, specs
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe, claim, load_recipe

ROOT = Path(__file__).resolve().parents[2]
SCHEDULE = {"monitor": "0 * * * *", "retrain": "0 3 * * 1", "timezone": "Europe/Paris"}


def recipe(folder: Path, name: str = "claims", **more: Any) -> LoadedRecipe:
    folder.mkdir(parents=True, exist_ok=True)
    data = {"reader": {"kind": "sklearn", "name": "wine"}, "target": "class"}
    content = {"name": name, "problem": "classification", "data": data, **more}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content))
    return load_recipe(str(folder))


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("evergreen_prefect_yaml", ROOT / "infra" / "prefect_yaml.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_recipe_has_five_deployments_with_plain_parameters(home: Home, tmp_path: Path):
    loaded = recipe(tmp_path / "claims", schedule=SCHEDULE)
    found = {spec.name: spec for spec in specs(loaded, home)}
    assert list(found) == ["monitor/claims", "retrain/claims", "approve/claims", "roll-back/claims", "alert/claims"]
    assert {name: spec.cron for name, spec in found.items() if spec.cron} == {
        "monitor/claims": "0 * * * *",
        "retrain/claims": "0 3 * * 1",
    }
    for spec in found.values():
        assert spec.tags == (TAG, "claims")
        assert spec.timezone in ("Europe/Paris", "UTC")
        assert spec.concurrency is None, "Prefect would drop triggers, or run them out of order"
        assert json.loads(json.dumps(dict(spec.parameters))) == {"recipe": str(loaded.file), "home": str(home.root)}


def test_drift_starts_a_retraining_at_once_and_every_time(home: Home, tmp_path: Path):
    (trigger,) = specs(recipe(tmp_path / "claims"), home)[1].triggers
    assert trigger["expect"] == ["evergreen.drift.detected"]
    assert trigger["match"] == {"prefect.resource.id": "evergreen.model.claims"}
    assert (trigger["posture"], trigger["threshold"], trigger["within"]) == ("Reactive", 1, 0)
    assert "for_each" not in trigger
    assert trigger["parameters"]["trigger_id"] == "{{ event.payload.trigger_id }}"


def test_the_flow_that_alerts_is_not_alerted_about(home: Home, tmp_path: Path):
    triggers = specs(recipe(tmp_path / "claims"), home)[4].triggers
    assert [trigger["expect"] for trigger in triggers] == [["prefect.flow-run.Crashed"], ["prefect.flow-run.Late"]]
    for trigger in triggers:
        related = trigger["match_related"]
        (flows,) = [item["prefect.resource.name"] for item in related if "prefect.resource.name" in item]
        assert "alert" not in flows
        assert {"monitor", "retrain"} <= set(flows)


def test_every_crash_is_told_and_of_many_delays_one(home: Home, tmp_path: Path):
    crash, delay = specs(recipe(tmp_path / "claims"), home)[4].triggers
    assert crash["within"] == 0
    assert delay["within"] > 0


def test_every_entrypoint_is_a_flow_of_that_name_that_takes_these_parameters(home: Home, tmp_path: Path):
    from prefect.flows import load_flow_from_entrypoint
    from prefect.utilities.callables import parameter_schema

    for spec in specs(recipe(tmp_path / "claims"), home):
        flow = load_flow_from_entrypoint(spec.entrypoint)
        assert flow.name == spec.flow
        schema = parameter_schema(flow)
        given = set(spec.parameters).union(*(trigger["parameters"] for trigger in spec.triggers))
        assert given <= set(schema.properties)
        asked = {"approve": {"version", "reason"}, "roll-back": {"reason"}}.get(spec.flow, set())
        assert set(schema.required) - given == asked
        for name in schema.properties:
            assert schema.properties[name].get("description"), f"{spec.name}: the form does not explain {name}"


def test_the_next_times_are_those_of_the_recipes_time_zone(tmp_path: Path):
    loaded = recipe(tmp_path / "claims", schedule=SCHEDULE)
    after = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
    due = next_times(loaded.recipe, 3, after)
    # At night the clocks go from 2 to 3, and no hour is due twice or left out.
    assert [time.astimezone(UTC).hour for time in due["monitor"]] == [0, 1, 2]
    assert [f"{time:%a %H:%M %Z}" for time in due["retrain"]] == ["Mon 03:00 CEST"] * 3
    assert next_times(recipe(tmp_path / "other").recipe) == {}


def test_up_is_for_recipes_the_home_has_worked_on_and_for_those_beside_it_with_a_schedule(home: Home, tmp_path: Path):
    claim(home, recipe(tmp_path / "elsewhere" / "old", "old"))
    recipe(tmp_path / "data" / "due", "due", schedule=SCHEDULE)
    recipe(tmp_path / "data" / "idle", "idle")
    (tmp_path / "data" / "broken").mkdir()
    (tmp_path / "data" / "broken" / "recipe.yaml").write_text("name: [")
    found = find_recipes(home, tmp_path)
    assert [loaded.recipe.name for loaded in found.recipes] == ["old", "due"]
    (problem,) = found.problems
    assert "broken/recipe.yaml" in problem


def test_a_name_that_two_folders_claim_is_a_problem_and_served_once(home: Home, tmp_path: Path):
    claim(home, recipe(tmp_path / "mine", "claims"))
    recipe(tmp_path / "data" / "theirs", "claims", schedule=SCHEDULE)
    found = find_recipes(home, tmp_path)
    assert [loaded.file for loaded in found.recipes] == [tmp_path / "mine" / "recipe.yaml"]
    assert "both claim" in found.problems[0]


def test_a_recipe_whose_folder_is_gone_is_not_served(home: Home, tmp_path: Path):
    loaded = recipe(tmp_path / "mine", "claims")
    claim(home, loaded)
    loaded.file.unlink()
    assert find_recipes(home, tmp_path).recipes == ()


def test_the_yaml_says_what_the_specs_say(home: Home, tmp_path: Path):
    found = specs(recipe(tmp_path / "claims", schedule=SCHEDULE), home)
    written = yaml.safe_load(prefect_yaml(found, "local"))
    assert written["pull"] == []
    for spec, entry in zip(found, written["deployments"], strict=True):
        assert (entry["name"], entry["entrypoint"]) == (spec.recipe, spec.entrypoint)
        assert entry["parameters"] == dict(spec.parameters)
        assert entry["triggers"] == [dict(trigger) for trigger in spec.triggers]
        assert [item["cron"] for item in entry["schedules"]] == ([spec.cron] if spec.cron else [])
        assert entry["work_pool"]["name"] == "local"


def test_the_shipped_prefect_yaml_is_the_generated_one_and_belongs_to_no_machine(tmp_path: Path):
    made = generator()
    assert (ROOT / "infra" / "prefect.yaml").read_text() == made.text(ROOT / "data")
    recipe(tmp_path / "claims", schedule=SCHEDULE)
    recipe(tmp_path / "idle", "idle")
    text = made.text(tmp_path)
    assert "{{ $EVERGREEN_DATA }}/claims/recipe.yaml" in text
    assert "idle" not in text
    for own in (str(tmp_path), str(ROOT), str(Path.home())):
        assert own not in text
    assert len(yaml.safe_load(text)["deployments"]) == 5


@pytest.mark.parametrize("field", ["monitor", "retrain"])
def test_one_schedule_alone_is_enough(tmp_path: Path, field: str):
    recipe(tmp_path / "claims", schedule={field: "0 3 * * 1"})
    entries = yaml.safe_load(generator().text(tmp_path))["deployments"]
    assert [entry["entrypoint"] for entry in entries if entry["schedules"]] == [f"flows.scheduled.{field}"]
