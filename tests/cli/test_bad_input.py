"""What a person gets wrong: the right exit code, one sentence that names it, and a way out. Cases: bad_input.yaml."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cli import COMMANDS

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("bad_input.yaml").read_text())
CATEGORIES = ("command", "recipe", "override", "file", "column", "type", "version", "service")
RECIPE: dict[str, Any] = {
    "name": "claims",
    "problem": "classification",
    "data": {"reader": {"kind": "csv", "path": "rows.csv"}, "target": "outcome", "id": "id"},
    "training": {"epochs": 2},
}
LONGEST_MESSAGE = 420

told: dict[str, str] = {}
"""Case → message, of the cases that have run."""


def rows(count: int = 120) -> str:
    draw = random.Random(0)
    lines = ["id,age,region,outcome"]
    for number in range(count):
        age = draw.randrange(18, 90)
        lines.append(
            f"{number},{age},{draw.choice(['north', 'south'])},{'yes' if age + draw.gauss(0, 9) > 50 else 'no'}"
        )
    return "\n".join(lines) + "\n"


def change(recipe: dict[str, Any], field: str, value: Any) -> None:
    *path, last = field.split(".")
    section = recipe
    for key in path:
        section = section.setdefault(key, {})
    if value is None:
        section.pop(last, None)
    else:
        section[last] = value


def prepare(case: dict[str, Any], folder: Path) -> None:
    recipe = json.loads(json.dumps(RECIPE))
    for field, value in case.get("recipe", {}).items():
        change(recipe, field, value)
    (folder / "rows.csv").write_text(rows())
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    for name, text in case.get("files", {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def as_parameter(case: dict[str, Any]) -> Any:
    marks = [pytest.mark.slow] if case.get("slow") else []
    return pytest.param(case, id=case["name"], marks=marks)


@pytest.mark.parametrize("case", [as_parameter(case) for case in CASES])
def test_a_mistake_gets_one_sentence_and_a_way_out(
    evergreen, case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "claims"
    folder.mkdir()
    prepare(case, folder)
    for name, value in case.get("variables", {}).items():
        monkeypatch.setenv(name, value)
    words = [word.replace("{dir}", str(folder)) for word in case["words"]]
    ended = evergreen("--json", *words, home=folder / "home")

    assert ended.exit_code == case["exit"], ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    message, remedy = explanation(case, ended.json)
    told[case["name"]] = message.replace(str(tmp_path), "")
    assert_one_sentence(message)
    assert remedy, message
    for text in case["says"]:
        assert text in f"{message} {remedy}"


def explanation(case: dict[str, Any], answer: dict[str, Any]) -> tuple[str, str]:
    """What was said and what to do: of the error, of a run that stopped, or of the gate that said no."""
    if "gate" not in case and answer["status"] == "stopped":
        assert [gate for gate in answer["gates"] if gate["state"] == "failed"] == []
        message, _, remedy = answer["reason"].partition(". ")
        return f"{message}.", remedy
    if "gate" not in case:
        assert answer["status"] == "error"
        assert re.fullmatch(r"[a-z_]+", answer["error"]["code"])
        assert answer["command"].split()[0] in {*COMMANDS, "evergreen", case["words"][0]}
        return answer["error"]["message"], answer["error"]["remedy"]
    gates = {gate["name"]: gate for gate in answer["gates"]}
    assert gates[case["gate"]]["state"] == "failed"
    assert [name for name, gate in gates.items() if gate["state"] in ("failed", "error")] == [case["gate"]]
    return gates[case["gate"]]["evidence"]["reason"], answer.get("error", {}).get("remedy", "the gate is named")


def assert_one_sentence(message: str) -> None:
    assert message.strip() == message
    assert message
    assert "\n" not in message
    assert len(message) <= LONGEST_MESSAGE, message
    body = message.split(" Did you mean ")[0].rstrip(".?")
    assert not re.search(r"[.!?] [A-Z]", body), f"more than one sentence: {message}"


def test_every_command_and_every_category_has_three_cases():
    commands = Counter(next(word for word in case["words"] if not word.startswith("-")) for case in CASES)
    categories = Counter(case["category"] for case in CASES)
    assert {name: commands[name] for name in COMMANDS if commands[name] < 3} == {}
    assert {name: categories[name] for name in CATEGORIES if categories[name] < 3} == {}
    assert set(categories) == set(CATEGORIES)


def test_the_table_names_each_case_once():
    names = Counter(case["name"] for case in CASES)
    assert [name for name, count in names.items() if count > 1] == []


def test_there_are_at_least_forty_different_messages():
    if len(told) < sum(not case.get("slow") for case in CASES):
        pytest.skip("counted when the whole table has run")
    assert len(set(told.values())) >= 40
