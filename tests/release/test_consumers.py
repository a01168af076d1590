"""A program that keeps running, with the code of docs/how-to/consume.md, while the champion moves under it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.server import die_with_parent, free_port, stop
from tasks.core.errors import ServiceError
from tasks.core.home import Home
from tasks.release import promotion
from tasks.release.environment import consumer_environment, pinned_requirements
from tasks.release.package import make_package
from tasks.release.servable import differences
from tasks.stores import packaged, registry
from tasks.stores.lease import hold
from tasks.stores.ledger import Ledger

SERVICE = """
import importlib.util, json, sys, time
from pathlib import Path
import pandas as pd
from champion import Champion

assert not any(importlib.util.find_spec(name) for name in ("tasks", "flows")), "the project is in reach"
inputs, stop = json.loads(Path("inputs.json").read_text()), Path("stop")
champion = Champion("toy", sys.argv[1], seconds=0.02)
answers, count, reloads, errors, before = {}, 0, 0, [], None
print("ready", flush=True)
while not stop.exists():
    try:
        version, predictions = champion.predict(pd.DataFrame(inputs))
        text = predictions.to_json(orient="records", double_precision=15)
        answers.setdefault(str(version), {}).setdefault(text, 0)
        answers[str(version)][text] += 1
    except Exception as error:
        errors.append(f"predict: {type(error).__name__}: {error}"[:500])
    found = champion.error
    if found is not None and (not errors or errors[-1] != str(found)[:500]):
        errors.append(str(found)[:500])
    reloads, before, count = reloads + (version != before), version, count + 1
    Path("progress").write_text(f"{count} {version} {'-' if champion.error is None else 'away'}")
