"""The Prefect API a command talks to: the one that is configured, or a server of its own on the home.

Prefect's ephemeral mode imports the whole server into the client first (4 s) and leaves an orphan
behind when the client is killed. This one boots while we plan and import, and dies with us.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from tasks.core.errors import ServiceError
from tasks.core.home import Home

QUIET = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # Log lines go to the API; what a person at the terminal needs to know, the command says itself.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    # Short batches: the records of the last tasks are written before the server stops.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    # Whole seconds: Prefect cuts the fraction off, and an interval of 0 keeps an idle server busy on a whole core.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.5",
    # How often a flow run says that it is alive, in seconds: the least Prefect allows.
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}
"""Settings for every Prefect process we start: no telemetry, no adverts, no lost records, a lively heart."""

START_SECONDS = 240.0
"""How long a server may take to come up: a fresh database on a loaded machine has been seen to need 40 s."""


class PrefectApi:
    """A reachable Prefect API for the time of a `with` block.

    The one that is known (`known_url`) is used; without one a server is started on the home's database.
    Starting is asynchronous: call `wait()` before the first flow.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._starting: IO[str] | None = None
        self.url = known_url(home) or ""
        self._given = os.environ.get("PREFECT_API_URL")

    def __enter__(self) -> PrefectApi:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        os.environ["PREFECT_HOME"] = str(self._home.prefect)
        self._home.prefect.mkdir(parents=True, exist_ok=True)
        if not self.url:
            self._start()
        # Prefect's client reads the address from the environment.
        os.environ["PREFECT_API_URL"] = self.url
        return self

    def _start(self) -> None:
        # Two servers that make one database at the same moment break each other: one at a time.
        self._starting = (self._home.prefect / "start.lock").open("w")
        fcntl.flock(self._starting, fcntl.LOCK_EX)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/api"
        self._process = start_server(self._home, port)

    @property
    def starts(self) -> bool:
        """Whether this is a server of our own, which needs a while to boot."""
        return self._process is not None

    def wait(self, seconds: float | None = None) -> None:
        """Block until the API answers.

        Raises:
            ServiceError: it does not answer in time, or its process has ended.
        """
        # The server of `up` may be starting, for the first time or again.
        boots = self._process is not None or self._given is None
        limit = seconds if seconds is not None else (START_SECONDS if boots else 10.0)
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if answers(self.url):
                self._let_others_start()
                return
            if self._process is not None and self._process.poll() is not None:
                break
            time.sleep(0.05)
        log = self._home.prefect / "server.log"
        raise ServiceError(
            f"The Prefect API at {self.url} does not answer.",
            remedy=f"Read {log}." if self._process else "Start that server, or unset PREFECT_API_URL.",
            code="prefect",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._process is not None:
                self._end(self._process)
        finally:
            if self._given is None:
                os.environ.pop("PREFECT_API_URL", None)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        try:
            _drain()
        finally:
            stop(process)
            self._let_others_start()

    def _let_others_start(self) -> None:
        if self._starting is not None:
            self._starting.close()
            self._starting = None


def known_url(home: Home) -> str | None:
    """Address of the Prefect API that this home is to use: `PREFECT_API_URL`, else what `up` serves; None without one.

    `up` holds `up.lock` as long as it lives, so what a killed one wrote into `up.json` counts for nothing.
    """
    given = os.environ.get("PREFECT_API_URL")
    if given:
        return given
    if home.isolated or not _is_locked(home.root / "up.lock"):
        return None
    try:
        return str(json.loads((home.root / "up.json").read_text(encoding="utf-8"))["prefect_api_url"])
    except (OSError, ValueError, KeyError, TypeError):  # it has only just begun
        return None


def _is_locked(path: Path) -> bool:
    try:
        stream = path.open()
    except OSError:
        return False
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def answers(url: str, seconds: float = 2.0) -> bool:
    """Whether a Prefect API says it is healthy."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=seconds) as response:  # noqa: S310 - http only
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def comes_from(url: str, error: BaseException | None) -> bool:
    """Whether an error began with a Prefect API at this address that was away or too busy for a moment."""
    import httpx

    while error is not None:
        if isinstance(error, httpx.HTTPStatusError | httpx.TransportError):
            away = not isinstance(error, httpx.HTTPStatusError) or error.response.status_code >= 500
            if away and str(error.request.url).startswith(url):
                return True
        error = error.__cause__ or error.__context__
    return False


def free_port() -> int:
    """A TCP port on the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def die_with_parent() -> None:
    """Make the kernel end a child when its parent dies, also by SIGKILL (Linux only; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1: PR_SET_PDEATHSIG, see prctl(2)


def follow(parent: int) -> None:
    """End this process at once when `parent`, which started it, dies or is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def start_server(
    home: Home, port: int, *, pages: bool = False, services: bool = True, settings: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a Prefect server on the home's database; what it says goes to `server.log` of the home.

    With `pages` it shows its web pages. Without `services` (schedules, automations, clean-up) it leaves those to
    other servers and can stay open beside them. It dies with this process.
    """
    command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--lifespan", "on"]
    chosen = _pages(home) if pages else {"PREFECT_SERVER_UI_ENABLED": "false"}
    if not services:
        chosen["PREFECT__SERVER_WEBSERVER_ONLY"] = "true"
    environment = {**_server_environment(home), **chosen, **(settings or {})}
    return spawn(command, home.prefect / "server.log", environment)


def spawn(
    command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a process that dies with this one, and that Ctrl-C at our terminal does not reach; it writes to `log`."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdout=stream,
            stderr=stream,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )


def stop(process: subprocess.Popen[bytes], seconds: float = 15.0) -> None:
    """End a server we started: politely, then for good."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _pages(home: Home) -> dict[str, str]:
    return {
        "PREFECT_SERVER_UI_ENABLED": "true",
        # Relative, so that the pages ask the server they came from, whatever its port.
        "PREFECT_SERVER_UI_API_URL": "/api",
        # The second edition of the pages asks a foreign host for its settings even with analytics off.
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        # Prefect rewrites its pages when it serves them; by default inside the installed package.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home.prefect / "pages"),
    }


def _server_environment(home: Home) -> dict[str, str]:
    database = f"sqlite+aiosqlite:///{Path(home.prefect) / 'prefect.db'}"
    given = {"PREFECT_API_DATABASE_CONNECTION_URL": database, "PREFECT_SERVER_DATABASE_CONNECTION_URL": database}
    environment = {**given, **os.environ, **QUIET, "PREFECT_HOME": str(home.prefect)}
    environment.pop("PREFECT_API_URL", None)
    return environment


def _drain() -> None:
    """Hand the last log lines and events to the server before it stops."""
    if "prefect" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=5)
    EventsWorker.drain_all(timeout=10)
