"""SIGKILL while tuning: the same command ends with every trial, as if nothing had been; no worker is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.core.load import load_recipe
from tasks.tune.trials import Trial, load

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ("tune", "digits", "--trials", "30", "--no-run", "training.epochs=3", "tuning.pruning=none")
TIMELESS = ("number", "parameters", "state", "value", "curve", "metrics")


def start(home: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flows.cli", "--home", str(home), "--json", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def end(process: subprocess.Popen[str]) -> dict[str, Any]:
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stdout + stderr[-3000:]
    answer: dict[str, Any] = json.loads(stdout)
    return answer


def trials(home: Path) -> list[Trial]:
    folders = list((home / "work").glob("*/tune/*/trials"))
    return load(folders[0]) if folders else []


def kill_after(process: subprocess.Popen[str], home: Path, finished: int) -> None:
    """SIGKILL as soon as so many trials are finished and another one has begun."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        states = [trial.state for trial in trials(home)]
        if states.count("complete") >= finished and "running" in states:
            break
        assert process.poll() is None, process.communicate()[1][-3000:]
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thirty_trials_on_digits_killed_twice_end_as_if_nothing_had_been(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for finished in (5, 15):
        kill_after(start(killed, *DIGITS), killed, finished)
    assert 15 <= sum(trial.state == "complete" for trial in trials(killed)) < 30
    answer = end(start(killed, *DIGITS))
    assert (answer["trials"], answer["complete"]) == (30, 30)
    best = load_recipe(answer["recipe"]) if answer["best"]["trial"] is not None else None
    assert best is None or best.recipe.name == "digits"
    assert answer["best"]["value"] <= answer["default"]["value"]
    uninterrupted = end(start(whole, *DIGITS))
    assert answer["best"] == uninterrupted["best"]
    for one, other in zip(trials(killed), trials(whole), strict=True):
        assert [getattr(one, name) for name in TIMELESS] == [getattr(other, name) for name in TIMELESS]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_workers_end_with_the_command_that_started_them(small_recipe: Path, tmp_path: Path) -> None:
    words = ("tune", str(small_recipe), "--trials", "6", "--jobs", "2", "--no-run", "training.epochs=300")
    process = start(tmp_path / "home", *words, "training.early_stopping=null", "tuning.pruning=none")
    deadline = time.monotonic() + 300
    while not (children := workers_of(process.pid)) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1][-3000:]
        time.sleep(0.05)
    assert children
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []


def workers_of(parent: int) -> list[int]:
    """Processes that multiprocessing spawned for this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, status = (folder / "cmdline").read_bytes(), (folder / "stat").read_text()
        except OSError:  # it has just ended
            continue
        if b"spawn_main" in command and int(status.rpartition(")")[2].split()[1]) == parent:
            found.append(int(folder.name))
    return found
