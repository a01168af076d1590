"""The lock: everything pinned, nothing else in it, and the versions in it work together.

The newest releases of everything did not: with fastapi 0.151 or newer Prefect's API refuses JSON nulls,
with sqlalchemy 2.1 its schedules silently never run, with pandas 3.1 Evidently does not import. So the
caps of pyproject.toml are proven here on a real server, not only read.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"


def lock_tool():
    """infra/lock.py, which is a script and not a package."""
    spec = importlib.util.spec_from_file_location("evergreen_lock_tool", ROOT / "infra" / "lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins() -> dict[str, str]:
    lines = [line.strip() for line in LOCK.read_text().splitlines()]
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_every_line_is_a_comment_or_an_exact_pin():
    for line in LOCK.read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            assert name == canonicalize_name(name)
            assert str(Version(version)) == version
            assert Version(version).local is None, f"{line} names one build of a release"


def test_the_lock_names_no_index_host_or_path():
    text = LOCK.read_text()
    for forbidden in ("://", "--index", "--extra", "--find-links", "file:", " @ ", "\n-"):
        assert forbidden not in text


def test_every_requirement_of_the_project_is_pinned_within_its_bounds():
    locked = pins()
    for requirement in lock_tool().declared():
        name = canonicalize_name(requirement.name)
        assert name in locked, f"{requirement} is not in the lock"
        assert requirement.specifier.contains(locked[name]), f"{name} {locked[name]} is outside {requirement}"


def test_the_lock_is_the_closure_of_the_requirements_and_nothing_more():
    assert pins() == lock_tool().closure(lock_tool().declared())


def test_what_is_installed_is_what_is_locked():
    different = {}
    for name, version in pins().items():
        installed = Version(importlib.metadata.version(name)).public
        if installed != version:
            different[name] = (version, installed)
    assert different == {}


def test_the_caps_that_were_found_by_trying_are_declared():
    declared = {canonicalize_name(item.name): item.specifier for item in lock_tool().declared()}
    assert not declared["fastapi"].contains("0.151.0")
    assert not declared["fastapi"].contains("0.138.0")
    assert not declared["sqlalchemy"].contains("2.1.0")
    assert not declared["pandas"].contains("3.0.0")


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a real Prefect server on a free port with a home of its own."""
    folder = tmp_path_factory.mktemp("prefect")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, "PREFECT_HOME": str(folder), "PREFECT_SERVER_UI_ENABLED": "false"},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    api = f"http://127.0.0.1:{port}/api"
    try:
        _wait_until_healthy(api, process, folder / "server.log")
        yield api
    finally:
        # Its own process group: the server's children go with it.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
        log.close()


def _wait_until_healthy(api: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{api}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"the Prefect server did not come up:\n{log.read_text()[-4000:]}")


def post(url: str, body: object) -> tuple[int, object]:
    """Prefect answers 503 while its SQLite file is busy and expects clients to come again, as its own do."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    for pause in (0.5, 1, 2, 4, None):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code != 503 or pause is None:
                raise
            time.sleep(pause)
    raise AssertionError("unreachable")


def test_prefects_server_can_be_imported():
    result = subprocess.run(
        [sys.executable, "-c", "import prefect.server.api.server"], capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, result.stderr[-2000:]


def test_a_null_in_the_body_is_accepted(prefect_server: str):
    status, deployments = post(f"{prefect_server}/deployments/filter", {"limit": None})
    assert status == 200
    assert deployments == []


def test_a_cron_schedule_creates_runs(prefect_server: str):
    _, flow = post(f"{prefect_server}/flows/", {"name": "lock-test"})
    _, deployment = post(
        f"{prefect_server}/deployments/",
        {
            "name": "hourly",
            "flow_id": flow["id"],
            "schedules": [{"schedule": {"cron": "0 * * * *", "timezone": "UTC"}, "active": True}],
            "entrypoint": "nowhere.py:flow",
        },
    )
    wanted = {
        "deployments": {"id": {"any_": [deployment["id"]]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    runs: object = []
    # The scheduler service looks once a minute; on a loaded machine the first look comes later.
    deadline = time.monotonic() + 150
    while not runs and time.monotonic() < deadline:
        time.sleep(1)
        _, runs = post(f"{prefect_server}/flow_runs/filter", wanted)
    assert len(runs) > 0, "the schedule created no runs: see the caps on sqlalchemy"


def test_the_client_can_list_deployments_and_automations(prefect_server: str):
    from prefect.client.orchestration import PrefectClient

    async def read() -> tuple[list, list]:
        async with PrefectClient(api=prefect_server) as client:
            return await client.read_deployments(), await client.read_automations()

    deployments, automations = asyncio.run(read())
    assert {deployment.name for deployment in deployments} <= {"hourly"}
    assert automations == []


def test_evidently_can_be_imported():
    result = subprocess.run([sys.executable, "-c", "import evidently"], capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr[-2000:]
