"""Everything in one terminal: Prefect's server, MLflow's server and the runner, until Ctrl-C.

`up` holds `up.lock` of the home as long as it lives, and `up.json` says where its servers are; both are how every
other command on this home finds them (`flows/server.py`, `known_url`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from flows.family import Child, Family
from flows.pages import healthy, start_mlflow
from flows.ports import Ports
from flows.server import QUIET, START_SECONDS, answers, spawn, start_server
from tasks.core.errors import RequestError, ServiceError
from tasks.core.home import Home, write_atomically

PREFECT_PORT, MLFLOW_PORT = 4200, 5000
SERVER = {
    # A run that the machine was too busy to start at once is not overdue.
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "120",
}
"""Settings of Prefect's server beside those of `flows/server.py`."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Addresses:
    """Where the servers are."""

    prefect_api_url: str
    mlflow_url: str

    @property
    def prefect(self) -> str:
        """Prefect's server without its path."""
        return self.prefect_api_url.removesuffix("/api")


Ready = Callable[[Addresses, list[str]], None]


@dataclass(frozen=True)
class Ended:
    """What there is to tell when it is over."""

    addresses: Addresses
    recipes: list[str]
    restarts: dict[str, int]
    """Times each process had to be started again."""


def up(home: Home, folder: Path, *, port: int | None, ready: Ready, tell: Tell) -> Ended:
    """Serve a home until SIGINT or SIGTERM; `ready` is called once, when all of it is there.

    Args:
        home: What is served.
        folder: Its `data/` holds recipes that are served as well, where they have a schedule.
        port: Of Prefect's server, exactly; none: 4200, or a free one.
        ready: Gets the addresses and the names of the recipes.
        tell: Gets one line for each process that died, and for each recipe that comes or cannot be used.

    Raises:
        RequestError: another `up` serves this home, the port is taken, or PREFECT_API_URL names another server.
        ServiceError: a server does not come up.
    """
    _check_alone()
    home.prefect.mkdir(parents=True, exist_ok=True)
    home.mlflow.mkdir(parents=True, exist_ok=True)
    with _locked(home), Ports() as ports, _stopping() as stop:
        prefect_url = f"http://127.0.0.1:{_prefect_port(port, ports)}/api"
        addresses = Addresses(prefect_url, _mlflow_url(home, ports))
        about = {"prefect_api_url": addresses.prefect_api_url, "mlflow_url": addresses.mlflow_url, "pid": os.getpid()}
        write_atomically(home.root / "up.json", json.dumps(about))
        try:
            return _serve(home, folder, addresses, ready, tell, stop)
        finally:
            (home.root / "up.json").unlink(missing_ok=True)


def _serve(
    home: Home,
    folder: Path,
    addresses: Addresses,
    ready: Ready,
    tell: Tell,
    stop: threading.Event,
) -> Ended:
    if addresses.mlflow_url.startswith("http://127.0.0.1:"):
        _make_tracking(home)
    board = Board(home, tell)
    with Family(_children(home, folder, addresses), tell) as family:
        _wait_until_ready(home, addresses, family, board, stop)
        if not stop.is_set():
            ready(addresses, board.recipes)
        while not stop.wait(0.2):
            family.tend()
            board.read()
        tell("stopping …")
    return Ended(addresses, board.recipes, {child.name: child.restarts for child in family.children})


def _children(home: Home, folder: Path, addresses: Addresses) -> list[Child]:
    prefect_port = int(addresses.prefect.rpartition(":")[2])
    found = [Child("Prefect", lambda: start_server(home, prefect_port, pages=True, settings=SERVER), patience=3.0)]
    if addresses.mlflow_url != home.tracking_uri:
        mlflow_port = int(addresses.mlflow_url.rpartition(":")[2])
        found.insert(0, Child("MLflow", lambda: start_mlflow(home, mlflow_port), patience=2.0))
    # The last one started is the first one stopped: what it says while it stops still finds a server.
    found.append(Child("runner", lambda: _start_runner(home, folder, addresses), patience=3.0))
    return found


