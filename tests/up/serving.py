"""`evergreen up` as a process of its own, and what can be asked of the server it runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def write_recipe(folder: Path, name: str, **more: Any) -> Path:
    """A recipe that trains in seconds; `more` are its other sections."""
    folder.mkdir(parents=True, exist_ok=True)
    shipped = ROOT / "data" / "breast_cancer"
    shutil.copy(shipped / "expectations.json", folder)
    content = yaml.safe_load((shipped / "recipe.yaml").read_text())
    training = {**content["training"], "epochs": 2}
    content |= {"name": name, "training": training, "gates": {"thresholds": {}}, **more}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content))
    return folder / "recipe.yaml"


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be noticed does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def wait_for(look: Callable[[], Any], seconds: float = 120.0, what: str = "it") -> Any:
    """What `look` gives as soon as that is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        # Each question costs a busy server some hundredths of a second.
        time.sleep(0.5)
    pytest.fail(f"{what} did not come within {seconds:g} s")


@dataclass
class Prefect:
    """A Prefect server."""

    api: str

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """POST with a body, GET without; busy and starting servers are asked again."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.api}/{path}", data, {"Content-Type": "application/json"}, method=method
        )
        for pause in (0.5, 1, 2, 4, None):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.loads(answer.read() or b"null")
            except (urllib.error.HTTPError, TimeoutError) as error:
                if (isinstance(error, urllib.error.HTTPError) and error.code != 503) or pause is None:
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable")

    @property
    def deployments(self) -> dict[str, dict[str, Any]]:
        """By flow/deployment."""
        flows = {flow["id"]: flow["name"] for flow in self.ask("flows/filter", {})}
        return {f"{flows[found['flow_id']]}/{found['name']}": found for found in self.ask("deployments/filter", {})}

    def clear(self) -> None:
        """Remove every deployment, and every automation: Prefect leaves those of a deployment behind."""
        for found in self.deployments.values():
            self.ask(f"deployments/{found['id']}", method="DELETE")
        for found in self.automations:
            self.ask(f"automations/{found['id']}", method="DELETE")

    @property
    def automations(self) -> list[dict[str, Any]]:
        """All of them."""
        return list(self.ask("automations/filter", {}))

    def runs(self, deployment: str) -> list[dict[str, Any]]:
        """Flow runs of one deployment that no schedule made, oldest first."""
        identity = self.deployments[deployment]["id"]
        found = self.ask("flow_runs/filter", {"deployments": {"id": {"any_": [identity]}}})
        return sorted((run for run in found if not run["auto_scheduled"]), key=lambda run: run["expected_start_time"])

    def start(self, deployment: str, **parameters: Any) -> str:
        """Start a run as the form of a page does; gives its id."""
        identity = self.deployments[deployment]["id"]
        return str(self.ask(f"deployments/{identity}/create_flow_run", {"parameters": parameters})["id"])

    def run(self, identity: str) -> dict[str, Any]:
        """One flow run."""
        return dict(self.ask(f"flow_runs/{identity}"))

    def ended(self, identity: str, seconds: float = 480.0) -> dict[str, Any]:
        """A run once it has ended."""

        def look() -> dict[str, Any] | None:
            run = self.run(identity)
            return run if run["state_type"] in ("COMPLETED", "FAILED", "CANCELLED") else None

        return dict(wait_for(look, seconds, f"the end of run {identity}"))


@dataclass
class Up:
    """A running `evergreen up`."""

    process: subprocess.Popen[str]
    home: Path
    folder: Path
    told: Path
    """What it wrote on stderr."""
    about: dict[str, Any] = field(default_factory=dict)
    """Its `up.json`."""

    @property
    def prefect(self) -> Prefect:
        """Its Prefect server."""
        return Prefect(self.about["prefect_api_url"])

    def child(self, word: str) -> int:
        """Process id of the direct child whose command holds a word."""
        for pid in descendants(self.process.pid):
            status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == self.process.pid and word in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
        raise AssertionError(f"no child of up is {word}")

    @property
    def runner(self) -> int:
        """Process id of the runner that last said what it serves; 0: none has."""
        file = self.home / "prefect" / "runner.json"
        return int(json.loads(file.read_text())["pid"]) if file.exists() else 0

    def end(self, number: int = signal.SIGTERM) -> tuple[int, dict[str, Any], float]:
        """Send a signal: exit code, JSON answer, and the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, json.loads(out) if out else {}, time.monotonic() - began


def start_up(folder: Path, home: Path, *words: str) -> Up:
    """Start `evergreen up` in a folder, and wait until it says that all is there."""
    told = folder / "up.err"
    with told.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "--home", str(home), "--json", "up", *words],
            cwd=folder,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    def look() -> bool:
        assert process.poll() is None, told.read_text() + (process.stdout.read() if process.stdout else "")
        return "Ctrl-C ends it." in told.read_text()

    try:
        wait_for(look, 400.0, "up")
    except BaseException:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        raise
    return Up(process, home, folder, told, json.loads((home / "up.json").read_text()))


def command(home: Path, folder: Path, *words: str, **variables: str) -> tuple[int, dict[str, Any]]:
    """Another command: its exit code and answer."""
    ended = subprocess.run(
        [sys.executable, "-m", "flows.cli", "--home", str(home), "--json", *words],
        cwd=folder,
        env={**ENVIRONMENT, **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)
