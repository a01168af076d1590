"""Carries out a plan: runs or reuses one stage at a time, keeps its result, and stops where a gate says so.

Nothing here knows Prefect; `flows/training.py` wraps each step in a task.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.core import results
from tasks.core.context import Context
from tasks.core.contracts import Gate, from_json, to_json
from tasks.core.errors import GateStopped
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe
from tasks.core.plan import SKIPPED, Plan, Step, components_of, key_of
from tasks.stage import Done, Stage


@dataclass
class Taken:
    """One stage as it was carried out."""

    name: str
    state: str
    """ran, cached or skipped."""
    seconds: float
    why: str
    output: Any = None
    gates: tuple[Gate, ...] = ()


@dataclass
class Execution:
    """One run of one recipe in one home, as far as it has come."""

    loaded: LoadedRecipe
    home: Home
    plan: Plan
    progress: Callable[[float, str], None] = lambda share, text: None
    taken: dict[str, Taken] = field(default_factory=dict)
    identities: dict[str, str | None] = field(default_factory=dict)

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Every gate evaluated so far, in order."""
        return tuple(gate for stage in self.taken.values() for gate in stage.gates)

    def carry_out(self, stage: Stage, *inputs: Any) -> Done:
        """Run a stage, or use its result again, as the plan says.

        Raises:
            GateStopped: one of the stage's gates stops the run.
        """
        started = time.perf_counter()
        step = self.plan.step(stage.name)
        if stage.name in self.plan.settled and step.record is None:
            self.taken[stage.name] = Taken(stage.name, "cached", 0.0, step.detail)
            return Done(None, "cached", step.detail)
        record = self._reusable(stage, step)
        if record is None:
            record = self._run(stage, step, inputs, started)
            done = Done(from_json(stage.returns, record.output), "ran", f"{step.cause}: {step.detail}")
        else:
            results.touch(self.home, self.loaded.recipe.name, record)
            done = Done(from_json(stage.returns, record.output), "cached", step.detail)
        self.identities[stage.name] = record.identity
        seconds = round(time.perf_counter() - started, 3)
        gates = tuple(getattr(done.value, "gates", ()))
        self.taken[stage.name] = Taken(stage.name, done.state, seconds, done.why, done.value, gates)
        return done

    def skip(self, name: str, why: str) -> None:
        """Note that a stage has nothing to do."""
        self.taken[name] = Taken(name, "skipped", 0.0, why)
        self.identities[name] = SKIPPED

    def _reusable(self, stage: Stage, step: Step) -> results.Record | None:
        if step.action != "cached" or step.record is None:
            return None
        components = components_of(stage, self.loaded, self.plan.facts, self.identities)
        # Rebuilding a damaged artifact may give other bytes than before; then what follows is stale.
        same = stage.name in self.plan.settled or key_of(stage.name, components) == step.record.key
        return step.record if same else None

    def _run(self, stage: Stage, step: Step, inputs: tuple[Any, ...], started: float) -> results.Record:
        recipe = self.loaded.recipe.name
        components = components_of(stage, self.loaded, self.plan.facts, self.identities)
        key = key_of(stage.name, components)
        context = self._context(stage, step, key)
        try:
            output = self._without_disabled(stage(context, *inputs))
        except GateStopped as stopped:
            # A stage that could not even begin raises; its gates count like those of one that returned them.
            seconds = round(time.perf_counter() - started, 3)
            self.taken[stage.name] = Taken(stage.name, "ran", seconds, "stopped here", None, stopped.gates)
            raise
        gates = tuple(getattr(output, "gates", ()))
        blocking = [gate for gate in gates if gate.blocks]
        if any(gate.state == "error" for gate in blocking) or (blocking and stage.name not in ("evaluate", "decide")):
            seconds = round(time.perf_counter() - started, 3)
            self.taken[stage.name] = Taken(stage.name, "ran", seconds, "stopped here", output, gates)
            raise GateStopped(gates)
        values = to_json(output)
        artifacts = results.artifacts_below(self.home, context.folder)
        identity = results.identity_of(values, artifacts, getattr(output, "IDENTITY", ()))
        seconds = round(time.perf_counter() - started, 3)
        record = results.Record(stage.name, key, components, values, identity, artifacts, seconds)
        results.save(self.home, recipe, record)
        return record

    def _context(self, stage: Stage, step: Step, key: str) -> Context:
        folder = self.home.work(self.loaded.recipe.name, stage.name, key)
        if folder.exists() and (step.record is not None or not stage.resumes):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return Context(
            recipe=self.loaded.recipe,
            recipe_folder=self.loaded.folder,
            home=self.home,
            folder=folder,
            key=key,
            recipe_hash=self.loaded.hash,
            chosen_hash=self.loaded.chosen,
            outside=self.plan.facts.data.get(stage.name, {}),
            disabled=self.plan.facts.disabled,
            progress=self.progress,
        )

    def _without_disabled(self, output: Any) -> Any:
        """A drill switched some gates off: whatever they said, they count as skipped."""
        gates = getattr(output, "gates", ())
        if not any(gate.name in self.plan.facts.disabled for gate in gates):
            return output
        reason = {"reason": "switched off by a drill"}
        kept = (
            replace(gate, state="skipped", evidence=reason) if gate.name in self.plan.facts.disabled else gate
            for gate in gates
        )
        return replace(output, gates=tuple(kept))
