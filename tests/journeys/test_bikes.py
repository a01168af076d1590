"""The hourly bikes: `casual` and `registered` add up to the target, and nobody has to know that beforehand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

LEAKING = {"casual", "registered"}


@pytest.mark.slow
def test_init_leaves_out_what_adds_up_to_the_target_and_the_gate_stops_who_keeps_it(
    evergreen: Callable[..., Any], tmp_path: Path, shared_data: Path
) -> None:
    home, recipe = tmp_path / "home", tmp_path / "bikes"
    source = shared_data / "bike_sharing" / "hour.csv"
    made = evergreen(home, "init", source, "--target", "cnt", "--out", recipe)
    assert made.code == 0, made.answer
    assert {name for name, why in made.answer["left_out"].items() if "target" in why} == LEAKING
    said = [note for note in made.answer["notes"] if set(note.replace("'", " ").split()) >= LEAKING]
    assert len(said) == 1, made.answer["notes"]

    checked = evergreen(home, "run", recipe, "--until", "validate")
    assert (checked.code, checked.answer["status"]) == (0, "completed"), checked.answer
    assert checked.gate("leakage")["state"] == "passed"

    values = yaml.safe_load((recipe / "recipe.yaml").read_text())
    for name in LEAKING:
        values["data"]["features"][name] = {"kind": "numeric"}
    (recipe / "recipe.yaml").write_text(yaml.safe_dump(values))
    stopped = evergreen(home, "run", recipe)
    assert (stopped.code, stopped.answer["status"]) == (3, "stopped"), stopped.answer
    assert stopped.blocking == ["leakage"]
    assert set(stopped.gate("leakage")["evidence"]["columns"]) == LEAKING
    assert all(f"'{name}'" in stopped.answer["reason"] for name in LEAKING)
