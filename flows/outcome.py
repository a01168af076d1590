"""What a run came to: its status, its exit code, and the JSON object of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flows.engine import Execution
from tasks.core.contracts import STAGES, Decided, Evaluated, Gate, Packaged, Prepared, Status, to_json
from tasks.core.errors import EvergreenError, GateError, ServiceError
from tasks.core.recipe import CLASSIFICATION_METRICS, REGRESSION_METRICS
from tasks.stores import registry

EXIT_CODES: dict[Status, int] = {
    "promoted": 0,
    "unchanged": 0,
    "waiting": 0,
    "completed": 0,
    "held": GateError.exit_code,
    "rejected": GateError.exit_code,
    "stopped": GateError.exit_code,
}


@dataclass(frozen=True)
class Outcome:
    """The end of a run, for people and for machines."""

    status: Status
    reason: str
    exit_code: int
    payload: dict[str, Any]
    """The `run` object of the contract, without command, status and seconds."""


def outcome_of(execution: Execution, failure: EvergreenError | None = None) -> Outcome:
    """Read the outcome off what was carried out; `failure` is the error that ended it."""
    if failure is not None:
        status: Status = "stopped"
        reason, exit_code = failure.message, failure.exit_code
    else:
        status, reason = _status(execution)
        exit_code = EXIT_CODES[status]
    return Outcome(status, reason, exit_code, _payload(execution, reason))


def stopped_by_service(recipe: str, error: ServiceError) -> Outcome:
    """The end of a run that a silent service kept from beginning: an outage is never a pass.

    Without a registry nobody can say who the champion is, so the gate that compares with it is in error.
    """
    evidence = {"reason": error.message, "service": error.code}
    gates = [] if error.code == "prefect" else [Gate("better_than_champion", "error", evidence=evidence)]
    payload: dict[str, Any] = {
        "recipe": recipe,
        "reason": str(error),
        "model": {"name": recipe, "version": None, "aliases": []},
        "previous_champion": None,
        "run_id": None,
        "dataset": None,
        "preparation": [],
        "metrics": {},
        "diagnosis": None,
        "gates": to_json(gates),
        "decision": None,
        "stages": [{"name": name, "state": "skipped", "seconds": 0.0, "why": error.message} for name in STAGES],
        "reports": {},
    }
    return Outcome("stopped", str(error), error.exit_code, payload)


def _status(execution: Execution) -> tuple[Status, str]:
    promoted = _output(execution, "promote")
    if "promote" in execution.plan.settled:
        return "unchanged", _nothing_new(execution)
    failed = [gate for gate in execution.gates if gate.blocks]
    if promoted is None and failed:
        return "rejected", f"The model failed {', '.join(gate.name for gate in failed)}: {failed[0].reason}"
    if promoted is None:
        last = next(reversed(execution.taken), "")
        skipped = bool(last) and execution.taken[last].state == "skipped"
        why = f", which had nothing to do: {execution.taken[last].why}" if skipped else ""
        return "completed", f"ended after {last}, as asked{why}"
    return promoted.status, promoted.reason


def _payload(execution: Execution, reason: str) -> dict[str, Any]:
    name = execution.loaded.recipe.name
    evaluated: Evaluated | None = _output(execution, "evaluate")
    packaged: Packaged | None = _output(execution, "package")
    decided: Decided | None = _output(execution, "decide")
    promoted = _output(execution, "promote")
    trained = _output(execution, "train")
    prepared: Prepared | None = _output(execution, "prepare")
    return {
        "recipe": name,
        "reason": reason,
        "model": {
            "name": name,
            "version": packaged.version if packaged else None,
            "aliases": _aliases(execution, packaged),
        },
        "previous_champion": promoted.previous if promoted else None,
        "run_id": trained.run_id if trained else None,
        "dataset": _dataset(execution),
        "preparation": list(prepared.notes) if prepared else [],
        "metrics": _metrics(evaluated) if evaluated else {},
        "diagnosis": evaluated.diagnosis or None if evaluated else None,
        "gates": [to_json(gate) for gate in execution.gates],
        "decision": _decision(decided),
        "stages": _stages(execution),
        "reports": _reports(execution),
    }


def _nothing_new(execution: Execution) -> str:
    champion = registry.champion_version(execution.home, execution.loaded.recipe.name)
    return f"Data, recipe, code and libraries would give version {champion} again, which is the champion."


def _metrics(evaluated: Evaluated) -> dict[str, dict[str, float]]:
    """As a reader expects them: validation before test, metrics in the order the recipe's schema has them."""
    order = [*CLASSIFICATION_METRICS, *REGRESSION_METRICS]
    splits = sorted(evaluated.metrics, key=("validation", "test").index)
    return {
        split: {name: evaluated.metrics[split][name] for name in order if name in evaluated.metrics[split]}
        for split in splits
    }


def _output(execution: Execution, stage: str) -> Any:
    taken = execution.taken.get(stage)
    return taken.output if taken else None


def _aliases(execution: Execution, packaged: Packaged | None) -> list[str]:
    if packaged is None:
        return []
    found = registry.aliases(execution.home, packaged.name)
    return sorted(alias for alias, version in found.items() if version == packaged.version)


def _dataset(execution: Execution) -> dict[str, Any] | None:
    versioned = _output(execution, "version")
    if versioned is not None:
        return {"version": versioned.version, "rows": versioned.rows, "quarantined": versioned.quarantined}
    validated = _output(execution, "validate")
    if validated is not None:
        return {"version": None, "rows": validated.rows_kept, "quarantined": validated.rows_quarantined}
    return None


def _decision(decided: Decided | None) -> dict[str, Any] | None:
    if decided is None:
        return None
    return {
        "id": decided.decision_id,
        "verdict": decided.verdict,
        "rule": decided.rule,
        "reason": decided.reason,
        "metric": decided.metric,
        "rows": decided.rows,
        "difference": decided.difference,
        "interval": list(decided.interval) if decided.interval else None,
        "detectable": decided.detectable,
        "champion": decided.champion,
    }


def _stages(execution: Execution) -> list[dict[str, Any]]:
    entries = []
    for name in STAGES:
        taken = execution.taken.get(name)
        if taken is None:
            entries.append({"name": name, "state": "skipped", "seconds": 0.0, "why": "the run ended before it"})
        else:
            entries.append({"name": name, "state": taken.state, "seconds": taken.seconds, "why": taken.why})
    return entries


def _reports(execution: Execution) -> dict[str, str]:
    found = {
        "validation": ("validate", "report"),
        "data": ("explore", "report"),
        "evaluation": ("evaluate", "report"),
        "card": ("package", "card"),
    }
    reports = {}
    for label, (stage, attribute) in found.items():
        output = _output(execution, stage)
        if output is not None and getattr(output, attribute, None):
            reports[label] = str(execution.home.path(getattr(output, attribute)))
    return reports
