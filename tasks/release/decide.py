"""Promote, hold or reject: the gates `servable` and `better_than_champion`, and the line in the ledger."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tasks.core.context import Context
from tasks.core.contracts import (
    Decided,
    Evaluated,
    Gate,
    Packaged,
    Prepared,
    Promoted,
    Rule,
    Trained,
    Verdict,
    Versioned,
    to_json,
)
from tasks.core.errors import RequestError
from tasks.release import promotion, servable, standing
from tasks.release.compare import NAME, Compared, compare
from tasks.stores import registry


def decide_on(
    context: Context,
    versioned: Versioned,
    prepared: Prepared,
    trained: Trained,
    evaluated: Evaluated,
    packaged: Packaged | None,
) -> Decided:
    """Evaluate the promotion gates and enter the decision in the ledger.

    Where a gate could not be evaluated nothing is decided: `decision_id` is empty and that gate is in
    error. `packaged` is None where a gate of `evaluate` failed; that is a rejection.

    Raises:
        ServiceError: ledger or registry do not answer.
    """
    if packaged is None:
        compared = _rejected_before(context, evaluated)
        gates = _skipped_gates(evaluated)
        verdict, reason = compared.verdict, compared.reason
    else:
        compared = compare(context, versioned, prepared, evaluated, packaged)
        gates = (_counted(context, _servable(context, packaged)), _counted(context, compared.gate))
        verdict, reason = _verdict(context, packaged, compared, gates)
    judged = compared.main
    decided = Decided(
        verdict=verdict,
        rule=compared.rule,
        reason=reason,
        decision_id="",
        metric=context.recipe.metric,
        rows=judged.rows if judged else 0,
        difference=judged.difference if judged else None,
        interval=judged.interval if judged else None,
        detectable=judged.detectable if judged else None,
        champion=compared.champion,
        champion_metrics=compared.champion_metrics,
        waiting=verdict == "promote" and context.recipe.gates.promotion.approval == "manual",
        gates=gates,
    )
    if any(gate.state == "error" for gate in decided.gates):
        return decided
    body = _ledger_body(context, versioned, trained, evaluated, packaged, decided)
    return replace(decided, decision_id=promotion.record_decision(context.home, context.recipe.name, verdict, body))


def carry_out(context: Context, decided: Decided, packaged: Packaged | None) -> Promoted:
    """Move the alias if the decision says so and nobody has to approve it.

    Raises:
        GateError: the champion is not the one the decision was made against, or the version is blocked.
        ServiceError: ledger or registry do not answer.
    """
    if packaged is None or decided.verdict == "reject":
        return Promoted("rejected", decided.champion, None, decided.reason)
    if packaged.version == decided.champion:
        return Promoted("unchanged", decided.champion, None, decided.reason)
    if decided.verdict == "hold":
        return Promoted("held", decided.champion, None, decided.reason)
    if context.disabled:
        off = ", ".join(sorted(context.disabled))
        return Promoted("held", decided.champion, None, f"Passed with {off} switched off, which never promotes.")
    if decided.waiting:
        command = f"evergreen promote {packaged.name}/{packaged.version} --reason …"
        return Promoted("waiting", decided.champion, None, f"{decided.reason} It waits for approval: `{command}`.")
    moved = promotion.promote(context.home, packaged.name, packaged.version, decided.decision_id)
    return Promoted("promoted", moved.version, moved.previous, decided.reason)


def _servable(context: Context, packaged: Packaged) -> Gate:
    golden = json.loads(context.home.path(packaged.golden).read_text(encoding="utf-8"))
    uri = f"models:/{packaged.name}/{packaged.version}"
    try:
        checked = servable.check(context.home.tracking_uri, uri, golden)
    except (RequestError, OSError) as error:  # an environment for the consumer cannot be made here
        checked = servable.Checked((), unavailable=str(error).rstrip("."))
    return servable.gate(checked, len(golden["inputs"]))


def _verdict(context: Context, packaged: Packaged, compared: Compared, gates: tuple[Gate, Gate]) -> tuple[Verdict, str]:
    """The verdict of both gates, of what a person has ruled out, and the sentence that explains it."""
    loads, better = gates
    for gate in gates:
        if gate.state == "error":
            return "hold", gate.reason
    if loads.state == "failed":
        return "reject", loads.reason
    if better.state == "failed":
        return compared.verdict, compared.reason
    if compared.champion == packaged.version:
        return "hold", compared.reason
    why = _ruled_out(context, packaged)
    if why:
        return "hold", why
    return "promote", compared.reason


def _ruled_out(context: Context, packaged: Packaged) -> str:
    """Why only a person may promote this model: a rollback left it, or its twin. Empty if nothing speaks against it."""
    name = context.recipe.name
    reasons = standing.blocked(context.home, name)
    known = {info.version: info for info in registry.versions(context.home, name)}
    own = known[packaged.version].tags
    for number, why in reasons.items():
        tags = known[number].tags if number in known else {}
        # A rerun that gives the very weights again is the same model, under whatever key.
        same = [tag for tag in (registry.KEY, registry.WEIGHTS) if tags.get(tag) and tags.get(tag) == own.get(tag)]
        if number == packaged.version or same:
            what = f"Version {number}" if number == packaged.version else f"Its twin, version {number},"
            command = f"evergreen promote {name}/{packaged.version} --unblock --reason …"
            return f"{what} is blocked ({why}); only a person may promote it, with `{command}`."
    return ""


def _rejected_before(context: Context, evaluated: Evaluated) -> Compared:
    failed = [gate for gate in evaluated.gates if gate.blocks]
    champion = registry.champion_version(context.home, context.recipe.name)
    asked = context.recipe.gates.promotion.rule
    rule: Rule = "first" if champion is None else "superior" if asked == "auto" else asked
    names = ", ".join(gate.name for gate in failed)
    reason = f"Rejected by {names}: {failed[0].reason}" if failed else "Nothing was packaged."
    return Compared(_skipped_gates(evaluated)[1], "reject", rule, reason, champion)


def _skipped_gates(evaluated: Evaluated) -> tuple[Gate, Gate]:
    failed = ", ".join(gate.name for gate in evaluated.gates if gate.blocks) or "an earlier gate"
    evidence = {"reason": f"the model was not packaged, because {failed} failed"}
    return Gate("servable", "skipped", evidence=evidence), Gate(NAME, "skipped", evidence=evidence)


def _counted(context: Context, gate: Gate) -> Gate:
    """In a drill a gate can be switched off: whatever it says does not count."""
    if gate.blocks and gate.name in context.disabled:
        return replace(gate, state="skipped", evidence={"reason": "switched off by a drill"})
    return gate


def _ledger_body(
    context: Context,
    versioned: Versioned,
    trained: Trained,
    evaluated: Evaluated,
    packaged: Packaged | None,
    decided: Decided,
) -> dict[str, Any]:
    """What the ledger keeps of a decision: enough to explain it without the home's other files."""
    own = {"decision_id", "champion_metrics", "waiting", "gates", "verdict"}
    body: dict[str, Any] = {name: value for name, value in to_json(decided).items() if name not in own}
    return body | {
        "key": context.key,
        "version": packaged.version if packaged else None,
        "content": packaged.content if packaged else None,
        "run_id": trained.run_id,
        "weights": trained.weights_sha256,
        "dataset": versioned.version,
        "recipe_hash": context.recipe_hash,
        "chosen_hash": context.chosen_hash,
        "waiting": decided.waiting,
        "test": evaluated.metrics.get("test", {}),
        "champion_test": decided.champion_metrics,
        "gates": [to_json(gate) for gate in (*evaluated.gates, *decided.gates)],
    }
