"""The conformance suite a custom retraining policy has to pass: facts of every kind get a pair, the same one twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.core.errors import RequestError
from tasks.core.upkeep import CustomPolicy
from tasks.retrain.policy import Facts, decide

_NOW = datetime(2026, 1, 31, tzinfo=UTC)
_FIRST = Facts(_NOW, None, None, None, None, None, 10**6, 10**6, True, True, "person", "a trial")
_LATER = replace(
    _FIRST, champion="1", promoted_at=_NOW - timedelta(days=400), last_attempt_at=_NOW - timedelta(days=400)
)
TRIALS = {
    "no champion": _FIRST,
    "an old champion": _LATER,
    "drift": replace(_LATER, drift_confirmed_at=_NOW - timedelta(hours=1), cause="drift"),
    "a worse champion": replace(_LATER, performance_worse_at=_NOW, new_labelled_rows=40, cause="performance"),
    "nothing new": replace(_LATER, new_labelled_rows=0, source_changed=False, recipe_changed=False, cause="schedule"),
    "a source that cannot be read": replace(_LATER, labelled_rows=None, new_labelled_rows=None, cause="schedule"),
}
"""Facts that every policy meets sooner or later."""


def check_policy(policy: CustomPolicy, folder: Path) -> list[str]:
    """Try a custom policy on facts of every kind.

    Args:
        policy: The recipe's `retraining` block.
        folder: The recipe's folder, which `ref` resolves against.

    Returns:
        One line per property that holds.

    Raises:
        RequestError: it fails, gives something else than (bool, sentence), or two answers to the same facts.
    """
    asked = policy.model_copy(update={"cooldown_days": 0.0})
    for name, facts in TRIALS.items():
        if decide(asked, facts, folder) != decide(asked, facts, folder):
            raise RequestError(
                f"retraining.ref: the policy '{policy.ref}' gives two different answers to the same facts ({name}).",
                remedy="Make it depend on its facts and retraining.args only; facts.now is the time.",
                code="conformance",
            )
    return ["answers with (bool, sentence)", "the same facts, the same answer"]
