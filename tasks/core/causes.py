"""Why a stage runs: its components now, compared with those of its last result, in words."""

from __future__ import annotations

from typing import Any, Literal

Cause = Literal[
    "first_run",
    "data_changed",
    "parameter_changed",
    "code_changed",
    "environment_changed",
    "artifact_missing",
    "artifact_damaged",
    "upstream",
    "unchanged",
]

_OUTSIDE = {
    "source": "the source's bytes",
    "parent": "the dataset it extends",
    "expectations": "the expectation suite",
    "since": "the champion was moved",
    "start": "the champion whose weights it starts from",
}
"""Bytes from outside, in words: their hashes would tell nobody anything."""


def why(last: dict[str, Any] | None, components: dict[str, Any], running: list[str]) -> tuple[Cause, str]:
    """The first cause, in the contract's order, that tells these components from the last result's.

    Args:
        last: Components of the stage's last result; None if it has none.
        components: Components it would have now; an input that is not known yet is None.
        running: Earlier stages that will run.
    """
    if last is None:
        return "first_run", "this stage has no result yet"
    by_component: tuple[tuple[Cause, str], ...] = (
        ("data_changed", "data"),
        ("parameter_changed", "parameters"),
        ("code_changed", "code"),
        ("environment_changed", "environment"),
    )
    for cause, component in by_component:
        before, after = _flat(last[component]), _flat(components[component])
        changed = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
        # What a person did comes before what follows from it: the dataset that is extended is the last run's own.
        changed.sort(key=lambda key: (key == "parent", key))
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            return cause, _change(component, changed[0], before, after) + more
    if running:
        return "upstream", f"{' and '.join(running)} will run"
    other = [name for name, value in components["inputs"].items() if last["inputs"].get(name) != value]
    return "upstream", f"{' and '.join(other) or 'an earlier stage'} gave another result"


def _change(component: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    if ".args" in name:
        return name  # what is handed to a custom part may be a secret
    if component == "code":
        return name
    if component == "data" and name in _OUTSIDE:
        return _OUTSIDE[name]
    return f"{name}: {_written(before.get(name))} → {_written(after.get(name))}"


def _written(value: Any) -> str:
    """As YAML has it, but nothing at all in a word."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one level of dotted names."""
    if not isinstance(value, dict) or not value:
        return {prefix: value} if prefix else {}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return flat
