"""What a stage is, and the one decorator that makes one.

A stage is a plain function `(context, *results of earlier stages) -> contract`. What the decorator adds
is a declaration: which recipe fields, earlier results and libraries the result depends on. `plan` and
`run` make the cache key from that declaration alone, so a field that is read but not declared is a bug;
`tests/flows/test_declarations.py` proves for each stage that there is none.

Nothing heavy is imported here: `plan` and an unchanged `run` read declarations without Prefect.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from tasks.core.contracts import STAGES
from tasks.core.errors import ServiceError


@dataclass(frozen=True)
class Stage:
    """A step of the life cycle and all that its result depends on."""

    name: str
    function: Callable[..., Any]
    returns: type
    """The contract it gives."""
    inputs: tuple[str, ...]
    """Earlier stages whose results it takes, in the order of its parameters."""
    reads: tuple[str, ...]
    """Dotted recipe fields it depends on; a section stands for all its fields."""
    libraries: tuple[str, ...]
    """Distributions whose versions can change the result."""
    uses_device: bool
    """Whether a GPU in place of a CPU can change the result."""
    resumes: bool
    """Whether it can go on from what a killed run left in its folder; otherwise that is cleared first."""
    retries: int

    @property
    def file(self) -> Path:
        """The file the stage is declared in: the root of its import closure."""
        return Path(inspect.getfile(self.function))

    def __call__(self, *arguments: Any) -> Any:
        """Run the stage's function, without Prefect and without the cache."""
        return self.function(*arguments)


def stage(
    name: str,
    *,
    inputs: tuple[str, ...] = (),
    reads: tuple[str, ...] = (),
    libraries: tuple[str, ...] = (),
    uses_device: bool = False,
    resumes: bool = False,
    retries: int = 0,
) -> Callable[[Callable[..., Any]], Stage]:
    """Declare a stage.

    Raises:
        ValueError: the name is not one of the life cycle's, or an input does not come before it.
    """
    if name not in STAGES:
        raise ValueError(f"'{name}' is not a stage; the life cycle is {', '.join(STAGES)}")
    for earlier in inputs:
        if earlier not in STAGES[: STAGES.index(name)]:
            raise ValueError(f"stage '{name}' takes '{earlier}', which does not come before it")

    def declare(function: Callable[..., Any]) -> Stage:
        returns = typing.get_type_hints(function)["return"]
        return Stage(name, function, returns, inputs, reads, libraries, uses_device, resumes, retries)

    return declare


@dataclass(frozen=True)
class Done:
    """How a stage ended: what it gave, and whether anything was executed for it."""

    value: Any
    state: Literal["ran", "cached"]
    why: str


def as_task(declared: Stage, work: Callable[[], Done]) -> Callable[[], Any]:
    """The stage as a Prefect task with a readable name; a reused result ends in a state named Cached.

    The cache is ours (`tasks/core/results.py`), so Prefect's is off: it would hash only these lines.
    Only an unreachable service is worth another try; a gate or a mistake stays what it is.
    """
    from prefect import task
    from prefect.cache_policies import NO_CACHE
    from prefect.states import Completed

    @task(
        name=declared.name,
        task_run_name=declared.name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=declared.retries,
        retry_delay_seconds=2,
        retry_condition_fn=lambda task, run, state: isinstance(state.result(raise_on_failure=False), ServiceError),
        log_prints=False,
    )
    def perform() -> Any:
        done = work()
        # What the stage gave stays with the caller: Prefect only learns how it went.
        if done.state == "cached":
            return Completed(name="Cached", message=done.why or "nothing it depends on has changed")
        return Completed(message=done.why)

    return untagged(cast("Callable[[], Any]", perform))


def untagged(begin: Callable[[], Any]) -> Callable[[], Any]:
    """A task without the tags of the run it is part of.

    For each tag of a task Prefect asks its server for leave to begin, and fails the task where the server is busy.
    """
    from prefect.context import TagsContext

    def begin_untagged() -> Any:
        with TagsContext(current_tags=set()):
            return begin()

    return begin_untagged
