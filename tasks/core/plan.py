"""What a run will do, and exactly why: one function makes the keys for `plan` and for `run`.

A key is the hash of a stage's components: `data` (bytes from outside: the source, the champion),
`parameters` (the declared recipe fields), `code` (its import closure and custom refs), `environment`
(library versions, Python, device) and `inputs` (identities of the results it takes). A run carries
out its plan to the letter: a stage downstream of one that runs, runs as well, so that what was
announced is what happens.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from tasks.core import refs, results
from tasks.core.causes import Cause, why
from tasks.core.hashing import code_hashes, file_sha256, json_sha256
from tasks.core.home import Home
from tasks.core.identity import custom_refs
from tasks.core.load import LoadedRecipe

SKIPPED = "skipped"
"""Stands for the result of a stage that had nothing to do."""


class Declared(Protocol):
    """What the plan needs to know of a stage; `tasks.stage.Stage` is one."""

    @property
    def name(self) -> str:
        """Its name in the life cycle."""

    @property
    def function(self) -> Any:
        """What does the work."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Earlier stages whose results it takes."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Dotted recipe fields it depends on."""

    @property
    def libraries(self) -> tuple[str, ...]:
        """Distributions whose versions can change its result."""

    @property
    def uses_device(self) -> bool:
        """Whether a GPU in place of a CPU can change its result."""

    @property
    def file(self) -> Path:
        """Root of its import closure."""


@dataclass(frozen=True)
class Step:
    """One stage of a plan."""

    name: str
    action: Literal["run", "cached"]
    cause: Cause
    detail: str
    expected_seconds: float | None
    record: results.Record | None = None
    """The result that is used again, or that is rebuilt because its files are gone."""


@dataclass(frozen=True)
class Plan:
    """Every stage in order, and what the keys were made from."""

    steps: tuple[Step, ...]
    facts: Facts
    settled: frozenset[str] = frozenset()
    """Stages with nothing left to do: the challenger would be the champion itself."""

    @property
    def runs(self) -> tuple[Step, ...]:
        """The steps that will be executed."""
        return tuple(step for step in self.steps if step.action == "run")

    def step(self, name: str) -> Step:
        """The step of one stage."""
        return next(step for step in self.steps if step.name == name)

    @property
    def expected_seconds(self) -> float | None:
        """Sum over the steps that run; None when one of them has never been timed."""
        known = [step.expected_seconds for step in self.runs]
        return None if None in known else round(sum(value for value in known if value is not None), 1)


@dataclass(frozen=True)
class Facts:
    """What is known of the world outside the recipe when a plan is made."""

    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Stage → the outside bytes it depends on, by name (`source`, `parent`, `champion`, …)."""
    registered: dict[str, str] | None = None
    """Version in the registry → key of the `package` result that made it; None: nobody asked."""
    champion_package: str | None = None
    """Identity of the `package` result that is the champion; deciding on it again would change nothing."""
    disabled: frozenset[str] = frozenset()
    outside_damage: Callable[[results.Record], results.Damage | None] = field(
        default=lambda record: None, compare=False
    )
    """What a result left outside its folder and that is gone or changed there, looked at only when it is needed."""


def make_plan(stages: Sequence[Declared], loaded: LoadedRecipe, home: Home, facts: Facts) -> Plan:
    """Plan the given stages, in order."""
    identities: dict[str, str | None] = {}
    settled: set[str] = set()
    steps: list[Step] = []
    for stage in stages:
        if stage.name in ("decide", "promote") and _is_champion(facts, identities):
            settled.add(stage.name)
            step = _settled_step(stage.name, home, loaded.recipe.name, facts)
        elif stage.name == "package" and (refused := _refusing_gates(steps)):
            step = Step(stage.name, "cached", "unchanged", f"nothing to package: the model failed {refused}", 0.0)
            steps.append(step)
            identities[stage.name] = SKIPPED
            continue
        else:
            step = _plan_step(stage, loaded, home, facts, identities)
        known = step.record is not None and step.cause in ("unchanged", "artifact_missing", "artifact_damaged")
        identities[stage.name] = step.record.identity if known and step.record else None
        steps.append(step)
    return Plan(tuple(steps), facts, frozenset(settled))


def _refusing_gates(steps: Sequence[Step]) -> str:
    """Names of the model gates that a reused `evaluate` failed; empty if it runs or if all passed."""
    evaluate = next((step for step in steps if step.name == "evaluate"), None)
    if evaluate is None or evaluate.action == "run" or evaluate.record is None:
        return ""
    gates = evaluate.record.output.get("gates", [])
    return ", ".join(gate["name"] for gate in gates if gate["state"] in ("failed", "error"))