def _start_runner(home: Home, folder: Path, addresses: Addresses) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "flows.runner", str(home.root), str(folder)]
    settings = {
        "PREFECT_API_URL": addresses.prefect_api_url,
        "PREFECT_HOME": str(home.prefect),
        "EVERGREEN_UP": str(os.getpid()),
    }
    return spawn(command, home.prefect / "runner.log", {**os.environ, **QUIET, **settings})


class Board:
    """What the runner says that it serves."""

    def __init__(self, home: Home, tell: Tell) -> None:
        self._file = home.prefect / "runner.json"
        self._file.unlink(missing_ok=True)
        self._tell = tell
        self._problems: list[str] = []
        self.recipes: list[str] = []
        self.pid = 0
        """Of the runner that said so; 0: none has yet."""

    def read(self) -> None:
        """Read it, and tell what is new."""
        try:
            found: dict[str, Any] = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return
        for problem in found["problems"]:
            if problem not in self._problems:
                self._tell(problem)
        for name in found["recipes"]:
            if self.pid and name not in self.recipes:
                self._tell(f"{name} is served now")
        self._problems, self.recipes, self.pid = found["problems"], found["recipes"], found["pid"]


def _wait_until_ready(home: Home, addresses: Addresses, family: Family, board: Board, stop: threading.Event) -> None:
    looks: dict[str, Callable[[], bool]] = {
        "Prefect": lambda: answers(addresses.prefect_api_url),
        "MLflow": lambda: healthy(f"{addresses.mlflow_url}/health"),
        "runner": lambda: _said(board),
    }
    logs = {"Prefect": home.prefect / "server.log", "MLflow": home.mlflow / "server.log"}
    for name, look in looks.items():
        deadline = time.monotonic() + START_SECONDS  # each begins in earnest when the one before it is there
        while not look() and not stop.wait(0.1):
            child = next((child for child in family.children if child.name == name), None)
            # The runner asks for a server that is still starting: it may need a second life.
            ended = child is not None and not child.alive and name != "runner"
            if ended or time.monotonic() > deadline:
                raise ServiceError(
                    f"{name} did not start.",
                    remedy=f"Read {logs.get(name, home.prefect / 'runner.log')}.",
                    code=name.lower(),
                )
            if name == "runner":
                family.tend()


def _said(board: Board) -> bool:
    board.read()
    return board.pid != 0


def _make_tracking(home: Home) -> None:
    """Make MLflow's database before a server can: two that make it at once break it."""
    from tasks.stores import address

    if address.is_sqlite(home) and not address.database(home).exists():
        from tasks.stores.tracking import open_tracking

        open_tracking(home)


def _check_alone() -> None:
    given = os.environ.get("PREFECT_API_URL")
    if given:
        raise RequestError(
            f"PREFECT_API_URL is {given}, and `up` starts a server of its own.",
            remedy="Unset it; or register with that server: `evergreen deploy RECIPE --pool NAME`.",
            code="prefect",
        )


def _prefect_port(asked: int | None, ports: Ports) -> int:
    if asked is None:
        return ports.take_near(PREFECT_PORT)
    if not ports.take(asked):
        raise RequestError(
            f"--port: {asked} is taken by another program.", remedy="Name another one, or leave it out.", code="port"
        )
    return asked


def _mlflow_url(home: Home, ports: Ports) -> str:
    """The server that is configured, else the address of ours."""
    if home.tracking_uri.startswith("http"):
        return home.tracking_uri
    return f"http://127.0.0.1:{ports.take_near(MLFLOW_PORT)}"


@contextlib.contextmanager
def _locked(home: Home) -> Iterator[None]:
    with (home.root / "up.lock").open("a+") as stream:
        if not _lock(stream):
            raise _served_already(home)
        yield


def _lock(stream: IO[str]) -> bool:
    # Who looks whether it is locked holds it for an instant.
    for _ in range(20):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.05)
    return False


def _served_already(home: Home) -> RequestError:
    try:
        about = json.loads((home.root / "up.json").read_text())
        who = f"process {about['pid']}: Prefect {about['prefect_api_url']}, MLflow {about['mlflow_url']}"
    except (OSError, ValueError, KeyError):
        who = "a process that has just begun"
    return RequestError(
        f"The home {home.root} is served already, by {who}.",
        remedy="Use that one, or end it first; or serve another home with --home.",
        code="up",
    )


@contextlib.contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
