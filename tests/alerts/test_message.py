"""The words of an alert: complete, one sentence why, commands that exist."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, get_args

import pytest

from flows.cli import COMMANDS
from tasks.alerts.message import LONGEST_SENTENCE, Message, commands_for, compose
from tasks.core.upkeep import AlertEvent

EVENTS = get_args(AlertEvent)


def written(**changes: Any) -> Message:
    values: dict[str, Any] = {
        "subject": "the run was stopped by volume",
        "reason": "30 rows are fewer than 50.",
        "champion": "3",
        "time": "2026-11-21T03:00:00+00:00",
        "commands": ("evergreen status",),
    }
    return compose("stopped", "claims", **{**values, **changes})


def test_the_text_says_what_to_which_model_why_who_is_champion_and_what_to_do():
    text = written(details={"gates": ["volume", "schema"], "statistic": 0.41234567}).text
    assert text.splitlines() == [
        "claims: the run was stopped by volume",
        "Why: 30 rows are fewer than 50.",
        "The champion is still version 3.",
        "gates: volume, schema",
        "statistic: 0.4123",
        "Next:",
        "  evergreen status",
    ]


def test_the_body_holds_exactly_the_fields_a_program_may_rely_on():
    body = json.loads(json.dumps(written().body))
    assert list(body) == ["event", "model", "status", "reason", "champion", "time", "next", "text"]
    assert (body["event"], body["status"], body["model"], body["champion"]) == ("stopped", "stopped", "claims", "3")
    assert body["next"] == ["evergreen status"]


def test_without_a_champion_it_says_so():
    assert "There is no champion." in written(champion=None).text


def test_a_reason_with_line_breaks_stays_one_line_and_a_long_one_is_cut():
    assert written(reason="a\nb\n  c").reason == "a b c"
    assert len(written(reason="x" * 5000).reason) == LONGEST_SENTENCE
    names = [f"column{number}" for number in range(40)]
    assert written(details={"columns": names}).text.count("column") == 11  # ten names and the label


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_offers_commands_that_can_be_pasted(event: AlertEvent):
    home, recipe = Path("/srv/my home"), Path("/srv/claims (new)/recipe.yaml")
    commands = commands_for(event, "claims", home=home, recipe=recipe, version="4")
    assert len(commands) >= 2
    for command in commands:
        words = shlex.split(command, comments=True)
        assert words[:3] == ["evergreen", "--home", "/srv/my home"]
        assert "/srv/claims (new)" in words or words[3] not in ("run", "check", "plan", "retrain")
        assert words[3] in {*COMMANDS, *PROMISED}
    assert shlex.split(commands[-1])[3:] == ["status"]


PROMISED = {"status", "retrain", "up"}
"""Commands of the contract that an alert names."""


def test_a_recipe_under_another_file_name_is_named_by_its_file():
    commands = commands_for("crashed", "claims", home=Path("/h"), recipe=Path("/r/claims.yaml"))
    assert shlex.split(commands[0], comments=True)[-1] == "/r/claims.yaml"


def test_a_rejected_version_is_what_is_explained():
    look = commands_for("rejected", "claims", home=Path("/h"), recipe=Path("/r/recipe.yaml"), version="4")[0]
    assert shlex.split(look, comments=True)[3:] == ["explain", "claims/4"]
