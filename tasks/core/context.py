"""What every stage gets beside the results of earlier stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.core.home import Home
from tasks.core.recipe import Recipe

START = "start"
"""Name, among the bytes from outside, of the SHA-256 of the weights a training starts from, where it does."""


@dataclass(frozen=True)
class Context:
    """One recipe in one home, and the folder this stage may write to.

    `folder` is absolute and belongs to this stage and this key alone. It may hold the leftovers of a
    run that was killed: a stage either overwrites them or, like `train`, resumes from them.
    """

    recipe: Recipe
    recipe_folder: Path
    home: Home
    folder: Path
    key: str
    recipe_hash: str
    """SHA-256 of the resolved recipe."""
    outside: Mapping[str, Any] = field(default_factory=dict)
    """What the plan knew of the world outside the recipe when it made this stage's key: for `ingest` the
    fingerprint of the `source` and the dataset version it extends (`parent`), for `validate` the hash of the
    suite (`expectations`)."""
    disabled: frozenset[str] = frozenset()
    """Gates switched off by a drill; each is reported as skipped, and such a run never promotes."""
    progress: Callable[[float, str], None] = field(default=lambda share, text: None, compare=False)
    """Told how far a long stage has come: share in [0, 1] and one line of text."""
    chosen_hash: str = ""
    """SHA-256 of what people chose in the recipe; empty: not known."""

    @property
    def parent(self) -> str | None:
        """Dataset version that `ingest` extends."""
        parent: str | None = self.outside.get("parent")
        return parent

    def relative(self, path: Path) -> str:
        """A path inside the home as contracts hold it."""
        return self.home.relative(path)