def _is_champion(facts: Facts, identities: dict[str, str | None]) -> bool:
    return facts.champion_package is not None and identities.get("package") == facts.champion_package


def _settled_step(stage: str, home: Home, recipe: str, facts: Facts) -> Step:
    """The champion's own decision, if its record is still there."""
    matching = [
        record
        for record in results.every(home, recipe, stage)
        if record.components["inputs"].get("package") == facts.champion_package
    ]
    record = max(matching, key=lambda found: found.output.get("status") == "promoted", default=None)
    return Step(stage, "cached", "unchanged", "the challenger is the champion", 0.0, record)


def components_of(
    stage: Declared, loaded: LoadedRecipe, facts: Facts, identities: dict[str, str | None]
) -> dict[str, Any]:
    """Everything the result of a stage depends on, by component. An unknown input is None."""
    resolved = loaded.recipe.model_dump(mode="json")
    parameters = {name: _field(resolved, name) for name in stage.reads}
    if facts.disabled:
        parameters["disabled"] = sorted(facts.disabled)
    own_refs = sorted(set(custom_refs(parameters)))
    code = code_hashes(stage.file, stage.function.__name__, frozenset(_words(parameters)))
    code |= {ref: file_sha256(refs.source_file(ref, loaded.folder)) for ref in own_refs}
    environment = {name: importlib.metadata.version(name) for name in stage.libraries}
    environment["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    if stage.uses_device:
        environment["device"] = device_kind(loaded.recipe.training.device)
    return {
        "data": facts.data.get(stage.name, {}),
        "parameters": parameters,
        "code": code,
        "environment": environment,
        "inputs": {name: identities.get(name) for name in stage.inputs},
    }


def key_of(stage: str, components: dict[str, Any]) -> str:
    """The cache key of a stage."""
    return json_sha256({"stage": stage, **components})


def device_kind(asked: str) -> str:
    """`cpu` or `cuda`, found without importing torch."""
    if asked != "auto":
        return asked
    built_for_cpu = importlib.metadata.version("torch").endswith("+cpu")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return "cuda" if not built_for_cpu and not hidden and Path("/dev/nvidiactl").exists() else "cpu"


def _plan_step(
    stage: Declared, loaded: LoadedRecipe, home: Home, facts: Facts, identities: dict[str, str | None]
) -> Step:
    name = loaded.recipe.name
    last = results.latest(home, name, stage.name)
    expected = last.seconds if last else None
    running = [earlier for earlier in stage.inputs if identities.get(earlier) is None]
    components = components_of(stage, loaded, facts, identities)
    if not running:
        record = results.find(home, name, stage.name, key_of(stage.name, components))
        if record is not None and _could_not_be_served(stage.name, record):
            detail = "the packaged model could not be served and is tried again"
            return Step(stage.name, "run", "artifact_damaged", detail, expected)
        if record is not None and not _is_registered(stage.name, record, facts):
            detail = f"version {record.output['version']} is not in the registry"
            return Step(stage.name, "run", "artifact_missing", detail, expected)
        if record is not None:
            damage = results.damage(home, record) or facts.outside_damage(record)
            if damage is None:
                return Step(stage.name, "cached", "unchanged", "", 0.0, record)
            return Step(stage.name, "run", damage.cause, damage.path, expected, record)  # type: ignore[arg-type]
    cause, detail = why(last.components if last else None, components, running)
    return Step(stage.name, "run", cause, detail, expected)


def _could_not_be_served(stage: str, record: results.Record) -> bool:
    """Whether a decision rests on files of the registry that were damaged when it was made; they may be mended."""
    gates = record.output.get("gates", []) if stage == "decide" else []
    return any(gate["name"] == "servable" and gate["state"] == "failed" for gate in gates)


def _is_registered(stage: str, record: results.Record, facts: Facts) -> bool:
    """Whether the version a `package` result made is still there; other stages leave nothing in the registry."""
    if stage != "package" or facts.registered is None:
        return True
    return facts.registered.get(record.output["version"]) == record.key


def _field(resolved: dict[str, Any], dotted: str) -> Any:
    value: Any = resolved
    for part in dotted.split("."):
        value = value[part]
    return value


def _words(value: Any) -> set[str]:
    """Every string inside a value: the kinds that are chosen are among them."""
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*(_words(item) for item in inner)) if inner else set()
