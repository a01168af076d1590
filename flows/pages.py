"""Prefect's and MLflow's web pages on one home, until Ctrl-C: `python -m flows.pages [--home DIR]`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from flows.cli.output import write
from flows.server import QUIET, START_SECONDS, free_port, spawn, start_server, stop
from tasks.core.errors import EvergreenError, ServiceError
from tasks.core.home import Home, open_home

MLFLOW_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # Without it the server starts a dozen processes for jobs that nothing here uses.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
}


@dataclass(frozen=True)
class Pages:
    """Where the pages are."""

    prefect: str
    """Runs, tasks and artifacts."""
    mlflow: str
    """Parameters, metrics and registered models."""


@contextlib.contextmanager
def serving(home: Home) -> Iterator[Pages]:
    """Serve the pages of a home for the time of a `with` block; a configured server is used as it is.

    Raises:
        ServiceError: a server does not come up, or the one that is configured does not answer.
    """
    home.prefect.mkdir(parents=True, exist_ok=True)
    home.mlflow.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as running:
        prefect = os.environ.get("PREFECT_API_URL", "").removesuffix("/api")
        mlflow = home.tracking_uri if home.tracking_uri.startswith("http") else ""
        if not prefect:
            port = free_port()
            prefect = f"http://127.0.0.1:{port}"
            running.callback(stop, start_server(home, port, pages=True, services=False))
        if not mlflow:
            port = free_port()
            mlflow = f"http://127.0.0.1:{port}"
            running.callback(stop, start_mlflow(home, port))
        _wait("Prefect", f"{prefect}/api/health", home.prefect / "server.log")
        _wait("MLflow", f"{mlflow}/health", home.mlflow / "server.log")
        yield pages_at(prefect, mlflow)


def pages_at(prefect: str, mlflow: str) -> Pages:
    """The pages to open on two servers whose addresses end in a port."""
    # Without the parameter MLflow opens its view for language-model applications.
    return Pages(f"{prefect}/runs", f"{mlflow}/#/experiments?workflowType=machine_learning")


def start_mlflow(home: Home, port: int) -> subprocess.Popen[bytes]:
    """Start an MLflow server on what the home tracks to; what it says goes to `server.log` of its folder.

    It dies with this process.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", home.tracking_uri]
    command += ["--no-serve-artifacts", "--default-artifact-root", str(home.mlflow / "artifacts")]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return spawn(command, home.mlflow / "server.log", {**os.environ, **QUIET, **MLFLOW_SETTINGS}, home.mlflow)


def _wait(name: str, address: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if healthy(address):
            return
        time.sleep(0.1)
    raise ServiceError(f"{name} at {address} does not answer.", remedy=f"Read {log}.", code=name.lower())


def healthy(address: str) -> bool:
    """Whether an address answers with 200."""
    try:
        with urllib.request.urlopen(address, timeout=2) as response:  # noqa: S310 - http only
            return bool(response.status == 200)
    except (OSError, ValueError):
        return False


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


@click.command()
@click.option("--home", metavar="DIR", help="Folder of all local state.")
def main(home: str | None) -> None:
    """Serve the pages and say where they are."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with serving(open_home(home)) as pages:
            write(
                f"runs, gates, decisions   {pages.prefect}\nmetrics and models       {pages.mlflow}\nCtrl-C ends both."
            )
            sys.stdout.flush()
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        return
    except EvergreenError as error:
        write(f"Error: {error}", to_stderr=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
