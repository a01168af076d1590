"""A run that died at somebody's desk: the next one marks it as crashed, on a real Prefect server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows import orphans
from flows.server import PrefectApi
from tasks.core.home import Home, open_home
from tests.up.serving import Prefect

MARKED = "Prefect shows it as crashed now"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Prefect server; the environment stays as it was."""
    before = dict(os.environ)
    with PrefectApi(open_home(str(tmp_path_factory.mktemp("prefect") / "home"))) as api:
        api.wait()
        os.environ.clear()
        os.environ.update(before)
        yield api.url


def ask(url: str, path: str, body: Any = None) -> Any:
    return Prefect(url).ask(path, body)


def flow_run(url: str, state: str) -> str:
    """A flow run that the server believes to be in this state."""
    flow = ask(url, "flows/", {"name": "run"})
    made = ask(url, "flow_runs/", {"flow_id": flow["id"], "state": {"type": state, "name": state.capitalize()}})
    return str(made["id"])


def leave(home: Home, identity: str) -> None:
    note = home.lease("claims").with_suffix(".run")
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"flow_run": identity}))


def settled(home: Home, url: str) -> list[str]:
    told: list[str] = []
    orphans.settle(home, "claims", url, told.append)
    assert not home.lease("claims").with_suffix(".run").exists()
    return told


def test_a_run_that_is_still_shown_as_running_is_marked_once(home: Home, url: str):
    identity = flow_run(url, "RUNNING")
    leave(home, identity)
    assert MARKED in settled(home, url)[0]
    found = ask(url, f"flow_runs/{identity}")
    assert (found["state_type"], found["state"]["message"]) == ("CRASHED", orphans.MESSAGE)
    assert settled(home, url) == []


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CANCELLED", "SCHEDULED"])
def test_a_run_in_another_state_is_left_alone(home: Home, url: str, state: str):
    identity = flow_run(url, state)
    leave(home, identity)
    assert settled(home, url) == []
    assert ask(url, f"flow_runs/{identity}")["state_type"] == state


def test_a_run_of_another_server_or_a_server_that_is_away_or_a_damaged_note_ends_nothing(home: Home, url: str):
    leave(home, "00000000-0000-4000-8000-000000000000")
    assert settled(home, url) == []
    leave(home, "x")
    assert settled(home, "http://127.0.0.1:9/api") == []
    home.lease("claims").with_suffix(".run").write_text("{")
    orphans.settle(home, "claims", url, print)


def part_of(url: str, outer: str, state: str) -> str:
    """A flow run that the outer one had started, in this state."""
    task = {"flow_run_id": outer, "task_key": "run", "dynamic_key": state}
    stands_for_it = ask(url, "task_runs/", {**task, "state": {"type": "RUNNING", "name": "Running"}})
    body = {"flow_id": ask(url, "flows/", {"name": "run"})["id"], "parent_task_run_id": stands_for_it["id"]}
    return str(ask(url, "flow_runs/", {**body, "state": {"type": state, "name": state.capitalize()}})["id"])


def test_what_a_run_had_started_within_itself_crashed_with_it(url: str):
    outer, another = flow_run(url, "RUNNING"), flow_run(url, "RUNNING")
    parts = {state: part_of(url, outer, state) for state in ("RUNNING", "PENDING", "COMPLETED")}
    of_another = part_of(url, another, "RUNNING")
    told: list[str] = []
    orphans.settle_parts(outer, url, told.append)
    assert len(told) == 2 and all("as crashed now" in line for line in told)
    now = {state: ask(url, f"flow_runs/{part}")["state_type"] for state, part in parts.items()}
    assert now == {"RUNNING": "CRASHED", "PENDING": "CRASHED", "COMPLETED": "COMPLETED"}
    assert ask(url, f"flow_runs/{of_another}")["state_type"] == "RUNNING"
    assert ask(url, f"flow_runs/{outer}")["state_type"] == "RUNNING"
    orphans.settle_parts(outer, "http://127.0.0.1:9/api", told.append)
    assert "could not be ended" in told[-1]


def test_a_flow_within_a_flow_is_left_to_whoever_watches_the_outer_one(home: Home, url: str):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from prefect import flow\n"
        "from flows import orphans\n"
        "from tasks.core.home import open_home\n"
        "home = open_home(sys.argv[1])\n"
        "note = home.lease('claims').with_suffix('.run')\n"
        "@flow\n"
        "def inner():\n"
        "    orphans.note(home, 'claims')\n"
        "    return note.exists()\n"
        "@flow\n"
        "def outer():\n"
        "    return inner()\n"
        "assert outer() is False\n"
        "assert inner() is True\n"
        "orphans.forget(home, 'claims')\n"
        "assert not note.exists()\n"
    )
    environment = {**os.environ, "PREFECT_API_URL": url, "PREFECT_LOGGING_LEVEL": "ERROR"}
    root = Path(orphans.__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", code, home.root], cwd=root, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_run_is_marked_by_the_next_one(home: Home, url: str, root: Path, tmp_path: Path):
    folder = tmp_path / "claims"
    folder.mkdir()
    data = {"reader": {"kind": "csv", "path": "rows.csv"}, "target": "outcome"}
    recipe = {"name": "claims", "problem": "classification", "data": data, "training": {"epochs": 2}}
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    lines = [f"{age},{(age * 7) % 11},{'yes' if age % 90 > 45 else 'no'}" for age in range(400)]
    (folder / "rows.csv").write_text("age,other,outcome\n" + "\n".join(lines) + "\n")
    note = home.lease("claims").with_suffix(".run")
    command = [sys.executable, "-m", "flows.cli", "--home", str(home.root), "run", str(folder), "--until", "prepare"]
    environment = {**os.environ, "PREFECT_API_URL": url}

    first = subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait(lambda: note.exists())
    first.send_signal(signal.SIGKILL)
    first.wait()
    identity = json.loads(note.read_text())["flow_run"]
    assert ask(url, f"flow_runs/{identity}")["state_type"] == "RUNNING"

    second = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=400)
    assert second.returncode == 0, second.stderr
    assert MARKED in second.stderr
    assert ask(url, f"flow_runs/{identity}")["state_type"] == "CRASHED"
    assert not note.exists()


def wait(reached: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)
