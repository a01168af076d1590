"""What a stage is, and the one decorator that makes one.

A stage is a plain function `(context, *results of earlier stages) -> contract`. What the decorator adds
is a declaration: which recipe fields, earlier results and libraries the result depends on. `plan` and
`run` make the cache key from that declaration alone, so a field that is read but not declared is a bug;
`tests/test_stage.py` proves for each stage that it is none.

Nothing heavy is imported here: `plan` and an unchanged `run` read declarations without Prefect.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.contracts import STAGES


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
    retries: int
    timeout_seconds: float | None

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
    retries: int = 0,
    timeout_seconds: float | None = None,
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
        return Stage(name, function, returns, inputs, reads, libraries, uses_device, retries, timeout_seconds)

    return declare
