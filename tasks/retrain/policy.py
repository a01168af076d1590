"""Whether to retrain, as a function of recorded facts alone: what is decided here can be replayed from the ledger.

The order is the same for every policy: `never`, then the cool-down, then the labelled rows, then the policy's own
question. Whatever refuses says by how much, and what would have to hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from tasks.core import refs
from tasks.core.errors import RequestError
from tasks.core.upkeep import CustomPolicy, Policy, Retraining

Cause = Literal["drift", "performance", "schedule", "person"]


@dataclass(frozen=True)
class Facts:
    """What is known when a reason to retrain is judged. Times know their offset from UTC."""

    now: datetime
    champion: str | None
    """Version that is champion; None before the first."""
    promoted_at: datetime | None
    """Since when it is."""
    last_attempt_at: datetime | None
    """When a run last came to a decision: promote, hold or reject."""
    drift_confirmed_at: datetime | None
    """When drift was last confirmed."""
    performance_worse_at: datetime | None
    """When the champion was last shown to do worse than at its promotion."""
    labelled_rows: int | None
    """Labelled rows the dataset has, those of the source that are new included; None: the source cannot be read,
    which is for the gates to say."""
    new_labelled_rows: int | None
    """Those among them that the dataset of the last attempt did not have, or not with a label."""
    source_changed: bool
    """Whether the source is another than that of the last attempt."""
    recipe_changed: bool
    """Whether the recipe is another than that of the last attempt, in what shapes a model."""
    cause: Cause
    """Who or what asks."""
    reason: str
    """In their words."""
    last_attempt_began_at: datetime | None = None
    """When the last attempt read its source, where that is known; news since then were news to it."""


@dataclass(frozen=True)
class Decision:
    """The answer."""

    retrain: bool
    reason: str
    """One sentence."""


def decide(policy: Retraining, facts: Facts, folder: Path = Path()) -> Decision:
    """Answer for one reason to retrain; pure, but for a custom policy, whose code lies below `folder`.

    Raises:
        RequestError: a custom policy cannot be loaded, fails, or gives no (bool, sentence).
    """
    if policy.kind == "never":
        return Decision(False, "With retraining.kind never, only a person makes a new model, with `evergreen run`.")
    refusal = _cooling_down(policy, facts) or _too_few_rows(policy, facts)
    if refusal:
        return Decision(False, refusal)
    if policy.kind == "custom":
        return _own(policy, facts, folder)
    if facts.cause == "person":
        return _yes(f"a person asked for it: {_clause(facts.reason)}", facts)
    if facts.champion is None:
        return _yes("there is no champion yet", facts)
    if policy.kind == "scheduled":
        return _scheduled(facts)
    answers = [_TESTS[kind](policy, facts) for kind in _ASKED[policy.kind]]
    return next((answer for answer in answers if answer.retrain), None) or _no(answers)


def _cooling_down(policy: Policy, facts: Facts) -> str:
    """Why it is too soon; empty where it is not."""
    if facts.champion is None or facts.last_attempt_at is None:
        return ""
    ends = facts.last_attempt_at + timedelta(days=policy.cooldown_days)
    if facts.now >= ends:
        return ""
    return (
        f"The last attempt was decided {_ago(facts.last_attempt_at, facts.now)}, and "
        f"retraining.cooldown_days is {policy.cooldown_days:g}: a retraining may begin in "
        f"{_length(ends - facts.now)}, at {_shown(ends)}."
    )


def _too_few_rows(policy: Policy, facts: Facts) -> str:
    if facts.labelled_rows is None or facts.labelled_rows >= policy.min_rows:
        return ""
    missing = policy.min_rows - facts.labelled_rows
    return (
        f"There are {facts.labelled_rows} labelled rows, and retraining.min_rows is {policy.min_rows}: "
        f"{missing} more {'is' if missing == 1 else 'are'} needed."
    )


def _scheduled(facts: Facts) -> Decision:
    if facts.cause == "schedule":
        return _yes("the schedule asked for it", facts)
    return Decision(
        False,
        f"With retraining.kind scheduled, {facts.cause} alone starts nothing; the next tick of the schedule does.",
    )


def _age(policy: Any, facts: Facts) -> Decision:
    last, limit = facts.last_attempt_at or facts.promoted_at, timedelta(days=policy.max_age_days)
    if last is None or facts.now - last >= limit:
        when = "at no known time" if last is None else _ago(last, facts.now)
        return _yes(
            f"the last attempt was decided {when}, and retraining.max_age_days is {policy.max_age_days:g}", facts
        )
    return Decision(
        False,
        f"the last attempt was decided {_ago(last, facts.now)}, and retraining.max_age_days ({policy.max_age_days:g}) "
        f"is reached in {_length(last + limit - facts.now)}, at {_shown(last + limit)}",
    )


def _drift(policy: Any, facts: Facts) -> Decision:
    return _news("drift was confirmed", "no drift has been confirmed", facts.drift_confirmed_at, facts)


def _performance(policy: Any, facts: Facts) -> Decision:
    shown, not_shown = "the champion was shown to do worse", "the champion has not been shown to do worse"
    return _news(shown, not_shown, facts.performance_worse_at, facts)


def _news(happened: str, nothing: str, at: datetime | None, facts: Facts) -> Decision:
    """Whether something happened that the last attempt did not know."""
    last = facts.last_attempt_began_at or facts.last_attempt_at
    if at is not None and (last is None or at > last):
        return _yes(f"{happened} {_ago(at, facts.now)}", facts)
    if at is None:
        return Decision(False, nothing)
    assert last is not None
    return Decision(False, f"{nothing} since the last attempt at {_shown(last)} (the last time was {_shown(at)})")


_TESTS: dict[str, Callable[[Any, Facts], Decision]] = {"age": _age, "drift": _drift, "performance": _performance}
_ASKED = {
    "age": ("age",),
    "drift": ("drift",),
    "performance": ("performance",),
    "hybrid": ("drift", "performance", "age"),
}


def _no(answers: list[Decision]) -> Decision:
    """No test said yes: what each of them waits for."""
    return Decision(False, _sentence("; ".join(answer.reason for answer in answers)))


def _yes(why: str, facts: Facts) -> Decision:
    """Yes, saying so where it may come to nothing."""
    if facts.last_attempt_at is not None and not facts.source_changed and not facts.recipe_changed:
        why += "; source and recipe are those of the last attempt, so only other code or libraries give another model"
    return Decision(True, _sentence(why))


def _own(policy: CustomPolicy, facts: Facts, folder: Path) -> Decision:
    """What a person's own function says."""
    function = refs.load(policy.ref, folder)
    try:
        answer = function(facts, **policy.args)
    except Exception as error:  # a custom policy may raise anything; the sentence says which one did
        raise _not_conforming(policy, f"raises {type(error).__name__}: {error}") from error
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise _not_conforming(policy, f"gives {type(answer).__name__}, not a pair")
    retrain, reason = answer
    if not isinstance(retrain, bool) or not isinstance(reason, str) or not reason.strip():
        raise _not_conforming(
            policy, f"gives ({type(retrain).__name__}, {type(reason).__name__ if reason else 'nothing'})"
        )
    return Decision(retrain, _sentence(" ".join(reason.split())))


def _not_conforming(policy: CustomPolicy, what: str) -> RequestError:
    return RequestError(
        f"retraining.ref: the policy '{policy.ref}' {what}.",
        remedy="It takes the facts and retraining.args, and gives (True or False, one sentence that says why).",
        code="conformance",
    )


def _sentence(clause: str) -> str:
    text = clause[:1].upper() + clause[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _clause(reason: str) -> str:
    return " ".join(reason.split()).rstrip(".") or "no reason given"


def _ago(then: datetime, now: datetime) -> str:
    return f"{_length(now - then)} ago"


def _length(span: timedelta) -> str:
    """A span of time in the unit a person would use."""
    seconds = max(span.total_seconds(), 0.0)
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}s"
    return f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"


def _shown(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