print(json.dumps({"count": count, "reloads": reloads, "answers": answers, "errors": errors}), flush=True)
"""


class Service:
    """The program in an environment that holds MLflow and the model's requirements and nothing else."""

    def __init__(self, folder: Path, tracking_uri: str, inputs: Any) -> None:
        self.folder = folder
        folder.mkdir()
        document = (Path(__file__).parents[2] / "docs" / "how-to" / "consume.md").read_text()
        (code,) = re.findall(r"^```python\n(.*?)^```", document, flags=re.MULTILINE | re.DOTALL)
        (folder / "champion.py").write_text(code)
        (folder / "service.py").write_text(SERVICE)
        (folder / "inputs.json").write_text(json.dumps(inputs))
        python = consumer_environment(pinned_requirements(), folder / "environment")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW_TRACKING"))}
        self._said = (folder / "said.txt").open("wb")
        self._process = subprocess.Popen(
            [python, "service.py", tracking_uri],
            cwd=folder,
            env={**kept, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=subprocess.PIPE,
            stderr=self._said,
            preexec_fn=die_with_parent,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", self.said

    @property
    def said(self) -> str:
        """What it wrote to stderr."""
        return (self.folder / "said.txt").read_text(errors="replace")[-3000:]

    @property
    def progress(self) -> tuple[int, str, bool]:
        """Predictions so far, the version that gave the last one, whether the registry answers."""
        while len(words := (self.folder / "progress").read_text().split()) < 3:
            time.sleep(0.001)
        return int(words[0]), words[1], words[2] == "-"

    def wait(self, reached: Callable[[tuple[int, str, bool]], bool], seconds: float = 90) -> None:
        """Wait until its progress is as wanted."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (self.folder / "progress").exists() and reached(self.progress):
                return
            time.sleep(0.02)
        pytest.fail(f"the service stays at {self.progress}: {self.said}")

    def end(self) -> dict[str, Any]:
        """What it found."""
        (self.folder / "stop").touch()
        output, _ = self._process.communicate(timeout=120)
        assert self._process.returncode == 0, self.said
        found: dict[str, Any] = json.loads(output.splitlines()[-1])
        return found

    def close(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._said.close()


@pytest.fixture(scope="module")
def goldens(make_model: Callable[..., Any], shared_home: Home) -> dict[str, dict[str, Any]]:
    """Three versions of one model that answer the same rows differently; version → its golden predictions."""
    for attempt in range(3):
        make_package(*make_model(attempt=attempt, seed=attempt, steps=20 + 20 * attempt).inputs)
    found = {number: packaged.verified(shared_home, "toy", number).read("golden.json") for number in "123"}
    assert all(golden["inputs"] == found["1"]["inputs"] for golden in found.values())
    assert all(differences(found[one]["outputs"], found[two]["outputs"]) for one, two in ("12", "23", "13"))
    return found


def move(home: Home, number: int) -> None:
    """The next move of the champion: round through the versions, every fifth one a rollback."""
    with hold(home, "toy", f"move {number}"):
        promotion.recover(home, "toy")
        if number % 5 == 4:
            promotion.rollback(home, "toy", reason=f"back {number}")
            return
        champion = registry.champion_version(home, "toy") or "3"
        target = str(int(champion) % 3 + 1)
        promotion.promote_by_person(home, "toy", target, reason=f"move {number}", unblock=True)


def moves_of(home: Home) -> int:
    return len(Ledger(home.ledger).moves("toy"))


def assert_every_answer_is_that_of_its_version(found: dict[str, Any], goldens: dict[str, Any]) -> None:
    for version, texts in found["answers"].items():
        for text in texts:
            assert differences(goldens[version]["outputs"], json.loads(text)) == [], f"version {version}"


def test_a_service_follows_the_champion_and_always_answers_as_the_version_it_names(
    goldens: dict[str, Any], shared_home: Home, tmp_path: Path
):
    move(shared_home, 0)
    service = Service(tmp_path / "service", shared_home.tracking_uri, goldens["1"]["inputs"])
    try:
        before = moves_of(shared_home)
        for number in range(1, 21):
            move(shared_home, number)
        assert moves_of(shared_home) == before + 20
        champion = registry.champion_version(shared_home, "toy")
        service.wait(lambda progress: progress[1] == champion)
        found = service.end()
    finally:
        service.close()
    assert found["errors"] == []
    assert found["reloads"] >= 3
    assert_every_answer_is_that_of_its_version(found, goldens)


@contextmanager
def mlflow_server(home: Home, port: int) -> Iterator[str]:
    """A real MLflow server on the home's database, as a team runs one."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{home.mlflow}/mlflow.db"]
    command += ["--no-serve-artifacts", "--default-artifact-root", str(home.mlflow / "artifacts")]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (home.mlflow / "server.log").open("ab") as log:
        environment = {**os.environ, **settings}
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, preexec_fn=die_with_parent)
    try:
        deadline = time.monotonic() + 180
        while not healthy(port):
            assert time.monotonic() < deadline and process.poll() is None, (home.mlflow / "server.log").read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def command_line(home: Home, *words: str) -> None:
    from flows.cli import main

    assert main(["--home", str(home.root), "--json", *words]) == 0


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_two_hundred_moves_and_a_restart_of_the_server_go_unnoticed(
    goldens: dict[str, Any], shared_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home, port = shared_home, free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    first = moves_of(home)
    with mlflow_server(home, port) as address:
        move(home, 1000)
        service = Service(tmp_path / "service", address, goldens["1"]["inputs"])
        for number in range(1001, 1099):
            move(home, number)
        champion = registry.champion_version(home, "toy")
        service.wait(lambda progress: progress[1] == champion)
    try:
        # The server is away: nothing moves, and the service goes on with what it has.
        with pytest.raises(ServiceError):
            move(home, 1099)
        service.wait(lambda progress: not progress[2])
        count = service.progress[0]
        service.wait(lambda progress: progress[0] > count + 20 and progress[1] == champion)
        with mlflow_server(home, port):
            service.wait(lambda progress: progress[2])
            for number in range(1099, 1197):
                move(home, number)
            other = next(number for number in "123" if number != registry.champion_version(home, "toy"))
            command_line(home, "promote", f"toy/{other}", "--unblock", "--reason", "by hand")
            command_line(home, "rollback", "toy", "--reason", "by hand, back")
            while moves_of(home) < first + 201:
                move(home, moves_of(home) + 2000)
            last = registry.champion_version(home, "toy")
            service.wait(lambda progress: progress[1] == last)
            found = service.end()
    finally:
        service.close()
    assert moves_of(home) >= first + 201
    # Only the look at a server that was not there failed; no alias and no file was ever missing.
    assert found["errors"] != []
    assert all("Max retries exceeded" in error or "Connection" in error for error in found["errors"]), found["errors"]
    assert set(found["answers"]) == {"1", "2", "3"}
    assert found["reloads"] >= 20
    assert_every_answer_is_that_of_its_version(found, goldens)
