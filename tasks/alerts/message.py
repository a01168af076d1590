"""What an alert says: what happened, to which model, who is champion now, why, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.core.upkeep import AlertEvent

LONGEST_SENTENCE = 600
"""Characters of a reason that are shown: chat programs cut or refuse longer messages."""


@dataclass(frozen=True)
class Message:
    """One alert. `text` holds all of it for people; the fields are for programs."""

    event: AlertEvent
    model: str
    status: str
    """The state the model's upkeep is in now; one word."""
    reason: str
    """One sentence."""
    champion: str | None
    """The version consumers load now, None where there is none."""
    time: str
    """UTC, ISO 8601."""
    next: tuple[str, ...]
    """Commands that help, most useful first; each can be pasted into a shell as it is."""
    text: str

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object a hook gets. Chat programs show its `text` and skip the rest."""
        return {**asdict(self), "next": list(self.next)}


def compose(
    event: AlertEvent,
    model: str,
    *,
    subject: str,
    reason: str,
    champion: str | None,
    time: str,
    commands: tuple[str, ...],
    details: Mapping[str, Any] | None = None,
) -> Message:
    """Put an alert into words.

    `subject` is a clause without the model's name ("the run was stopped by volume"); `details` are names and
    numbers, never a value of a data row: each becomes one line.
    """
    sentence = _one_sentence(reason)
    still = f"The champion is still version {champion}." if champion else "There is no champion."
    lines = [f"{model}: {_one_sentence(subject)}", f"Why: {sentence}", still]
    lines += [f"{label}: {_shown(value)}" for label, value in (details or {}).items()]
    lines += ["Next:", *(f"  {command}" for command in commands)]
    return Message(event, model, str(event), sentence, champion, time, commands, "\n".join(lines))


def commands_for(
    event: AlertEvent, model: str, *, home: Path, recipe: Path, version: str | None = None
) -> tuple[str, ...]:
    """What a person should type next, with the home and the recipe's YAML file spelt out.

    `version` is the model version the alert is about, where it is about one.
    """
    evergreen = f"evergreen --home {shlex.quote(str(home))}"
    path = shlex.quote(str(recipe.parent if recipe.name == "recipe.yaml" else recipe))
    look = f"{evergreen} explain {model}/{version}  # every gate, with its evidence"
    past = f"{evergreen} history {model}  # who was champion when, and why"
    steps: dict[str, list[str]] = {
        "stopped": [
            f"{evergreen} check {path}  # what the gates on data say",
            f"{evergreen} run {path}  # once it is mended: what is done is kept",
        ],
        "rejected": [look if version else past, f"{evergreen} plan {path}  # what a run would do now"],
        "drifted": [
            past,
            f'{evergreen} retrain {path} --reason "drift alarm"  # where the policy has not done so already',
            f'{evergreen} rollback {model} --reason "…"  # where an earlier champion serves better',
        ],
        "crashed": [f"{evergreen} run {path}  # it goes on from what is done", f"{evergreen} doctor"],
        "overdue": [
            f"{evergreen} doctor  # does everything answer",
            f"{evergreen} up  # where nothing runs the schedules",
        ],
    }
    return (*steps[event], f"{evergreen} status")


def _one_sentence(text: str) -> str:
    """Line breaks become blanks, and what is too long for a chat program is cut."""
    words = " ".join(text.split())
    return words if len(words) <= LONGEST_SENTENCE else f"{words[: LONGEST_SENTENCE - 1]}…"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        names = [_shown(item) for item in value[:10]]
        more = f" and {len(value) - 10} more" if len(value) > 10 else ""
        return ", ".join(names) + more
    return _one_sentence(str(value))
