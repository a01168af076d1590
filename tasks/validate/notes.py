"""What `init` tells the person who asked: each choice as one sentence, without a value of a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tasks.validate.giveaway import Giveaway

if TYPE_CHECKING:
    from tasks.validate.inference import Inference

LISTED = 8


def notes_of(found: Inference, giveaways: Sequence[Giveaway], rare: Sequence[Any]) -> list[str]:
    """The sentences, most important first.

    Args:
        found: What `infer` concluded.
        giveaways: Columns left out because they give the target away.
        rare: Classes too rare to learn.
    """
    return [
        f"'{found.target}' is learned as a {found.problem} from {found.labelled} labelled rows"
        + (f" of {found.rows}." if found.labelled < found.rows else "."),
        *(f"Left out: {giveaway.sentence(found.target)}." for giveaway in giveaways),
        *_roles(found),
        *_calendars(found),
        *_left_out(found),
        *_quarantined(found, rare),
        *_warnings(found),
    ]


def _roles(found: Inference) -> Iterator[str]:
    if found.id is not None:
        yield f"Rows are known by '{found.id}'."
    else:
        yield "Rows are known by their features: no column differs in every row and is called an id."
    if found.time is not None and found.split == "time":
        yield f"Rows are ordered by '{found.time}' and the newest are held out."
    elif found.time is not None:
        yield f"Rows are ordered by '{found.time}'; the split is random, {{kind: time}} would hold out the newest."


def _calendars(found: Inference) -> Iterator[str]:
    for column in found.columns:
        if column.parts:
            yield f"Of '{column.name}' the model is told the {_joined(column.parts)}, as calendar features."


def _joined(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', the '.join(first)} and the {last}" if first else last


def _left_out(found: Inference) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for column in found.columns:
        if column.name in (found.id, found.time) or column.why == "it gives the target away":
            continue
        if column.role == "drop":
            reasons.setdefault(column.why, []).append(column.name)
    for why, names in reasons.items():
        shown = ", ".join(f"'{name}'" for name in names[:LISTED])
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        yield f"Left out: {shown}{more}, because {why}."


def _quarantined(found: Inference, rare: Sequence[Any]) -> Iterator[str]:
    for column in found.columns:
        if column.role in ("numeric", "datetime") and column.bad:
            what = "numbers" if column.role == "numeric" else "dates"
            yield f"'{column.name}' is taken as {what}; {column.bad} rows with something else in it go to quarantine."
    if rare:
        shown = ", ".join(f"'{label}'" for label in rare[:LISTED])
        yield (
            f"Too few rows to learn from: {shown}; rows of {'this class' if len(rare) == 1 else 'these classes'} go to "
            "quarantine by the expectation suite."
        )
    if found.set_aside > 0:
        limit = f"gates.max_quarantined is {found.max_quarantined:g}"
        yield f"Now {found.set_aside:.1%} of the rows would be quarantined; {limit}."


def _warnings(found: Inference) -> Iterator[str]:
    for gate in found.gates:
        if gate.blocks and gate.name != "expectations":
            yield f"As the data are, the gate {gate.name} will stop a run: {gate.reason}"
        if gate.name == "duplicates" and gate.evidence.get("duplicates"):
            yield f"{gate.evidence['duplicates']} rows repeat an earlier row exactly."
