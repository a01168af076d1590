"""Processes that belong together: restarted at growing distances, stopped in order, none left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.family import pause_after

ROOT = Path(__file__).resolve().parents[2]
# A process of its own adopts the orphans, so that the one that runs the tests stays as it is.
PROGRAM = """
import subprocess, sys, time
from flows.family import Child, Family
from flows.server import spawn
from pathlib import Path
folder = Path(sys.argv[1])
def start():
    return spawn([sys.executable, "-c", sys.argv[2]], folder / "log", {})
with Family([Child("one", start, patience=1.0)], lambda text: print(text, flush=True)) as family:
    print("pid", family.children[0].process.pid, flush=True)
    while not (folder / "stop").exists():
        family.tend()
        time.sleep(0.02)
print("over", flush=True)
"""
CHILD = """
import subprocess, time
print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
time.sleep(600)
"""


def started(folder: Path, child: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(folder), child]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def parent(tmp_path: Path):
    process = started(tmp_path, CHILD)
    yield process
    process.kill()
    process.wait()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def grandchildren(folder: Path) -> list[int]:
    log = folder / "log"
    return [int(line) for line in log.read_text().split()] if log.exists() else []


@pytest.mark.parametrize(("deaths", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (99, 30.0)])
def test_the_pause_doubles_with_each_death_in_a_row_up_to_half_a_minute(deaths: int, seconds: float):
    assert pause_after(deaths) == seconds


def test_who_dies_is_started_again_and_what_it_had_started_is_ended(parent: subprocess.Popen[str], tmp_path: Path):
    pid = int(first_line(parent).removeprefix("pid "))
    assert eventually(lambda: len(grandchildren(tmp_path)) == 1)
    (orphan,) = grandchildren(tmp_path)
    os.kill(pid, signal.SIGKILL)
    assert first_line(parent) == "one was ended by SIGKILL; it is started again in 0.5 s"
    assert eventually(lambda: not alive(orphan)), "what a dead child had started would keep its port"
    assert first_line(parent) == "one is started again"
    assert eventually(lambda: len(grandchildren(tmp_path)) == 2)
    assert alive(grandchildren(tmp_path)[1])


def test_at_the_end_nobody_is_left(parent: subprocess.Popen[str], tmp_path: Path):
    pid = int(first_line(parent).removeprefix("pid "))
    assert eventually(lambda: len(grandchildren(tmp_path)) == 1)
    (tmp_path / "stop").touch()
    assert first_line(parent) == "over"
    parent.wait(timeout=10)
    assert parent.returncode == 0
    assert not alive(pid)
    assert eventually(lambda: not alive(grandchildren(tmp_path)[0]))


def test_a_child_dies_with_a_parent_that_is_killed(parent: subprocess.Popen[str], tmp_path: Path):
    pid = int(first_line(parent).removeprefix("pid "))
    parent.send_signal(signal.SIGKILL)
    assert eventually(lambda: not alive(pid))


def test_one_that_ignores_a_polite_end_is_ended_all_the_same(tmp_path: Path):
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(99)"
    )
    parent = started(tmp_path, stubborn)
    pid = int(first_line(parent).removeprefix("pid "))
    assert eventually(lambda: grandchildren(tmp_path) == [1])
    began = time.monotonic()
    (tmp_path / "stop").touch()
    assert first_line(parent) == "over"
    parent.wait(timeout=10)
    assert not alive(pid)
    assert time.monotonic() - began < 8
