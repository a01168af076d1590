"""Next runs as a real Prefect server has them, after a real `deploy`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.server import PrefectApi
from flows.upcoming import Upcoming, upcoming
from tasks.core import clock
from tasks.core.home import Home, open_home
from tasks.core.load import load_recipe

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a real Prefect server, as a person has set it."""
    before = dict(os.environ)
    with PrefectApi(open_home(str(tmp_path_factory.mktemp("prefect") / "home"))) as api:
        api.wait()
        os.environ.clear()
        os.environ.update(before)
        monkeypatch.setenv("PREFECT_API_URL", api.url)
        yield api.url


@pytest.mark.slow
def test_the_next_runs_are_those_of_the_deployments(server: str, home: Home, tmp_path: Path):
    from flows.deploying import deploy
    from flows.deployments import specs

    assert upcoming(home, seconds=30) == []
    for name, schedule in (("claims", {"retrain": "0 3 * * 1", "monitor": "0 * * * *"}), ("wine", {})):
        file = tmp_path / name / "recipe.yaml"
        file.parent.mkdir()
        data = {"reader": {"kind": "csv", "path": "rows.csv"}, "target": "outcome"}
        times = {"timezone": "Europe/Paris", **schedule}
        file.write_text(json.dumps({"name": name, "problem": "classification", "data": data, "schedule": times}))
        deploy(home, specs(load_recipe(str(file)), home))
    with clock.at(NOW):
        found = upcoming(home, seconds=30)
    assert found == [
        Upcoming("claims", "monitor", "2026-11-20T13:00:00+00:00"),
        Upcoming("claims", "retrain", "2026-11-23T02:00:00+00:00"),
    ]
