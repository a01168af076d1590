"""Whole journeys through the real flow: one Prefect server for all of them, the command line in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Ended:
    """One call of the command line with --json."""

    code: int
    answer: dict[str, Any]
    errors: str

    def gate(self, name: str) -> dict[str, Any]:
        """What one gate said."""
        return next(gate for gate in self.answer["gates"] if gate["name"] == name)

    @property
    def blocking(self) -> list[str]:
        """Names of the gates that said no or could not be evaluated."""
        return [gate["name"] for gate in self.answer.get("gates", []) if gate["state"] in ("failed", "error")]


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Prefect server of this session; the environment stays as it was."""
    from flows.server import PrefectApi
    from tasks.core.home import open_home

    before = dict(os.environ)
    with PrefectApi(open_home(str(tmp_path_factory.mktemp("prefect") / "home"))) as api:
        api.wait()
        os.environ.clear()
        os.environ.update(before)
        yield api.url


@pytest.fixture
def journey(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Flows of this test talk to the session's server, as where a person has set PREFECT_API_URL."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    from prefect.settings import PREFECT_API_URL, temporary_settings

    # Prefect reads the environment when it is imported, which an earlier test may have done.
    with temporary_settings({PREFECT_API_URL: prefect_server}):
        yield


@pytest.fixture
def evergreen(journey: None, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """`evergreen(home, "run", folder)`: one command, answered in JSON."""
    from flows.cli import main

    def call(home: Path, *words: str | Path) -> Ended:
        capfd.readouterr()
        code = main(["--home", str(home), "--json", *(str(word) for word in words)])
        captured = capfd.readouterr()
        return Ended(code, json.loads(captured.out), captured.err)

    return call
