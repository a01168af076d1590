"""What every test gets: no network, no home of the person at the desk, one thread per library."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""

# Before any library is imported: several read these at import.
for _name in ("EVERGREEN_HOME", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL", "PREFECT_PROFILE"):
    os.environ.pop(_name, None)
_SETTINGS = tempfile.TemporaryDirectory(prefix="evergreen-tests-")
os.environ.update(
    {
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_HOME": f"{_SETTINGS.name}/prefect",
        "DVC_GLOBAL_CONFIG_DIR": f"{_SETTINGS.name}/dvc-global",
        "DVC_SYSTEM_CONFIG_DIR": f"{_SETTINGS.name}/dvc-system",
        "DVC_SITE_CACHE_DIR": f"{_SETTINGS.name}/dvc-site",
        "DVC_NO_ANALYTICS": "true",
        "OMP_NUM_THREADS": "1",
        "NO_COLOR": "1",
        "COLUMNS": "120",
    }
)

_LOCAL = {"", "localhost", "::1", "0.0.0.0", "::", socket.gethostname()}
_escapes: list[str] = []


def _is_local(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    return name in _LOCAL or name.startswith("127.")


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: a look-up or a connection that leaves this machine is refused and remembered."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        # A datagram socket's connect sends nothing; libraries use it to learn their own address.
        if arguments[0].type == socket.SOCK_DGRAM:
            return
        host = arguments[1][0]
    else:
        return
    if not _is_local(host):
        _escapes.append(f"{event} {host}")
        raise ConnectionRefusedError(f"tests must not use the network: {event} {host}")


sys.addaudithook(_refuse_network)


_STARTED = time.monotonic()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Where a machine gives the tests so many minutes (`EVERGREEN_TEST_MINUTES`), begin none after them."""
    minutes = os.environ.get("EVERGREEN_TEST_MINUTES")
    if minutes and time.monotonic() - _STARTED > 60 * float(minutes):
        pytest.skip(f"the {minutes} minutes this run was given are used up before {item.name}")


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """Fail the test during which something tried to leave this machine, even where the error was swallowed."""
    _escapes.clear()
    yield
    if _escapes:
        pytest.fail(f"something left this machine: {sorted(set(_escapes))}")


@pytest.fixture(autouse=True)
def _same_environment() -> Iterator[None]:
    """Give every test the environment variables the one before it got."""
    before = dict(os.environ)
    yield
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def home(tmp_path: Path) -> Any:
    """An empty home (tasks/core/home.py, `Home`) of this test alone."""
    from tasks.core.home import open_home

    return open_home(str(tmp_path / "home"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of larger public data files that are not part of the project."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the public data files are not beside the checkout ({folder.name}/ is absent)")
    return folder
