"""The Prefect server of a command: it answers, it stops, and it dies with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.server import PrefectApi, answers
from tasks.core.errors import ServiceError
from tasks.core.home import open_home

PARENT = """
import sys
from flows.server import PrefectApi
from tasks.core.home import open_home
with PrefectApi(open_home(sys.argv[1])) as api:
    api.wait()
    print(api.url, api._process.pid, flush=True)
    sys.stdin.read()
"""


def processor_seconds(pid: str) -> float:
    """What a process has used of a processor so far (Linux: fields 14 and 15 of its stat)."""
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


def test_a_server_rests_when_idle_and_dies_with_a_killed_parent(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "home")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    )
    assert parent.stdout is not None
    url, pid = parent.stdout.readline().split()
    assert answers(url)
    time.sleep(3)  # its services look around once
    before = processor_seconds(pid)
    time.sleep(3)
    # A service that polls without a pause uses a whole processor.
    assert processor_seconds(pid) - before < 1.5
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    # Another server on the same database then starts, which also shows that the first let go of it.
    with PrefectApi(open_home(str(tmp_path / "home"))) as api:
        api.wait()
        assert answers(api.url)
    assert not answers(api.url)
    assert not answers(url)
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
    assert "PREFECT_API_URL" not in os.environ


def test_a_silent_api_is_a_service_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with PrefectApi(open_home(str(tmp_path / "home"))) as api, pytest.raises(ServiceError, match="does not answer"):
        api.wait(seconds=0.2)
