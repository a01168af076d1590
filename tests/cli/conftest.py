"""Running the command line in this process: what it printed, what it said and how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Ended:
    """One call of the command line."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout; anything else there fails the test."""
        return json.loads(self.stdout)


@pytest.fixture
def evergreen(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ended]:
    """`evergreen("run", "digits")`: the command line with a home of this test alone."""
    from flows.cli import main

    def call(*words: str | Path, home: Path | None = tmp_path / "home") -> Ended:
        arguments = [str(word) for word in words]
        if home is not None and not any(word.startswith("--home") for word in arguments):
            arguments = ["--home", str(home), *arguments]
        capfd.readouterr()
        exit_code = main(arguments)
        captured = capfd.readouterr()
        return Ended(exit_code, captured.out, captured.err)

    return call
